"Candidates from anywhere: pipelines as people have them, other grids through every command, sounds from elsewhere."

import json
import os
import shutil
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from click.testing import CliRunner
from joblib.externals.loky import get_reusable_executor

from metaug import augmentation, curation
from metaug.augmentation import deform_clip, gather, jams_of, read_candidates, replay, with_candidates
from metaug.cli import main
from metaug.datasets import InputError, load_clips

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


# ---------------------------------------------------------------- sounds from elsewhere

RNG = np.random.default_rng(1)


def tone(path, pitch, rate=44100, seconds=0.4):
    "Write a sound of a class: a tone with overtones and some noise."
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(rate * seconds)) / rate
    y = sum(np.sin(2 * np.pi * pitch * n * t) / n for n in (1, 2, 3)) * 0.2 + 0.02 * RNG.standard_normal(len(t))
    soundfile.write(path, y, rate)
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    "Two classes, two clips of each in each of four folds, as a table."
    folder = tmp_path_factory.mktemp("originals")
    rows = [
        dict(
            path=str(tone(folder / label / f"{fold}{i}.wav", pitch * (1 + 0.02 * fold + 0.01 * i))),
            label=label,
            fold=fold,
        )
        for label, pitch in dict(low=200, high=2500).items()
        for fold in (1, 2, 3, 4)
        for i in range(2)
    ]
    pd.DataFrame(rows).to_csv(folder / "clips.csv", index=False)
    return folder / "clips.csv"


@pytest.fixture
def found(tmp_path):
    "A folder of sounds from elsewhere: right, wrong, of a class that nobody knows, and no sound at all."
    folder = tmp_path / "found"
    for i in range(3):
        tone(folder / "low" / f"r{i}.wav", 205 + i, rate=22050)
        tone(folder / "high" / f"w{i}.ogg", 210 + i)
    tone(folder / "bird" / "b.wav", 4000)
    (folder / "low" / "broken.wav").write_bytes(b"RIFFnothing")
    return folder


def test_sounds_from_elsewhere_are_read_like_clips(originals, found):
    clips = load_clips(originals)
    shutil.copy(clips.path[0], found / clips.label[0] / "again.wav")
    gathered = gather(read_candidates(str(found)), clips, data=originals)
    assert sorted(gathered.rows["clip"]) == [
        f"found/{label}/{kind}{i}" for label, kind in (("high", "w"), ("low", "r")) for i in range(3)
    ]
    assert set(gathered.rows.fold) <= {1, 2, 3, 4} and gathered.rows.maker.eq("found").all()
    assert gathered.rows.groupby("label").fold.nunique().eq(3).all()  # dealt evenly
    said = " | ".join(gathered.notes)
    for part in (
        "1 files of found can't be read",
        "same sound as an original",
        "originals lack (bird)",
        "nobody can know",
    ):
        assert part in said
    again = gather(read_candidates(str(found)), clips, data=originals)
    assert again.rows.equals(gathered.rows)
    with pytest.raises(InputError, match="label bird is none|broken.wav"):
        gather(read_candidates(str(found)), clips, strict=True)
    with pytest.raises(InputError, match="each original would be its own proof"):
        gather(read_candidates(str(originals.parent)), clips)
    tone(originals.parent / "new" / "low" / "x.wav", 205)
    with pytest.raises(InputError, match="lies in .*, among the originals"):
        gather(read_candidates(str(originals.parent / "new")), clips, data=originals.parent)


def test_a_table_names_parents_sources_and_folds(originals, found, tmp_path):
    clips, table = load_clips(originals), tmp_path / "made.csv"
    rows = pd.DataFrame(
        dict(
            path=[f"found/low/r{i}.wav" for i in range(3)] + ["found/high/w0.ogg"],
            label=["low"] * 3 + ["high"],
            clip=["low/31", "", "", ""],
            source=["", clips.source[0], "s", "s"],
        )
    )
    rows.to_csv(table, index=False)
    made = gather(read_candidates(str(table)), clips).rows.set_index("clip")
    assert made.fold["made/found/low/r0"] == 3 and made.source["made/found/low/r0"] == "low/31"
    assert made.fold["made/found/low/r1"] == clips.fold[0]
    assert made.fold["made/found/low/r2"] == made.fold["made/found/high/w0"]  # of one source
    rows.assign(fold=[3, clips.fold[0], 4, 4]).to_csv(table, index=False)
    made = gather(read_candidates(str(table)), clips).rows.set_index("clip")
    assert made.fold.tolist() == [4, 3, clips.fold[0], 4]  # in the order of their names
    for change, why in (
        (dict(fold=[2, 1, 4, 4]), "its fold must be that of its parent or source, 3, got 2"),
        (dict(clip=["low/99", "", "", ""]), "its parent low/99 is no clip"),
        (dict(fold=[3, clips.fold[0], 4, 9]), r"fold must be one of \[1, 2, 3, 4\], got 9"),
    ):
        rows.assign(**change).to_csv(table, index=False)
        with pytest.raises(InputError, match=why):
            gather(read_candidates(str(table)), clips)


