"""The one function of Python's old module `imp`, gone since 3.12, that muda 0.4.1's setup script calls.

`PYTHONPATH=.ci/muda pip install --no-deps muda==0.4.1` lets muda install on Python 3.12 and newer; it runs there as it is."""

import importlib.util


def load_source(name, path):
    "Run a file as a module."
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
