"Judges that need no training, controls of any scheme, what a judge is worth, and `metaug judge`."

import json
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch
from click.testing import CliRunner

import metaug
from metaug.augmentation.samples import prepare_store
from metaug.cli import main
from metaug.core.files import cache_folder
from metaug.core.tasks import run_tasks
from metaug.curation import Judging, find, finding, forecast, judge_parts, judgeable, select
from metaug.datasets import InputError, load_clips
from metaug.datasets.generated import generate_clips
from metaug.experiment import Graph, Settings, held_out_originals
from metaug.features.store import LogMelStore
from metaug.judging import conformal_p, score_interval, worth_by_class, worth_texts, wrong_share
from metaug.learning.batches import ResidentMels
from metaug.learning.metric import averaged_log_mels
from metaug.selection import accept_random, control_of, get_scheme, weigh

LABELS = ("call", "fan", "hammer")
BANDS = """
import numpy as np
from metaug.features import log_mel

def bands(samples, sample_rate):
    mel = log_mel(samples, sr=sample_rate)
    return np.r_[mel.mean(1) - mel.mean(), 3 * mel.std(1), 10 * np.abs(np.diff(mel, axis=1)).mean(1)]

def constant(samples, sample_rate):
    return np.ones(3)

def broken(samples, sample_rate):
    return np.full(3, np.nan)

def learner(mels, samples, held_out, inputs, seed):
    from metaug.metric import learn_metric
    originals = samples[samples.deformation.eq("original")]
    trained = learn_metric(mels, originals, held_out, epochs=inputs["metric_epochs"], seed=seed)
    return trained, lambda network: network
"""


@pytest.fixture(scope="module")
def own_judges(tmp_path_factory):
    "A module of judges that Python finds, here and in workers."
    folder = tmp_path_factory.mktemp("modules")
    (folder / "own_judges.py").write_text(BANDS)
    sys.path.insert(0, str(folder))
    yield "own_judges"
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    "Eight generated clips of each of three classes, in a folder a class."
    folder = tmp_path_factory.mktemp("sounds")
    generated = generate_clips(cache_folder() / "generated-v1-seed0")
    for label in LABELS:
        (folder / label).mkdir()
        for file in sorted((generated / label).glob("*.wav"))[:8]:
            shutil.copy(file, folder / label)
    return folder


@pytest.fixture(scope="module")
def table(sounds, tmp_path_factory) -> Path:
    "The same clips in four folds."
    clips = load_clips(sounds, n_folds=4).assign(fold=[i % 4 + 1 for _ in LABELS for i in range(8)])
    file = tmp_path_factory.mktemp("table") / "clips.csv"
    clips[["path", "label", "fold"]].to_csv(file, index=False)
    return file


def judged(clips, settings, cache):
    "Acceptance of a run's schemes, without its classifiers."
    store = prepare_store(clips, settings.making, cache=cache, jobs=1, progress=False)
    graph = Graph(store, sorted(set(clips.fold)), settings)
    for stage in ("embedding", "acceptance"):
        run_tasks(graph.stages[stage], cache, name=stage, jobs=1, progress=False)
    tables = [pd.read_parquet(task.folder(cache) / "acceptance.parquet") for task in graph.stages["acceptance"]]
    return graph, pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def acceptance_of_one_pair(own_judges, table, few_versions, tmp_path_factory):
    schemes = ("vote@own_judges:bands", "random:vote@own_judges:bands")
    settings = Settings(schemes, k=(3,), folds=(1,), valid_folds=1, candidates=(few_versions,))
    cache = tmp_path_factory.mktemp("cache")
    return *judged(load_clips(table), settings, cache), cache


def test_a_fixed_judge_embeds_once_and_judges_by_the_allowed_folds(acceptance_of_one_pair):
    graph, acceptance, cache = acceptance_of_one_pair
    assert {stage: len(tasks) for stage, tasks in graph.stages.items()} == {
        "embedding": 32,
        "metric nets": 0,
        "acceptance": 1,
        "classifiers": 2,
        "effects": 0,
        "class-conditional classifiers": 0,
    }
    fold = load_clips(Path(graph.clips_of(cache).path.iloc[0]).parents[1]).set_index("clip")
    assert set(acceptance.part) == {3, 4}
    clips = graph.clips_of(cache).set_index("clip").fold
    for row in acceptance.itertuples():
        assert {clips[name] for name in row.neighbours} == {7 - row.part}  # the other of folds 3 and 4
    assert acceptance.p.between(0, 1).all()
    assert len(fold) == len(clips)


