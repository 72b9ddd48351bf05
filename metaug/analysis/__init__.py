"Tables, intervals, tests and figures of a result."

from ..core.checks import need_rows
from ..core.constants import PAPER, PAPER_ACCEPTANCE
from ..core.statistics import DRAWS, EXACT, RankCorrelation, fold_mean, holm, mcnemar, rank_correlation, sign_flip_test
from ..core.runs import Run, read_run
from .tables import COSTS, DEFORMATIONS, OFTEN_ONE, ORDER, SETTING, confusion_matrix, summary
from .acceptance import (
    STRENGTHS,
    acceptance_by_k,
    acceptance_by_strength,
    beside_paper,
    confusion_and_acceptance,
    principal_plane,
)
from .comparisons import compare, comparisons
from .drawing import DIFFERENCE, MARKERS, STYLE, styled
from .figures import plot_acceptance, plot_accuracy, plot_confusion, plot_confusion_difference, plot_effects
from .observations import AGAINST, plot_confusion_and_acceptance, plot_embedding, plot_strength, plot_tradeoff
from .report import save_figures, save_report, show_comparisons, show_report, show_summary

__all__ = [
    "AGAINST",
    "COSTS",
    "DEFORMATIONS",
    "DIFFERENCE",
    "DRAWS",
    "EXACT",
    "MARKERS",
    "OFTEN_ONE",
    "ORDER",
    "PAPER",
    "PAPER_ACCEPTANCE",
    "SETTING",
    "STRENGTHS",
    "STYLE",
    "RankCorrelation",
    "Run",
    "acceptance_by_k",
    "acceptance_by_strength",
    "beside_paper",
    "compare",
    "comparisons",
    "confusion_and_acceptance",
    "confusion_matrix",
    "fold_mean",
    "holm",
    "mcnemar",
    "need_rows",
    "plot_acceptance",
    "plot_accuracy",
    "plot_confusion",
    "plot_confusion_and_acceptance",
    "plot_confusion_difference",
    "plot_effects",
    "plot_embedding",
    "plot_strength",
    "plot_tradeoff",
    "principal_plane",
    "rank_correlation",
    "read_run",
    "save_figures",
    "save_report",
    "show_comparisons",
    "show_report",
    "show_summary",
    "sign_flip_test",
    "styled",
    "summary",
]
