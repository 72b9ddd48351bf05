"The listening page: what is chosen, what it weighs, and that nothing in the data becomes part of the page."

import base64
import hashlib
import io
import itertools
import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile

from metaug.augmentation import augment, deform, store_attrs
from metaug.datasets import InputError, read_audio
from metaug.features import LogMelStore
from metaug.judging.calibration import ALL_CLASSES
from metaug.listening import (
    browse,
    by_sample,
    embed_json,
    find_store,
    page_data,
    listening_order,
    listening_page,
    medium,
    mp3,
    one_way,
    page,
    page_verdict,
    why_silent,
)
from metaug.listening.contents import _needed_rows, _judgements_of_k, _tables
from metaug.selection import acceptance, by_class_deformation

HOSTILE = ['</script><img src=x onerror="alert(1)">', "'\"><b>&amp;{{data}}\u2028", "plain"]


def make_clips(folder) -> pd.DataFrame:  # 24 clips of 0.6 s: 3 classes with hostile names, 4 folds
    "Write tones, chirps and noise, and name them so that a careless page breaks."
    rng, t, rows = np.random.default_rng(0), np.arange(26460) / 44100, []
    for (number, label), fold, copy in itertools.product(enumerate(HOSTILE), range(1, 5), range(2)):
        pitch = rng.uniform(300, 600)
        y = (
            [np.sin(2 * np.pi * pitch * t), np.sin(2 * np.pi * pitch * t * (1 + t)), rng.standard_normal(len(t)) / 4][
                number
            ]
            * 0.5
            * np.hanning(len(t))
        )
        path = folder / f"{number}-{fold}-{copy}.wav"
        soundfile.write(path, y, 44100)
        rows.append(
            dict(
                clip=f"{label}/{fold}-{copy}",
                path=str(path),
                label=label,
                fold=fold,
                source=f"{number}-{fold}-{copy}",
                seconds=0.6,
            )
        )
    return pd.DataFrame(rows).sort_values("clip", ignore_index=True)


def judge_all(store: LogMelStore, *, k) -> pd.DataFrame:  # acceptance table, all pairs of four folds
    "Judge by the mean log-mel, which makes right and wrong decisions."
    samples = store.samples.merge(store.clips[["clip", "label", "fold"]], on="clip")
    vectors = np.stack([mel.mean(1) - mel.mean() for mel in store]) + np.random.default_rng(0).normal(
        0, 3, (len(samples), 128)
    )
    tables = []
    for test, valid in itertools.combinations(range(1, 5), 2):
        for part in {1, 2, 3, 4} - {test, valid}:
            judged, reference = (
                samples.fold.eq(part).to_numpy(),
                (samples.deformation.eq("original") & ~samples.fold.isin([part, test, valid])).to_numpy(),
            )
            tables.append(
                acceptance(
                    samples[judged].reset_index(drop=True),
                    vectors[judged],
                    samples["clip"][reference].to_numpy(),
                    vectors[reference],
                    samples.label[reference].to_numpy(),
                    k=k,
                    test=test,
                    valid=valid,
                )
            )
    return pd.concat(tables, ignore_index=True).assign(seed=0)


def judge_once(store: LogMelStore, *, k) -> pd.DataFrame:  # acceptance table of a selection: no folds are held out
    "Judge each part by all others, as `metaug select` does."
    samples = store.samples.merge(store.clips[["clip", "label", "fold"]], on="clip")
    vectors = np.stack([mel.mean(1) - mel.mean() for mel in store])
    vectors += np.random.default_rng(0).normal(0, 3, vectors.shape)
    originals, tables = samples.deformation.eq("original"), []
    for part in (1, 2, 3, 4):
        judged, reference = samples.fold.eq(part).to_numpy(), (originals & samples.fold.ne(part)).to_numpy()
        known = samples["clip"][reference].to_numpy(), vectors[reference], samples.label[reference].to_numpy()
        own = samples[judged].reset_index(drop=True)
        tables.append(acceptance(own, vectors[judged], *known, k=k, test=0, valid=5))
    return pd.concat(tables, ignore_index=True).assign(test=0, valid=0, seed=0, overruled=False)