def test_the_test_fold_has_no_say(acceptance_of_one_pair, table, tmp_path):
    graph, before, _ = acceptance_of_one_pair
    clips = load_clips(table)
    for number, path in enumerate(clips.path[clips.fold.eq(1)]):
        noise = tmp_path / f"{number}.wav"
        sf.write(noise, np.random.default_rng(number).normal(0, 0.1, 44100), 44100)
        clips.loc[clips.path.eq(path), "path"] = str(noise)
    _, after = judged(clips, graph.settings, tmp_path / "cache")
    pd.testing.assert_frame_equal(before, after)


def test_what_a_judge_is_worth_is_counted_on_originals_outside_the_pair(acceptance_of_one_pair):
    graph, _, cache = acceptance_of_one_pair
    originals = held_out_originals(graph, cache)
    assert set(originals.part) == {3, 4} and len(originals) == 12
    assert set(originals.net) == {"own_judges:bands"}
    worth = worth_by_class(originals).set_index("label")
    assert worth.clips.to_dict() == {"call": 4, "fan": 4, "hammer": 4, "(all classes)": 12}
    assert (worth.low <= worth.accuracy).all() and (worth.accuracy <= worth.high).all()


def test_controls_keep_the_numbers_of_their_scheme(acceptance_of_one_pair):
    _, acceptance, _ = acceptance_of_one_pair
    acceptance = acceptance.assign(accepted=np.random.default_rng(0).random(len(acceptance)) < 0.4)
    assert (weigh("random:metric", acceptance, seed=3) == accept_random(acceptance, seed=3)).all()
    for name in ("metric", "weight", "only-drc"):
        own, same, by_class = (
            weigh(prefix + name, acceptance, seed=3) for prefix in ("", "random:", "random-by-class:")
        )
        for by, control in ((["label", "deformation"], same), (["label"], by_class)):
            sums = [pd.Series(w).groupby([acceptance[c] for c in by]).apply(sorted) for w in (own, control)]
            assert [list(a) for a in sums[0]] == [list(a) for a in sums[1]]
    shuffled = acceptance.sample(frac=1, random_state=1)
    again = pd.Series(weigh("random-by-class:metric", shuffled, seed=3), shuffled.index).sort_index()
    assert (again == weigh("random-by-class:metric", acceptance, seed=3)).all()


def test_schemes_with_any_judge_are_named():
    assert get_scheme("pretrained").judge == "efficientat"
    assert get_scheme("weight@classifier")[:2] == (get_scheme("weight").function, "classifier")
    assert get_scheme("random:conformal-0.9@efficientat").needs_originals
    assert get_scheme("random-by-class:class").needs_effects == "validation"
    assert control_of(get_scheme("class-oracle"), ["label"]).leaks
    for name in ("none@efficientat", "metric@", "conformal-two", "conformal-1.5", "random:nothing"):
        with pytest.raises(InputError):
            get_scheme(name)


def test_conformal_rejects_at_most_alpha_whatever_the_scores():
    random = np.random.default_rng(0)
    rejected = []
    for _ in range(400):
        margins = random.exponential(size=41) ** 3
        table = pd.DataFrame(dict(clip=range(41), label="a", margin=margins))
        rejected.append(conformal_p(table[40:], table[:40])[0] <= 0.1)
    assert np.mean(rejected) <= 0.1 + 2 * np.sqrt(0.09 / 400)


