"Your own sounds: what `metaug select` writes, keeps, refuses and survives, on small sounds made here."

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from metaug.curation import judges
from metaug.curation import manifest
from metaug.core import files
from metaug.core.tasks import Task
from metaug import curation, features, select
from metaug.augmentation import DEFORMATIONS, PAPER_GRID, pcm16, replay
from metaug.curation import (
    dataloaders,
    audio_folder,
    find,
    judgeable,
    plain_csv,
    read_manifest,
    read_log_mel,
    safe_names,
    split,
)
from metaug.datasets import InputError

QUICK = dict(judge="npair", k=3, epochs=2, folds=3, jobs=1, report=False)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def put(path, hertz=440.0, seconds=0.3, rate=8000, seed=0, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(seconds * rate)) / rate
    sf.write(
        path,
        0.4 * np.sin(2 * np.pi * hertz * t) + 0.05 * np.random.default_rng(seed).standard_normal(len(t)),
        rate,
        **how,
    )
    return path


def folder_of(root, counts=dict(low=6, high=6, mid=6)):
    for number, (label, n) in enumerate(counts.items()):
        for i in range(n):
            put(root / label / f"{i}.wav", 300.0 * 2**number + 10 * i, seed=i)
    return root


def state_of(root):
    return {p.relative_to(root).as_posix(): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in root.rglob("*")}


def bytes_of(out):
    return {
        p.relative_to(out).as_posix(): p.read_bytes()
        for p in out.rglob("*")
        if p.is_file() and not p.relative_to(out).parts[0].startswith(".")
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    folder_of(root / "sounds")
    before = state_of(root / "sounds")
    result = select(root / "sounds", root / "out", **QUICK)
    assert state_of(root / "sounds") == before, "the user's files are as they were"
    return result


# ---- what is written


def test_every_row_is_a_file_and_every_file_a_row(made):
    manifest = read_manifest(made.out)
    assert {p.relative_to(made.out).as_posix() for p in made.out.rglob("*.flac")} == set(manifest.path)
    assert all((made.out / path).with_suffix(".jams").is_file() for path in manifest.path)
    columns = "path label fold source clip deformation level parameters votes overruled"
    assert list(manifest) == columns.split()
    pd.testing.assert_frame_equal(manifest, made.manifest.astype(manifest.dtypes.to_dict()))


def test_the_manifest_is_what_was_accepted_and_all_originals(made):
    manifest, judged = read_manifest(made.out), pd.read_parquet(made.out / "acceptance.parquet")
    accepted = judged[judged.accepted][["clip", "deformation", "level"]]
    kept = manifest[manifest.deformation.ne("original")][["clip", "deformation", "level"]]
    assert set(accepted.itertuples(index=False, name=None)) == set(
        kept.astype({"level": int}).itertuples(index=False, name=None)
    )
    assert manifest.deformation.eq("original").sum() == 18 and len(judged) == 18 * 20
    assert manifest.votes.isna().sum() == 18


def test_a_part_is_judged_by_the_others_alone(made):
    fold = made.found.clips.set_index("clip").fold
    label = made.found.clips.set_index("clip").label
    for row in made.acceptance.itertuples():
        assert all(fold[n] != row.part for n in row.neighbours) and len(row.neighbours) == 3
        votes = Counter(label[n] for n in row.neighbours)
        assert votes[row.predicted] == row.votes == max(votes.values())
        assert row.accepted == (row.predicted == row.label)


def test_neighbours_are_those_of_scikit_learn(made):
    from sklearn.neighbors import NearestNeighbors

    for net in (made.out / ".metaug-cache" / "part").iterdir():
        about = json.loads((net / "task.json").read_text())["inputs"]
        clips = made.found.clips
        others = clips[clips.fold.ne(about["part"])]["clip"].to_numpy()
        with np.load(net / "embedding.npz") as e:
            samples, reference = e["samples"], e["reference"]
        rows = made.acceptance[made.acceptance.part.eq(about["part"])]
        deformed = samples.reshape(-1, 21, samples.shape[1])[:, 1:].reshape(-1, samples.shape[1])
        near = (
            NearestNeighbors(n_neighbors=3, metric="cosine").fit(reference).kneighbors(deformed, return_distance=False)
        )
        same = [set(others[a]) == set(b) for a, b in zip(near, rows.neighbours)]
        assert np.mean(same) > 0.98  # equal distances aside


def test_sound_is_made_with_the_parameters_that_were_judged(made):
    manifest = read_manifest(made.out)
    paths = made.found.clips.set_index("clip").path
    assert manifest.deformation.isin(["stretch", "pitch2", "drc", "bgnoise"]).any()
    for deformation in ("stretch", "pitch2", "drc", "bgnoise"):
        rows = manifest[manifest.deformation.eq(deformation)]
        if not len(rows):
            continue
        row = rows.iloc[0]
        written = sf.read(made.out / row.path, dtype="float32")[0]
        again = replay(made.out / Path(row.path).with_suffix(".jams"), paths[row["clip"]])
        np.testing.assert_array_equal(written, pcm16(again))
        state = json.loads(row.parameters)
        assert state == {
            k: v
            for k, v in json.loads((made.out / row.path).with_suffix(".jams").read_text())["sandbox"]["muda"][
                "history"
            ][0]["state"].items()
        }


def test_originals_are_the_sounds_as_they_are(made):
    row = read_manifest(made.out).iloc[0]
    path = made.found.clips.set_index("clip").path[row["clip"]]
    np.testing.assert_array_equal(sf.read(made.out / row.path, dtype="int16")[0], sf.read(path, dtype="int16")[0])


@pytest.mark.parametrize("rate, channels, subtype", [(96000, 2, "PCM_24"), (8000, 1, "PCM_16"), (44100, 2, "FLOAT")])
def test_an_original_keeps_rate_channels_and_bits(tmp_path, rate, channels, subtype):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (9000, channels))
    sf.write(tmp_path / "field.wav", sound, rate, subtype=subtype)
    row = dict(path="bat/field.flac", deformation="original", level=0, clip="bat/field", state="{}")
    assert manifest._write_sounds(str(tmp_path), [row], "bat", str(tmp_path / "field.wav"), "rubberband", ()) == ""
    there = sf.info(tmp_path / "bat/field.flac")
    assert (there.samplerate, there.channels) == (rate, channels)
    assert there.subtype == ("PCM_16" if subtype == "PCM_16" else "PCM_24")
    written = sf.read(tmp_path / "bat/field.flac", always_2d=True)[0]
    np.testing.assert_allclose(written, sf.read(tmp_path / "field.wav", always_2d=True)[0], atol=2**-23)


