"The experiment as a whole: no fold leaks, sharing is exact, papermill runs, bad input is one line."

import importlib
import importlib.util
import json
import linecache
import os
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file

import metaug.experiment as experiment_module
from metaug.learning import classification
from metaug.core import tasks
from metaug.cli import main
from metaug.datasets import InputError, load_clips
from metaug.experiment import (
    Arm,
    Graph,
    Settings,
    Task,
    check,
    digest,
    embedding_of,
    run_task,
    experiment,
    learn_classifier,
    one_thread,
    reasons,
    store_key,
)
from metaug.experiment.settings import settings_from_anywhere
from metaug.experiment.work import _training_samples, _load, _originals, _seed
from metaug.metric import learn_metric
from metaug.selection import SCHEMES, Scheme, get_scheme

from fastai.callback.core import Callback
from fastai.callback.mixup import MixUp

SMALL = Settings(
    schemes=("none", "brute", "metric", "random"), k=(3,), folds=(1,), valid_folds=1, epochs=1, metric_epochs=2
)


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    "A table of 32 generated clips: four classes in four folds, two clips each."
    folder = tmp_path_factory.mktemp("small")
    clips = load_clips("generated")
    clips = clips[clips.label.isin(["bark", "fan", "horn", "siren"]) & clips.fold.le(4)].copy()
    clips["path"] = [shutil.copy(path, folder / f"{i:02d}.wav") for i, path in enumerate(clips.path)]
    clips["path"] = clips.path.map(lambda p: Path(p).name)
    clips[["path", "label", "fold", "source"]].to_csv(folder / "clips.csv", index=False)
    return folder / "clips.csv"


def test_a_store_is_named_by_what_the_files_hold(small, tmp_path):
    copied = shutil.copytree(small.parent, tmp_path / "copied")
    clips = load_clips(copied / "clips.csv")
    key = store_key(load_clips(small), SMALL.making)
    os.utime(clips.path[0], (0, 0))
    assert store_key(clips, SMALL.making) == key
    y, sr = soundfile.read(clips.path[0])
    soundfile.write(clips.path[0], -y, sr)
    assert store_key(clips, SMALL.making) != key


def test_a_rule_of_ones_own_that_changes_makes_other_tasks(tmp_path, monkeypatch):
    "Also where only a function that it calls has changed."
    code = "def half(judged): return judged.accepted * {}\n\ndef rule(judged, *, seed=0, effects=None): return half(judged)\n"

    def key():
        importlib.invalidate_caches()
        linecache.clearcache()
        sys.modules.pop("own_rules", None)
        return Graph("s", [1, 2, 3], Settings(("own_rules:rule",))).stages["classifiers"][0].key

    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_rules.py").write_text(code.format(0.5))
    before = key()
    assert key() == before
    (tmp_path / "own_rules.py").write_text(code.format(0.25))
    with pytest.raises(
        InputError, match="own_rules.py: has changed since it was imported for own_rules:rule"
    ):  # the old text would run
        Graph("s", [1, 2, 3], Settings(("own_rules:rule",)))
    importlib.reload(sys.modules["own_rules"])
    after = Graph("s", [1, 2, 3], Settings(("own_rules:rule",))).stages["classifiers"][0]
    assert key() == after.key != before
    with pytest.raises(InputError, match="own_rules:rule: this worker has another text of it"):
        _training_samples(dict(after.inputs, rule="another"), tmp_path, pd.DataFrame({"fold": [1, 2, 3]}))


def test_a_scheme_that_one_process_knows_is_refused(small, monkeypatch):
    monkeypatch.setitem(
        SCHEMES, "mine", Scheme(lambda judged, *, seed=0, effects=None: judged.accepted, "npair", None, False, "mine")
    )
    with pytest.raises(InputError, match="scheme mine is known to this process only"):
        check(load_clips(small), SMALL._replace(schemes=("none", "mine")))


def test_numbers_of_numpy_are_numbers(small):
    "Folds often come from a table; a task's key is JSON, which knows no other numbers than Python's."
    folds = tuple(load_clips(small).fold.unique()[:2])
    given = SMALL._replace(folds=folds, seeds=tuple(np.arange(1)), k=[np.int64(3)], epochs=np.int64(1))
    settings = settings_from_anywhere(given)
    check(load_clips(small), settings)
    assert settings == SMALL._replace(folds=tuple(map(int, folds)))
    assert {type(v) for v in (*settings.folds, *settings.seeds, *settings.k, settings.epochs)} == {int}
    assert Graph("s", [1, 2, 3, 4], settings).stages["classifiers"][0].key


