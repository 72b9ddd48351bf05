"Clips from anywhere as one tidy table."

from ..core.checks import InputError
from ..core.constants import MAX_FRAMES, MAX_SECONDS, SOURCES
from ..core.files import cache_folder
from .sounds import read_audio
from .tables import MAX_ROWS, MAX_TABLE_BYTES, MAX_TEXT, PARQUET_ERRORS, check_parquet
from .layouts import SOUND_SUFFIXES
from .published import ARCHIVES, data_folders, download
from .generated import GENERATED_LABELS, GENERATED_NOTE, GENERATED_VERSION, generate_clips
from .clips import load_clips, make_folds
from .facts import (
    CLIPPED,
    NEAR_SILENT,
    Survey,
    copies_as_one_source,
    draw_survey,
    file_facts,
    findings,
    save_picture,
    survey,
)

__all__ = [
    "ARCHIVES",
    "CLIPPED",
    "GENERATED_LABELS",
    "GENERATED_NOTE",
    "GENERATED_VERSION",
    "MAX_FRAMES",
    "MAX_ROWS",
    "MAX_SECONDS",
    "MAX_TABLE_BYTES",
    "MAX_TEXT",
    "NEAR_SILENT",
    "PARQUET_ERRORS",
    "SOUND_SUFFIXES",
    "SOURCES",
    "InputError",
    "Survey",
    "cache_folder",
    "check_parquet",
    "copies_as_one_source",
    "data_folders",
    "download",
    "draw_survey",
    "file_facts",
    "findings",
    "generate_clips",
    "load_clips",
    "make_folds",
    "read_audio",
    "save_picture",
    "survey",
]
