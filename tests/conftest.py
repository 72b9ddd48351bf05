"What tests share: one thread for numerical libraries, the project's folder, real recordings where they are."

import os
import shutil
from pathlib import Path

# Before numpy or torch are imported: tests run beside each other on few cores.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The longest files, which go first: no process is left with one of them at the end.
LONGEST = "cluster judges experiment curation candidates browser listening".split()


def pytest_collection_modifyitems(items: list) -> None:
    "Put the longest files first, in the order of `LONGEST`."
    place = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session")
def root() -> Path:  # the project's folder
    "The folder that holds settings.ini."
    return ROOT


def copy_project(folder: Path) -> Path:  # the copy
    "Copy the project into a folder, without what can be made again."
    made = ".git .venv _docs _proc api runs __pycache__ .ipynb_checkpoints .pytest_cache *.egg-info"
    return Path(shutil.copytree(ROOT, folder / "metaug", ignore=shutil.ignore_patterns(*made.split())))


@pytest.fixture(scope="session")
def few_versions(tmp_path_factory) -> str:
    "A grid of three versions, one drawn by chance, instead of the paper's 20: where their number doesn't matter."
    file = tmp_path_factory.mktemp("grid") / "few.yaml"
    levels = ("stretch: [0.8]", "drc: [speech]", "bgnoise: {weight: [0.1, 0.5], recordings: 1}")
    file.write_text("\n".join(levels))
    return str(file)


@pytest.fixture(scope="session")
def real_data():
    "A function from a collection's name (`esc10`, `urbansound8k`, …) to its folder; the test is skipped where it is not there."
    base = Path(os.environ.get("METAUG_DATA") or ROOT.parent / "shared" / "data")

    def folder(name: str) -> Path:
        if not (base / name).is_dir():
            pytest.skip(f"no recordings: {name} is not in the folder that METAUG_DATA names")
        return base / name

    return folder