def test_the_same_sound_in_two_folds_is_left_out(originals, found, tmp_path):
    clips, table = load_clips(originals), tmp_path / "made.csv"
    shutil.copy(found / "low/r0.wav", found / "low/copy.wav")
    rows = pd.DataFrame(dict(path=["found/low/r0.wav", "found/low/copy.wav", "found/low/r1.wav"], label="low"))
    rows.assign(clip=["low/10", "low/20", "low/30"]).to_csv(table, index=False)
    gathered = gather(read_candidates(str(table)), clips)
    assert gathered.rows["clip"].tolist() == ["made/found/low/r1"]
    assert any("2 candidates are the same sounds in two folds" in note for note in gathered.notes)


def test_select_copies_what_it_accepts(originals, found, tmp_path):
    out = tmp_path / "out"
    how = ["--candidates", str(found), "--k", "3", "--epochs", "2", "--jobs", "1"]
    done = CliRunner().invoke(main, ["select", str(originals), "--out", str(out), *how])
    assert done.exit_code == 0, done.output
    assert "nobody can know" in done.output
    manifest = curation.read_manifest(out)
    kept = manifest[manifest.deformation.eq("found")]
    assert len(manifest) - len(kept) == 16 and len(kept)
    acceptance = pd.read_parquet(out / "acceptance.parquet")
    assert len(acceptance) == 6 and set(acceptance.deformation) == {"found"}
    for row in kept.itertuples():
        file = found / row.clip.removeprefix("found/")
        (source,) = file.parent.glob(f"{file.name}.*")
        assert (out / row.path).read_bytes() == source.read_bytes() and row.path.endswith(source.suffix)
        notes = json.loads((out / row.path).with_suffix(".jams").read_text())["sandbox"]["metaug"]
        assert notes["maker"] == "found" and json.loads(row.parameters)["maker"] == "found"
    assert (out / "report.html").stat().st_size > 10_000
    refused = CliRunner().invoke(main, ["select", str(originals), "--out", str(found / "out"), *how])
    assert refused.exit_code == 2 and "lies inside the folder of sounds" in refused.output


# ---------------------------------------------------------------- through every command


def classifiers_of(outcome, fold):
    "Predictions and judgements of all trainings that hold a fold out, by label of the task."
    found = {}
    for stage in ("acceptance", "classifiers"):
        for task in outcome.graph.stages[stage]:
            if fold in task.inputs["pair"]:
                name = "acceptance" if stage == "acceptance" else "probabilities"
                found[task.label] = pd.read_parquet(task.folder(outcome.cache) / f"{name}.parquet")
    return found


