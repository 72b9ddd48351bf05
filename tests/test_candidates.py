"Candidates from anywhere: pipelines as people have them, other grids through every command, sounds from elsewhere."

import json
import os
import re
import shutil
import time
import warnings
from fractions import Fraction

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
from metaug.augmentation.pipelines import parameters_of
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


def test_fractions_are_noted_by_their_values(sounds):
    def shifted(samples, sample_rate):
        return samples

    shifted.transform_parameters = dict(should_apply=torch.tensor([True]), transpositions=[Fraction(3, 2)], steps=2)
    assert parameters_of(shifted) == [dict(transform="shifted", transpositions=[1.5], steps=2)]


OWN_GENERATOR = """
import numpy as np

rng, calls = np.random.default_rng(0), []


def own_noise(samples, sample_rate):
    return samples + 0.1 * rng.standard_normal(len(samples))


def every_second(samples, sample_rate):
    calls.append(1)
    return samples * (len(calls) % 2)
"""


@pytest.mark.parametrize("function", ["own_noise", "every_second"])
def test_a_pipeline_that_makes_another_sound_of_the_same_seed_is_refused(module, sounds, function):
    grid = augmentation.pipeline_grid(f"{module('own_generator', OWN_GENERATOR)}:{function}", per_clip=2)
    for clip in ("clip0", "clip1"):
        with pytest.raises(InputError, match=f"own_generator:{function} makes another sound of the same seed"):
            deform_clip(sounds[clip], clip=clip, grid=grid)


BROKEN_CLASSES = """
import numpy as np


class Own:
    state, gain = dict(steps=np.int64(3)), 1.0

    def __init__(self, value):
        pass

    def states(self, jam):
        yield self.state

    def audio(self, mudabox, state):
        mudabox._audio["y"] = self.made(mudabox._audio["y"])

    def made(self, y):
        return y * np.random.uniform(0.1, 1)


class NoValue(Own):
    def __init__(self):
        pass


class Raises(Own):
    def made(self, y):
        raise OSError("no such effect")


class NaN(Own):
    def made(self, y):
        return y * np.nan


class Two(Own):
    def made(self, y):
        return np.stack([y, y])


class Nothing(Own):
    def made(self, y):
        return None


class Long(Own):
    def made(self, y):
        return np.tile(y, 9)


class Integers(Own):
    def made(self, y):
        return np.int16(y * 32767)


class NoStates(Own):
    def states(self, jam):
        return iter(())


class Odd(Own):
    state = dict(steps=object())


class FlatMel(Own):
    def log_mel(self, y, state, *, sr):
        return np.zeros((64, 3))


class NaNMel(Own):
    def log_mel(self, y, state, *, sr):
        return np.full((128, 3), np.nan)
"""


@pytest.mark.parametrize(
    "name, why",
    dict(
        NoValue="raised TypeError",
        Raises="raised OSError: no such effect",
        NaN="gave samples that are not finite",
        Two="must give one channel",
        Nothing="gave nothing",
        Long="made 135000 of 15000 samples, more than 4 times longer",
        Integers="must give floating-point samples from -1 to 1, got int16",
        NoStates=r"must yield a dict from states\(\), got None",
        Odd="raised AttributeError",
        FlatMel=r"must give a log-mel of 128 bands .*, got \(64, 3\)",
        NaNMel="gave a log-mel that is not finite",
    ).items(),
)
def test_a_class_of_your_own_that_fails_costs_one_candidate(module, sounds, tmp_path, name, why):
    module("own_broken_classes", BROKEN_CLASSES)
    file = tmp_path / "grid.json"
    file.write_text(json.dumps({f"own_broken_classes:{name}": [1], "own_broken_classes:Own": [1]}))
    grid = augmentation.read_grid(file)
    with pytest.warns(UserWarning, match=f"1 versions .* left out: clip1: {name} 0: deformer .*:{name} {why}"):
        mels, rows = deform_clip(sounds["clip1"], clip="clip1", grid=grid)
    assert [row["deformation"] for row in rows] == ["original", "Own"] and rows[1]["state"] == '{"steps": 3}'
    again, _ = deform_clip(
        sounds["clip1"], clip="clip1", grid=augmentation.union([grid._replace(deformations=grid.deformations[1:])])
    )
    assert np.array_equal(again[1], mels[1])  # it draws from a global generator


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
        "nothing shows",
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


