"Work that an earlier release finished is found: keys of a small graph, written down before the modules became packages (69170dd)."

import json
from pathlib import Path

import numpy as np

from metaug.augmentation import generated_street, store_attrs
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


def test_a_store_keeps_its_name():
    assert store_attrs() == BEFORE["attrs"]
    assert store_key(load_clips("generated"), Settings().making) == BEFORE["store"]


def test_generated_streets_are_those_whose_digests_are_written_down():
    streets = [generated_street(number).samples.astype(float) for number in range(4)]
    power = [0.016700181164410927, 0.01152117719186297, 0.012102437414104826, 0.010330216997733442]
    some = [-0.456500131636858, -0.1564061180979479, 0.031070527504198253, 0.18902761628851295]
    np.testing.assert_allclose([np.mean(street**2) for street in streets], power, rtol=1e-6)
    np.testing.assert_allclose([street[::100000].sum() for street in streets], some, atol=1e-5)


def test_nets_of_a_selection_keep_their_keys():
    tasks = _part_tasks("0123456789abcdef", {1: ["a", "b"], 2: ["a"]}, 30, 0)
    assert [task.key for task in tasks] == BEFORE["parts"]
