"Names that were called otherwise in the release before: they still work, and warn."

import importlib
import warnings
from collections.abc import Callable


def renamed(
    module: str,  # full name of the module that had them
    names: dict[str, str],  # old name → new name
) -> Callable:  # the module's `__getattr__`
    "Make old names of a module lead to the new ones, with a `FutureWarning`."

    def look_up(name):
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now {module}.{names[name]}", FutureWarning, stacklevel=2)
        return getattr(importlib.import_module(module), names[name])

    return look_up
