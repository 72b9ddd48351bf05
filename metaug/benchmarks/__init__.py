"What metaug costs against the usual tools."

from ..core.moved import renamed
from .timing import Bench, Fact, Missing, SelfTimed, Timing, alternate, machine, plot_bench, resource, timing_ratios
from .sound import LEVELS
from .training import flops_a_patch, plain_network
from .neighbours import faiss, rank_loss_by_loop
from .pairs import PAIRS, bench

__all__ = [
    "LEVELS",
    "PAIRS",
    "Bench",
    "Fact",
    "Missing",
    "SelfTimed",
    "Timing",
    "alternate",
    "bench",
    "faiss",
    "flops_a_patch",
    "machine",
    "plain_network",
    "plot_bench",
    "rank_loss_by_loop",
    "resource",
    "timing_ratios",
]

__getattr__ = renamed(
    __name__,
    {
        "Told": "SelfTimed",
        "summarise": "timing_ratios",
    },
)
