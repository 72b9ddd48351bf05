__version__ = "0.2.0"


def __getattr__(name):
    "Import `metaug.select`, `metaug.Accepting` and their like when asked for: `import metaug` needs no torch."
    if name not in ("Accepting", "select", "find", "forecast", "judge"):
        raise AttributeError(f"module 'metaug' has no attribute {name!r}")
    from . import curation

    return getattr(curation, name)
