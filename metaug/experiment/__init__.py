"The paper's Section 3, for any collection."

from ..core.moved import renamed
from ..core.checks import TaskError
from ..core.constants import BUDGETS
from ..core.files import digest, remove_partials
from ..core.process import log, one_thread
from ..core.cluster import workers
from ..core.tasks import Task, run_task, run_tasks
from ..core.runs import refuse_other_data, run_name, source_name
from ..augmentation.samples import deforming_rate, middle_sound, prepare_store, store_key
from ..learning.training import LogEpochs
from ..learning.classification import PATCHES_PER_CLIP, clip_scores, learn_classifier, training_rate
from .work import EMBEDDINGS, WORK, class_rows, embedding_learner, fold_predictions, open_store
from .settings import Arm, Settings, fold_numbers
from .protocol import Graph, plan
from .checks import check, check_judge
from .worth import held_out_originals
from .outcome import Outcome, collect, embedding_of
from .forecast import (
    Forecast,
    dry_run,
    forecast_run,
    outline,
    planned,
    reasons,
)
from .notebooks import RunSettings, experiment_notebook, fold_notebooks, notebook_parameters, run_settings
from .run import experiment

__all__ = [
    "BUDGETS",
    "EMBEDDINGS",
    "PATCHES_PER_CLIP",
    "WORK",
    "Arm",
    "Forecast",
    "Graph",
    "LogEpochs",
    "Outcome",
    "RunSettings",
    "Settings",
    "Task",
    "TaskError",
    "check",
    "check_judge",
    "class_rows",
    "clip_scores",
    "collect",
    "deforming_rate",
    "digest",
    "dry_run",
    "embedding_learner",
    "embedding_of",
    "experiment",
    "experiment_notebook",
    "fold_notebooks",
    "fold_numbers",
    "fold_predictions",
    "forecast_run",
    "held_out_originals",
    "learn_classifier",
    "log",
    "middle_sound",
    "notebook_parameters",
    "one_thread",
    "open_store",
    "outline",
    "plan",
    "planned",
    "prepare_store",
    "reasons",
    "refuse_other_data",
    "remove_partials",
    "run_name",
    "run_settings",
    "run_task",
    "run_tasks",
    "source_name",
    "store_key",
    "training_rate",
    "workers",
]

__getattr__ = renamed(
    __name__,
    {
        "do_all": "run_tasks",
        "do": "run_task",
        "sweep": "remove_partials",
        "NETS": "EMBEDDINGS",
        "get_net": "embedding_learner",
        "embedded": "embedding_of",
    },
)