def test_a_candidate_of_a_test_clip_trains_nothing_that_is_tested_on_it(originals, found, tmp_path):
    from metaug.experiment import Settings, experiment

    clips, table = load_clips(originals), tmp_path / "made.csv"
    made = [dict(path=str(tone(tmp_path / "sounds" / f"{i}.wav", 180 if c.label == "low" else 2600)), label=c.label, clip=c.clip)
            for i, c in enumerate(clips.itertuples())]  # fmt: skip
    settings = Settings(
        schemes=("brute", "metric", "only-made"), k=(1,), folds=(1,), valid_folds=1, epochs=1, candidates=(str(table),)
    )
    outcomes = []
    for way in ("all", "changed", "removed"):
        rows = pd.DataFrame(made)
        tested = rows["clip"].map(clips.set_index("clip").fold).eq(1)
        if way == "changed":
            for path in rows.path[tested]:
                tone(type(tmp_path)(path), 900)
        rows[~tested if way == "removed" else slice(None)].to_csv(table, index=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.append(experiment(str(originals), settings, cache=tmp_path / way, jobs=1, progress=False))
    first = classifiers_of(outcomes[0], 1)
    assert len(first) == 4 and first["brute without folds [1, 2], seed 0"].shape[0] == 16
    for outcome in outcomes[1:]:
        other = classifiers_of(outcome, 1)
        assert first.keys() == other.keys()
        for label, rows in first.items():
            pd.testing.assert_frame_equal(rows, other[label])
    results = outcomes[0].results
    assert set(results.scheme) == {"brute", "metric", "only-made"}
    assert results[results.scheme.eq("brute")].n_train.eq(16).all()  # 8 originals and 8 candidates outside two folds
    assert set(outcomes[0].acceptance.deformation) == {"made"}


@pytest.mark.parametrize("command", ["select", "run", "plan", "augment"])
def test_a_grid_goes_through_every_command(originals, tmp_path, command):
    (tmp_path / "grid.yaml").write_text("faster: {deformer: stretch, values: [2.0]}\n")
    wanted = ["--candidates", "harsh", "--candidates", str(tmp_path / "grid.yaml"), "--jobs", "1"]
    tiny = ["--data", str(originals), "--schemes", "brute,metric,class,only-pitch_far", "--k", "1", "--folds", "1",
            "--valid-folds", "1", "--epochs", "1", "--out", str(tmp_path / "out")]  # fmt: skip
    arguments = dict(
        select=[str(originals), "--out", str(tmp_path / "out"), "--k", "3", "--epochs", "1", "--no-audio"],
        run=tiny, plan=tiny, augment=["--data", str(originals), "--store", str(tmp_path / "store")],
    )  # fmt: skip
    done = CliRunner().invoke(main, [command, *arguments[command], *wanted])
    assert done.exit_code == 0, done.output
    names = {"stretch_far", "pitch_far", "noise_loud", "faster"}
    if command == "augment":
        assert "192 samples of 16 clips" in done.output  # 12 a clip
    elif command == "plan":
        assert "192 samples" in done.output
    else:
        assert set(pd.read_parquet(tmp_path / "out/acceptance.parquet").deformation) == names
    if command == "run":
        assert set(json.loads((tmp_path / "out/run.json").read_text())["grid"]) == names
        assert set(pd.read_parquet(tmp_path / "out/results.parquet").scheme) == {
            "brute",
            "metric",
            "class",
            "only-pitch_far",
        }


# ---------------------------------------------------------------- in one's own training loop


def quieter(samples, sample_rate):
    return samples * 0.5


def is_quiet(samples, sample_rate):
    return bool(np.abs(samples).max() < 0.3)


class Recordings(torch.utils.data.Dataset):
    "Sounds through an `Accepting`, as people's own data sets have them."

    def __init__(self, augment):
        self.augment = augment

    def __len__(self):
        return 6

    def __getitem__(self, i):
        y = np.full(100, 0.2 * (i + 1), np.float32)
        return torch.from_numpy(np.asarray(self.augment(y, 44100)))


def test_accepting_works_in_the_workers_of_a_data_loader():
    import metaug

    data = Recordings(metaug.Accepting(quieter, is_quiet, tries=2))
    for workers, context in ((0, None), (1, "spawn")):
        loader = torch.utils.data.DataLoader(
            data, batch_size=None, num_workers=workers, multiprocessing_context=context
        )
        peaks = [float(batch.max()) for batch in loader]
        np.testing.assert_allclose(peaks, [0.1, 0.2, 0.6, 0.8, 1.0, 1.2], rtol=1e-6)  # the loud ones as they were
    assert data.augment.counted == (6, 10, 8, 4)


def test_a_judge_that_names_classes_keeps_the_class():
    rng = np.random.default_rng(0)
    near = curation.NearReferences(
        [np.full(8, v) + np.arange(8) * w for v, w in ((1, 0), (1, 0.1), (0, 1), (0, 1.1))],
        ["flat", "flat", "steep", "steep"],
        8000,
        judge=lambda samples, sample_rate: samples,
        k=1,
    )
    swapped = curation.Accepting(
        lambda samples, rate: np.ones(8) if rng.uniform() < 0.5 else np.arange(8.0), near, tries=50
    )
    assert all(near(swapped(np.arange(8.0) * 2, 8000), 8000) == "steep" for _ in range(10))
    assert near(swapped(np.arange(8.0), 8000, label="flat"), 8000) == "flat"
    assert swapped.counted.refused and not swapped.counted.given_up


def test_the_experiments_notebook_takes_what_a_run_has():
    from pathlib import Path

    from metaug.experiment import Settings
    from metaug.experiment.notebooks import notebook_parameters, run_settings

    cells = json.loads((Path(__file__).parents[1] / "nbs/05_experiment.ipynb").read_text(encoding="utf-8"))["cells"]
    (cell,) = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    known = {}
    exec("".join(cell["source"]), known)
    asked = Settings(folds=(2,), candidates=("harsh", "found.csv", "my_module:augment"), per_clip=7)
    parameters = notebook_parameters(asked, "esc10", 2, "runs/esc10")
    assert set(parameters) <= set(known)  # papermill would only warn of one that the notebook lacks
    assert run_settings(**parameters).settings == asked
    assert run_settings(**parameters | dict(candidates="harsh, found.csv")).settings.candidates == (
        "harsh",
        "found.csv",
    )
    used = "".join("".join(c["source"]) for c in cells)
    assert "candidates=candidates" in used and "per_clip=per_clip" in used
