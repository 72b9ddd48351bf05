"Log-mels, patches, and the store that holds them."

from ..core.constants import FRAME, N_MELS, PATCH, SAMPLE_RATE, VERSIONS
from ..core.files import MARK, claim_folder, refuse_among_sounds, write_atomic
from .mel import AMIN, TOP_DB, log_mel, mel_db, mel_filters, patch_starts, patches
from .store import LogMelStore

__all__ = [
    "AMIN",
    "FRAME",
    "MARK",
    "N_MELS",
    "PATCH",
    "SAMPLE_RATE",
    "TOP_DB",
    "VERSIONS",
    "LogMelStore",
    "claim_folder",
    "log_mel",
    "mel_db",
    "mel_filters",
    "patch_starts",
    "patches",
    "refuse_among_sounds",
    "write_atomic",
]
