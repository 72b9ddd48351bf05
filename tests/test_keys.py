"Work that an earlier release finished is found: keys of a small graph, written down before the modules became packages (69170dd)."

import json
from pathlib import Path

import numpy as np

from metaug.augmentation import Recording, store_attrs
from metaug.curation.judges import _part_tasks
from metaug.datasets import load_clips
from metaug.experiment import Graph, Settings, store_key

BEFORE = json.loads((Path(__file__).parent / "keys.json").read_text())
SCHEMES = ("none", "brute", "metric", "random", "class", "class-oracle", "classifier", "weight", "only-stretch")


def test_tasks_of_a_run_keep_their_keys():
    settings = Settings(schemes=SCHEMES, k=(1, 5), seeds=(0, 1), folds=(1, 2), valid_folds=2, epochs=3)
    graph = Graph("0123456789abcdef", [1, 2, 3, 4, 5], settings)
    keys = {stage: [task.key for task in tasks] for stage, tasks in graph.stages.items()}
    assert keys == {stage: BEFORE[stage] for stage in keys} and sum(map(len, keys.values())) == 206


def test_a_store_keeps_its_name(monkeypatch):
    "Generated sound differs in its last bit from processor to processor, so its digests are those written down."
    digests = dict(BEFORE["attrs"]["background"])
    monkeypatch.setattr(Recording, "digest", property(lambda recording: digests[recording.name]))
    assert store_attrs() == BEFORE["attrs"]
    assert store_key(load_clips("generated"), Settings().making) == BEFORE["store"]


def test_a_recording_keeps_its_digest():
    assert Recording("ramp", np.arange(8, dtype=np.float32) / 8, 44100).digest == "cc7b4a169308cf58"


def test_nets_of_a_selection_keep_their_keys():
    tasks = _part_tasks("0123456789abcdef", {1: ["a", "b"], 2: ["a"]}, 30, 0)
    assert [task.key for task in tasks] == BEFORE["parts"]