def make_worth() -> pd.DataFrame:  # what a judge is worth, invented: the third class is not known
    "A worth table as `worth_by_class` gives it."
    rows = [(label, 8, 1 - number / 4, 0.3, 1.0, 0.5, number < 2) for number, label in enumerate(HOSTILE)]
    return pd.DataFrame(
        [*rows, (ALL_CLASSES, 24, 0.75, 0.55, 0.88, 0.5, True)],
        columns="label clips accuracy low high baseline trusted".split(),
    )


def make_results() -> pd.DataFrame:  # results table of two folds
    "Results of three schemes, invented."
    rows, rng = [], np.random.default_rng(1)
    for (scheme, k, share), test in itertools.product(
        [("none", None, 1 / 21), ("brute", None, 1.0), ("metric", 5, 0.6)], (1, 2)
    ):
        for number, label in enumerate(HOSTILE):
            confusion = np.bincount(np.append(rng.integers(0, 3, 3), [number] * 7), minlength=3).tolist()
            rows.append(
                dict(
                    data="generated",
                    scheme=scheme,
                    k=k,
                    test=test,
                    seed=0,
                    label=label,
                    n=10,
                    correct=confusion[number],
                    confusion=confusion,
                    n_train=10.0,
                    share=share,
                    acceptance=0.5,
                    epochs=1,
                    steps=10,
                    seconds=1.0,
                    recipe="modern",
                    budget="steps",
                    engine="spectral",
                    valid_folds=1,
                )
            )
    return pd.DataFrame(rows).astype({"k": "Int64"})


def make_run(folder):
    "A run's folder as `metaug run` leaves it, in seconds: hostile names, three classes, four folds."
    clips = make_clips(folder)
    store = augment(clips, folder / "cache" / "stores" / "one", progress=False)
    make_results().to_parquet(folder / "results.parquet")
    judge_all(store, k=[1, 5]).to_parquet(folder / "acceptance.parquet")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def judged(run):
    return pd.read_parquet(run / "acceptance.parquet")


@pytest.fixture(scope="module")
def store(run):
    return LogMelStore.open(str(run / "cache/stores/one"))


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    return listening_page(run, tmp_path_factory.mktemp("page") / "report.html", max_mb=1, jobs=1).read_text()


def data_of(text: str) -> dict:  # what the page's program gets
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


class Tags(HTMLParser):
    "Every element of a page with its attributes."

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


# ---------------------------------------------------------------- one row a sample, and whose turn it is


@pytest.mark.parametrize("k", [1, 5])
def test_by_sample_against_plain_loops(judged, k):
    table = by_sample(judged, k=k).set_index(["clip", "deformation", "level"])
    for key, rows in judged[judged.k.eq(k)].groupby(["clip", "deformation", "level"]):
        times, margin, row = int(rows.accepted.sum()), rows.margin.mean(), table.loc[key]
        assert (row.judged, row.times, row.label) == (len(rows), times, rows.label.iloc[0])
        assert row.margin == pytest.approx(margin) and row.own == pytest.approx(rows.own_votes.mean())
        assert row.accepted == (2 * times > len(rows) or (2 * times == len(rows) and margin > 0))


def test_folds_run_one_by_one_share_pairs(judged):
    pd.testing.assert_frame_equal(by_sample(pd.concat([judged, judged])), by_sample(judged))


def test_two_opinions_on_one_judgement_are_refused(judged):
    with pytest.raises(InputError, match="got some twice"):
        by_sample(pd.concat([judged, judged.assign(margin=-judged.margin)]))


@pytest.mark.parametrize("drop", ["margin", "neighbours", "own_votes"])
def test_a_missing_column_is_named(judged, drop):
    with pytest.raises(InputError, match=f"none called {drop}"):
        by_sample(judged.drop(columns=drop))


