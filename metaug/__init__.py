__version__ = "0.1.0"


def __getattr__(name):
    "`metaug.select` and what belongs to it; imported when asked for, so that `import metaug` needs no torch."
    if name not in ("select", "find", "forecast", "judge"):
        raise AttributeError(f"module 'metaug' has no attribute {name!r}")
    from . import curation

    return getattr(curation, name)
