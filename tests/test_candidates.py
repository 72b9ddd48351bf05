"Candidates from anywhere: pipelines as people have them, other grids through every command, sounds from elsewhere."

import json
import os

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

from metaug import augmentation
from metaug.augmentation import deform_clip, jams_of, replay
from metaug.datasets import InputError

PIPELINES = """
import numpy as np


def quieter(samples, sample_rate):
    quieter.parameters = dict(gain=float(np.random.uniform(0.1, 1)))
    return samples * quieter.parameters["gain"]


def broken(samples, sample_rate):
    if np.random.uniform() < 0.5:
        raise ValueError("no such effect")
    return np.full_like(samples, np.nan)


class Telephone:
    "No class of muda's: ten lines of one's own."

    def __init__(self, value, rng):
        self.value, self.rng = value, rng

    def states(self, jam):
        yield dict(gain=self.value * float(self.rng.uniform(0.5, 1)), rate="no number")

    def audio(self, mudabox, state):
        mudabox._audio["y"] = mudabox._audio["y"] * state["gain"]
"""
COMPOSED = """
import audiomentations

augment = audiomentations.Compose([
    audiomentations.AddGaussianNoise(p=0.7),
    audiomentations.OneOf([audiomentations.Gain(p=1), audiomentations.PitchShift(p=1)]),
    audiomentations.TimeStretch(leave_length_unchanged=False, p=0.5),
])
"""
BOARD = """
import pedalboard

augment = pedalboard.Pedalboard([pedalboard.Reverb(room_size=0.4), pedalboard.Gain(gain_db=-3)])
"""
TORCHED = """
import torch_audiomentations

augment = torch_audiomentations.Compose(
    [torch_audiomentations.Gain(p=0.8, output_type="dict"), torch_audiomentations.PolarityInversion(p=0.5, output_type="dict")],
    output_type="dict",
)
"""
KINDS = {"audiomentations": COMPOSED, "pedalboard": BOARD, "torch_audiomentations": TORCHED}


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    "Write a module of one's own that every process finds; one folder for all tests, as worker processes are kept."
    folder = tmp_path_factory.mktemp("modules")

    def write(name, text):
        (folder / f"{name}.py").write_text(text)
        return name

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        get_reusable_executor().shutdown()  # workers of tests before know nothing of the folder
        yield write


@pytest.fixture(scope="module")
def sounds():
    "Three short sounds by name."
    rng = np.random.default_rng(0)
    return {f"clip{i}": (0.1 * rng.standard_normal(12000 + 3000 * i)).astype(np.float32) for i in range(3)}


def made_of(sounds, order, grid, jobs):
    "Log-mels and what was said, by clip, made in an order by some processes."
    calls = (joblib.delayed(deform_clip)(sounds[clip], clip=clip, grid=grid) for clip in order)
    return dict(zip(order, joblib.Parallel(n_jobs=jobs)(calls)))


@pytest.mark.parametrize("kind", [*KINDS, "function"])
def test_a_pipeline_makes_the_same_sounds_on_any_worker_in_any_order(module, sounds, kind):
    if kind in KINDS:
        pytest.importorskip(kind, reason=f"{kind} is not installed")
    name = f"{module(f'own_{kind}', KINDS.get(kind, PIPELINES))}:{'augment' if kind in KINDS else 'quieter'}"
    grid = augmentation.pipeline_grid(name, per_clip=3)
    one = made_of(sounds, list(sounds), grid, 1)
    two = made_of(sounds, list(sounds)[::-1], grid, 2)
    for clip, (mels, rows) in one.items():
        assert [row["state"] for row in rows] == [row["state"] for row in two[clip][1]]
        assert all(np.array_equal(a, b) for a, b in zip(mels, two[clip][0], strict=True))
    said = [json.loads(row["state"]).get("did", []) for row in one["clip0"][1][1:]]
    assert any(said) and all("transform" in step for steps in said for step in steps)
    different = [mels[0].shape != mels[1].shape or not np.array_equal(mels[0], mels[1]) for mels, _ in one.values()]
    assert all(different)


def test_pipelines_leave_the_global_generators_alone(module, sounds):
    grid = augmentation.pipeline_grid(f"{module('own_alone', PIPELINES)}:quieter", per_clip=2)
    np.random.seed(7)
    expected = np.random.uniform()
    np.random.seed(7)
    deform_clip(sounds["clip0"], clip="clip0", grid=grid)
    assert np.random.uniform() == expected


def test_a_failure_is_said_with_the_clips_name_and_costs_one_candidate(module, sounds):
    name = module("own_broken", PIPELINES)
    grid = augmentation.union(
        [augmentation.pipeline_grid(f"{name}:{what}", per_clip=2) for what in ("broken", "quieter")]
    )
    with pytest.warns(UserWarning, match=r"2 versions .* are left out: clip1: broken 0: the pipeline (raised|gave)"):
        _, rows = deform_clip(sounds["clip1"], clip="clip1", grid=grid)
    assert [(row["deformation"], row["level"]) for row in rows] == [("original", 0), ("quieter", 0), ("quieter", 1)]


def test_what_a_pipeline_did_is_in_the_jams_and_is_made_again_for_its_grid_alone(module, sounds, tmp_path):
    pytest.importorskip("audiomentations")
    grid = augmentation.pipeline_grid(f"{module('own_jams', COMPOSED)}:augment", per_clip=3)
    mels, rows = deform_clip(sounds["clip2"], clip="clip2", grid=grid)
    for mel, row in list(zip(mels, rows))[1:]:
        jam = jams_of(row, seconds=1.0, grid=grid)
        (step,) = jam.sandbox.muda.history
        assert step["state"]["did"] and step["state"]["pipeline"] == "own_jams:augment"
        jam.save(str(tmp_path / "a.jams"))
        assert np.array_equal(replay(tmp_path / "a.jams", sounds["clip2"], grid=grid), mel)
        with pytest.raises(InputError, match="transformer must be one of"):
            replay(tmp_path / "a.jams", sounds["clip2"])
        with pytest.raises(InputError, match="transformer must be one of"):
            replay(tmp_path / "a.jams", sounds["clip2"], grid=augmentation.HARSH_GRID)


def test_a_deformer_of_your_own_is_replayed_for_its_grid_alone(module, sounds, tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"{module('own_class', PIPELINES)}:Telephone: [0.5, 0.9]\n")
    grid = augmentation.read_grid(grid)
    mels, rows = deform_clip(sounds["clip0"], clip="clip0", grid=grid)
    jams_of(rows[2], seconds=1.0, grid=grid).save(str(tmp_path / "a.jams"))
    assert np.array_equal(replay(tmp_path / "a.jams", sounds["clip0"], grid=grid), mels[2])
    text = (tmp_path / "a.jams").read_text()
    for lie, why in (('"level": 99', "level must be 0 to 1"), ('"level": "x"', "level must be 0 to 1")):
        (tmp_path / "b.jams").write_text(text.replace('"level": 1', lie))
        with pytest.raises(InputError, match=why):
            replay(tmp_path / "b.jams", sounds["clip0"], grid=grid)
    (tmp_path / "b.jams").write_text(
        text.replace('"Telephone"', '"Reverse"').replace('"deformation": "Reverse"', '"deformation": "Telephone"')
    )
    with pytest.raises(InputError, match="transformer"):
        replay(tmp_path / "b.jams", sounds["clip0"], grid=grid)
    with pytest.raises(InputError, match="transformer must be one of"):
        replay(tmp_path / "a.jams", sounds["clip0"])