def test_an_embedding_that_was_not_made_is_refused(outcome):
    stages = {stage: list(tasks) for stage, tasks in outcome.graph.stages.items()}
    for asked in (dict(k=5), dict(seed=7), dict(part=1)):
        with pytest.raises(InputError, match="the run has judged no sample with net npair, test 1, valid 2"):
            embedding_of(outcome, **dict(test=1, valid=2, part=3, k=3) | asked)
    assert outcome.graph.stages == stages
    points, samples = embedding_of(outcome, test=2, valid=1, part=3, k=3)
    assert len(points) == len(samples) and samples.accepted[samples.role.eq("judged")].notna().all()


def test_only_what_is_trained_must_be_possible(small):
    clips = load_clips(small)
    clips = clips[~(clips.label.eq("siren") & clips.fold.gt(2))]  # in folds 1 and 2 alone
    check(clips, SMALL._replace(schemes=("none",), folds=(3,)))  # tested on 3, chosen on 4
    with pytest.raises(InputError, match="class siren has no clips outside folds .1, 2."):
        check(clips, SMALL._replace(schemes=("none",)))
    check(load_clips(small), SMALL._replace(k=(8,)))


@pytest.fixture(scope="session")
def outcome(small, tmp_path_factory):
    return experiment(str(small), SMALL, cache=tmp_path_factory.mktemp("cache"), jobs=1, progress=False)


def changed(small, folder, fold, change) -> Path:
    "A copy of the clips in which one fold's sounds are changed."
    shutil.copytree(small.parent, folder)
    table = pd.read_csv(folder / "clips.csv")
    for path in table.path[table.fold.eq(fold)]:
        y, sr = soundfile.read(folder / path)
        soundfile.write(folder / path, change(y), sr)
    return folder / "clips.csv"


def states(outcome, file) -> dict:
    "Weights of every task that has them, by label; `file(task)` names which."
    tasks = [t for stage in outcome.graph.stages.values() for t in stage if t.kind in ("net", "classifier")]
    return {task.label: load_file(task.folder(outcome.cache) / name) for task in tasks for name in file(task)}


def untouched_by_test_fold(task) -> list[str]:
    "Weights that a test of fold 1 uses: those whose epoch another fold chose."
    return [f"weights-{f}.safetensors" for f in task.inputs.get("excluded", task.inputs.get("pair")) if f != 1][-1:]


def same(a: dict, b: dict) -> list[bool]:
    return [all(np.array_equal(x, b[name][key]) for key, x in a[name].items()) for name in a]


def judged(outcome) -> pd.DataFrame:
    return outcome.acceptance.astype({"neighbours": str})


def test_a_silent_test_fold_changes_no_training_and_no_acceptance(small, outcome, tmp_path):
    silent = experiment(
        str(changed(small, tmp_path / "silent", 1, np.zeros_like)),
        SMALL,
        cache=tmp_path / "cache",
        jobs=1,
        progress=False,
    )
    assert all(same(states(outcome, untouched_by_test_fold), states(silent, untouched_by_test_fold)))
    pd.testing.assert_frame_equal(judged(outcome), judged(silent))
    before, after = (np.stack(o.predictions.probabilities) for o in (outcome, silent))
    assert not np.array_equal(before, after), "the test fold itself must be heard"


def test_the_leak_test_can_fail(small, outcome, tmp_path):
    "Silence in a training fold does change the trainings."
    silent = experiment(
        str(changed(small, tmp_path / "silent", 3, np.zeros_like)),
        SMALL,
        cache=tmp_path / "cache",
        jobs=1,
        progress=False,
    )
    assert not any(same(states(outcome, untouched_by_test_fold), states(silent, untouched_by_test_fold))[-4:])


