"A folder of sounds in, a filtered training set out."

from ..core.moved import renamed
from ..learning.training import StopEarly
from .judges import RULES, Judgement, Judging, best_judgement, judge_parts
from .recordings import judge_recordings
from .audit import MOST_NEIGHBOURS, Audit, audit_page, default_neighbours, judge, write_audit_page, write_audit_table
from .parts import MOST_PAIRS, PATCHES, PATIENCE, QUICK, QUICK_PATCHES, SCORINGS, default_epochs, judgeable
from .manifest import _write_sounds, read_manifest, safe_names
from .finding import Found, find, forecast
from .selecting import Selection, _check, acceptance_summary, select
from .overruling import DECISIONS, apply_decisions, read_decisions
from .loaders import Sounds, audio_folder, dataloaders, plain_csv, read_log_mel, split
from .accepting import Accepting, Counted, NearReferences
from .demonstration import Demo, demo, demo_sounds, wrong_found

__all__ = [
    "MOST_NEIGHBOURS",
    "MOST_PAIRS",
    "PATCHES",
    "PATIENCE",
    "QUICK",
    "QUICK_PATCHES",
    "RULES",
    "SCORINGS",
    "Accepting",
    "Audit",
    "Counted",
    "DECISIONS",
    "Demo",
    "Found",
    "Judgement",
    "Judging",
    "NearReferences",
    "Selection",
    "Sounds",
    "StopEarly",
    "acceptance_summary",
    "apply_decisions",
    "audio_folder",
    "audit_page",
    "best_judgement",
    "dataloaders",
    "default_epochs",
    "default_neighbours",
    "demo",
    "demo_sounds",
    "find",
    "forecast",
    "judge",
    "judge_parts",
    "judge_recordings",
    "judgeable",
    "plain_csv",
    "read_decisions",
    "read_log_mel",
    "read_manifest",
    "safe_names",
    "select",
    "split",
    "write_audit_page",
    "write_audit_table",
    "wrong_found",
]

__getattr__ = renamed(
    __name__,
    {
        "read_mel": "read_log_mel",
        "summarise": "acceptance_summary",
    },
)