def test_turns_are_even_wherever_they_end(judged):
    turns = listening_order(by_sample(judged))
    sizes = turns.groupby(["label", "deformation", "accepted"]).size()
    for end in (7, 50, 111, 200):
        got = turns.head(end).groupby(["label", "deformation", "accepted"]).size().reindex(sizes.index, fill_value=0)
        waiting = got[got < sizes]
        assert got.max() - waiting.min() <= 1


def test_turns_take_both_ends_of_a_cell(judged):
    turns = listening_order(by_sample(judged))
    for _, group in turns.groupby(["label", "deformation", "accepted"]):
        narrow = group.margin.abs().tolist()
        assert narrow[0] == min(narrow) and (len(narrow) < 2 or narrow[1] == max(narrow))


# ---------------------------------------------------------------- sound and pictures


def test_mp3_is_the_sound():
    t = np.arange(2 * 44100) / 44100
    played, rate = soundfile.read(io.BytesIO(mp3(0.5 * np.sin(2 * np.pi * 440 * t).astype(np.float32))))
    spectrum = abs(np.fft.rfft(played * np.hanning(len(played))))
    assert rate == 22050 and len(played) / rate == pytest.approx(2, abs=0.1)
    assert np.argmax(spectrum) * rate / len(played) == pytest.approx(440, abs=2)
    assert played[2000:40000].std() == pytest.approx(0.5 / 2**0.5, rel=0.03)


def test_a_deformed_sound_is_the_one_that_was_judged(store):
    clip = store.clips.iloc[2]
    for row in store.samples[store.samples["clip"].eq(clip["clip"])].iloc[::3].itertuples():
        made = soundfile.read(io.BytesIO(medium(store.path, row.row).sound))[0]
        wanted = read_audio(clip["path"])
        if row.deformation != "original":
            wanted = deform(
                wanted, deformation=row.deformation, level=row.level, engine="rubberband", clip=clip["clip"]
            )
        wanted = soundfile.read(io.BytesIO(mp3(wanted)))[0]
        np.testing.assert_array_equal(made, wanted)
        assert row.frames * 1024 / 44100 == pytest.approx(len(made) / 22050, abs=0.15)


def test_a_missing_recording_is_said_and_stays_listed(run, tmp_path):
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    old = LogMelStore.open(str(moved / "cache/stores/one"))
    clips = old.clips.assign(path=[p.replace(str(run), str(moved)) for p in old.clips.path])
    clips.to_parquet(moved / "cache/stores/one/clips.parquet")
    (moved / "0-1-0.wav").unlink()
    text = page(
        pd.read_parquet(moved / "acceptance.parquet"),
        find_store(moved, pd.read_parquet(moved / "acceptance.parquet")),
        max_mb=0.8,
    )
    data = data_of(text)
    lost = next(i for i, clip in enumerate(data["clips"]["clip"]) if clip == f"{HOSTILE[0]}/1-0")
    assert str(data["clips"]["row"][lost]) not in data["sounds"] and str(data["clips"]["row"][lost]) in data["pictures"]
    assert "0-1-0.wav" in data["clips"]["why"][lost] and str(moved) not in data["clips"]["why"][lost]
    assert sum(clip == lost for clip in data["samples"]["clip"]) == 20
    assert re.search(r'class="warning">\d+ sounds are missing: ', text)


def test_other_background_recordings_are_not_passed_off(run, tmp_path):
    noise = tmp_path / "noise.wav"
    soundfile.write(noise, np.random.default_rng(0).standard_normal(88200) / 9, 44100)
    clips = make_clips(tmp_path).head(1)
    store = augment(clips, tmp_path / "store", background=[noise], progress=False)
    assert list(why_silent(store)) == ["bgnoise"] and why_silent(store, [str(noise)]) == {}
    row = int(store.samples.row[store.samples.deformation.eq("bgnoise")].iloc[0])
    assert medium(store.path, row, silent=why_silent(store)).sound is None
    assert medium(store.path, row, background=[str(noise)]).sound