def test_conformal_p_against_plain_loops():
    random = np.random.default_rng(1)
    originals = pd.DataFrame(
        dict(clip=[f"c{i}" for i in range(30)], label=list("aab") * 10, margin=random.integers(0, 8, 30) / 8)
    )
    judged = originals.sample(50, replace=True, random_state=0).assign(margin=random.integers(0, 8, 50) / 8)
    expected = []
    for row in judged.itertuples():
        others = originals[originals.label.eq(row.label) & originals["clip"].ne(row.clip)].margin
        expected.append((1 + (others <= row.margin).sum()) / (1 + len(others)))
    assert np.allclose(conformal_p(judged, originals), expected)


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5, 0.75])
def test_the_share_of_wrong_candidates_is_estimated_within_five_points(share):
    random, labels = np.random.default_rng(2), np.array(["a", "b", "c"])
    originals = pd.DataFrame(dict(clip=[f"o{i}" for i in range(300)], label=np.repeat(labels, 100)))
    other = lambda label: random.choice(labels[labels != label])
    said = lambda truth: truth if random.random() < 0.95 else other(truth)
    originals["predicted"] = originals.label.map(said)
    truth = np.repeat(labels, 700)
    judged = pd.DataFrame(dict(clip=[f"c{i // 5}" for i in range(2100)], deformation="x", truth=truth))
    judged["predicted"] = judged.truth.map(said)
    is_wrong = random.random(2100) < share
    judged["label"] = [other(t) if wrong else t for t, wrong in zip(truth, is_wrong)]
    found = wrong_share(judged, originals).iloc[-1]
    assert abs(found.wrong - is_wrong.mean()) < 0.05
    assert found.low <= is_wrong.mean() <= found.high


def slices(prefix, sources, random):
    "Clips of sources of one to ten slices, half of the sources all recognised, others seldom."
    labels, rows = np.array(["a", "b"]), []
    for number in range(sources):
        label, known = labels[number % 2], 1 if random.random() < 0.8 else 0.3
        for part in range(random.choice([1, 1, 2, 10])):
            said = label if random.random() < known else labels[labels != label][0]
            rows.append((f"{prefix}{number}-{part}", f"{prefix}{number}", label, said))
    return pd.DataFrame(rows, columns=["clip", "source", "label", "predicted"])


def test_the_interval_of_wrong_candidates_is_over_sources_of_unequal_size():
    random = np.random.default_rng(4)
    held = {"source": 0, "clip": 0}
    for _ in range(40):
        originals, judged = slices("o", 60, random), slices("c", 30, random).assign(deformation="x")
        is_wrong = random.random(len(judged)) < 0.1
        judged["label"] = judged.label.where(~is_wrong, judged.label.map(dict(a="b", b="a")))
        for unit in held:
            tables = (judged, originals) if unit == "source" else (judged.assign(source=judged["clip"]), originals)
            tables = [table.assign(source=table[unit]) for table in tables]
            of = wrong_share(*tables, draws=300).iloc[-1]
            held[unit] += of.low <= is_wrong.mean() <= of.high
    assert held["source"] >= 37 > held["clip"]


def test_without_sources_each_clip_is_its_own_and_few_at_once_change_nothing(monkeypatch):
    random = np.random.default_rng(5)
    originals, judged = slices("o", 40, random), slices("c", 20, random).assign(deformation="x")
    own = [table.assign(source=table["clip"]) for table in (judged, originals)]
    without = [table.drop(columns="source") for table in own]
    pd.testing.assert_frame_equal(wrong_share(*own), wrong_share(*without))
    whole = wrong_share(judged, originals)
    monkeypatch.setattr(metaug.judging.calibration, "_WEIGHTS_AT_ONCE", 1000)
    columns = ["wrong", "low", "high"]
    assert np.allclose(wrong_share(judged, originals)[columns], whole[columns], atol=0.04)


def test_the_interval_of_single_clips_is_that_of_jeffreys():
    originals = pd.DataFrame(dict(clip=range(60), label=["a"] * 30 + ["b"] * 30))
    originals["predicted"] = originals.label
    judged = pd.DataFrame(dict(clip=range(100, 120), label="a", deformation="x", predicted=["a"] * 15 + ["b"] * 5))
    random = np.random.default_rng(0)
    right, taken, accepted = (random.beta(a + 0.5, b + 0.5, 200_000) for a, b in ((30, 0), (0, 30), (15, 5)))
    low, high = np.percentile(np.clip((right - accepted) / (right - taken), 0, 1), [2.5, 97.5])
    found = wrong_share(judged, originals, draws=50_000).iloc[0]
    assert np.isclose(found.wrong, 0.25) and np.allclose([found.low, found.high], [low, high], atol=0.01)


