"Clips from anywhere as one tidy table."

from ..core.checks import InputError
from ..core.constants import MAX_FRAMES, MAX_SECONDS, SOURCES
from ..core.files import cache_folder
from .sounds import is_sound, read_audio, read_recording
from .tables import MAX_ROWS, MAX_TABLE_BYTES, MAX_TEXT, check_parquet, read_table
from .published import ARCHIVES, data_folders, download
from .layouts import SOUND_SUFFIXES
from .generated import GENERATED_LABELS, GENERATED_NOTE, GENERATED_VERSION, generate_clips
from .clips import Collection, load_clips, make_folds, read_collection
from .facts import (
    CLIPPED,
    NEAR_SILENT,
    OFF_ZERO,
    VERY_SHORT,
    copies_as_one_source,
    file_facts,
    findings,
    unusable,
    usable,
)
from .overview import Survey, draw_survey, save_picture, survey

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
    "OFF_ZERO",
    "SOUND_SUFFIXES",
    "SOURCES",
    "VERY_SHORT",
    "Collection",
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
    "is_sound",
    "load_clips",
    "make_folds",
    "read_audio",
    "read_collection",
    "read_recording",
    "read_table",
    "save_picture",
    "survey",
    "unusable",
    "usable",
]
