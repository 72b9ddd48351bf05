"What metaug costs against the usual tools."

from ..core.moved import renamed
from .timing import Bench, Fact, Missing, Timing, Told, alternate, machine, plot_bench, resource, timing_ratios
from .pairs import LEVELS, PAIRS, bench, faiss, flops_a_patch, plain_network, rank_loss_by_loop

__all__ = [
    "LEVELS",
    "PAIRS",
    "Bench",
    "Fact",
    "Missing",
    "Timing",
    "Told",
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
        "summarise": "timing_ratios",
    },
)
