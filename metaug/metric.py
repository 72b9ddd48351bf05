"N-pair metric learning."

from .learning.metric import (
    METRIC_RECIPE,
    averaged_log_mels,
    by_rank_loss,
    dead_units,
    learn_metric,
    net_quality,
    npair_loss,
    pair_batches,
    rank_loss,
    score_of,
    warn_if_collapsed,
)

__all__ = [
    "METRIC_RECIPE",
    "averaged_log_mels",
    "by_rank_loss",
    "dead_units",
    "learn_metric",
    "net_quality",
    "npair_loss",
    "pair_batches",
    "rank_loss",
    "score_of",
    "warn_if_collapsed",
]
