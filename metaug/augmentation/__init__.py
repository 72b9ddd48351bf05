"The deformations of a clip, by three engines."

from ..core.moved import renamed
from ..core.constants import DEFORMATIONS, ENGINES, WEIGHTS
from ..datasets.sounds import pcm16
from .engines import compand, load_muda, muda, rubber_band
from .spectral import PHASE_LOSS, log_mel_at, pitch_mel, stretch_mel
from .background import Recording, generated_street, load_background, mix, noise_segment
from .deformers import (
    AUGMENT_VERSION,
    DEFORMERS,
    BackgroundNoise,
    DynamicRangeCompression,
    LogspaceTimeStretch,
    PitchShift,
    TimeStretch,
    pack,
    sample_rng,
)
from .samples import augment, deform, deform_clip, store_attrs
from .provenance import MAX_JAMS, MAX_STEPS, jams_of, read_history, replay
from .export import DEFORMED_NAME, claim_audio, export_audio

__all__ = [
    "AUGMENT_VERSION",
    "DEFORMATIONS",
    "DEFORMED_NAME",
    "DEFORMERS",
    "ENGINES",
    "MAX_JAMS",
    "MAX_STEPS",
    "PHASE_LOSS",
    "WEIGHTS",
    "BackgroundNoise",
    "DynamicRangeCompression",
    "LogspaceTimeStretch",
    "PitchShift",
    "Recording",
    "TimeStretch",
    "augment",
    "claim_audio",
    "compand",
    "deform",
    "deform_clip",
    "export_audio",
    "generated_street",
    "jams_of",
    "load_background",
    "load_muda",
    "log_mel_at",
    "mix",
    "muda",
    "noise_segment",
    "pack",
    "pcm16",
    "pitch_mel",
    "read_history",
    "replay",
    "rubber_band",
    "sample_rng",
    "store_attrs",
    "stretch_mel",
]

__getattr__ = renamed(
    __name__,
    {
        "read_mel": "log_mel_at",
    },
)
