"Judges by name, what they are worth, and one that has heard AudioSet."

from importlib import import_module

_ROOMS = {
    "calibration": (
        "ALL_CLASSES",
        "KNOWN",
        "LEAST_CONTRAST",
        "conformal_p",
        "score_interval",
        "untrusted_classes",
        "warn_of_untrusted",
        "worth_by_class",
        "worth_of_judges",
        "worth_texts",
        "wrong_share",
    ),
    "embeddings": (
        "PRETRAINED",
        "SHARES",
        "embed_versions",
        "embedding_tasks",
        "fixed_digest",
        "is_fixed",
        "read_embeddings",
    ),
    "front_end": ("deformed_log_mel", "judge_log_mel", "mel_triangles", "pre_emphasis"),
    "pretrained": ("efficientat", "embed", "embed_deformed", "embed_log_mels", "weights_file"),
}
__all__ = sorted(name for names in _ROOMS.values() for name in names)


def __getattr__(name):
    "Import the room of a public name when the name is asked for: `pretrained` needs torch."
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f".{room}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    "List the public names."
    return __all__
