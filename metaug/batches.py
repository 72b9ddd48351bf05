"Random patches, a batch at a time."

from .learning.batches import LogMelBlock, PatchDL, RandomPatch, ResidentMels, Sampler, patch_dls, shuffled

__all__ = [
    "LogMelBlock",
    "PatchDL",
    "RandomPatch",
    "ResidentMels",
    "Sampler",
    "patch_dls",
    "shuffled",
]