def test_tables_have_the_columns_of_the_design(outcome):
    assert {
        "scheme",
        "k",
        "test",
        "seed",
        "label",
        "n",
        "correct",
        "confusion",
        "n_train",
        "share",
        "acceptance",
        "epochs",
        "steps",
        "seconds",
        "recipe",
    } <= set(outcome.results)
    assert {
        "clip",
        "deformation",
        "level",
        "test",
        "valid",
        "k",
        "predicted",
        "votes",
        "similarity",
        "accepted",
        "neighbours",
        "to_original",
    } <= set(outcome.acceptance)
    of = outcome.results.groupby("scheme").first()
    assert of.share["brute"] == 1 and of.share["none"] == pytest.approx(1 / 21)
    accepted = outcome.acceptance.accepted.mean()
    assert of.acceptance["metric"] == pytest.approx(accepted) and of.acceptance["random"] == pytest.approx(accepted)
    assert of.share["metric"] == pytest.approx((1 + 20 * accepted) / 21)
    assert of.steps.nunique() == 1, "budget steps: as many for every scheme"


def test_a_second_run_does_nothing(small, outcome, monkeypatch):
    monkeypatch.setattr("metaug.core.tasks.run_task", lambda *a: pytest.fail("a finished task was done again"))
    again = experiment(str(small), SMALL, cache=outcome.cache, jobs=1, progress=False)
    pd.testing.assert_frame_equal(again.results.astype({"confusion": str}), outcome.results.astype({"confusion": str}))


def test_two_processes_give_the_same_bytes(small, outcome, tmp_path):
    two = experiment(str(small), SMALL, cache=tmp_path / "cache", jobs=2, progress=False)
    assert all(same(states(outcome, untouched_by_test_fold), states(two, untouched_by_test_fold)))
    pd.testing.assert_frame_equal(judged(outcome), judged(two))


def test_class_decides_on_validation_folds_and_class_oracle_on_the_test_fold(small, outcome, tmp_path):
    settings = SMALL._replace(schemes=("class", "class-oracle"))
    of = experiment(str(small), settings, cache=outcome.cache, jobs=1, progress=False)
    assert set(of.results.scheme) == {"class", "class-oracle"}
    assert of.results.leaks.eq(of.results.scheme.eq("class-oracle")).all()
    on = {task.inputs["on"]: [row["fold"] for row in task.inputs["rows"]] for task in of.graph.stages["effects"]}
    assert set(on["validation"]) == {2} and set(on["test"]) == {1}
    silent = experiment(
        str(changed(small, tmp_path / "silent", 1, np.zeros_like)),
        settings._replace(schemes=("class",)),
        cache=tmp_path / "cache",
        jobs=1,
        progress=False,
    )
    kept = {label: w for label, w in states(of, untouched_by_test_fold).items() if "oracle" not in label}
    assert all(same(kept, states(silent, untouched_by_test_fold)))


def metaug(*args):
    "The command, in this process: importing torch for each would take most of the time."
    return CliRunner().invoke(main, list(map(str, args)))


def sounds(folder, per_class) -> Path:
    "A folder of short noises with so many clips a class."
    rng = np.random.default_rng(0)
    for label, n in per_class.items():
        (folder / label).mkdir(parents=True)
        for i in range(n):
            soundfile.write(folder / label / f"{i}.wav", 0.1 * rng.standard_normal(4410), 44100)
    return folder


def with_folds(folder, n, of_b=None) -> Path:
    "A table of two classes in n folds, or class b in fewer."
    sounds(folder, {"a": 8, "b": 8})
    rows = [
        (f"{label}/{i}.wav", label, 1 + i % folds) for label, folds in (("a", n), ("b", of_b or n)) for i in range(8)
    ]
    pd.DataFrame(rows, columns=["path", "label", "fold"]).to_csv(folder / "clips.csv", index=False)
    return folder / "clips.csv"


def text_file(folder) -> Path:
    (sounds(folder, {"a": 4, "b": 4}) / "a" / "0.wav").write_text("not a sound")
    return folder


