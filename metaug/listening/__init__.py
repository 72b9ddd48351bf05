"One page that shows and plays what was judged."

from ..core.moved import renamed
from .media import PLAYED_RATE, PLAYED_SECONDS, Medium, media_within_budget, medium, mp3, picture, why_silent
from .contents import by_sample, in_words, listening_order, page_data
from .verdict import EXPLAINED, FEW_REJECTED, NEARLY_ALL, explain_deformations, one_way, page_verdict
from .webpage import Browser, browse, embed_json, fill, find_store, listening_page, page

__all__ = [
    "EXPLAINED",
    "FEW_REJECTED",
    "NEARLY_ALL",
    "PLAYED_RATE",
    "PLAYED_SECONDS",
    "Browser",
    "Medium",
    "browse",
    "by_sample",
    "embed_json",
    "explain_deformations",
    "fill",
    "find_store",
    "in_words",
    "listening_order",
    "listening_page",
    "media_within_budget",
    "medium",
    "mp3",
    "one_way",
    "page",
    "page_data",
    "page_verdict",
    "picture",
    "why_silent",
]

__getattr__ = renamed(
    __name__,
    {
        "spend": "media_within_budget",
        "in_turn": "listening_order",
        "gather": "page_data",
    },
)