def test_jams_are_valid(made):
    import jams

    for path in sorted(made.out.rglob("*.jams"))[:4]:
        assert jams.load(str(path)).validate()


def test_summary_counts(made):
    table = made.summary
    assert table.loc["all", "clips"] == 18 and table.loc["all", "judged"] == 360
    assert table.loc["all", "accepted"] == made.acceptance.accepted.sum() == table.accepted.iloc[:-1].sum()
    told = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert told["samples"] == len(made.manifest) and len(told["nets"]) == 3


def test_log_mels_instead_of_sound(made, tmp_path):
    quiet = select(made.found, tmp_path / "out", audio=False, cache=made.out / ".metaug-cache", **QUICK)
    assert not list(quiet.out.rglob("*.flac")) and len(quiet.manifest) == len(made.manifest)
    pd.testing.assert_frame_equal(quiet.acceptance, made.acceptance)
    assert (
        np.abs(read_log_mel(quiet.out / quiet.manifest.path[0]) - read_log_mel(made.out / made.manifest.path[0])).max()
        < 0.5
    )
    with pytest.raises(InputError, match="holds log-mels, no sound"):
        audio_folder(quiet.out)
    assert len(dataloaders(quiet.out, valid_fold=1).one_batch()[1])


def test_the_report_shows_it(made, tmp_path):
    result = select(
        made.found, tmp_path / "out", audio=False, cache=made.out / ".metaug-cache", **{**QUICK, "report": True}
    )
    assert "<html" in (result.out / "report.html").read_text()[:2000]