@pytest.mark.parametrize(
    "head, file",
    [
        ("path;label;clip;fold", "found/low/r0.wav"),
        ("file_name,label,clip,fold", "found/low/r0.wav"),
        ("Path,Label,Clip,Fold", "found/low/r0.wav"),
        ("path,label,clip,fold", r"found\low\R0.wav"),
        ("path,label,clip,fold", "parquet"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_descent_is_read_from_any_table_that_names_sounds(originals, found, tmp_path, head, file, encoding):
    "Whoever writes a table in another way must not lose the parents, and with them the folds."
    clips, table = load_clips(originals), tmp_path / "made.csv"
    separator = ";" if ";" in head else ","
    if file == "parquet":
        table = tmp_path / "made.parquet"
        rows = [("found/low/r0.wav", "low", "low/31", 3)]
        pd.DataFrame(rows, columns=head.split(",")).to_parquet(table)
    else:
        table.write_text(f"{head}\n{separator.join([file, 'low', 'low/31', '3'])}\n", encoding=encoding)
    (made,) = gather(read_candidates(str(table)), clips).rows.itertuples()
    assert (made.parent, made.source, made.fold) == ("low/31", "low/31", 3)


@pytest.mark.parametrize("name, column", [("clips.csv", "path"), ("metadata.csv", "file_name")])
def test_descent_is_read_from_a_table_in_the_folder(originals, found, name, column):
    rows = pd.DataFrame({column: ["low/r0.wav", "low/r1.wav"], "label": "low", "clip": ["low/31", ""], "fold": [3, 2]})
    rows.to_csv(found / name, index=False)
    made = gather(read_candidates(str(found)), load_clips(originals)).rows.set_index("clip")
    assert made.parent.tolist() == ["low/31", ""] and made.fold.tolist() == [3, 2]


def test_a_note_names_classes_not_folders(originals, found, tmp_path):
    table = tmp_path / "made.csv"
    pd.DataFrame(dict(path=["found/low/r0.wav", "found/bird/b.wav"], label=["low", "cat"])).to_csv(table, index=False)
    notes = gather(read_candidates(str(table)), load_clips(originals)).notes
    assert "1 of made have a label that the originals lack (cat) and are left out" in notes[0]


def test_the_time_of_reading_many_does_not_count_what_is_done_once(monkeypatch):
    from metaug.augmentation import candidates

    read, said = [], []

    def slow_at_first(rows):
        time.sleep(0 if read else 1)
        read.append(len(rows))

    monkeypatch.setattr(candidates, "file_facts", slow_at_first)
    for count in (2000, 30_000):
        candidates._reading_time(pd.DataFrame(dict(path=["a.wav"] * count)), said.append)
    assert said == ["Reading 30000 candidates takes about 1 minute"] and sum(read) == 100


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
    how = ["--candidates", str(found), "--judge", "npair", "--k", "3", "--epochs", "2", "--jobs", "1"]
    done = CliRunner().invoke(main, ["select", str(originals), "--out", str(out), *how])
    assert done.exit_code == 0, done.output
    assert "name no parent: nothing shows that they were not made from clips" in done.output
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
    assert len(pd.read_csv(curation.audio_folder(out))) == len(manifest)  # with sounds that are no FLAC
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
        select=[str(originals), "--out", str(tmp_path / "out"), "--judge", "npair", "--k", "3", "--epochs", "1", "--no-audio"],
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


def short(command, originals, folder, *more):
    "A command with as little work as there can be."
    if command == "select":
        arguments = [str(originals), "--judge", "npair", "--k", "3", "--epochs", "1", "--no-audio"]
    else:
        arguments = ["--data", str(originals), "--schemes", "none,brute,metric", "--k", "1", "--folds", "1",
                     "--valid-folds", "1", "--epochs", "1"]  # fmt: skip
    return CliRunner().invoke(main, [command, *arguments, "--jobs", "1", "--out", str(folder / "out"), *more])


SOME_CLIPS = """
import numpy as np


def of_some(samples, sample_rate):
    if int(np.abs(samples).sum() * 1000) % 2:
        raise ValueError("not of this one")
    return samples * np.random.uniform(0.5, 1)


def of_none(samples, sample_rate):
    raise ValueError("never")
"""


def test_two_hundred_levels_one_and_none_go_through_all_that_groups_by_them(originals, module, tmp_path):
    from metaug import analysis, listening
    from metaug.experiment import Settings, experiment
    from metaug.features import LogMelStore
    from metaug.selection import by_class_deformation, class_effects

    name, grid = module("own_some", SOME_CLIPS), tmp_path / "grid.json"
    many = dict(deformer="stretch", values=np.linspace(0.5, 2, 200).round(4).tolist())
    grid.write_text(json.dumps(dict(many=many, one=dict(deformer="pitch", values=[3]))))
    judged = (str(grid), f"{name}:of_some", f"{name}:of_none")
    made = ["many", "of_none", "of_some", "one"]
    schemes = ("none", "brute", "metric", "class", "class-oracle", *(f"only-{one}" for one in made))
    settings = Settings(schemes, k=(1,), folds=(1,), valid_folds=1, epochs=1, candidates=judged, per_clip=1)
    with pytest.warns(UserWarning, match="versions .* are left out"):
        outcome = experiment(str(originals), settings, cache=tmp_path / "cache", jobs=1, progress=False)
    counts = outcome.acceptance.groupby("deformation")["clip"].size()
    clips = outcome.acceptance["clip"].nunique()
    assert counts["many"] == 200 * clips and counts["one"] == clips and 0 < counts["of_some"] < clips
    trained = outcome.results.drop_duplicates("scheme").set_index("scheme").n_train
    assert trained["only-of_none"] == trained["none"] == 8 and trained["only-many"] == 8 + 1600
    assert trained["only-one"] == 16 and 8 < trained["only-of_some"] < 16
    assert set(by_class_deformation(outcome.acceptance, draws=5).deformation) == {"many", "of_some", "one"}
    effects = class_effects(outcome.results, draws=5)
    assert sorted(effects.deformation.unique()) == ["all", *made]
    legend = analysis.plot_effects(effects).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [*made, "all"]
    heat = [text.get_text() for text in analysis.plot_acceptance(outcome.acceptance, k=1).get_xticklabels()]
    assert heat == ["many", "of_some", "one", "all"]
    (folder,) = (tmp_path / "cache" / "stores").iterdir()
    store = LogMelStore.open(str(folder))
    page = listening.page_data(outcome.acceptance, store, budget=60_000)
    assert page["deformations"] == ["many", "of_some", "one"] and page["judged"] == counts.sum()
    how = dict(candidates=judged, per_clip=1, judge="npair", k=1, epochs=1, jobs=1, audio=False, report=False)
    curation.select(str(originals), tmp_path / "out", cache=tmp_path / "cache", **how)
    levels = curation.read_manifest(tmp_path / "out").groupby("deformation")["level"].max()
    assert set(levels.index) == {"original", "many", "of_some", "one"} and levels["many"] > 150


def test_a_folder_called_like_a_grid_is_not_taken_for_it(originals, tmp_path, monkeypatch):
    from metaug.experiment.settings import Settings, settings_from_anywhere

    monkeypatch.chdir(tmp_path)
    for name in ("paper", "harsh", "found"):
        (tmp_path / name).mkdir()
    settings = settings_from_anywhere(Settings(candidates=("paper", "harsh", "found")))
    assert settings.candidates == ("paper", "harsh", str(tmp_path / "found"))


@pytest.mark.parametrize("command", ["select", "run"])
def test_nothing_to_judge_is_said_before_any_training(originals, module, tmp_path, command):
    tone(tmp_path / "found/bird/b.wav", 4000)
    done = short(command, originals, tmp_path, "--candidates", str(tmp_path / "found"))
    assert done.exit_code == 2 and "none of the candidates can be judged: 1 of found have a label" in done.output
    name = f"{module('own_some', SOME_CLIPS)}:of_none"
    with pytest.warns(UserWarning, match="are left out"):
        done = short(command, originals, tmp_path, "--candidates", name)
    said = "of_none: no version of any clip could be made, first .*: the pipeline raised ValueError: never"
    assert done.exit_code == 2 and re.search(said, done.output)
    assert not list(tmp_path.rglob("*.safetensors"))


BAD_GRIDS = {
    "stretch: !!python/object/apply:os.system ['touch pwned']": "aliases and objects are refused",
    "!!python/name:os.system : [1]": "aliases and objects are refused",
    "stretch: !unknown [1]": "no grid that can be read",
    "a: &a [1]\nstretch: *a": "aliases and objects are refused",
    "stretch: [0.5]\nstretch: [0.6]": "stretch is there twice",
    '{"stretch": {"values": [1.1], "values": [1.2]}}': "values is there twice",
    "strech: [0.5]": "deformer of strech must be one of stretch, pitch, drc, bgnoise or module:name, got 'strech'",
    "stretch: [0.01]": "values of stretch must be rates from 0.1 to 10, got 0.01",
    "stretch: [.nan]": "values of stretch must be rates from 0.1 to 10, got nan",
    "stretch: [true]": "values of stretch must be rates from 0.1 to 10, got True",
    "pitch: [60]": "values of pitch must be semitones from -48 to 48, got 60",
    "drc: [loud]": "values of drc must be one of radio",
    "bgnoise: {weight: [0.9, 0.5]}": "weights 0 < low < high < 1",
    "bgnoise: {recordings: [nowhere.wav]}": "nowhere.wav: no such file",
    "stretch: []": "stretch has no values",
    "stretch: 0.5": "values of stretch must be a list",
    "- stretch": "a grid must be a mapping of names to values, got list",
    "": "a grid must be a mapping of names to values, got NoneType",
    '{"stretch": [1,': "no grid that can be read",
    "original: {deformer: stretch, values: [1.1]}": "can't be a deformation's name",
    "stretch: {values: [1.1], rate: 2}": "rate must be one of deformer, values, weight, recordings",
    "no_such_module:Thing: [1]": "must be module:name of what can be imported",
    "os:path: [1]": "deformer os:path must be a class or a function",
}


@pytest.mark.parametrize("text", BAD_GRIDS)
def test_a_bad_grid_is_one_line_that_names_file_and_rule(originals, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    grid = tmp_path / "grid.yaml"
    grid.write_text(text)
    done = short("select", originals, tmp_path, "--candidates", str(grid))
    assert done.exit_code == 2 and BAD_GRIDS[text] in done.output and done.output.count("\n") == 1
    assert not (tmp_path / "pwned").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "more, why",
    [
        (["--candidates", "os:name"], "pipeline os:name must be callable as pipeline(samples, sample_rate), got str"),
        (["--candidates", "os:nothing"], "must be module:name of what can be imported"),
        (["--candidates", "harsher"], "harsher: there is no such folder or file, and it is none of paper, harsh"),
        (["--candidates", "os:getcwd", "--per-clip", "0"], "per_clip must be >= 1, got 0"),
        (["--candidates", "os:getcwd", "--per-clip", "100000"], "at most 10000 can be made"),
        (["--candidates", "nowhere.csv"], "nowhere.csv"),
    ],
)
@pytest.mark.parametrize("command", ["select", "run", "plan"])
def test_candidates_that_are_none_are_one_line(originals, tmp_path, command, more, why):
    done = short(command, originals, tmp_path, *more)
    assert done.exit_code == 2 and why in done.output and done.output.count("\n") == 1, done.output
    with pytest.raises(InputError, match="per_clip must be a whole number, got 2.5"):
        read_candidates("os:getcwd", per_clip=2.5)


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
    for wrong, why in (
        (dict(fold="1,2"), "fold must be one test fold, got '1,2'"),
        (dict(epochs=2.7), "epochs must be a whole number, got 2.7"),
        (dict(k=5.9), "k must be a whole number or several, got 5.9"),
    ):
        with pytest.raises(InputError, match=why):
            run_settings(**parameters | wrong)
    used = "".join("".join(c["source"]) for c in cells)
    assert "candidates=candidates" in used and "per_clip=per_clip" in used
