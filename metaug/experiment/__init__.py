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
from .protocol import Arm, Graph, Settings, check, plan
from .outcome import Outcome, embedding_of
from .forecast import outline, reasons
from .notebooks import experiment_notebook, fold_notebooks, notebook_parameters
from .run import experiment

__all__ = [
    "BUDGETS",
    "EMBEDDINGS",
    "PATCHES_PER_CLIP",
    "WORK",
    "Arm",
    "Graph",
    "LogEpochs",
    "Outcome",
    "Settings",
    "Task",
    "TaskError",
    "check",
    "class_rows",
    "clip_scores",
    "deforming_rate",
    "digest",
    "embedding_learner",
    "embedding_of",
    "experiment",
    "experiment_notebook",
    "fold_notebooks",
    "fold_predictions",
    "learn_classifier",
    "log",
    "middle_sound",
    "notebook_parameters",
    "one_thread",
    "open_store",
    "outline",
    "plan",
    "prepare_store",
    "reasons",
    "refuse_other_data",
    "remove_partials",
    "run_name",
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