# ---- done again, cut off, refused


def test_the_same_again_changes_no_byte(made):
    before = {p: p.stat().st_mtime_ns for p in made.out.rglob("*.flac")}
    again = select(made.found, made.out, **QUICK)
    assert before == {p: p.stat().st_mtime_ns for p in made.out.rglob("*.flac")}
    pd.testing.assert_frame_equal(again.acceptance, made.acceptance)


@pytest.mark.parametrize("wait", [".metaug-cache/part/*", "*/*_drc*.jams"])
def test_killed_in_the_middle_it_comes_to_the_same(made, tmp_path, wait):
    code = f"from metaug import select; select({made.found.source!r}, {str(tmp_path / 'out')!r}, **{QUICK!r})"
    work = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
    until = time.monotonic() + 300
    while work.poll() is None and not list(tmp_path.glob(f"out/{wait}")) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(work.pid, signal.SIGKILL)
    work.wait()
    (tmp_path / "out" / "low").mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / "low" / "0.flac.abc.partial").write_text("half a file")
    select(made.found.source, tmp_path / "out", **QUICK)
    a, b = bytes_of(made.out), bytes_of(tmp_path / "out")
    a.pop("metadata.csv", None)
    assert set(a) == set(b)
    assert [name for name in a if a[name] != b[name] and not name.endswith((".jams", ".parquet"))] == []


def test_a_folder_that_is_not_ours_is_refused(made, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    for out, why in (
        (tmp_path, "was not made by metaug select"),
        (tmp_path / "thesis.txt", "is a file"),
        (Path(made.found.source) / "out", "lies inside the folder of sounds"),
    ):
        before = state_of(tmp_path)
        with pytest.raises(InputError, match=why):
            select(made.found, out, **QUICK)
        assert state_of(tmp_path) == before
    with pytest.raises(InputError, match=r"was made from other k \(3, not 2\)"):
        select(made.found, made.out, **{**QUICK, "k": 2})
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / features.MARK).write_text("[[[")
    with pytest.raises(InputError, match="can't be read"):
        select(made.found, tmp_path / "x", **QUICK)


def test_a_clip_named_as_a_deformed_one_gets_a_file_of_its_own():
    names = ["dog/a", "dog/A_drc0", "dog/a_drc0_drc1", "dog/b_drc1", "cat/a_drc0"]
    files = manifest._file_names(
        pd.DataFrame({"clip": names, "label": [name.split("/")[0] for name in names]}), PAPER_GRID
    )
    every = [
        f"{file}_{deformation}{level}".casefold()
        for file in files
        for deformation in DEFORMATIONS
        for level in range(4)
    ] + [file.casefold() for file in files]
    assert len(every) == len(set(every)) == 21 * len(names)
    assert (
        files["dog/b_drc1"] == "dog/b_drc1" and files["cat/a_drc0"] == "cat/a_drc0"
    )  # there is no b, and no cat called a


def test_a_batch_is_as_large_as_asked_whatever_the_validation_fold(made):
    dls = dataloaders(made.out, valid_fold=1, bs=8)
    assert (
        len(dls.valid_ds) < 8
        and len(dls.train.one_batch()[1]) == 8
        and len(dls.valid.one_batch()[1]) == len(dls.valid_ds)
    )