def test_a_store_of_another_version_is_silent(store):
    class Other:
        samples, clips = store.samples, store.clips

        class array:
            attrs = {"metaug": {**store.array.attrs["metaug"], "version": -1}}

    assert set(why_silent(Other)) == {"stretch", "pitch1", "pitch2", "drc", "bgnoise"}


# ---------------------------------------------------------------- grids of one's own

LEVELS = {"echo": 1, "telephone line": 2, "slower": 7}


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):  # acceptance table and path of a store of three deformations with 1, 2 and 7 levels
    "Judgements on a grid that nobody knows beforehand."
    folder, versions = tmp_path_factory.mktemp("own"), 1 + sum(LEVELS.values())
    clips = make_clips(folder)
    store = LogMelStore.create(str(folder / "store"), clips, versions=versions, attrs=store_attrs())
    levels = [("original", 0), *((name, level) for name, count in LEVELS.items() for level in range(count))]
    rng = np.random.default_rng(0)
    for index, clip in enumerate(clips["clip"]):
        rows = [dict(clip=clip, deformation=name, level=level) for name, level in levels]
        for row in rows:
            row["rate"] = 1 - 0.1 * row["level"] if row["deformation"] == "slower" else None
        base = rng.normal(-40, 10, 128)
        mels = [(base + rng.normal(0, 5, 128))[:, None] + np.zeros((128, 20 + at)) for at in range(versions)]
        store.append(index, mels, rows)
    return judge_all(store, k=5), store.path


@pytest.fixture
def own(own_run):  # acceptance table and store
    "The same, open."
    return own_run[0], LogMelStore.open(own_run[1])


def test_every_level_of_ones_own_grid_is_listed(own):
    judged, store = own
    table = by_sample(judged)
    assert table.groupby("deformation")["level"].nunique().to_dict() == LEVELS and len(table) == 24 * 10
    data = page_data(judged, store, budget=2e6)
    assert data["deformations"] == sorted(LEVELS) and data["judged"] == 240
    samples = pd.DataFrame({name: data["samples"][name] for name in ("deformation", "what", "row", "clip", "place")})
    known = store.samples.set_index("row")
    for sample in samples.itertuples():
        row = known.loc[sample.row]
        assert (row.deformation, data["clips"]["clip"][sample.clip]) == (sample.deformation, row["clip"])
        assert sample.what == (f"× {row.rate:.2f}" if row.deformation == "slower" else f"level {row.level}")
    ordered = samples.assign(level=known.level.loc[samples.row].to_numpy()).sort_values("place")
    first = ordered[ordered["clip"] == 0]
    assert list(zip(first.deformation, first.level)) == sorted((n, level) for n in LEVELS for level in range(LEVELS[n]))


def test_a_sample_is_found_by_its_row_in_the_samples_table(own):
    _, store = own
    for row in store.samples.iloc[[0, 1, 11, 12, 21, 25]].itertuples():
        made = medium(store.path, row.row)
        assert made.picture and (made.sound is not None) == (row.deformation == "original"), row


def test_a_deformation_that_cannot_be_made_again_is_silent_and_says_why(own):
    judged, store = own
    why = why_silent(store)
    assert set(why) == set(LEVELS) and len(set(why.values())) == 1
    text = page(judged, store, max_mb=1)
    assert "echo" in text and "sounds are missing: " in text
    assert data_of(text)["sounds"]  # of the originals


def test_turns_are_even_on_ones_own_grid(own):
    turns = listening_order(by_sample(own[0]))
    groups = turns.groupby(["label", "deformation", "accepted"]).ngroups
    assert len(turns.head(groups).drop_duplicates(["label", "deformation", "accepted"])) == groups


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("max_mb", [0.15, 0.5])
def test_the_budget_holds_and_is_used(judged, store, max_mb):
    size = len(page(judged, store, max_mb=max_mb).encode())
    assert 0.5 * max_mb < size / 1e6 <= max_mb


def test_more_budget_more_sound(judged, store):
    counts = [len(page_data(judged, store, budget=size)["sounds"]) for size in (1e5, 2e5, 4e5)]
    assert counts == sorted(set(counts))


