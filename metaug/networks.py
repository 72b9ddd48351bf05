"The network of Table 1, and its training."

from .core.constants import DROPOUT, EMBEDDING
from .core.process import keep_memory, return_memory
from .learning.networks import classifier, embed, encoder, load_weights, over_patches, predict, save_weights
from .learning.training import RECIPES, KeepBest, Recipe, Trained, seeded, train

__all__ = [
    "DROPOUT",
    "EMBEDDING",
    "RECIPES",
    "KeepBest",
    "Recipe",
    "Trained",
    "classifier",
    "embed",
    "encoder",
    "keep_memory",
    "load_weights",
    "over_patches",
    "predict",
    "return_memory",
    "save_weights",
    "seeded",
    "train",
]