def test_workers_cut_other_patches_in_every_epoch(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.standard_normal((128, 400)).astype(np.float16))
    pd.DataFrame(
        [
            dict(
                path="a.npy",
                label="x",
                fold=1,
                source="s",
                clip="a",
                deformation="original",
                level=0,
                parameters="{}",
                votes="",
            )
        ]
    ).to_csv(tmp_path / "manifest.csv", index=False)
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(curation.Sounds(tmp_path), num_workers=1)
    first, second = (next(iter(loader))[0] for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(next(iter(loader))[0], first)


def test_two_at_once_are_refused(made):
    with (
        files.sole_use(made.out, by="metaug select"),
        pytest.raises(InputError, match="another metaug select is at work"),
    ):
        select(made.found, made.out, **QUICK)


@pytest.mark.parametrize(
    "how, why",
    [
        (dict(k=0), "k must be from 1 to 12"),
        (dict(k=13), "k must be from 1 to 12"),
        (dict(epochs=0), "epochs must be >= 1"),
        (dict(engine="magic"), "engine must be one of"),
    ],
)
def test_bad_parameters(made, tmp_path, how, why):
    with pytest.raises(InputError, match=why):
        select(made.found, tmp_path / "out", **{**QUICK, **how})
    assert not (tmp_path / "out").exists()


# ---- odd collections


def test_by_signalsmith_nothing_needs_the_package_that_is_under_the_gpl(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    made = select(folder_of(tmp_path / "in"), tmp_path / "out", engine="signalsmith", **{**QUICK, "report": True})
    deformed = made.manifest[made.manifest.deformation.isin(["stretch", "pitch1", "pitch2"])]
    assert len(deformed) and all((made.out / path).is_file() for path in deformed.path)
    row = deformed.iloc[0]
    original = made.found.clips.set_index("clip").path[row["clip"]]
    again = replay((made.out / row.path).with_suffix(".jams"), original)
    np.testing.assert_array_equal(sf.read(made.out / row.path, dtype="float32")[0], pcm16(again))
    assert "needs the package" not in (made.out / "report.html").read_text()


def test_small_classes_keep_their_originals(tmp_path):
    folder_of(tmp_path / "in", dict(a=4, b=4, pair=2, single=1))
    with pytest.warns(UserWarning, match="of 2 classes .*can't be judged"):
        made = select(tmp_path / "in", tmp_path / "out", **{**QUICK, "folds": 2})
    assert Counter(made.manifest.label)["single"] == 1 and Counter(made.manifest.label)["pair"] == 2
    assert set(made.acceptance.label) == {"a", "b"} and made.summary.loc["single", "clips"] == 1


@pytest.mark.parametrize(
    "counts, why",
    [
        (dict(a=5), "one class only"),
        (dict(a=1, b=1), "nothing can be judged"),
        (dict(a=1), "one class only"),
        (dict(a=9, b=1), "nothing can be judged"),
    ],
)
def test_too_little_is_one_line(tmp_path, counts, why):
    with pytest.raises(InputError, match=why):
        select(folder_of(tmp_path / "in", counts), tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("hertz", [0.0, 440.0])
def test_all_clips_alike_or_silent(tmp_path, hertz):
    for label in "ab":
        for i in range(3):
            sf.write(tmp_path / "x.wav", 0.5 * np.sin(2 * np.pi * hertz * np.arange(2000) / 8000), 8000)
            put(tmp_path / "in" / label / f"{i}.wav").write_bytes((tmp_path / "x.wav").read_bytes())
    made = select(tmp_path / "in", tmp_path / "out", **{**QUICK, "k": 1})
    assert len(made.manifest) >= 6 and "duplicate" in set(made.found.findings.finding)


ODD = [
    "AC/DC",
    "..",
    "../../up",
    "=1+1",
    "two\nlines",
    " spaced ",
    "x" * 300,
    "con",
    "Ünï",
    "ünï",
    ".hidden",
    "-rf",
    "'quoted",
    '"',
    "\\",
    "a\rb",
    "$HOME",
    "*",
    "a\tb",
]


def test_odd_labels_stay_inside_and_come_back(tmp_path):
    rows = []
    for number, label in enumerate(ODD):
        for i in range(3):
            rows.append(
                dict(
                    path=put(tmp_path / "in" / f"{number}-{i}.wav", 100.0 + 90 * number, 0.15, seed=i).name,
                    label=label,
                    fold=i + 1,
                )
            )
    pd.DataFrame(rows).to_csv(tmp_path / "in" / "list.csv", index=False, quoting=1)
    made = select(tmp_path / "in" / "list.csv", tmp_path / "out", audio=False, **{**QUICK, "k": 1})
    manifest = read_manifest(tmp_path / "out")
    odd = {label.strip() for label in ODD}  # blanks around a label are no part of it
    assert set(manifest.label) == odd == set(made.manifest.label)
    assert all(
        (made.out / p).resolve().is_relative_to(made.out.resolve()) and len(Path(p).parts) == 2 for p in manifest.path
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]
    raw = pd.read_csv(made.out / "manifest.csv", dtype=str, keep_default_na=False)
    assert not raw[["path", "label", "source", "clip"]].map(lambda v: v[:1] in tuple("=+-@\t\r")).to_numpy().any()
    summary = pd.read_csv(made.out / "summary.csv", dtype=str, keep_default_na=False)
    assert not summary.label.str.startswith(tuple("=+-@\t\r")).any() and len(summary) == len(ODD) + 1
    table = plain_csv(made.out, tmp_path / "t.csv")
    assert set(pd.read_csv(tmp_path / "t.csv", keep_default_na=False).label) == odd and all(
        Path(f).is_file() for f in table.file
    )


def test_safe_names_are_different_and_plain():
    names = [*ODD, "Cat", "cat", "CAT", "a/b", "a_b", "a:b", "", ".", "NUL.txt", "e\u0301", "é"]
    safe = safe_names(names)
    assert len({s.casefold() for s in safe}) == len(names) and all(
        s and s[0] not in ".-=+ " and not set(s) & set('/\\:*?"<>|\n\r\t') and len(s.encode()) < 250 for s in safe
    )


def test_every_trouble_in_one_folder(tmp_path):
    from test_datasets import troubled

    before = state_of(troubled(tmp_path / "in"))
    made = select(tmp_path / "in", tmp_path / "out", audio=False, **{**QUICK, "k": 1})
    assert state_of(tmp_path / "in") == before
    assert made.found.findings.finding.value_counts()["unreadable"] >= 8
    with pytest.raises(InputError):
        select(tmp_path / "in", tmp_path / "strict", strict=True, **QUICK)
    assert not (tmp_path / "strict").exists()


def test_judgeable_needs_two_elsewhere():
    clips = pd.DataFrame(dict(label=list("aaabbbcc"), fold=[1, 2, 3, 1, 2, 3, 1, 1]))
    assert judgeable(clips) == {1: ["a", "b"], 2: ["a", "b", "c"], 3: ["a", "b", "c"]}


# ---- exports


def test_split_keeps_a_fold_out(made):
    training, validation = split(made.manifest, 2)
    assert (
        not set(training["clip"]) & set(validation["clip"])
        and set(validation.fold) == {2}
        and set(validation.deformation) == {"original"}
    )
    assert len(split(made.manifest, None)[0]) == len(made.manifest)
    with pytest.raises(InputError, match="valid_fold must be one of"):
        split(made.manifest, 7)


def test_torch_and_fastai(made):
    sounds = curation.Sounds(made.out, valid_fold=1)
    patch, number = sounds[0]
    assert (
        patch.shape == (1, 128, 128)
        and abs(float(patch.mean())) < 1
        and number == sounds.vocab.index(sounds.rows.label[0])
    )
    dls = dataloaders(made.out, valid_fold=1, bs=4)
    assert dls.c == 3 and dls.train.one_batch()[0].shape == (4, 1, 128, 128)
    x, y = dls.valid.one_batch()
    a, b = (curation.Sounds(made.out, valid_fold=1, valid=True)[0][0] for _ in range(2))
    assert (a == b).all() and len(x) == len(y)


def test_audio_folder_keeps_to_the_documented_rules(made):
    "https://huggingface.co/docs/datasets/audio_dataset: metadata.csv beside the files, file_name first, paths relative to it."
    import csv

    with open(audio_folder(made.out), newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert next(iter(rows[0])) == "file_name" and len(rows) == len(made.manifest)
    assert all((made.out / row["file_name"]).is_file() and not Path(row["file_name"]).is_absolute() for row in rows)
    assert {row["label"] for row in rows} == {"low", "mid", "high"}


def test_plain_csv_feeds_scikit_learn(made, tmp_path):
    from sklearn.neighbors import KNeighborsClassifier

    plain_csv(made.out, tmp_path / "t.csv", valid_fold=1)
    table = pd.read_csv(tmp_path / "t.csv")
    x = np.stack([read_log_mel(f).mean(axis=1) for f in table.file])
    training = table.subset.eq("training")
    assert (
        KNeighborsClassifier(1).fit(x[training], table.target[training]).score(x[~training], table.target[~training])
        > 0.3
    )


@pytest.mark.parametrize(
    "row",
    [
        "../../x,a,b,c,1,1,1",
        "/etc/passwd,a,b,c,1,1,1",
        "a.flac,a,b,c,11e999,1,1",
        "a.flac,a,b,c,1.5,1,1",
        "a.flac,a,b,c,1,-1,1",
    ],
)
def test_a_manifest_of_a_stranger(tmp_path, row):
    (tmp_path / "manifest.csv").write_text(f"path,label,source,clip,fold,level,votes\n{row}\n")
    with pytest.raises(InputError, match="leads out of the folder|must be a whole number"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "data", ["", "a,b\n1,2\n", "path\n", '"', "\0\0", "path,label,source,clip,fold,level,votes\n../../x,a,b,c,d,e,f\n"]
)
def test_a_manifest_that_is_none(tmp_path, data):
    (tmp_path / "manifest.csv").write_text(data)
    with pytest.raises(InputError) as told:
        read_manifest(tmp_path)
    assert "\n" not in str(told.value) and "manifest.csv" in str(told.value)
    with pytest.raises(InputError, match="no manifest.csv"):
        read_manifest(tmp_path / "none")


def test_find_counts_what_is_there(made):
    text = made.found.text()
    assert text.startswith("Found 18 clips of 3 classes") and find(made.found.source, folds=3).clips.equals(
        made.found.clips
    )


def test_copies_of_a_recording_lie_in_one_fold_where_folds_are_made(tmp_path):
    folder = folder_of(tmp_path / "in", dict(a=12, b=12))
    for i in range(6):
        put(folder / "b" / f"copy{i}.wav").write_bytes((folder / "a" / f"{i}.wav").read_bytes())
    clips = find(folder, folds=4).clips.set_index("clip")
    assert all(clips.fold[f"a/{i}"] == clips.fold[f"b/copy{i}"] for i in range(6)) and clips.fold.nunique() == 4
    clips.assign(fold=[i % 4 + 1 for i in range(len(clips))])[["path", "label", "fold"]].to_csv(
        tmp_path / "list.csv", index=False
    )
    given = find(tmp_path / "list.csv")
    assert given.clips.fold.tolist() == [i % 4 + 1 for i in range(len(clips))]
    assert "in another fold" in "".join(given.findings.detail)


def test_a_class_called_all_is_not_the_total():
    clips = pd.DataFrame(dict(clip=list("abc"), label=["all", "dog", "dog"]))
    judged = pd.DataFrame(
        dict(label=["all", "all", "dog"], deformation=["drc", "stretch", "drc"], accepted=[True, False, True])
    )
    table = curation.acceptance_summary(clips, judged).reset_index()
    assert table[["label", "clips", "judged", "accepted"]].to_numpy().tolist() == [
        ["all", 1, 2, 1],
        ["dog", 2, 1, 1],
        ["all", 3, 3, 2],
    ]


@pytest.mark.parametrize("clips, words", [(4, "metric nets of all folds"), (12, "metric net for fold 1")])
def test_nets_that_are_no_better_than_no_learning_are_told(tmp_path, clips, words):
    tasks = [Task("part", dict(part=part), "", print) for part in (1, 2)]
    for task in tasks:
        task.folder(tmp_path).mkdir(parents=True)
        told = dict(part=task.inputs["part"], clips=clips, dead=0, units=64, accuracy=0.1, baseline=0.9)
        (task.folder(tmp_path) / "quality.json").write_text(json.dumps(told))
    with pytest.warns(UserWarning, match=words):
        judges._nets(tasks, tmp_path)


def test_long_names_of_any_script_become_files(tmp_path):
    names = ["犬" * 80, "犬" * 79 + "猫", "x" * 300]
    files = safe_names(names)
    assert len(set(files)) == 3
    for file in files:
        features.write_atomic(f"{tmp_path}/{file}_pitch1_3.flac", b"sound")
    assert len(list(tmp_path.iterdir())) == 3


def test_the_judges_plane_holds_every_judged_sample_and_its_references(made):
    plane, clips = made.judgement.plane, made.found.clips
    judged, reference = plane[~plane.reference], plane[plane.reference]
    assert len(judged) == 18 * 21 and not judged.duplicated(["clip", "deformation", "level"]).any()
    fold = clips.set_index("clip").fold
    assert (judged.part == judged["clip"].map(fold)).all() and (reference.part != reference["clip"].map(fold)).all()
    for _, of in plane.groupby("part"):
        np.testing.assert_allclose(of[["x", "y"]].mean(), 0, atol=1e-3)  # of principal components
        assert of.x.var() >= of.y.var() > 0


# ---- people's decisions


def files_of(out):
    return {p.relative_to(out).as_posix() for p in out.rglob("*") if p.suffix in (".flac", ".npy", ".jams")}


@pytest.fixture
def decided(made, tmp_path):
    "The same selection with an accepted sample rejected by a person, and a rejected one accepted."
    judged = made.acceptance.sort_values(["clip", "deformation", "level"])
    out, back = judged[judged.accepted].iloc[0], judged[~judged.accepted].iloc[0]
    rows = [[r["clip"], r.deformation, r.level, d] for r, d in ((out, "reject"), (back, "Accept "))]
    pd.DataFrame(rows, columns="clip deformation level decision".split()).to_csv(tmp_path / "ears.csv", index=False)
    how = QUICK | dict(cache=made.out / ".metaug-cache")
    plain = select(made.found, tmp_path / "out", **how)
    before = files_of(plain.out)
    after = select(made.found, tmp_path / "out", overrule=tmp_path / "ears.csv", **how)
    return before, after, out, back


def key_of(row):
    return row["clip"], row.deformation, row.level


def test_people_overrule_the_judge(decided):
    before, after, out, back = decided
    manifest = read_manifest(after.out)
    rows = {key_of(row): row for _, row in manifest.iterrows()}
    assert key_of(out) not in rows and rows[key_of(back)].overruled and manifest.overruled.sum() == 1
    assert rows[key_of(back)].votes == back.votes, "the judge's votes stay"
    judged = pd.read_parquet(after.out / "acceptance.parquet")
    assert {key_of(row) for _, row in judged[judged.overruled].iterrows()} == {key_of(out), key_of(back)}
    assert "Overruled by you: 1 accepted, 1 rejected" in after.text() and after.as_dict()["overruled"] == 2


def test_the_folder_holds_what_people_decided(decided):
    before, after, out, back = decided
    named = {f"{path.rpartition('.')[0]}{end}" for path in after.manifest.path for end in (".flac", ".jams")}
    assert files_of(after.out) == named and len(before - named) == 2 and len(named - before) == 2


def test_a_selection_that_is_interrupted_while_it_changes_is_not_finished(made, tmp_path, monkeypatch):
    "Its files are no longer those of the old manifest."
    from metaug.curation import selecting

    def interrupted(*_):
        raise KeyboardInterrupt

    how = QUICK | dict(cache=made.out / ".metaug-cache")
    first = select(made.found, tmp_path / "out", **how)
    out = first.acceptance[first.acceptance.accepted].iloc[[0]].assign(decision="reject")
    out[["clip", "deformation", "level", "decision"]].to_csv(tmp_path / "ears.csv", index=False)
    monkeypatch.setattr(selecting, "_write_all_sounds", interrupted)
    with pytest.raises(KeyboardInterrupt):
        select(made.found, first.out, overrule=tmp_path / "ears.csv", **how)
    with pytest.raises(InputError, match="no finished selection"):
        read_manifest(first.out)
    monkeypatch.undo()
    again = select(made.found, first.out, overrule=tmp_path / "ears.csv", **how)
    assert len(again.manifest) == len(first.manifest) - 1
    assert all((first.out / path).is_file() for path in read_manifest(first.out).path)


def test_without_the_table_the_judge_decides_again(made, decided):
    _, after, _, _ = decided
    again = select(made.found, after.out, **QUICK, cache=made.out / ".metaug-cache")
    assert not again.manifest.overruled.any() and len(again.manifest) == len(made.manifest)
    assert files_of(after.out) == {f"{p.rpartition('.')[0]}{e}" for p in made.manifest.path for e in (".flac", ".jams")}


@pytest.mark.parametrize(
    "text, said",
    [
        ("clip,deformation,level\nlow/0,drc,0\n", "column decision is missing"),
        ("clip,deformation,level,decision\n", "holds no rows"),
        ("clip,deformation,level,decision\nlow/0,drc,0,perhaps\n", "row 1: decision must be one of accept, reject"),
        ("clip;deformation;level;decision\nlow/0;drc;-1;accept\n", "row 1: level must be a whole number, got '-1'"),
        ("clip,deformation,level,decision\nnone/0,drc,0,accept\n", "row 1: clip must be a clip of this selection"),
        ("clip,deformation,level,decision\nlow/0,original,0,reject\n", "deformation must be a candidate's"),
        ("clip,deformation,level,decision\nlow/0,drc,0,accept\nlow/0,drc,0,reject\n", "row 2: clip must have each"),
        ("clip,deformation,level,decision\nlow/0,drc,9,accept\n", "row 1: sample must be one that was judged"),
        ("\x00\x01", "not a CSV table"),
    ],
)
def test_decisions_that_cannot_be_meant_are_refused(made, tmp_path, text, said):
    (tmp_path / "ears.csv").write_text(text)
    with pytest.raises(InputError, match="ears.csv: .*" + said) as told:
        select(made.found, tmp_path / "out", overrule=tmp_path / "ears.csv", **QUICK, cache=made.out / ".metaug-cache")
    assert "\n" not in str(told.value) and not (tmp_path / "out" / "manifest.csv").exists()


def test_decisions_survive_a_spreadsheet(tmp_path):
    "Names that a spreadsheet would run carry an apostrophe; semicolons and a mark are what Excel writes."
    text = "\ufeffclip;deformation;level;decision;label\r\n'=1+1/a;drc;0;REJECT;x\r\n'@b;drc;1;accept;y\r\n"
    (tmp_path / "ears.csv").write_bytes(text.encode())
    table = curation.read_decisions(tmp_path / "ears.csv", ["=1+1/a", "@b"])
    assert table["clip"].tolist() == ["=1+1/a", "@b"] and table.heard.tolist() == [False, True]


# ---- the demonstration


def test_the_demonstration_knows_which_candidates_are_wrong(tmp_path, monkeypatch):
    from metaug.curation import demonstration

    short = demonstration.DEMO._replace(schemes=("metric",), epochs=1, metric_epochs=1)
    monkeypatch.setattr(demonstration, "DEMO", short)
    told = []
    (tmp_path / "there").mkdir()
    made = demonstration.demo(tmp_path / "there" / "..", jobs=1, tell=told.append, progress=False)
    given, truth = pd.read_csv(tmp_path / "candidates.csv"), demonstration.demo_sounds(tmp_path)[2]
    assert len(pd.read_csv(tmp_path / "sounds.csv")) == 200 and list(given) == ["path", "label", "source"]
    assert truth.label.eq(truth.truth).groupby(truth.truth).sum().eq(20).all()
    judged = made.candidates
    assert len(judged) == made.outcome.acceptance["clip"].nunique() > 200
    counts = demonstration.wrong_found(judged.accepted, judged.truth.eq(judged.label))
    text = made.text(command="bin/metaug")
    assert f"Of {counts['judged']} candidates {counts['wrong']} are wrong; {counts['found']} of these" in text
    assert text.splitlines()[-3:] == [
        "  bin/metaug data my_sounds",
        "  bin/metaug judge my_sounds --html suspicious.html",
        "  bin/metaug select my_sounds --out filtered --candidates my_candidates",
    ]
    assert made.page.exists() and all(Path(path).exists() for path in made.figures) and len(told) == 3
