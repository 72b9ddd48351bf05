"Which samples are worth training on."

from ..core.moved import renamed
from ..core.checks import at_least, need_columns
from ..core.constants import SAMPLE_KEY
from ..core.neighbours import CHUNK_VALUES, UNITS, Neighbours, knn, knn_predict, nearest, unit_rows, vote
from ..core.plugins import import_named
from .algorithm import (
    accept_brute,
    accept_metric,
    accept_none,
    acceptance,
    candidates,
    judge_originals,
    warn_of_few_references,
)
from .schemes import (
    CONTROLS,
    SCHEMES,
    Scheme,
    accept_by_class,
    accept_random,
    conformal,
    control_of,
    get_scheme,
    only,
    rule_name,
    weigh,
    weigh_votes,
)
from .effects import OVERALL, acceptance_by_class, by_class_deformation, class_effects, neighbourhoods, predicted_share

__all__ = [
    "CHUNK_VALUES",
    "CONTROLS",
    "OVERALL",
    "SAMPLE_KEY",
    "SCHEMES",
    "UNITS",
    "Neighbours",
    "Scheme",
    "accept_brute",
    "accept_by_class",
    "accept_metric",
    "accept_none",
    "accept_random",
    "acceptance",
    "acceptance_by_class",
    "at_least",
    "by_class_deformation",
    "candidates",
    "class_effects",
    "conformal",
    "control_of",
    "get_scheme",
    "import_named",
    "judge_originals",
    "knn",
    "knn_predict",
    "nearest",
    "need_columns",
    "neighbourhoods",
    "only",
    "predicted_share",
    "rule_name",
    "unit_rows",
    "vote",
    "warn_of_few_references",
    "weigh",
    "weigh_votes",
]

__getattr__ = renamed(
    __name__,
    {
        "select": "weigh",
        "table2": "acceptance_by_class",
        "flow": "predicted_share",
        "surroundings": "neighbourhoods",
    },
)
