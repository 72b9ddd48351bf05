"Tables, intervals, tests and figures of a result."

from ..core.checks import need_rows
from ..core import constants
from ..core.constants import PAPER, PAPER_ACCEPTANCE
from ..core.statistics import DRAWS, EXACT, RankCorrelation, fold_mean, holm, mcnemar, rank_correlation, sign_flip_test
from ..core.runs import Run, read_run
from .tables import COSTS, OFTEN_ONE, ORDER, SETTING, confusion_matrix, deformation_order, summary
from .acceptance import (
    STRENGTHS,
    acceptance_by_k,
    acceptance_by_strength,
    beside_paper,
    confusion_and_acceptance,
    principal_plane,
)
from .comparisons import compare, comparisons
from .drawing import DIFFERENCE, MARKERS, STYLE, alt_text, styled
from .figures import plot_acceptance, plot_accuracy, plot_confusion, plot_confusion_difference, plot_effects
from .observations import AGAINST, plot_confusion_and_acceptance, plot_embedding, plot_strength, plot_tradeoff
from .report import report_tables, save_figures, save_report, show_comparisons, show_report, show_summary, show_worth

DEFORMATIONS = list(constants.DEFORMATIONS)  # names alone, in the paper's order

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
    "alt_text",
    "beside_paper",
    "compare",
    "comparisons",
    "confusion_and_acceptance",
    "confusion_matrix",
    "deformation_order",
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
    "report_tables",
    "save_figures",
    "save_report",
    "show_comparisons",
    "show_report",
    "show_summary",
    "show_worth",
    "sign_flip_test",
    "styled",
    "summary",
]