def test_the_same_run_gives_the_same_page(run, written, tmp_path):
    again = listening_page(run, tmp_path / "report.html", max_mb=1, jobs=2)
    assert again.read_text() == written and again.stat().st_size <= 1e6
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]  # no partial file is left


def test_every_sample_with_sound_has_all_it_needs(judged, store):
    data, tables = page_data(judged, store, budget=3e5), _tables(_judgements_of_k(judged, None), store, 3e5 / 5)
    sounding = [need for need in _needed_rows(tables) if str(need[0]) in data["sounds"]]
    assert sounding
    for need in sounding:
        assert {str(row) for row in need} <= data["sounds"].keys() & data["pictures"].keys()


def test_cells_are_figure_4(judged):
    cells = pd.DataFrame(page_data(judged, k=5)["cells"])
    known = by_class_deformation(judged[judged.k.eq(5)], draws=10)
    both = cells.merge(known, on=["label", "deformation"])
    assert len(both) == len(known) == 15
    assert (both.judged_x == both.judged_y).all() and (both.accepted_x == both.accepted_y).all()


def test_judgements_come_with_their_neighbours(judged, store):
    data = page_data(judged, store, budget=2e5)
    known = judged[judged.k.eq(5)].set_index(["clip", "deformation", "test", "valid"])
    samples, judgements = pd.DataFrame({k: v for k, v in data["samples"].items()}), pd.DataFrame(data["judgements"])
    levels = store.samples.set_index("row").level
    for row in judgements.sample(50, random_state=0).itertuples():
        sample = samples.iloc[row.sample]
        rows = known.loc[(data["clips"]["clip"][sample["clip"]], sample.deformation, row.test, row.valid)]
        one = rows[rows.level.eq(levels[sample.row])].iloc[0]
        assert [data["clips"]["clip"][i] for i in row.neighbours] == one.neighbours.tolist()
        assert (data["labels"][row.predicted], row.accepted, row.votes) == (one.predicted, one.accepted, one.votes)


@pytest.mark.parametrize("text", [*HOSTILE, "]]>", "<!--<script>", "\u2028\u2029", "\ud800"])
def test_embedded_json_cannot_break_out(text):
    embedded = embed_json({text: text})
    assert embedded.isascii() and not set("<>&") & set(embedded)
    assert json.loads(embedded) == {text: text}


def test_hostile_names_stay_text(written):
    assert written.lower().count("</script") == 2 and written.lower().count("<script") == 2
    for tag, attributes in Tags(written).found:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        if tag == "img":
            assert attributes["src"].startswith("data:image/webp;base64,")
    assert data_of(written)["labels"] == sorted(HOSTILE)