BAD = {
    "missing folder": (lambda d: d / "nowhere", [], "nowhere"),
    "folder without sound": (lambda d: (d / "empty" / "a").mkdir(parents=True) or d / "empty", [], "empty"),
    "class with one clip": (lambda d: sounds(d / "one", {"a": 4, "b": 1}), [], "b"),
    "one fold only": (lambda d: with_folds(d / "single", 1), [], "fold"),
    "too few folds for metric learning": (lambda d: with_folds(d / "three", 3), ["--schemes", "metric"], "folds"),
    "class missing from a training set": (
        lambda d: with_folds(d / "partial", 4, of_b=2),
        ["--schemes", "none"],
        "class b has no clips outside folds [1, 2]",
    ),
    "text file named .wav": (lambda d: text_file(d / "text"), [], "0.wav"),
    "unknown scheme": (lambda d: with_folds(d / "scheme", 4), ["--schemes", "none,best"], "best"),
    "k larger than the reference": (
        lambda d: with_folds(d / "k", 4),
        ["--schemes", "metric", "--k", "99"],
        "k must be",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(name, tmp_path):
    make, options, word = BAD[name]
    source = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ran = metaug("run", "--data", source, "--out", tmp_path / "out", *options)
    assert ran.exit_code == 2, ran.output
    assert (
        len([line for line in ran.stderr.splitlines() if line.startswith("metaug: ")]) == 1
        and word in ran.stderr
        and "Traceback" not in ran.output
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_itself_ends_with_status_2(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "metaug.cli", "run", "--data", str(tmp_path / "nowhere")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2 and ran.stderr.startswith("metaug: ") and ran.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_papermill_runs_the_notebook(root, small, outcome, tmp_path):
    "As a user does; the cache of the other tests makes it quick, and gives the same numbers."
    parameters = dict(
        data=small,
        k=3,
        fold=1,
        valid_folds=1,
        epochs=1,
        metric_epochs=2,
        jobs=1,
        out=tmp_path / "out",
        cache=outcome.cache,
    )
    command = [str(Path(sys.executable).parent / "papermill"), "nbs/05_experiment.ipynb", str(tmp_path / "out.ipynb")]
    for name, value in parameters.items():
        command += ["-p", name, str(value)]
    environment = {
        name: value for name, value in os.environ.items() if name != "MPLBACKEND"
    }  # figures go into the notebook
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    results = pd.read_parquet(tmp_path / "out" / "results.parquet")
    pd.testing.assert_frame_equal(
        results.drop(columns=["confusion", "seconds", "data"]),
        outcome.results.drop(columns=["confusion", "seconds", "data"]),
    )
    assert len(pd.read_parquet(tmp_path / "out" / "acceptance.parquet")) == 320
    notebook = json.loads((tmp_path / "out.ipynb").read_text())
    pictures = sum("image/png" in o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", []))
    assert pictures >= 3, "confusion matrix, acceptance heat map, embedding"


@pytest.fixture
def single_thread():
    with one_thread():
        yield


def test_sharing_is_exact(outcome, single_thread):
    "Each role trained on its own, with nothing but its own held-out fold to look at, gives the weights of the shared training."
    graph, cache = outcome.graph, outcome.cache
    table, mels = _load(cache, graph.store)
    pair = [1, 2]
    for part in (3, 4):
        excluded = sorted([*pair, part])
        alone = learn_metric(
            mels,
            _originals(table, set(table.fold) - set(excluded)),
            {part: _originals(table, [part])},
            epochs=SMALL.metric_epochs,
            seed=_seed(0, excluded),
        )
        shared = load_file(graph.net("npair", set(excluded), 0).folder(cache) / f"weights-{part}.safetensors")
        assert all(np.array_equal(alone.keep.weights(part)[name].numpy(), value) for name, value in shared.items())
    task = graph.classifiers[Arm(get_scheme("brute"), None, 0), 1, 2]
    training, _ = _training_samples(task.inputs, cache, table)
    for fold in pair:
        alone = learn_classifier(
            mels, training, {fold: _originals(table, [fold])}, epochs=SMALL.epochs, seed=_seed(0, pair)
        )
        shared = load_file(task.folder(cache) / f"weights-{fold}.safetensors")
        assert all(np.array_equal(alone.keep.weights(fold)[name].numpy(), value) for name, value in shared.items())


class Watch(Callback):
    "What a network is given, and what its answers cost, step by step; before mixup and after it."

    order = -1

    def __init__(self):
        self.steps = []

    def before_batch(self):
        self.before = self.x.clone(), self.y.clone()

    def after_loss(self):
        mixup = next((cb for cb in self.learn.cbs if isinstance(cb, MixUp)), None)
        self.steps.append(
            (
                *self.before,
                self.x.clone(),
                self.pred.detach(),
                self.learn.loss_grad.item(),
                mixup and (mixup.lam, mixup.yb1[0]),
            )
        )


def watched(outcome, recipe, monkeypatch) -> list:
    "The steps of a classifier's training under a recipe."
    train, watch = classification.train, Watch()
    monkeypatch.setattr(classification, "train", lambda *args, cbs, **how: train(*args, cbs=(*cbs, watch), **how))
    table, mels = _load(outcome.cache, outcome.graph.store)
    learn_classifier(mels, _originals(table, [3, 4]), {1: _originals(table, [1])}, recipe=recipe, epochs=2)
    assert len(watch.steps) > 1
    return watch.steps


def cost(scores, target) -> float:
    "Cross-entropy of one patch against a distribution."
    return -sum(q * float(p) for q, p in zip(target, scores.log_softmax(0)))


def one_hot(label, n):
    return [float(i == label) for i in range(n)]


def test_recipe_smooth_spreads_a_tenth_over_all_classes(outcome, single_thread, monkeypatch):
    for patches, labels, given, scores, loss, _ in watched(outcome, "smooth", monkeypatch):
        assert torch.equal(given, patches)
        plain = [
            cost(of, [0.9 * q + 0.1 / len(of) for q in one_hot(label, len(of))]) for of, label in zip(scores, labels)
        ]
        assert loss == pytest.approx(np.mean(plain), rel=1e-5)


def test_recipe_mixup_blends_each_patch_with_another_of_its_batch(outcome, single_thread, monkeypatch):
    for patches, labels, given, scores, loss, (shares, others) in watched(outcome, "mixup", monkeypatch):
        assert 0.5 <= shares.min() and shares.max() <= 1
        plain = []
        for mixed, own, label, share, other, of in zip(given, patches, labels, shares, others, scores):
            candidates = patches[labels == other]
            assert min((share * own + (1 - share) * x - mixed).abs().max() for x in candidates) < 1e-5
            plain.append(share * cost(of, one_hot(label, len(of))) + (1 - share) * cost(of, one_hot(other, len(of))))
        assert loss == pytest.approx(float(np.mean(plain)), rel=1e-5)


def test_a_fold_with_one_clip_of_each_class_is_judged_with_the_training_clips_beside_it(small, tmp_path):
    table = pd.read_csv(small).groupby(["label", "fold"]).head(1)
    table["path"] = [str(small.parent / path) for path in table.path]
    table.to_csv(tmp_path / "few.csv", index=False)
    few = SMALL._replace(schemes=("metric",), k=(1,))
    with pytest.raises(InputError, match="a metric net needs 2"):
        experiment(str(tmp_path / "few.csv"), few, cache=tmp_path / "cache", jobs=1, progress=False)
    more = table[table.fold.eq(1)].assign(fold=5, source="another")
    more["path"] = [shutil.copy(path, tmp_path / f"{i}.wav") for i, path in enumerate(more.path)]
    pd.concat([table, more]).to_csv(tmp_path / "few.csv", index=False)
    outcome = experiment(str(tmp_path / "few.csv"), few, cache=tmp_path / "cache", jobs=1, progress=False)
    assert outcome.quality.rank_loss.between(0, 1).all() and len(outcome.results) == table.label.nunique()


def test_a_run_finds_its_background_noise_from_elsewhere(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("noise.wav", 0.1 * np.random.default_rng(0).standard_normal(3 * 44100), 44100)
    outcome = experiment(
        str(small),
        SMALL._replace(schemes=("none",), background=("noise.wav",)),
        cache=tmp_path / "cache",
        jobs=1,
        progress=False,
    )
    outcome.save(tmp_path / "out")
    noises = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["background"]
    assert (
        noises
        == [str(tmp_path / "noise.wav")]
        == experiment_module.notebook_parameters(outcome.graph.settings, str(small), 1, tmp_path)["background"]
    )


OWN_NETS = """
from metaug.metric import learn_metric
from metaug.selection import Scheme, accept_metric

def learn(mels, samples, held_out, inputs, seed):
    assert set(samples.fold).isdisjoint(held_out) and set(samples.deformation) > {"original"}
    originals = samples[samples.deformation.eq("original")]
    trained = learn_metric(mels, originals, held_out, epochs=inputs["metric_epochs"], l2=inputs["l2"], seed=seed)
    return trained, lambda network: network

as_npair = Scheme(accept_metric, "own_nets:learn", None, False, "the same as metric")
of_nothing = Scheme(accept_metric, "own_nets:missing", None, False, "no such embedding")
size = 64
of_a_number = Scheme(accept_metric, "own_nets:size", None, False, "no such embedding")
unknown = Scheme(accept_metric, "triplet", None, False, "no such embedding")
"""


def test_an_embedding_of_ones_own_that_learns_as_npair_does_comes_to_the_same(small, outcome, tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(OWN_NETS)
    monkeypatch.syspath_prepend(tmp_path)
    run = lambda scheme: experiment(
        str(small), SMALL._replace(schemes=(f"own_nets:{scheme}",)), cache=tmp_path / "cache", jobs=1, progress=False
    )
    own = run("as_npair")
    assert set(own.acceptance.net) == set(own.quality.net) == {"own_nets:learn"}
    pd.testing.assert_frame_equal(judged(own).drop(columns="net"), judged(outcome).drop(columns="net"))
    a, b = (o.predictions.drop(columns="scheme").astype({"probabilities": str}) for o in (own, outcome))
    pd.testing.assert_frame_equal(a, b[outcome.predictions.scheme.eq("metric")].reset_index(drop=True))
    with pytest.raises(InputError, match="judge own_nets:missing must be module:name"):
        run("of_nothing")
    with pytest.raises(InputError, match="judge own_nets:size must be a function, got int"):
        run("of_a_number")
    with pytest.raises(
        InputError, match="judge must be one of npair, classifier, efficientat or module:name of your own, got triplet"
    ):
        run("unknown")


def one_fold(data, out):  # words of a command
    "The command that does what `outcome` did."
    schemes = "--schemes none,brute,metric,random --k 3"
    return f"run {schemes} --folds 1 --valid-folds 1 --epochs 1 --metric-epochs 2 --jobs 1".split() + [
        "--data",
        data,
        "--out",
        out,
    ]


def test_run_makes_each_fold_a_notebook_with_the_same_numbers(small, outcome, tmp_path):
    (tmp_path / "cache").symlink_to(outcome.cache)
    ran = metaug(*one_fold(small, tmp_path), "--notebooks")
    assert ran.exit_code == 0, ran.output
    assert f"Notebooks: {tmp_path / 'fold01.ipynb'}" in ran.stdout
    whole, one = (
        pd.read_parquet(tmp_path / folder / "results.parquet").drop(columns=["confusion", "data"])
        for folder in (".", "fold01")
    )
    pd.testing.assert_frame_equal(whole, one)
    assert not list(tmp_path.glob(".*"))


def test_report_tells_and_writes_what_a_run_gave(outcome, tmp_path):
    outcome.save(tmp_path / "fold01")
    told = metaug("report", tmp_path)
    assert told.exit_code == 0, told.output
    assert "metric 3-NN against random 3-NN" in told.stdout and "brute against none" in told.stdout
    table = pd.read_csv(tmp_path / "summary.csv").set_index("name")
    correct = outcome.results.groupby("scheme").correct.sum() / outcome.results.groupby("scheme").n.sum()
    assert table.accuracy["brute"] == pytest.approx(100 * correct["brute"]) and set(
        pd.read_csv(tmp_path / "comparisons.csv").a
    ) >= {"brute", "metric 3-NN"}
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_report_refuses_what_is_no_table(tmp_path):
    (tmp_path / "results.parquet").write_text("not a table")
    told = metaug("report", tmp_path)
    assert told.exit_code == 2 and told.stderr.count("\n") == 1 and "results.parquet" in told.stderr


def test_a_failed_task_names_itself_and_the_others_go_on(small, outcome, tmp_path, monkeypatch):
    work, version = experiment_module.WORK["classifier"]

    def fails(inputs, cache, out):
        if inputs["scheme"] == "brute":
            raise FloatingPointError("on purpose")
        return work(inputs, cache, out)

    monkeypatch.setitem(experiment_module.WORK, "classifier", (fails, version))
    shutil.copytree(outcome.cache, tmp_path / "cache", ignore=shutil.ignore_patterns("classifier"))
    options = one_fold(small, tmp_path)
    ran = metaug(*options)
    assert (
        ran.exit_code == 1
        and "1 of 4 tasks failed, the others are kept; brute without folds [1, 2], seed 0: FloatingPointError: on purpose"
        in ran.stderr
    )
    log = next((tmp_path / "cache" / "failed").glob("*.log")).read_text()
    assert "brute without folds [1, 2]" in log and "Traceback" in log
    assert len(list((tmp_path / "cache" / "classifier").glob("*/task.json"))) == 3 and not list(
        tmp_path.glob("cache/*/.*.partial")
    )
    monkeypatch.undo()
    assert metaug(*options).exit_code == 0


def test_a_dry_run_says_why(small, outcome, tmp_path):
    (tmp_path / "cache").symlink_to(outcome.cache)
    common = [
        "run",
        "--data",
        small,
        "--k",
        "3",
        "--folds",
        "1",
        "--valid-folds",
        "1",
        "--metric-epochs",
        "2",
        "--out",
        tmp_path,
        "--dry-run",
    ]
    same, longer = (metaug(*common, "--epochs", epochs).output for epochs in (1, 2))
    assert same.count("done   ") == 2 + 1 + 4 and "to do" not in same
    assert longer.count(": epochs was 1, is 2") == 4 and longer.count("done   metric nets") == 2


def test_a_class_conditional_scheme_of_ones_own_is_not_taken_for_the_papers(tmp_path, monkeypatch):
    (tmp_path / "own_by_class.py").write_text(
        "from metaug.selection import Scheme\n"
        "def accept_all(judged, *, seed=0, effects=None): return [1.0] * len(judged)\n"
        'mine = Scheme(accept_all, None, "validation", False, "all")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    graph = Graph(
        "store", [1, 2, 3], Settings(("own_by_class:mine", "class", "class-oracle"), folds=(1,), valid_folds=1)
    )
    assert [task.inputs["scheme"] for task in graph.classifiers.values()] == [
        "own_by_class:mine",
        "class",
        "class-oracle",
    ]


def test_what_an_earlier_version_has_made_is_to_be_done_again(tmp_path, monkeypatch):
    graph = Graph("s", [1, 2, 3, 4], Settings(("metric",), folds=(1,), valid_folds=1))
    net, judged = graph.stages["metric nets"][0], graph.stages["acceptance"][0]
    before = net.key, judged.key
    for task in (net, judged):
        task.folder(tmp_path).mkdir(parents=True)
        (task.folder(tmp_path) / "task.json").write_text(
            json.dumps(dict(kind=task.kind, label=task.label, inputs=task.inputs))
        )
    monkeypatch.setitem(experiment_module.WORK, "acceptance", (experiment_module.WORK["acceptance"][0], 1000))
    graph = Graph("s", [1, 2, 3, 4], Settings(("metric",), folds=(1,), valid_folds=1))
    net, judged = graph.stages["metric nets"][0], graph.stages["acceptance"][0]
    assert net.key == before[0] and judged.key != before[1]
    why = reasons(graph, tmp_path).set_index("key").why
    assert why[net.key] == "" and why[judged.key] == "made by an earlier version of metaug"


def test_what_was_judged_for_another_rule_says_so(tmp_path):
    conformal = Graph("s", [1, 2, 3, 4], Settings(("conformal",), folds=(1,), valid_folds=1)).stages["acceptance"][0]
    conformal.folder(tmp_path).mkdir(parents=True)
    about = dict(kind=conformal.kind, label=conformal.label, inputs=conformal.inputs)
    (conformal.folder(tmp_path) / "task.json").write_text(json.dumps(about))
    graph = Graph("s", [1, 2, 3, 4], Settings(("metric",), folds=(1,), valid_folds=1))
    why = reasons(graph, tmp_path).set_index("key").why
    assert why[graph.stages["acceptance"][0].key] == "judged with conformal p-values or without"


def test_a_run_on_folds_that_lack_a_class_is_reported(small, tmp_path):
    clips = pd.read_csv(small)
    clips["path"] = [str(small.parent / name) for name in clips.path]
    clips[~(clips.label.eq("siren") & clips.fold.eq(1))].to_csv(tmp_path / "clips.csv", index=False)
    how = ["--schemes", "none", "--folds", 1, "--valid-folds", 1, "--epochs", 1, "--jobs", 1, "--out", tmp_path / "out"]
    told = CliRunner().invoke(main, list(map(str, ["run", "--data", tmp_path / "clips.csv", *how])))
    assert told.exit_code == 0 and (tmp_path / "out" / "confusion-none.png").exists(), told.output
    results = pd.read_parquet(tmp_path / "out" / "results.parquet").set_index("label")
    assert results.n["siren"] == 0 and results.n.sum() == 6 and all(len(row) == 4 for row in results.confusion)


def test_a_half_copied_task_is_done_again(tmp_path):
    def work(inputs, cache, out):
        (out / "made.txt").write_text("new")

    task = Task("toy", {}, "a toy", work)
    task.folder(tmp_path).mkdir(parents=True)
    (task.folder(tmp_path) / "made.txt").write_text("half")
    run_task(task, tmp_path)
    assert task.done(tmp_path) and (task.folder(tmp_path) / "made.txt").read_text() == "new"
    assert [f.name for f in (tmp_path / "toy").iterdir()] == [task.key]


def test_the_work_of_planning_grows_as_the_tasks_do(monkeypatch):
    calls = []
    monkeypatch.setattr(tasks, "digest", lambda value: calls.append(1) or digest(value))
    graph = Graph("s", list(range(1, 11)), Settings(("none", "class", "class-oracle", "metric"), seeds=(0, 1)))
    keys = [task.key for stage in graph.stages.values() for task in stage]
    assert (
        len(keys) == len(set(keys))
        and len(graph.stages["class-conditional classifiers"]) == 270
        and len(graph.stages["effects"]) == 22
    )
    assert len(calls) < 20 * len(keys)  # it had been thousands of times as many, and minutes


def test_notebooks_that_cannot_be_made_are_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    told = CliRunner().invoke(main, ["run", "--data", "generated", "--notebooks", "--out", str(tmp_path / "out")])
    assert told.exit_code == 2 and "papermill is not installed" in told.stderr and not (tmp_path / "out").exists()


def test_one_background_recording_needs_no_list(small, tmp_path):
    soundfile.write(tmp_path / "street.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 44100), 44100)
    clips, path = load_clips(small), str(tmp_path / "street.wav")
    assert (
        store_key(clips, Settings(background=path).making)
        == store_key(clips, Settings(background=(path,)).making)
        != store_key(clips, Settings().making)
    )


def test_epochs_as_the_paper_counts_them_and_the_classifiers_own_network(small, tmp_path):
    one = Settings(
        ("none", "classifier", "weight"),
        k=(3,),
        folds=(1,),
        valid_folds=1,
        epochs=2,
        metric_epochs=2,
        budget="epochs",
        recipe="mixup",
    )
    outcome = experiment(str(small), one, cache=tmp_path, jobs=1, progress=False)
    for (arm, _, _), task in outcome.graph.classifiers.items():
        folder = task.folder(outcome.cache)
        counts, judged = json.loads((folder / "counts.json").read_text()), outcome.acceptance
        judged = judged[judged.net.eq("classifier" if arm.scheme.name == "classifier" else "npair")]
        chosen = {"none": 0, "classifier": judged.accepted.sum(), "weight": judged.own_votes.gt(0).sum()}[
            arm.scheme.name
        ]
        assert counts["steps"] == 2 * -(-(16 + chosen) // 32), arm
        weights = {"none": 0, "classifier": judged.accepted.sum(), "weight": (judged.own_votes / judged.k).sum()}[
            arm.scheme.name
        ]
        assert counts["n_train"] == pytest.approx(16 + weights)
    nets = {task.inputs["net"]: task.folder(outcome.cache) for task in outcome.graph.stages["metric nets"]}
    assert (
        all(np.load(next(folder.glob("embedding-*.npz")))["samples"].shape[1] == 64 for folder in nets.values())
        and len(nets) == 2
    )


def test_a_last_batch_of_one_patch_is_not_blended():
    blend = classification._Blended(0.4)
    blend.learn = type(
        "L",
        (),
        dict(
            x=torch.zeros(1, 1, 4, 4),
            xb=(torch.zeros(1, 1, 4, 4),),
            y=torch.tensor([1]),
            yb=(torch.tensor([1]),),
            training=True,
        ),
    )()
    blend.before_batch()
    assert blend.lam.tolist() == [1.0] and blend.yb1 is blend.learn.yb


def test_one_training_at_a_time_on_a_graphics_card(monkeypatch):
    assert tasks._at_once(3) == 3 and tasks._at_once(-1) == joblib.effective_n_jobs(-1)
    monkeypatch.setattr(tasks, "default_device", lambda: torch.device("cuda"))
    assert tasks._at_once(-1) == 1 and tasks._at_once(3) == 3