def test_score_interval_against_statsmodels_formula():
    low, high = score_interval(0.9, 40)
    assert (round(low, 4), round(high, 4)) == (0.7695, 0.9604)
    assert score_interval(1.0, 10)[1] == 1.0 and score_interval(0.0, 10)[0] == 0.0


def test_select_by_a_judge_of_ones_own_trains_nothing(own_judges, table, few_versions, tmp_path):
    how = dict(candidates=few_versions, k=3, epochs=90, jobs=1, audio=False, report=False)
    made = select(table, tmp_path / "out", judge="own_judges:bands", **how)
    assert not (tmp_path / "out/.metaug-cache/part").exists()
    assert made.judgement.judge == "own_judges:bands" and made.judgement.worth.trusted.all()
    assert (tmp_path / "out/worth.parquet").exists()
    assert json.loads(json.dumps(made.as_dict()))["worth"][-1]["clips"] == 24
    with pytest.raises(InputError, match="was made from other judge"):
        select(table, tmp_path / "out", judge="npair", **how)


def test_classes_that_a_judge_does_not_know_are_kept_whole(own_judges, table, few_versions, tmp_path):
    clips = load_clips(table)
    settings = Settings(candidates=(few_versions,))
    key = prepare_store(clips, settings.making, cache=tmp_path, jobs=1, progress=False)
    store = LogMelStore.open(f"{tmp_path}/stores/{key}")
    how = Judging("own_judges:constant", k=3)
    with pytest.warns(UserWarning, match="recognises the originals of .* no better than averaged log-mels"):
        said = judge_parts(judgeable(clips), store, settings.making, how, cache=tmp_path, jobs=1)
    unknown = said.worth.label[~said.worth.trusted]
    assert said.acceptance.accepted[said.acceptance.label.isin(unknown)].all()


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--judge", "panns"],
            "judge must be one of npair, classifier, efficientat or module:name of your own, got panns",
        ),
        (["--judge", "no_module:here"], "judge no_module:here must be module:name of what can be imported"),
        (["--rule", "most"], "Invalid value for '--rule': 'most' is not one of 'vote', 'conformal'"),
        (["--rule", "conformal", "--keep", "2"], "keep must be more than 0 and less than 1, got 2"),
    ],
)
def test_bad_options_of_select_are_one_line_and_leave_nothing(sounds, tmp_path, options, message):
    ran = CliRunner().invoke(main, ["select", str(sounds), "--out", str(tmp_path / "out"), "--k", "3", *options])
    assert ran.exit_code == 2 and message in ran.stderr and len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_without_its_weights_efficientat_is_one_line_and_leaves_nothing(sounds, tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    for command in (
        ["select", str(sounds), "--out", str(tmp_path / "out"), "--judge", "efficientat"],
        ["judge", str(sounds)],
    ):
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 2 and "--judge npair, which learns from the sounds alone" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_weights_of_another_content_are_refused_before_anything_is_read_or_written(sounds, tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    (tmp_path / "mn04_as_mAP_432.pt").write_text("something else")
    for command in (
        ["select", str(sounds), "--out", str(tmp_path / "out"), "--judge", "efficientat"],
        ["judge", str(sounds)],
    ):
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 2 and ran.stderr.startswith(f"metaug: {tmp_path}/mn04_as_mAP_432.pt: sha256 must be")
        assert len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def judge(*arguments):
    return CliRunner().invoke(
        main, ["judge", *map(str, arguments), "--judge", "own_judges:bands", "--k", "3", "--jobs", "1"]
    )


def test_judge_finds_exchanged_labels(own_judges, sounds, tmp_path):
    shutil.copytree(sounds, tmp_path / "mine")
    file = sorted((tmp_path / "mine/call").iterdir())[3]
    file.rename(tmp_path / "mine/hammer/exchanged.wav")
    ran = judge(tmp_path / "mine", "--json", "--html", tmp_path / "page.html", "--table", tmp_path / "table.csv")
    assert ran.exit_code == 0, ran.output
    suspicious = [row for row in json.loads(ran.stdout)["recordings"] if not row["accepted"]]
    found = {row["clip"]: row["predicted"] for row in suspicious}
    assert found["hammer/exchanged"] == "call"
    page = (tmp_path / "page.html").read_text()
    assert "hammer/exchanged" in page and "<script" not in page
    assert len(pd.read_csv(tmp_path / "table.csv")) == 24


def test_judge_ends_with_what_a_person_decides_by(own_judges, sounds, tmp_path):
    for number, file in enumerate(sorted((sounds / "call").iterdir())[:7]):
        target = tmp_path / "found" / ("hammer" if number else "call") / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    lines = judge(sounds, tmp_path / "found").stdout.splitlines()
    told = {line.split()[0]: line for line in lines[1:4]}
    assert " 1 of 1" in told["call"] and " 0 of 6" in told["hammer"] and "none judged" in told["fan"]
    assert "(all classes)" in lines[4] and " 1 of 7" in lines[4]
    assert lines[5].startswith("Judge: own_judges:bands; it recognises ") and ", averaged log-mels " in lines[5]
    start = lines.index("6 of 7 recordings sound like another class")
    assert lines[start + 1] == "Most suspicious:" and len(lines) == start + 8
    for line in lines[start + 2 : -1]:
        assert re.fullmatch(
            r"  hammer/\w+: labelled hammer, sounds like call \(\d of 3 neighbours\), nearest is call/\w+", line
        )
    assert lines[-1] == "To hear them, add --html suspicious.html"
    page = tmp_path / "page.html"
    assert judge(sounds, tmp_path / "found", "--html", page).stdout.splitlines()[-1] == f"See {page}"


def test_judge_bad_input_is_one_line_and_leaves_nothing(own_judges, sounds, tmp_path):
    (tmp_path / "other/bell").mkdir(parents=True)
    shutil.copy(next((sounds / "call").iterdir()), tmp_path / "other/bell")
    page = tmp_path / "page.html"
    for arguments, message in (
        (
            (sounds, tmp_path / "other"),
            "candidates must claim a class of which originals can be judged (call, fan, hammer), got bell",
        ),
        ((sounds, "--k", "200"), "k must be from 1 to"),
        ((tmp_path / "other",), "one class only"),
        ((tmp_path / "nothing",), "there is no such folder or file"),
        ((sounds, "--judge", "own_judges:learner", "--epochs", "0"), "epochs must be >= 1, got 0"),
        ((sounds, "--judge", "panns"), "judge must be one of npair, classifier, efficientat or module:name"),
        ((sounds, "--judge", "own_judges:broken"), "must give finite numbers"),
    ):
        ran = CliRunner().invoke(
            main, ["judge", "--judge", "own_judges:bands", "--jobs", "1", "--html", str(page), *map(str, arguments)]
        )
        assert ran.exit_code == 2 and message in ran.stderr, (arguments, ran.output)
        assert ran.stderr.strip().splitlines()[-1].startswith("metaug: ") and not page.exists()


@pytest.mark.parametrize("name", ["npair", "classifier", "own_judges:learner"])
def test_judges_that_learn_judge_originals_and_candidates(own_judges, table, sounds, tmp_path, name):
    (tmp_path / "found/call").mkdir(parents=True)
    shutil.copy(sorted((sounds / "call").iterdir())[0], tmp_path / "found/call")  # the sound of an original
    how = dict(judge=name, k=3, epochs=2, jobs=1, cache=tmp_path / "cache")
    alone = metaug.judge(table, **how)
    assert sorted(alone.table.path) == sorted(load_clips(table).path) and alone.wrong is None
    both = metaug.judge(table, tmp_path / "found", **how)
    assert both.table.path.tolist() == [str(next((tmp_path / "found/call").iterdir()))]
    pd.testing.assert_frame_equal(both.originals, alone.originals)
    fold = load_clips(table).set_index("clip").fold
    for row in alone.table.itertuples():
        assert fold[row.clip] not in {fold[name] for name in row.nearest}


def test_auto_takes_the_judge_that_can_be_had(table, tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    with pytest.warns(UserWarning, match="judge npair, since efficientat can't be had"):
        said = metaug.judge(table, judge="auto", k=3, epochs=1, jobs=1, cache=tmp_path / "cache")
    assert said.judge == "npair" and said.text().splitlines()[0].split()[:2] == ["class", "originals"]


def test_a_candidate_is_shown_with_its_own_file(own_judges, sounds, tmp_path):
    for label in LABELS:
        (tmp_path / "found" / label).mkdir(parents=True)
        first = sorted((sounds / label).iterdir())[0]
        shutil.copy(
            sorted((sounds / label).iterdir())[1], tmp_path / "found" / label / first.name
        )  # an original's name
    said = metaug.judge(sounds, tmp_path / "found", judge="own_judges:bands", k=3, jobs=1)
    assert all(Path(path).is_relative_to(tmp_path / "found") for path in said.table.path)
    assert set(said.table["clip"]) <= set(said.files.index)


def test_recordings_and_candidates_of_a_class_of_one_are_left_out_with_a_word(own_judges, sounds, tmp_path):
    shutil.copytree(sounds, tmp_path / "mine")
    bell = tmp_path / "mine/bell/one.wav"
    bell.parent.mkdir()
    shutil.copy(sorted((sounds / "call").iterdir())[0], bell)
    (tmp_path / "found/bell").mkdir(parents=True)
    shutil.copytree(sounds / "fan", tmp_path / "found/fan")
    shutil.copy(bell, tmp_path / "found/bell/two.wav")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ran = judge(tmp_path / "mine", tmp_path / "found", "--json")
    assert ran.exit_code == 0, ran.output
    said = [str(warning.message) for warning in said]
    assert "1 recordings can't be judged, their class has fewer than two in other folds: bell" in said
    assert "1 candidates are left out, there are no originals that can be judged of bell" in said
    assert {row["label"] for row in json.loads(ran.stdout)["recordings"]} == {"fan"}
    shutil.rmtree(tmp_path / "found/fan")
    ran = judge(tmp_path / "mine", tmp_path / "found")
    assert ran.exit_code == 2, ran.stderr
    assert "candidates must claim a class of which originals can be judged" in ran.stderr


def test_averaged_log_mels_keep_how_much_of_a_clip_is_silent():
    frames = torch.full((200, 128), -80.0)
    frames[::10] = -20  # short ticks
    frames[100:] = -20  # a steady sound
    both = averaged_log_mels(ResidentMels(frames.half(), np.array([100, 100])), np.array([0, 1]))
    assert np.allclose(both, [[-74] * 128, [-20] * 128])


def test_worth_is_written_for_people():
    originals = pd.DataFrame(dict(clip=range(4), label=list("aabb"), predicted=list("aaab"), baseline=list("abbb")))
    texts = worth_texts(worth_by_class(originals))
    assert texts.iloc[0].tolist() == ["a", "2", "100.0% (34.2% to 100.0%)", "50.0%", ""]
    assert texts.iloc[1].tolist()[-2:] == ["100.0%", "no better"]
    assert texts.iloc[2].tolist()[-1] == ""


def test_a_forecast_measures_a_judge_in_one_thread_as_workers_use_it(sounds, own_judges, monkeypatch):
    threads, before = [], torch.get_num_threads()
    monkeypatch.setattr(finding, "embed_versions", lambda *_, **__: threads.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        told = forecast(find(sounds), judge=f"{own_judges}:bands", audio=False, jobs=1)
        assert threads == [1, 1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert told.stage.tolist() == ["deform", "judge", "write report"]


@pytest.mark.parametrize("judge", ["efficientat", "npair"])
def test_a_forecast_counts_candidates_from_elsewhere(sounds, monkeypatch, judge):
    monkeypatch.setattr(finding, "_embedding_seconds", lambda *_: 60.0)
    monkeypatch.setattr(finding, "training_rate", lambda: 1 / 60)
    found = find(sounds)
    more = pd.concat([found.clips] * 50).assign(seconds=5.0)
    stage = "judge" if judge == "efficientat" else "learn metrics"
    how = dict(judge=judge, epochs=1, audio=False, report=False, jobs=1)
    alone, both = (forecast(found, found_sounds=s, **how).set_index("stage").minutes[stage] for s in (None, more))
    assert both - alone > 0.1 * len(more)