def test_the_policy_allows_this_program_and_no_network(written):
    policy = next(
        a["content"]
        for tag, a in Tags(written).found
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    for tag in ("script", "style"):
        digest = base64.b64encode(
            hashlib.sha256(re.search(f"<{tag}>(.*?)</{tag}>", written, re.S)[1].encode()).digest()
        ).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert not re.search(r"https?://", written) and " style=" not in written  # the policy would block an inline style


def test_a_scheme_with_two_blanks_keeps_its_cells(judged, store):
    results = make_results().replace({"scheme": {"brute": "my  own <b>rule</b>"}})
    text = page(None, results=results)
    tables = re.findall(r"<table(?! id).*?</table>", text, re.S)
    assert len(tables) == 2
    for table in tables:
        widths = {len(re.findall("<t[hd]", row)) for row in re.findall("<tr.*?</tr>", table, re.S)}
        assert len(widths) == 1, table
    assert "my  own &lt;b&gt;rule&lt;/b&gt;" in text


def test_figures_of_the_page_say_what_they_show(written):
    alts = [attributes["alt"] for tag, attributes in Tags(written).found if tag == "img"]
    assert len(alts) > 2 and all("x axis: " in alt and "y axis: " in alt for alt in alts)


def test_generated_sound_is_called_generated(written):
    assert "On generated sounds, no recordings" in written


def test_without_a_store_there_are_words(tmp_path, judged):
    data = data_of(page(judged, find_store(tmp_path, judged)))
    assert len(data["samples"]["clip"]) == 480 and data["sounds"] == {}


def test_without_judgements_there_are_results(run, tmp_path):
    shutil.copy(run / "results.parquet", tmp_path)
    text = listening_page(tmp_path, tmp_path / "r.html").read_text()
    assert "<h2>Results</h2>" in text and data_of(text)["cells"] == {}


def test_the_store_is_found(run, judged, tmp_path):
    assert find_store(run, judged).root.endswith("cache/stores/one")
    assert find_store(run / "fold01", judged).root.endswith("cache/stores/one")  # tables of one fold, the cache above
    assert find_store(tmp_path, judged) is None
    (tmp_path / "fold01").mkdir()
    (tmp_path / "fold01" / "run.json").write_text(json.dumps({"store": str(run / "cache/stores/one")}))
    assert find_store(tmp_path, judged).root.endswith("cache/stores/one")  # fold01's word
    (tmp_path / "run.json").write_text(json.dumps({"store": str(run / "cache/stores/one")}))
    (tmp_path / "fold01" / "run.json").write_text(json.dumps({"store": "nowhere"}))
    assert find_store(tmp_path, judged).root.endswith("cache/stores/one")  # its own goes before


def test_a_moved_run_keeps_its_own_store(run, judged, tmp_path):
    for name in ("one", "newer"):
        shutil.copytree(run / "cache/stores/one", tmp_path / "cache" / "stores" / name)
    os.utime(tmp_path / "cache/stores/newer/clips.parquet", (2e9, 2e9))
    (tmp_path / "run.json").write_text(json.dumps({"store": "/elsewhere/cache/stores/one"}))
    assert find_store(tmp_path, judged).root.endswith("stores/one")


@pytest.mark.parametrize(
    "said", [{"settings": None}, {"settings": {"background": 5}}, {"settings": {"background": [5]}}, [1]]
)
def test_a_strange_run_json_is_one_line(run, tmp_path, said):
    shutil.copy(run / "results.parquet", tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="run.json: is not what metaug run wrote"):
        listening_page(tmp_path, tmp_path / "r.html")


@pytest.mark.parametrize(
    "how, said",
    [
        (dict(max_mb=0), "max_mb must be > 0, got 0"),
        (dict(k=3), "k must be one of 1, 5, got 3"),
        (dict(store="nowhere"), "nowhere: is no log-mel store"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, how, said):
    with pytest.raises(InputError, match=re.escape(said)) as error:
        listening_page(run, tmp_path / "r.html", jobs=1, **how)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_a_wrong_store_is_named(judged, tmp_path):
    store = augment(make_clips(tmp_path).head(1), tmp_path / "other", progress=False)
    with pytest.raises(InputError, match="name the store that the samples were judged from"):
        page_data(judged, store)


def test_browse_is_closed_off_and_shows_the_same(judged, store):
    judged.attrs["store"] = store.path
    shown = browse(judged, max_mb=0.2, height=500)
    html = shown._repr_html_()
    [(tag, frame)] = [found for found in Tags(html).found if found[0] == "iframe"]
    assert frame["sandbox"] == "allow-scripts allow-downloads" and frame["srcdoc"] == page(judged, store, max_mb=0.2)
    assert "The listening page (0.2 MB) is loading" in html.split("<iframe")[0], "the frame is not empty meanwhile"
    assert repr(shown) == "Browser(0.2 MB)"


def test_background_recordings_that_have_moved_leave_their_sounds_silent(tmp_path):
    from types import SimpleNamespace

    noise = tmp_path / "street.wav"
    soundfile.write(noise, np.random.default_rng(0).uniform(-0.1, 0.1, 44100), 44100)
    samples = pd.DataFrame({"deformation": ["original", "bgnoise"]})
    made = SimpleNamespace(
        array=SimpleNamespace(attrs=dict(metaug=store_attrs(background=str(noise)))),
        samples=samples,
        clips=pd.DataFrame(),
    )
    assert why_silent(made, (str(noise),)) == {}
    noise.unlink()
    why = why_silent(made, (str(noise),))
    assert list(why) == ["bgnoise"] and "street.wav: no such file" in why["bgnoise"]


def test_a_page_that_its_results_alone_overfill_is_refused():
    with pytest.raises(InputError, match="max_mb must be at least"):
        page(None, results=make_results(), max_mb=0.01)


# ---------------------------------------------------------------- the verdict


@pytest.fixture(scope="module")
def selected(store):  # acceptance table of a selection, and its page
    judged = judge_once(store, k=5)
    parts = pd.DataFrame(dict(part=[1, 2], clips=[6, 6], accuracy=[1.0, 0.5], baseline=[0.5, 0.67]))
    how = dict(judge="efficientat", worth=make_worth(), parts=parts, data="/there/my_sounds", max_mb=1.5)
    return judged, page(judged, store, **how)


def test_a_class_that_is_kept_whole_is_said_to_be(selected):
    judged, _ = selected
    whole = judged.assign(accepted=judged.accepted | judged.label.eq("plain"))
    said = page_verdict(whole, worth=make_worth())["warnings"][0]
    assert said.endswith("averaged log-mels 50%): all candidates of such a class are kept.")


def test_the_page_begins_with_the_verdict(selected):
    judged, text = selected
    kept = int(judged.accepted.sum())
    assert f"<h1>my_sounds: {kept} of 480 candidates kept, {round(100 * kept / 480)}%</h1>" in text
    order = [
        "<h1>",
        "The judge efficientat recognises 75% of 24 originals that it had not seen (95% interval 55% to 88%); averaged",
        "The judge does not know plain (50%, averaged log-mels 50%): listen before you believe its decisions there.",
        "In fold 2 the judge recognises 50% of 6 originals, averaged log-mels 67%",
        'aria-label="Kept and thrown away, by class"',
        "dynamic range compressed",
        'id="map"',
        'id="filters"',
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_the_verdict_counts_samples(selected):
    judged, _ = selected
    said = page_verdict(judged, worth=make_worth())
    for row in said["classes"]:
        own = judged[judged.label.eq(row["name"])]
        assert (row["judged"], row["kept"]) == (len(own), own.accepted.sum())
        lost = own[~own.accepted & own.predicted.ne(own.label)].predicted.value_counts()
        assert row["taken_for"] == ", ".join(f"{name} {count}" for name, count in lost.items())
    assert sum(row["judged"] for row in said["deformations"]) == len(judged)


def test_rejected_that_all_went_one_way_are_named(selected):
    judged, _ = selected
    noisy = judged.label.eq(HOSTILE[1]) & judged.deformation.eq("bgnoise")
    away = judged.assign(predicted=judged.label.mask(noisy, "plain"), accepted=~noisy)  # nothing else is rejected
    [row] = one_way(away).itertuples(index=False)
    assert tuple(row) == (HOSTILE[1], "", "plain", noisy.sum(), noisy.sum())
    others = judged.label.eq(HOSTILE[1]) & judged.deformation.eq("drc")  # rejected too, for another class
    both = away.assign(predicted=away.predicted.mask(others, HOSTILE[0]), accepted=away.accepted & ~others)
    assert set(one_way(both).deformation) == {"bgnoise", "drc"}
    [said] = page_verdict(away)["warnings"]
    assert said.startswith(f"Taken for plain: all {noisy.sum()} rejected candidates of {HOSTILE[1]}. Listen")


def test_a_run_shows_what_its_judge_is_worth(run, tmp_path):
    for name in ("results", "acceptance"):
        shutil.copy(run / f"{name}.parquet", tmp_path)
    originals = [
        dict(net="npair", k=k, clip=f"{label}{i}", label=label, predicted=label, baseline=HOSTILE[0])
        for k in (1, 5)
        for label in HOSTILE
        for i in range(4)
    ]
    pd.DataFrame(originals).to_parquet(tmp_path / "originals.parquet")
    text = listening_page(
        tmp_path, tmp_path / "r.html", store=str(run / "cache/stores/one"), jobs=1, max_mb=1
    ).read_text()
    assert "The judge recognises 100% of 12 originals" in text and "without any learning, 33%" in text


def test_what_people_overruled_is_always_listed(selected, store):
    judged, _ = selected
    flipped = judged.index.isin(judged.sample(30, random_state=1).index)
    decided = judged.assign(accepted=judged.accepted ^ flipped, overruled=flipped)
    data = page_data(decided, store, budget=20_000)
    assert len(data["samples"]["row"]) == 30 and all(data["samples"]["overruled"])
    assert not any(page_data(judged, store, budget=20_000)["samples"]["overruled"])


def make_plane(store):  # where a judge sees samples, invented
    "A table as `Judgement.plane` has it."
    samples = store.samples.merge(store.clips[["clip", "label", "fold"]], on="clip")
    own = samples.assign(part=samples.fold, reference=False)
    parts = [own.assign(part=part, reference=True) for part in (1, 2, 3, 4)]
    plane = pd.concat([own, *(of[of.deformation.eq("original") & of.fold.ne(of.part)] for of in parts)])
    xy = np.random.default_rng(0).normal(size=(len(plane), 2)).round(3)
    return plane.assign(x=xy[:, 0], y=xy[:, 1])


def test_the_page_knows_where_the_judge_sees_samples(selected, store):
    plane = make_plane(store)
    data = page_data(selected[0], store, plane=plane, budget=1e6)
    names, at = data["clips"]["clip"], plane[~plane.reference].set_index("row")
    for row, clip, x, part in zip(*(data["samples"][name] for name in ("row", "clip", "x", "part"))):
        assert (names[clip], x, part) == (at["clip"][row], at.x[row], at.part[row])
    assert len(data["points"]["x"]) == 24 + 3 * 24 and sum(data["points"]["reference"]) == 3 * 24
    assert "points" not in page_data(selected[0], store, plane=plane, budget=5e4), "no room"


def test_ticks_are_where_the_bands_are():
    from metaug.features import mel_filters

    centres = mel_filters().argmax(0) * 44100 / 1024
    places = np.interp([500, 1000, 2000, 4000, 8000, 16000], centres, np.arange(128) / 128)
    data = page_data(make_judged_by_hand(40))
    assert [name for name, _ in data["ticks"]] == ["0.5k", "1k", "2k", "4k", "8k", "16k"]
    np.testing.assert_allclose([place for _, place in data["ticks"]], places, atol=0.015)


def make_judged_by_hand(count: int, classes: int = 10) -> pd.DataFrame:  # acceptance table of a selection
    "As many judged samples as wanted, at no cost."
    rng, number = np.random.default_rng(0), np.arange(count)
    label = pd.Series(number % classes).map("class {}".format)
    clip = label + "/" + pd.Series(number // classes // 20).astype(str)
    votes = rng.integers(0, 6, count)
    names = clip.unique().astype(object)
    judged = pd.DataFrame(dict(clip=clip, label=label, part=number % 5 + 1, level=number // classes % 4))
    return judged.assign(
        deformation=pd.Series(number // classes // 4 % 5).map(
            ["stretch", "pitch1", "pitch2", "drc", "bgnoise"].__getitem__
        ),
        test=0,
        valid=0,
        seed=0,
        k=5,
        predicted=label.where(votes > 2, "class 0"),
        votes=np.maximum(votes, 5 - votes),
        own_votes=votes,
        accepted=votes > 2,
        overruled=False,
        similarity=rng.uniform(0.5, 1, count),
        margin=(2 * votes - 5) / 5 * rng.uniform(0.5, 1, count),
        neighbours=names[rng.integers(0, len(names), (count, 5))].tolist(),
    )
