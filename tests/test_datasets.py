"""Sounds of every kind in, one table and one array out: what `metaug.datasets` promises, tried on files made here."""

import functools, hashlib, http.server, io, json, os, re, shutil, struct, tarfile, threading, warnings, zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np, pandas as pd, pytest, soundfile as sf

from metaug.datasets import sounds
from metaug.datasets import facts
from metaug.datasets import published
from metaug.datasets import generated as generated_room
from metaug import datasets
from metaug.datasets import (
    ARCHIVES,
    GENERATED_LABELS,
    InputError,
    cache_folder,
    data_folders,
    download,
    generate_clips,
    load_clips,
    read_audio,
)

COLUMNS = ["clip", "path", "label", "fold", "source", "seconds"]


def sine(rate, seconds=1.0, hertz=440, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def put(path, y=None, rate=8000, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, sine(rate, 0.2) if y is None else y, rate, **kwargs)
    return path


def tree(root, **clips_per_class):
    for label, n in clips_per_class.items():
        for i in range(n):
            put(root / label / f"{i}.wav")
    return root


def one_line(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, f"{part!r} not in {message!r}"


def refused(call, *parts):
    with pytest.raises(InputError) as error:
        call()
    one_line(error, *parts)


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    return generate_clips(tmp_path_factory.mktemp("sound") / "generated")


def real(name):
    try:
        return published._find(name)
    except InputError:
        pytest.skip(f"{name} is not here (METAUG_DATA)")


# ---- read_audio

WAV_SUBTYPES = dict(
    PCM_U8=2e-2,
    PCM_16=1e-3,
    PCM_24=1e-4,
    PCM_32=1e-4,
    FLOAT=1e-5,
    DOUBLE=1e-5,
    ALAW=3e-2,
    ULAW=3e-2,
    MS_ADPCM=3e-2,
    IMA_ADPCM=3e-2,
)


@pytest.mark.parametrize("subtype", WAV_SUBTYPES)
def test_wav_subtypes(tmp_path, subtype):
    y = read_audio(put(tmp_path / "a.wav", sine(44100), 44100, subtype=subtype))
    assert y.dtype == np.float32 and y.ndim == 1
    np.testing.assert_allclose(
        y[100:44100], sine(44100)[100:], atol=WAV_SUBTYPES[subtype]
    )  # ADPCM needs some samples to catch up


@pytest.mark.parametrize("suffix", "flac ogg mp3 aiff au caf w64 rf64".split())
def test_containers(tmp_path, suffix):
    y = read_audio(put(tmp_path / f"a.{suffix}", sine(44100), 44100))
    assert abs(len(y) - 44100) <= 2304
    np.testing.assert_allclose(y[4000:40000], sine(44100)[4000:40000], atol=2e-2)


def test_opus(tmp_path):
    assert len(read_audio(put(tmp_path / "a.opus", sine(48000), 48000, format="OGG", subtype="OPUS"))) == 44100


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
def test_any_rate_is_the_same_sine(tmp_path, rate):
    y = read_audio(put(tmp_path / "a.wav", sine(rate), rate, subtype="PCM_24"))
    assert len(y) == 44100
    np.testing.assert_allclose(y[2000:-2000], sine(44100)[2000:-2000], atol=1e-3)


def test_resampling_agrees_with_scipy(tmp_path):
    from scipy.signal import resample

    y = sum(sine(48000, hertz=h, level=0.1) for h in (100, 1000, 9000))
    got = read_audio(put(tmp_path / "a.wav", y, 48000, subtype="DOUBLE"), sr=24000)
    np.testing.assert_allclose(got[500:-500], resample(y, 24000)[500:-500], atol=1e-3)


def test_nothing_aliases(tmp_path):  # 20 kHz has no place at 22.05 kHz
    assert (
        np.abs(
            read_audio(put(tmp_path / "a.wav", sine(48000, hertz=20000), 48000, subtype="PCM_24"), sr=22050)[500:-500]
        ).max()
        < 1e-4
    )


@pytest.mark.parametrize("levels", [(0.6, 0.2), (1, -1), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
def test_channels_are_averaged(tmp_path, levels):
    y = np.stack([sine(44100, level=o) for o in levels], 1)
    np.testing.assert_allclose(
        read_audio(put(tmp_path / "a.wav", y, 44100, subtype="PCM_24")), sine(44100, level=np.mean(levels)), atol=1e-5
    )


def test_result_is_clipped(tmp_path):
    square = np.sign(sine(48000))
    loud = put(tmp_path / "a.wav", 5 * square, 48000, subtype="FLOAT")
    y = read_audio(loud)
    assert y.max() == 1 and y.min() == -1
    assert np.abs(read_audio(put(tmp_path / "b.wav", square, 48000))).max() <= 1


def test_long_file_is_read_in_blocks(tmp_path):
    y = np.random.default_rng(0).uniform(-0.9, 0.9, (700_000, 2)).astype(np.float32)
    np.testing.assert_allclose(read_audio(put(tmp_path / "a.wav", y, 44100, subtype="FLOAT")), y.mean(1), atol=1e-7)


def test_shortest(tmp_path):
    assert len(read_audio(put(tmp_path / "a.wav", np.ones(1) / 2, 44100))) == 1


@pytest.mark.parametrize("sr", [0, -1, float("nan"), float("inf"), 10**9])
def test_bad_rate(tmp_path, sr):
    refused(lambda: read_audio(put(tmp_path / "a.wav"), sr=sr), "sr must be > 0")


def test_unreadable(tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "a.raw").write_bytes(b"1234")
    refused(lambda: read_audio(tmp_path / "text.wav"), "text.wav: not a sound file")
    refused(lambda: read_audio(tmp_path / "empty.wav"), "empty.wav: the file is empty")
    refused(lambda: read_audio(tmp_path / "a.raw"), "a.raw: not a sound file")
    refused(lambda: read_audio(tmp_path / "gone.wav"), "gone.wav: no such file")
    refused(lambda: read_audio(tmp_path), "not a regular file")
    refused(lambda: read_audio(put(tmp_path / "none.wav", np.zeros(0), 44100)), "none.wav: holds no sound")
    (tmp_path / "two\nlines.wav").write_text("hello")
    refused(lambda: read_audio(tmp_path / "two\nlines.wav"), "two lines.wav")


def test_a_file_that_is_there_is_not_said_to_be_missing(tmp_path):
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(InputError) as told:
        read_audio(tmp_path / "noise.mp3")
    assert "noise.mp3: not a sound file" in str(told.value) and "does not exist" not in str(told.value)


def test_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    refused(lambda: read_audio(tmp_path / "pipe.wav"), "not a regular file")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_not_finite(tmp_path, bad, rate):
    y = sine(rate)
    y[1000] = bad
    refused(lambda: read_audio(put(tmp_path / "a.wav", y, rate, subtype="FLOAT")), "a.wav", "not finite")


@pytest.mark.parametrize("suffix", "wav flac ogg mp3 aiff au caf w64".split())
def test_half_a_file(tmp_path, suffix):
    path = put(tmp_path / f"a.{suffix}", np.random.default_rng(0).uniform(-0.5, 0.5, 44100), 44100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(lambda: read_audio(path), path.name)


def restate(path, at, fmt, value):
    data = bytearray(path.read_bytes())
    struct.pack_into(fmt, data, at, value)
    path.write_bytes(data)


def test_wav_written_to_a_pipe_is_read(tmp_path):
    path = put(tmp_path / "a.wav", sine(44100), 44100)
    restate(path, path.read_bytes().index(b"data") + 4, "<I", 0xFFFFFFFF)
    assert len(read_audio(path)) == 44100


@pytest.mark.parametrize("frames", [2**36 - 1, 2**33, 0])
def test_absurd_flac_header(tmp_path, frames):
    path = put(tmp_path / "a.flac", sine(44100), 44100)
    restate(path, 18, ">Q", struct.unpack_from(">Q", path.read_bytes(), 18)[0] >> 36 << 36 | frames)
    refused(lambda: read_audio(path), "a.flac", "its header states")


def test_absurd_w64_and_rf64_headers(tmp_path):
    w64, rf64 = put(tmp_path / "a.w64", sine(44100), 44100), put(tmp_path / "a.rf64", sine(44100), 44100)
    restate(w64, w64.read_bytes().index(b"data") + 16, "<Q", 2**41)
    restate(rf64, 28, "<Q", 2**41)
    for path in (w64, rf64):
        try:
            assert len(read_audio(path)) <= 2 * 44100  # what is there, or an error of ours
        except InputError as e:
            assert path.name in str(e)


def test_absurd_rate(tmp_path):  # one frame a second: 100 minutes in 12 kB
    refused(lambda: read_audio(put(tmp_path / "a.wav", np.zeros(6000), 1)), "at most 3600 s")


# ---- load_clips


def test_folder(tmp_path):
    put(tmp_path / "cat" / "a.wav")
    put(tmp_path / "cat" / "deep" / "b c.flac")
    put(tmp_path / "Übung" / "ä.ogg")
    put(tmp_path / "Übung" / "b.mp3", rate=44100)
    clips = load_clips(tmp_path, n_folds=2)
    assert list(clips) == COLUMNS and isinstance(clips.index, pd.RangeIndex)
    assert list(clips["clip"]) == ["cat/a", "cat/deep/b c", "Übung/b", "Übung/ä"]
    assert list(clips.label) == ["cat", "cat", "Übung", "Übung"]
    assert list(clips.source) == list(clips["clip"])
    assert sorted(clips.fold.unique()) == [1, 2] and clips.fold.dtype == np.int64
    assert clips.seconds[0] == pytest.approx(0.2)
    assert all(os.path.isabs(o) and os.path.isfile(o) for o in clips.path)


def test_same_name_two_formats(tmp_path):
    tree(tmp_path, cat=2, dog=2)
    put(tmp_path / "cat" / "0.flac")
    assert list(load_clips(tmp_path, n_folds=2)["clip"]) == ["cat/0.flac", "cat/0.wav", "cat/1", "dog/0", "dog/1"]


def test_hidden_files_links_and_loops(tmp_path):
    tree(tmp_path, cat=2, dog=2)
    put(tmp_path / "cat" / ".hidden.wav")
    put(tmp_path / ".trash" / "x.wav")
    (tmp_path / "cat" / "._0.wav").write_text("mac")
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    (tmp_path / "dog" / "self").symlink_to(".")
    (tmp_path / "a").symlink_to("a")
    put(tmp_path.parent / f"{tmp_path.name}-else" / "0.wav")
    put(tmp_path.parent / f"{tmp_path.name}-else" / "1.wav")
    (tmp_path / "eel").symlink_to(tmp_path.parent / f"{tmp_path.name}-else")
    assert list(load_clips(tmp_path, n_folds=2)["clip"]) == ["cat/0", "cat/1", "dog/0", "dog/1", "eel/0", "eel/1"]


def test_loose_sounds_are_warned_of(tmp_path):
    put(tree(tmp_path, cat=2, dog=2) / "loose.wav")
    with pytest.warns(UserWarning, match="1 sounds lie in no class folder"):
        assert len(load_clips(tmp_path, n_folds=2)) == 4
    found = datasets.survey(tmp_path).findings
    assert found.finding.eq("in no class folder").sum() == 1 and found["clip"].str.endswith("loose.wav").any()


def test_bad_folders(tmp_path, monkeypatch):
    refused(lambda: load_clips(tmp_path / "gone"), "gone", "neither a folder", "generated, esc10, esc50, urbansound8k")
    refused(lambda: load_clips("esc70"), "esc70", "CSV or Parquet")
    refused(lambda: load_clips(tmp_path), "no sound in a subfolder")
    refused(lambda: load_clips(put(tmp_path / "a.wav")), "a.wav", "neither a folder")
    refused(lambda: load_clips(tree(tmp_path / "alone", cat=1, dog=3)), "class cat has one clip only")
    refused(lambda: load_clips(tree(tmp_path / "one", cat=3)), "one class only (cat)")
    refused(lambda: load_clips(tree(tmp_path / "folds", fold1=3, fold2=3)), "fold1 is a fold, not a class")
    refused(lambda: load_clips(tree(tmp_path / "ok", cat=2, dog=2), n_folds=1), "n_folds must be >= 2")
    refused(lambda: load_clips(tmp_path / "ok", seed=-1), "seed must be >= 0")


def test_unreadable_clips_are_counted(tmp_path):
    tree(tmp_path, cat=4, dog=4)
    (tmp_path / "cat" / "2.wav").write_text("hello")
    refused(lambda: load_clips(tmp_path, strict=True), "2.wav: not a sound file")
    (tmp_path / "dog" / "x.m4a").write_bytes(b"\0\0\0 ftypM4A ")
    refused(lambda: load_clips(tmp_path, strict=True), "2.wav: not a sound file", "and 1 more of 9 files")
    with pytest.warns(
        UserWarning, match=r"2 of 9 files can't be used and are left out, first .*2\.wav: not a sound file"
    ):
        clips = load_clips(tmp_path, n_folds=3)
    assert len(clips) == 7 and [Path(o["path"]).name for o in clips.attrs["problems"]] == ["2.wav", "x.m4a"]
    assert all("not a sound file" in o["reason"] and tmp_path.name not in o["reason"] for o in clips.attrs["problems"])
    for o in ("cat", "dog"):
        [path.write_text("hello") for path in (tmp_path / o).iterdir()]
    refused(lambda: load_clips(tmp_path), "0.wav: not a sound file", "and 8 more of 9 files")


def table(root, **more):
    tree(root / "sound", cat=4, dog=4)
    rows = pd.DataFrame(
        dict(
            path=[f"sound/{label}/{i}.wav" for label in ("cat", "dog") for i in range(4)],
            label=["cat"] * 4 + ["dog"] * 4,
        )
    )
    return rows.assign(**more)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables(tmp_path, suffix):
    rows = table(tmp_path, fold=[1, 1, 2, 2] * 2, source=list("aabbccdd"), ignored=1)
    path = tmp_path / f"my.{suffix}"
    rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)
    clips = load_clips(path)
    assert list(clips["clip"]) == [f"sound/{o}/{i}" for o in ("cat", "dog") for i in range(4)]
    assert list(clips.fold) == [1, 1, 2, 2] * 2 and list(clips.source) == list("aabbccdd")


def test_row_order_and_place_do_not_matter(tmp_path):
    rows = table(tmp_path / "a")
    table(tmp_path / "b")
    rows.to_csv(tmp_path / "a" / "t.csv", index=False)
    rows.sample(frac=1, random_state=1).to_csv(tmp_path / "b" / "t.csv", index=False)
    a, b = (load_clips(tmp_path / o / "t.csv", n_folds=3).drop(columns="path") for o in "ab")
    pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(a, load_clips(tmp_path / "a" / "t.csv", n_folds=3).drop(columns="path"))


def test_paths_outside_the_table_leave_no_dots_in_names(tmp_path):
    rows = table(tmp_path)
    (tmp_path / "tables").mkdir()
    rows.assign(path="../" + rows.path).to_csv(tmp_path / "tables" / "t.csv", index=False)
    rows.assign(path=str(tmp_path) + "/" + rows.path).to_csv(tmp_path / "tables" / "u.csv", index=False)
    for name in ("t.csv", "u.csv"):
        assert list(load_clips(tmp_path / "tables" / name, n_folds=4)["clip"])[:2] == ["cat/0", "cat/1"]


def test_words_that_pandas_takes_for_missing_are_labels(tmp_path):
    table(tmp_path).replace({"cat": "NA", "dog": "null"}).to_csv(tmp_path / "t.csv", index=False)
    assert set(load_clips(tmp_path / "t.csv", n_folds=4).label) == {"NA", "null"}


@pytest.mark.parametrize(
    "change, parts",
    [
        (lambda t: t.drop(columns="label"), ["column label is missing", "it has path"]),
        (lambda t: t.rename(columns=dict(path="paths")), ["column path is missing", "if paths is the path, call it"]),
        (lambda t: t.iloc[:0], ["holds no rows"]),
        (lambda t: t.assign(path=t.path.replace("sound/cat/1.wav", "sound/cat/9.wav")), ["9.wav: no such file"]),
        (lambda t: pd.concat([t, t.iloc[:1]]), ["0.wav: is in two rows"]),
        (lambda t: pd.concat([t, t.iloc[:1].assign(path="sound/dog/../cat/0.wav")]), ["0.wav: is in two rows"]),
        (lambda t: pd.concat([t, t.iloc[:1].assign(label="dog")]), ["0.wav: is in several rows that differ"]),
        (lambda t: t.assign(label=["", *t.label[1:]]), ["label is empty in row 1"]),
        (lambda t: t.assign(fold=1), ["one fold only (1)"]),
        (lambda t: t.assign(fold=[0, 1] * 4), ["fold must be a whole number >= 1, got '0'"]),
        (lambda t: t.assign(fold=["a", "1"] * 4), ["got 'a'"]),
        (lambda t: t.assign(fold=["", "1"] * 4), ["got ''"]),
        (lambda t: t.assign(fold=[1.5, 1] * 4), ["got '1.5'"]),
        (lambda t: t.assign(source="tape"), ["one source"]),
    ],
)
def test_bad_tables(tmp_path, change, parts):
    change(table(tmp_path)).to_csv(tmp_path / "t.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused(lambda: load_clips(tmp_path / "t.csv", strict=True), *parts)


def test_a_row_that_stands_twice_counts_once(tmp_path):
    rows = table(tmp_path, fold=[1, 2] * 4)
    pd.concat([rows, rows.iloc[:3]]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(UserWarning, match="3 of 11 files"):
        clips = load_clips(tmp_path / "t.csv")
    assert len(clips) == 8 and {o["reason"] for o in clips.attrs["problems"]} == {"is in two rows"}


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b'path,label\n"a', b"path,label\n\0,b\n", b"PAR1", b"a\nb,c,d\n"]
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_that_are_none(tmp_path, data, suffix):
    (tmp_path / f"t.{suffix}").write_bytes(data)
    refused(lambda: load_clips(tmp_path / f"t.{suffix}"))


def test_parquet_bombs(tmp_path):
    import pyarrow as pa, pyarrow.parquet as pq

    bomb = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(500_000, np.int32)), pa.array(["x" * 100_000])
    )  # 50 GB in some kilobytes
    pq.write_table(pa.table(dict(path=bomb, label=bomb)), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 100_000
    refused(lambda: load_clips(tmp_path / "t.parquet"), "MB of text")
    pq.write_table(pa.table(dict(path=pa.nulls(6_000_000), label=pa.nulls(6_000_000))), tmp_path / "t.parquet")
    refused(lambda: load_clips(tmp_path / "t.parquet"), "6000000 rows")


def test_csv_bombs(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,label" + b",x" * 50_000 + b"\n")
    refused(lambda: load_clips(tmp_path / "t.csv"), "t.csv: not a CSV table", "first line of over")
    (tmp_path / "t.csv").write_text("path,label\na.wav,x,y,z\n")
    refused(lambda: load_clips(tmp_path / "t.csv"), "t.csv: not a CSV table")
    with open(tmp_path / "t.csv", "wb") as f:
        f.write(b"path,label\n")
        f.truncate(1 << 40)  # a terabyte of nothing
    refused(lambda: load_clips(tmp_path / "t.csv"), "over 256 MB")


def test_odd_parquet(tmp_path):
    import pyarrow as pa, pyarrow.parquet as pq

    rows = table(tmp_path)
    rows.assign(fold=[1, 2, None, 2] * 2).to_parquet(tmp_path / "t.parquet")
    refused(lambda: load_clips(tmp_path / "t.parquet"), "got ''")
    rows.assign(path=[[1, 2]] * 8).to_parquet(tmp_path / "t.parquet")
    refused(lambda: load_clips(tmp_path / "t.parquet"), "column path holds neither text nor numbers")
    pq.write_table(
        pa.Table.from_arrays([pa.array(["a"])] * 3, names=["path", "label", "label"]), tmp_path / "t.parquet"
    )
    refused(lambda: load_clips(tmp_path / "t.parquet"), "t.parquet: not a Parquet table", "label")
    (tmp_path / "fold=7").mkdir()
    rows.assign(path="../" + rows.path).to_parquet(tmp_path / "fold=7" / "t.parquet")  # a folder's name is no column
    assert load_clips(tmp_path / "fold=7" / "t.parquet", n_folds=2).fold.nunique() == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every folder")
def test_folder_without_permission(tmp_path):
    tree(tmp_path, cat=2, dog=2, eel=2)
    (tmp_path / "eel").chmod(0)
    refused(lambda: load_clips(tmp_path, strict=True), "eel: folder can't be read")
    with pytest.warns(UserWarning, match="eel: folder can't be read"):
        assert set(load_clips(tmp_path, n_folds=2).label) == {"cat", "dog"}


def test_folds_are_stratified_grouped_and_seeded(tmp_path):
    rows = pd.concat(
        [table(tmp_path / o).assign(path=lambda t, o=o: f"{o}/" + t.path) for o in "abcdefghij"], ignore_index=True
    )
    rows["source"] = [f"{label}{i // 2}" for i, label in enumerate(rows.label)]  # pairs of slices
    rows.to_csv(tmp_path / "t.csv", index=False)
    clips = load_clips(tmp_path / "t.csv", seed=3)
    assert clips.groupby("source").fold.nunique().max() == 1
    assert (pd.crosstab(clips.label, clips.fold).values == 8).all()
    assert load_clips(tmp_path / "t.csv", seed=3).equals(clips)
    assert not load_clips(tmp_path / "t.csv", seed=4).fold.equals(clips.fold)


def test_uneven_classes_are_spread(tmp_path):
    counts = pd.crosstab(*load_clips(tree(tmp_path, a=23, b=11, c=5))[["label", "fold"]].values.T)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1 and counts.shape == (3, 5)


def test_fewer_folds_than_asked_for(tmp_path):
    with pytest.warns(UserWarning, match="3 folds are made, not 5"):
        assert load_clips(tree(tmp_path, a=3, b=3)).fold.nunique() == 3


def test_leaks_are_warned_of(tmp_path):
    table(tmp_path, fold=[1, 2, 1, 2] * 2, source=list("xxbbccdy")).to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(UserWarning, match="3 sources are in two folds or more.*: b, c, x"):
        load_clips(tmp_path / "t.csv")


def test_class_in_one_fold_is_warned_of(tmp_path):
    table(tmp_path, fold=[1] * 4 + [1, 2, 1, 2]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(UserWarning, match="class cat is in one fold only"):
        load_clips(tmp_path / "t.csv")


# ---- surveys


def troubled(root):
    "Every trouble that a folder of sounds can have"
    tree(root, cat=4, dog=4)
    for name in ("empty.wav", "video.mp4", "song.m4a"):
        (root / "cat" / name).touch()
    (root / "cat" / "text.wav").write_text("hello")
    (root / "dog" / "bad.mp3").write_bytes(b"\xff\xfb" + bytes(99))
    whole = put(root / "dog" / "cut.ogg", np.random.default_rng(0).uniform(-0.5, 0.5, 44100), 44100)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    put(root / "dog" / "nan.wav", np.full(800, np.nan), subtype="FLOAT")
    put(root / "dog" / "two\nlines = 1.wav")
    put(root / "cat" / ".hidden.wav")
    put(root / "cat" / "deep" / "er" / "ü b.flac", sine(22050), 22050)
    put(root / "cat" / "twin.flac", sine(22050), 22050)
    put(root / "cat" / "silent.wav", np.zeros(8000))
    put(root / "cat" / "loud.wav", 3 * sine(8000))
    (root / "dog" / "loop").symlink_to(root)
    (root / "dog" / "gone.wav").symlink_to("nowhere")
    return root


def test_survey_of_every_trouble(tmp_path):
    troubled(tmp_path)
    before = {o: (o.lstat().st_size, o.lstat().st_mtime_ns) for o in tmp_path.rglob("*")}
    here = datasets.survey(tmp_path)
    found = (
        here.findings.assign(clip=[Path(o).name for o in here.findings["clip"]])
        .groupby("finding")["clip"]
        .apply(sorted)
        .to_dict()
    )
    assert set(found.pop("unreadable")) >= {
        "empty.wav",
        "video.mp4",
        "song.m4a",
        "text.wav",
        "bad.mp3",
        "cut.ogg",
        "nan.wav",
        "gone.wav",
    }
    assert found.pop("near-silent") == ["silent"] and found.pop("clipped") == ["loud"]
    assert {"twin"} <= set(found.pop("duplicate")) and not found
    assert all(here.findings.detail.str.len() > 3)
    json.dumps(here.as_dict(), allow_nan=False)
    assert here.formats().clips.sum() <= len(here.facts) and set(here.classes().index) == {"cat", "dog"}
    assert len(before) > 20 and before == {o: (o.lstat().st_size, o.lstat().st_mtime_ns) for o in tmp_path.rglob("*")}
    refused(lambda: datasets.survey(tmp_path, strict=True), "more of")


def test_survey_is_lenient_about_numbers(tmp_path):
    assert len(datasets.survey(tree(tmp_path / "a", cat=1)).facts) == 1
    assert datasets.survey(tree(tmp_path / "b", cat=3, dog=1)).classes().clips.to_dict() == {"cat": 3, "dog": 1}
    table(tmp_path, fold=[1, 2] * 4, source="tape").to_csv(tmp_path / "t.csv", index=False)
    told = datasets.survey(tmp_path / "t.csv").findings
    assert told[told.finding == "source in two folds"].detail.tolist() == ["folds 1, 2"]


def test_same_sound_in_other_lossless_formats_is_found(tmp_path):
    tree(tmp_path, cat=2, dog=2)
    y = np.random.default_rng(0).integers(-9999, 9999, 4000).astype(np.int16)
    for name in ("cat/x.wav", "cat/y.flac", "dog/z.aiff"):
        put(tmp_path / name, y)
    twins = datasets.survey(tmp_path).findings.query('finding == "duplicate"')
    assert {"cat/y", "dog/z"} <= set(twins["clip"])


def test_facts_take_no_more_memory_for_long_files(tmp_path):
    import tracemalloc

    put(tmp_path / "a" / "long.flac", np.zeros(10 * 60 * 16000), 16000)
    tracemalloc.start()
    facts._file_facts(tmp_path / "a" / "long.flac")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_picture_of_odd_names(tmp_path):
    for label in ("$x^$", "two\nlines", "x" * 200, "ü"):
        put(tmp_path / label / "a.wav")
    drawn = datasets.draw_survey(datasets.survey(tmp_path))
    drawn.savefig(tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_names_that_are_not_utf8(tmp_path):
    tree(tmp_path, cat=2, dog=2)
    os.rename(os.fsencode(tmp_path / "cat" / "0.wav"), os.fsencode(tmp_path / "cat") + b"/\xff.wav")
    put(tmp_path / "cat" / "2.wav")
    with pytest.warns(UserWarning, match="not UTF-8"):
        assert len(load_clips(tmp_path, n_folds=2)) == 4


# ---- published layouts


def first_esc(root):
    for number, name in enumerate(["Dog bark", "Sea waves", "Hand-saw's (big)"], 1):
        for fold in (1, 2):
            put(root / f"{number:03} - {name}" / f"{fold}-{number}00{fold}-A.ogg")
    (root / "ATTRIBUTION.md").touch()
    return root


def esc50(root):
    rows = [
        (f"{fold}-{10 * c + fold}-A-{c}.wav", fold, c, name, esc10, 10 * c + fold, "A")
        for c, (name, esc10) in enumerate([("dog", True), ("rain", True), ("cow", False)])
        for fold in (1, 2)
    ]
    for row in rows:
        put(root / "audio" / row[0])
    (root / "meta").mkdir()
    pd.DataFrame(rows, columns=["filename", "fold", "target", "category", "esc10", "src_file", "take"]).to_csv(
        root / "meta" / "esc50.csv", index=False
    )
    return root


def urbansound8k(root, leak=False):
    rows = [
        (f"{fs}-{c}-0-0.wav", fs, fold, c, name)
        for c, name in enumerate(["horn", "siren"])
        for fold in (1, 2)
        for fs in [77751 if leak else 100 * c + fold]
    ]
    for row in rows:
        put(root / "audio" / f"fold{row[2]}" / row[0])
    (root / "metadata").mkdir()
    pd.DataFrame(rows, columns=["slice_file_name", "fsID", "fold", "classID", "class"]).to_csv(
        root / "metadata" / "UrbanSound8K.csv", index=False
    )
    return root


def test_first_esc_layout(tmp_path):
    clips = load_clips(first_esc(tmp_path))
    assert list(clips.label) == ["dog_bark"] * 2 + ["sea_waves"] * 2 + ["hand_saw_s_big"] * 2
    assert (
        list(clips.fold) == [1, 2] * 3 and clips.source[0] == "1001" and clips["clip"][0] == "001 - Dog bark/1-1001-A"
    )


def test_first_esc_layout_with_trouble(tmp_path):
    put(first_esc(tmp_path) / "loose.wav")
    Path(os.fsdecode(os.fsencode(tmp_path / "001 - Dog bark") + b"/1-9\xff-A.wav")).write_bytes(b"")
    with pytest.warns(UserWarning, match="no class folder"):
        clips = load_clips(tmp_path)
    assert list(clips.fold) == [1, 2] * 3 and clips.attrs["loose"] == [str(tmp_path / "loose.wav")]
    assert [o["path"] for o in clips.attrs["problems"]] == [str(tmp_path / "001 - Dog bark") + "/1-9\\xff-A.wav"]
    refused(lambda: load_clips(tmp_path, strict=True), "not UTF-8")


def test_a_folder_called_audio_is_itself(tmp_path):
    tree(tmp_path / "audio", cat=3, dog=3)
    tree(tmp_path / "elsewhere", cow=3)
    for name in ("meta", "metadata"):
        (tmp_path / name).mkdir()
    assert set(load_clips(tmp_path / "audio").label) == {"cat", "dog"}


def test_a_selection_keeps_deformed_sounds_beside_their_originals(tmp_path):
    tree(tmp_path, cat=4, dog=4)
    files = sorted(tmp_path.rglob("*.wav"))
    rows = pd.DataFrame(
        dict(
            path=[o.relative_to(tmp_path).as_posix() for o in files],
            label=["'=x" if o.parent.name == "cat" else "dog" for o in files],
            fold=[1, 1, 2, 2] * 2,
            source=["'-1", "'-1", "2", "2", "3", "3", "4", "4"],
        )
    )
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    (tmp_path / ".metaug.json").write_text("{}")
    with pytest.warns(UserWarning, match="is a selection"):
        clips = load_clips(tmp_path)
    assert (
        list(clips.fold) == [1, 1, 2, 2] * 2
        and set(clips.label) == {"=x", "dog"}
        and set(clips.source) == {"-1", "2", "3", "4"}
    )


def test_esc50_layout_and_esc10_in_it(tmp_path, monkeypatch):
    clips = load_clips(esc50(tmp_path / "ESC-50-master"))
    assert (
        len(clips) == 6
        and list(clips.label[:3]) == ["dog", "rain", "cow"]
        and clips["clip"][0] == "audio/1-1-A-0"
        and clips.source[0] == "1"
    )
    assert load_clips(tmp_path / "ESC-50-master" / "audio").equals(clips)
    monkeypatch.setenv("METAUG_DATA", str(tmp_path))
    assert load_clips("esc50").equals(clips)
    assert set(load_clips("esc10").label) == {"dog", "rain"}


def test_urbansound8k_layout(tmp_path, monkeypatch):
    clips = load_clips(urbansound8k(tmp_path / "UrbanSound8K"))
    assert list(clips["clip"]) == [
        "audio/fold1/1-0-0-0",
        "audio/fold1/101-1-0-0",
        "audio/fold2/102-1-0-0",
        "audio/fold2/2-0-0-0",
    ]
    assert (
        list(clips.source) == ["1", "101", "102", "2"]
        and list(clips.fold) == [1, 1, 2, 2]
        and list(clips.label) == ["horn", "siren", "siren", "horn"]
    )
    assert load_clips(tmp_path / "UrbanSound8K" / "audio").equals(clips)
    (tmp_path / "UrbanSound8K" / "audio" / "fold2" / "2-0-0-0.wav").unlink()
    refused(lambda: load_clips(tmp_path / "UrbanSound8K", strict=True), "2-0-0-0.wav: no such file")


def test_urbansound8k_source_in_two_folds_warns(tmp_path):
    with pytest.warns(UserWarning, match="77751"):
        assert len(load_clips(urbansound8k(tmp_path, leak=True))) == 4


def test_names_that_are_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_DATA", str(tmp_path))
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache"))
    refused(
        lambda: load_clips("esc50"),
        "esc50 is not",
        "metaug data esc50 --download",
        "ESC-50-master.zip",
        "https://github.com/karolpiczak/ESC-50",
    )
    refused(lambda: load_clips("urbansound8k"), "https://zenodo.org/records/1203745")
    assert data_folders() == [tmp_path, tmp_path / "cache"] and cache_folder() == tmp_path / "cache"


def test_many_files_load(tmp_path):
    tree(tmp_path, a=1000, b=1000)
    assert len(load_clips(tmp_path)) == 2000


# ---- real recordings


def test_real_esc10():
    clips = load_clips(real("esc10"))
    assert (
        len(clips) == 400 and (pd.crosstab(clips.label, clips.fold).values == 8).all() and clips.label.nunique() == 10
    )
    assert {"dog_bark", "sea_waves", "fire_crackling"} < set(clips.label)
    assert (
        clips.groupby("source").fold.nunique().max() == 1 and clips.seconds.between(4.9, 5.1).sum() == 395
    )  # five differ, by their authors
    y = read_audio(clips.path[0])
    assert len(y) == round(clips.seconds[0] * 44100) and np.abs(y).max() > 0.01


def test_real_urbansound8k():
    clips = load_clips(real("urbansound8k"))
    assert (
        clips.label.nunique() == 10
        and (clips.seconds <= 4.01).all()
        and set(clips.label) >= {"dog_bark", "street_music"}
    )
    assert (clips.source == clips["clip"].str.extract(r"/(\d+)-")[0]).all()
    assert (clips.fold == clips["clip"].str.extract(r"fold(\d+)/")[0].astype(int)).all()


# ---- generated


def fingerprint(folder):
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def test_generated_bytes(generated):
    assert fingerprint(generated) == "023d6d8d26c4ce57a0600487d4c5ce4aec0fc8c93cbae8fd9f4526a492710c54"


def test_generated_table(generated):
    clips = load_clips(generated)
    assert len(clips) == 200 and sorted(clips.label.unique()) == list(GENERATED_LABELS)
    assert (pd.crosstab(clips.label, clips.fold).values == 2).all() and clips.fold.nunique() == 10
    assert clips.groupby("source").fold.nunique().max() == 1
    assert 100 < clips.source.nunique() < 200 and clips.groupby("label").source.nunique().min() >= 10
    assert 0.3 <= clips.seconds.min() < 1 and clips.seconds.max() == pytest.approx(4)


def test_generated_sound_is_sound(generated):
    for path in generated.glob("*/05*.wav"):
        info, y = sf.info(path), read_audio(path)
        assert (info.samplerate, info.channels, info.subtype) == (44100, 1, "PCM_16")
        assert 0.05 < np.abs(y).max() < 1 and np.abs(y).std() > 1e-4


def test_generated_by_two_processes_at_once(tmp_path, generated):
    with ProcessPoolExecutor(2) as pool:
        folders = list(pool.map(generate_clips, [tmp_path / "g"] * 2))
    assert fingerprint(folders[0]) == fingerprint(generated) and [o.name for o in tmp_path.iterdir()] == ["g"]


def test_generated_is_kept_and_guarded(tmp_path, generated):
    before = {o: o.stat().st_mtime_ns for o in generated.rglob("*")}
    assert generate_clips(generated) == generated and before == {o: o.stat().st_mtime_ns for o in generated.rglob("*")}
    refused(lambda: generate_clips(generated, seed=1), "holds something else", "seed 1")
    (tmp_path / "mine.txt").write_text("precious")
    refused(lambda: generate_clips(tmp_path), "holds something else")
    assert [o.name for o in tmp_path.iterdir()] == ["mine.txt"]
    refused(lambda: generate_clips(tmp_path / "mine.txt" / "g"), "can't be written")
    refused(lambda: generate_clips(tmp_path / "g", seed=-1), "seed must be >= 0")


def test_seeds_differ(generated):
    rng = lambda seed: np.random.default_rng(np.random.SeedSequence([seed, 0, 1]))
    assert not np.array_equal(
        generated_room._source(rng(0), "bark", 44100), generated_room._source(rng(1), "bark", 44100)
    )


def test_global_random_state_is_untouched(tmp_path):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    load_clips(tree(tmp_path, a=3, b=3), n_folds=3)
    generated_room._source(np.random.default_rng(0), "tune", 4410)
    assert np.array_equal(np.random.get_state()[1], before)


# ---- download


@pytest.fixture
def served(tmp_path):
    "An http server on loopback for a folder: (folder, address)"
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def zipped(root, path):
    with zipfile.ZipFile(path, "w") as z:
        for o in sorted(root.rglob("*")):
            z.write(o, o.relative_to(root.parent))
    return path


def tarred(root, path):
    with tarfile.open(path, "w:gz") as t:
        t.add(root, root.name)
    return path


def entry(monkeypatch, name, path, *urls, **changes):
    archive = {
        **ARCHIVES[name],
        "urls": urls,
        "md5": hashlib.md5(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        **changes,
    }
    monkeypatch.setitem(ARCHIVES, name, archive)


def test_download_zip_and_load(tmp_path, served, monkeypatch):
    folder, address = served
    path = zipped(esc50(tmp_path / "ESC-50-master"), folder / "ESC-50-master.zip")
    entry(monkeypatch, "esc50", path, f"{address}/gone.zip", f"{address}/{path.name}")  # the second address is tried
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("METAUG_DATA", str(tmp_path / "nothing"))
    assert download("esc50") == tmp_path / "cache" / "ESC-50-master"
    assert len(load_clips("esc50")) == 6 and len(load_clips("esc10")) == 4
    assert [o.name for o in (tmp_path / "cache").iterdir()] == ["ESC-50-master"]  # no archive, no leavings
    path.unlink()
    assert download("esc50").is_dir()  # what is there isn't fetched again


def test_download_tar(tmp_path, served, monkeypatch):
    folder, address = served
    path = tarred(urbansound8k(tmp_path / "UrbanSound8K"), folder / "UrbanSound8K.tar.gz")
    entry(monkeypatch, "urbansound8k", path, f"{address}/{path.name}")
    assert len(load_clips(download("urbansound8k", folder=tmp_path / "data"))) == 4


def test_download_with_wrong_bytes(tmp_path, served, monkeypatch):
    folder, address = served
    path = zipped(esc50(tmp_path / "ESC-50-master"), folder / "ESC-50-master.zip")
    entry(monkeypatch, "esc50", path, f"{address}/{path.name}", md5="0" * 32)
    refused(
        lambda: download("esc50", folder=tmp_path / "data"),
        "could not be downloaded",
        "take ESC-50-master.zip",
        "https://github.com/karolpiczak/ESC-50",
        "METAUG_DATA/ESC-50-master",
    )
    entry(monkeypatch, "esc50", path, f"{address}/{path.name}", bytes=1)
    refused(lambda: download("esc50", folder=tmp_path / "data"), "must have 1 bytes")
    assert not (tmp_path / "data" / "ESC-50-master").exists()


def test_download_without_network(tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHIVES, "esc50", {**ARCHIVES["esc50"], "urls": ("http://127.0.0.1:9/x.zip",)})
    refused(
        lambda: download("esc50", folder=tmp_path),
        "take ESC-50-master.zip (0.6 GB) from https://github.com/karolpiczak/ESC-50",
    )
    refused(lambda: download("esc70"), "only esc10, esc50, urbansound8k")


def test_download_does_not_write_outside(tmp_path, served, monkeypatch):
    folder, address = served
    with tarfile.open(folder / "UrbanSound8K.tar.gz", "w:gz") as t:
        member = tarfile.TarInfo("../../escaped.txt")
        member.size = 3
        t.addfile(member, io.BytesIO(b"out"))
    entry(monkeypatch, "urbansound8k", folder / "UrbanSound8K.tar.gz", f"{address}/UrbanSound8K.tar.gz")
    refused(lambda: download("urbansound8k", folder=tmp_path / "a" / "b" / "c"), "not an archive that can be unpacked")
    assert not list(tmp_path.rglob("escaped.txt"))


def test_checksums_are_those_published():
    assert ARCHIVES["urbansound8k"]["md5"] == "9aa69802bbf37fb986f71ec1483a196e" and re.fullmatch(
        "[0-9a-f]{32}", ARCHIVES["esc50"]["md5"]
    )


# ---- found by a review


def mp3(path, parts, **how):
    "An MP3 of seconds and levels of noise"
    random = np.random.default_rng(0)
    y = np.concatenate([level * random.normal(size=int(44100 * seconds)) for seconds, level in parts])
    return put(path, y, rate=44100, **how)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_an_mp3s_frames_are_as_many_as_it_states(tmp_path, mode, rate):
    file = put(tmp_path / "a.mp3", sine(rate, 3), rate, bitrate_mode=mode)
    assert sf.info(file).frames <= sounds._mp3_samples(file) <= sf.info(file).frames + 4 * 1152
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(b"ID3\x04\x00\x00\x00\x00\x02\x00" + b"\xff\xfb\x90\x00" * 64 + file.read_bytes())
    assert sounds._mp3_samples(tagged) == sounds._mp3_samples(file)


@pytest.mark.parametrize("tail", ["picture", "ones", "heads"])
def test_what_stands_behind_an_mp3s_sound_is_no_sound(tmp_path, tail):
    whole = mp3(tmp_path / "a.mp3", [(5, 0.1)])
    random = np.random.default_rng(0).bytes(400_000)
    put_behind = dict(picture=b"APETAGEX" + random, ones=b"\xff" * 400_000, heads=b"\xff\xfb\x90\x00" * 50_000)[tail]
    (tmp_path / "b.mp3").write_bytes(whole.read_bytes() + put_behind)
    assert sounds._mp3_samples(tmp_path / "b.mp3") <= sounds._mp3_samples(whole) + 1152
    np.testing.assert_array_equal(
        read_audio(tmp_path / "b.mp3")[: 5 * 44100 - 2304], read_audio(whole)[: 5 * 44100 - 2304]
    )


def test_an_mp3_of_which_only_a_part_can_be_read_is_refused(tmp_path):
    one, whole = (
        mp3(tmp_path / "one.mp3", [(4, 0.1)]),
        mp3(tmp_path / "varies.mp3", [(4, 0.2), (4, 0.001)], bitrate_mode="VARIABLE"),
    )
    assert len(read_audio(whole)) == pytest.approx(8 * 44100, abs=4 * 1152)
    joined, bare = tmp_path / "joined.mp3", tmp_path / "bare.mp3"
    joined.write_bytes(one.read_bytes() * 2)
    first = sounds._mp3_frame(int.from_bytes(whole.read_bytes()[:4], "big"))[0]
    assert b"Xing" in whole.read_bytes()[:first]  # the first frame holds no sound, but how long the sound is
    bare.write_bytes(whole.read_bytes()[first:])
    for file in (joined, bare):
        refused(lambda: read_audio(file), file.name, "of its 8.", "s can be read", "convert it to WAV or FLAC")


def test_names_of_clips_are_unique(tmp_path):
    for name in ("a.wav", "a.flac", "a.wav.wav", "b.wav"):
        put(tmp_path / "cat" / name)
    tree(tmp_path, dog=3)
    clips = load_clips(tmp_path)
    assert clips["clip"].is_unique and {"cat/a.wav", "cat/a.flac", "cat/a.wav.wav", "cat/b"} < set(clips["clip"])


def test_channels_that_cancel_are_near_silent(tmp_path):
    y = sine(8000, 1)
    put(tmp_path / "cat" / "cancels.wav", np.stack([y, -y], axis=1))
    put(tmp_path / "cat" / "same.wav", np.stack([y, y], axis=1))
    tree(tmp_path, dog=2)
    facts = datasets.file_facts(load_clips(tmp_path)).set_index("clip")
    assert facts.level["cat/cancels"] < -60 and facts.level["cat/same"] == pytest.approx(
        20 * np.log10(0.5 / np.sqrt(2)), abs=0.01
    )


def test_what_a_table_says_wrong_names_the_table(tmp_path):
    tree(tmp_path, cat=3, dog=3)
    rows = pd.DataFrame(
        [dict(path=f"{label}/{i}.wav", label=label, fold=i) for label in ("cat", "dog") for i in range(3)]
    )
    rows.to_csv(tmp_path / "mine.csv", index=False)
    refused(lambda: load_clips(tmp_path / "mine.csv"), "mine.csv: fold must be a whole number >= 1, got", "0")


# ---- what people bring: splits, folds, columns, labels, editions, endings


def said(source, **how):
    "The clips, and what was warned of in one text."
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        clips = load_clips(source, **{"n_folds": 2, **how})
    return clips, "\n".join(str(o.message) for o in told)


def found(source):
    "The kinds of findings of a survey."
    return set(datasets.survey(source).findings.finding)


@pytest.mark.parametrize(
    "names", [("train", "valid", "test"), ("Training", "dev", "eval"), ("train_set", "val", "test")]
)
@pytest.mark.parametrize("between", ["", "audio/"])
def test_three_splits_are_folds(tmp_path, names, between):
    for part in names:
        tree(tmp_path / part / between, cat=2, dog=2)
    clips, told = said(tmp_path)
    assert set(clips.label) == {"cat", "dog"} and "split" in told
    folds = {part: set(clips.fold[clips["clip"].str.startswith(f"{part}/")]) for part in names}
    assert folds == {part: {number} for number, part in enumerate(names, 1)}
    assert "split" in found(tmp_path)


def test_two_splits_are_told_and_folds_are_drawn(tmp_path):
    for part in ("train", "test"):
        tree(tmp_path / part, cat=3, dog=3)
    collection = datasets.read_collection(tmp_path, n_folds=3)
    assert set(collection.clips.label) == {"cat", "dog"} and collection.made_folds
    assert "too few to serve" in collection.notes[0]["detail"]


def test_splits_below_the_classes_are_folds(tmp_path):
    for label in ("cat", "dog"):
        tree(tmp_path / label, train=2, valid=1, test=1)
    clips, told = said(tmp_path)
    assert set(clips.label) == {"cat", "dog"} and sorted(clips.fold) == [1] * 4 + [2] * 2 + [3] * 2 and "split" in told


def test_train_is_a_class_beside_others(tmp_path):
    assert set(load_clips(tree(tmp_path, bus=2, tram=2, train=2), n_folds=2).label) == {"bus", "tram", "train"}
    labels = {"train horn", "test tone", "dog"}
    assert set(load_clips(tree(tmp_path / "b", **dict.fromkeys(labels, 2)), n_folds=2).label) == labels


@pytest.mark.parametrize("first", [0, 1])
def test_classes_in_folders_of_folds(tmp_path, first):
    for fold in range(first, first + 3):
        tree(tmp_path / f"fold{fold}", cat=2, dog=2)
    clips, _ = said(tmp_path)
    assert set(clips.label) == {"cat", "dog"} and sorted(set(clips.fold)) == [1, 2, 3]


@pytest.mark.parametrize(
    "names, why",
    [
        (("fold1", "fold2", "extra"), "extra does not"),
        (("fold1", "dog"), "dog does not"),
        (("train", "test", "noise"), "noise does not"),
        (("split_1", "split_2"), "split_1 is a fold"),
        (("train", "test"), "is a split, not a class"),
        (("FSD50K.dev_audio", "FSD50K.eval_audio"), "is a split, not a class"),
    ],
)
def test_folders_that_could_be_read_in_two_ways(tmp_path, names, why):
    tree(tmp_path, **dict.fromkeys(names, 3))
    refused(lambda: datasets.survey(tmp_path), why)


def test_a_folder_too_high_names_the_one_to_give(tmp_path):
    tree(tmp_path / "all" / "mine", cat=2, dog=2)
    refused(lambda: datasets.survey(tmp_path), "in subfolders of all (mine)", f"give {tmp_path / 'all'}")
    refused(lambda: datasets.survey(tmp_path / "all"), "in subfolders of mine (cat, dog)", "give")
    esc50(tmp_path / "two" / "ESC-50-master")
    tree(tmp_path / "two" / "other", cat=2)
    refused(lambda: datasets.survey(tmp_path / "two"), "ESC-50-master")


def test_classes_two_levels_deep_are_told(tmp_path):
    for speaker in ("ann", "bob"):
        tree(tmp_path / speaker, yes=2, no=2)
    clips, told = said(tmp_path)
    assert set(clips.label) == {"ann", "bob"} and "deep folders" in told and "deep folders" in found(tmp_path)


@pytest.mark.parametrize("name", ["Fold", " fold", "fold ", "FOLD", "fold\u00a0"])
def test_a_column_nearly_named_right_is_read(tmp_path, name):
    table(tmp_path, fold=[1, 2, 3, 4] * 2).rename(columns={"fold": name}).to_csv(tmp_path / "t.csv", index=False)
    assert load_clips(tmp_path / "t.csv").fold.tolist() == [1, 2, 3, 4] * 2


@pytest.mark.parametrize(
    "column, value",
    [
        ("folds", 1), ("fold_id", 1), ("flod", 1), ("kfold", 1), ("speaker", "ann"), ("group", 1), ("src_file", "a"),
        ("channel", 0), ("onset", 7), ("Start Time", 9), ("offset", 99), ("tags", "a;b"), ("labels", "a"),
        ("secondary_labels", "x"), ("split", "train"), ("subset", "3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_with_a_meaning_are_not_passed_over_in_silence(tmp_path, column, value, suffix):
    rows, path = table(tmp_path, **{column: value}), tmp_path / f"t.{suffix}"
    rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path)
    _, told = said(path)
    assert "column not read" in told and column.lower().replace(" ", "_") in told.lower().replace(" ", "_")
    assert "column not read" in found(path)


def test_columns_without_a_meaning_are_passed_over(tmp_path):
    table(tmp_path, comment="loud", folder="x", microphone=3, folds="").to_csv(tmp_path / "t.csv", index=False)
    assert said(tmp_path / "t.csv")[1] == ""


def test_a_list_in_parquet_is_told(tmp_path):
    table(tmp_path).assign(tags=[["a", "b"]] * 8, audio=[dict(bytes=b"x")] * 8).to_parquet(tmp_path / "t.parquet")
    assert "tags" in said(tmp_path / "t.parquet")[1]


@pytest.mark.parametrize("names", [("start", "end"), ("onset", "offset"), ("Begin", "Stop")])
def test_parts_of_files_are_refused(tmp_path, names):
    times = dict(zip(names, (0.05, 0.1)))
    table(tmp_path, **times).to_csv(tmp_path / "t.csv", index=False)
    refused(lambda: load_clips(tmp_path / "t.csv"), "0.wav: its row is for 0.05 to 0.1 s of 0.2 s", "not read")
    rows = table(tmp_path, **times)
    pd.concat([rows, rows.assign(label="eel")]).to_csv(tmp_path / "t.csv", index=False)
    refused(lambda: load_clips(tmp_path / "t.csv"), "several rows", "times within a file are not read")


def test_times_within_an_original_are_no_parts(tmp_path):
    table(tmp_path, start=3.5, end=3.7).to_csv(tmp_path / "t.csv", index=False)
    clips, told = said(tmp_path / "t.csv")
    assert len(clips) == 8 and "times within a file are not read" in told


def test_splits_in_a_table(tmp_path):
    table(tmp_path, Split=["train", "train", "val", "test"] * 2).to_csv(tmp_path / "t.csv", index=False)
    clips, told = said(tmp_path / "t.csv")
    assert clips.fold.tolist() == [1, 1, 2, 3] * 2 and "taken as folds" in told
    table(tmp_path, fold=["fold1", "Fold 2", "fold_1", "2.0"] * 2).to_csv(tmp_path / "t.csv", index=False)
    assert load_clips(tmp_path / "t.csv").fold.tolist() == [1, 2] * 4


@pytest.mark.parametrize(
    "other", [" cat", "cat ", "cat\u00a0", "cat\t", "\ufeffcat", "c\u200bat"], ids=lambda o: ascii(o)
)
def test_labels_are_stripped(tmp_path, other):
    table(tmp_path).assign(label=["cat", other] * 2 + ["dog"] * 4).to_csv(tmp_path / "t.csv", index=False)
    clips, told = said(tmp_path / "t.csv")
    assert set(clips.label) == {"cat", "dog"} and "read as cat" in told


def test_labels_are_in_one_unicode_form(tmp_path):
    for i, label in enumerate(("\u00fcbung", "u\u0308bung")):
        put(tmp_path / label / f"{i}.wav")
    tree(tmp_path, dog=2)
    clips, _ = said(tmp_path)
    assert clips.label.value_counts().to_dict() == {"\u00fcbung": 2, "dog": 2}


@pytest.mark.parametrize(
    "labels", [("Dog", "dog"), ("dog bark", "dog_bark"), ("dog-bark", "Dog Bark"), ("\uff24og", "dog")]
)
def test_labels_that_look_alike_are_findings(tmp_path, labels):
    tree(tmp_path, **dict.fromkeys(labels, 2), rain=2)
    clips, told = said(tmp_path)
    assert clips.label.nunique() == 3 and "labels alike" in told and "labels alike" in found(tmp_path)


def test_several_labels_in_a_field_are_told(tmp_path):
    table(tmp_path).assign(label=["cat", "cat;dog"] * 2 + ["dog"] * 4).to_csv(tmp_path / "t.csv", index=False)
    assert "several labels" in said(tmp_path / "t.csv")[1]
    assert "several labels" not in said(tree(tmp_path / "n", **{"speech, child": 2, "dog": 2}))[1]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_the_other_unicode_form_are_found(tmp_path, form):
    import unicodedata

    other = "NFD" if form == "NFC" else "NFC"
    for i in range(4):
        put(tmp_path / unicodedata.normalize(form, "\u00e9t\u00e9") / unicodedata.normalize(other, f"\u00fc {i}.wav"))
    rows = dict(
        path=[unicodedata.normalize(other, f"\u00e9t\u00e9/\u00fc {i}.wav") for i in range(4)], label=list("aabb")
    )
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    assert len(load_clips(tmp_path / "t.csv", n_folds=2)) == 4


@pytest.mark.parametrize("change", [lambda o: o.replace("/", "\\"), str.upper, lambda o: f" {o} ", lambda o: f"./{o}"])
def test_names_as_other_systems_write_them_are_found(tmp_path, change):
    rows = table(tmp_path)
    rows.assign(path=rows.path.map(change)).to_csv(tmp_path / "t.csv", index=False)
    assert len(load_clips(tmp_path / "t.csv", n_folds=2)) == 8


def kept(root, place, name, columns, rows):
    "Sounds of a published collection in some place, and its table."
    for row in rows:
        put(root / place.format(fold=int(float(row[1]))) / row[0])
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns.split()).to_csv(root / name, index=False)
    return root


ESC50_ROWS = [
    (f"{fold}-{10 * c + fold}-A-{c}.wav", fold, name, int(name != "cow"), 10 * c + fold)
    for c, name in enumerate(("dog", "rain", "cow"))
    for fold in (1, 2)
]


@pytest.mark.parametrize("place", ["audio", "audio/audio", "."])
@pytest.mark.parametrize("name", ["meta/esc50.csv", "esc50.csv", "ESC50.csv"])
@pytest.mark.parametrize("folds", [int, float])
def test_editions_of_esc50(tmp_path, monkeypatch, place, name, folds):
    rows = [(o[0], folds(o[1]), *o[2:]) for o in ESC50_ROWS]
    root = kept(tmp_path / "ESC-50", place, name, "filename fold category esc10 src_file", rows)
    monkeypatch.setenv("METAUG_DATA", str(tmp_path))
    for source in (root, root / name, "esc50"):
        clips = load_clips(source)
        assert sorted(clips.label) == ["cow", "cow", "dog", "dog", "rain", "rain"]
        assert set(clips.fold) == {1, 2} and set(clips.source) == {"1", "2", "11", "12", "21", "22"}
    assert set(load_clips("esc10").label) == {"dog", "rain"}


def test_esc10_without_its_column(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_DATA", str(tmp_path))
    rows = [o[:3] for o in ESC50_ROWS]
    kept(tmp_path / "ESC-50", "audio", "esc50.csv", "filename fold category", rows)
    clips = load_clips("esc10")
    assert set(clips.label) == {"dog", "rain"} and set(clips.source) == {"1", "2", "11", "12"}
    kept(tmp_path / "ESC-50", "audio", "esc50.csv", "filename fold category esc10", [(*o, 0) for o in rows])
    refused(lambda: load_clips("esc10"), "esc50.csv: has no clip of ESC-10")
    refused(lambda: datasets.survey("esc10"), "has no clip of ESC-10")


@pytest.mark.parametrize("place", ["audio/fold{fold}", "fold{fold}", "audio", "."])
@pytest.mark.parametrize("name", ["metadata/UrbanSound8K.csv", "UrbanSound8K.csv"])
@pytest.mark.parametrize("folds", [int, float])
def test_editions_of_urbansound8k(tmp_path, place, name, folds):
    rows = [
        (f"{100 * f + c}-{c}-0-0.wav", folds(f), label) for f in (1, 2, 3) for c, label in enumerate(("dog", "siren"))
    ]
    root = kept(tmp_path, place, name, "slice_file_name fold class", rows)
    for source in (root, root / name):
        clips = load_clips(source)
        assert (
            len(clips) == 6 and set(clips.fold) == {1, 2, 3} and set(clips.source) == {o[0].split("-")[0] for o in rows}
        )


def test_folders_of_hugging_face(tmp_path):
    rows = table(tmp_path / "a").rename(columns=dict(path="file_name"))
    rows.to_csv(tmp_path / "a" / "metadata.csv", index=False)
    put(tmp_path / "a" / "sound" / "unnamed.wav")
    clips, told = said(tmp_path / "a")
    assert len(clips) == 8 and "in no row: 1 sounds" in told
    assert len(load_clips(tmp_path / "a" / "metadata.csv", n_folds=2)) == 8
    rows.to_parquet(tmp_path / "a" / "metadata.parquet")
    (tmp_path / "a" / "metadata.csv").write_text("title\nsomething else\n")
    assert set(load_clips(tree(tmp_path / "b", cat=2, dog=2), n_folds=2).label) == {"cat", "dog"}
    for part in ("train", "validation", "test"):
        rows = table(tmp_path / "c" / part).rename(columns=dict(path="file_name"))
        rows.to_csv(tmp_path / "c" / part / "metadata.csv", index=False)
    clips, _ = said(tmp_path / "c")
    assert len(clips) == 24 and sorted(set(clips.fold)) == [1, 2, 3] and set(clips.label) == {"cat", "dog"}


@pytest.mark.parametrize("how", [dict(format="NIST"), dict(format="WAV"), dict(format="VOC"), dict(format="FLAC")])
@pytest.mark.parametrize("name", ["a", "a.xyz", "a.dat", "a.WAV.bak"])
def test_what_libsndfile_reads_is_read_whatever_its_ending(tmp_path, how, name):
    tree(tmp_path, cat=2, dog=2)
    put(tmp_path / "dog" / name, **how)
    assert len(load_clips(tmp_path, n_folds=2)) == 5


def test_what_is_passed_over_is_counted(tmp_path, capfd):
    tree(tmp_path, cat=2, dog=2)
    (tmp_path / "cat" / "a.txt").write_text("a")
    (tmp_path / "cat" / "B.TXT").write_bytes("path\tlabel\n".encode("utf-16") * 400)
    (tmp_path / "dog" / "x.zip").write_bytes(b"PK")
    (tmp_path / "LICENSE").write_text("free")
    here = datasets.survey(tmp_path)
    assert here.passed_over == {".txt": 2, ".zip": 1, "": 1} and here.as_dict()["passed_over"] == here.passed_over
    assert "1 without ending, 2 .txt, 1 .zip" in here.text() and not capfd.readouterr().err
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    refused(lambda: datasets.survey(tmp_path), "no sound in a subfolder", "passed over: 1 without ending, 2 .txt")


# ---- headers


def restated_wav(path, share, *, tail=b"", suffix="wav", quiet=0):
    "A sound whose header states a share of what is there."
    y = np.concatenate([np.zeros(quiet), sine(44100)])
    put(path, y, 44100)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    size = struct.unpack_from("<I", data, at)[0]
    struct.pack_into("<I", data, at, int(share * size) // 2 * 2)
    path.write_bytes(data + tail)
    return path


@pytest.mark.parametrize("share", [0, 0.01, 0.3])
@pytest.mark.parametrize("quiet", [0, 20_000])
def test_an_unfinished_wav_is_told(tmp_path, share, quiet):
    path = restated_wav(tmp_path / "a.wav", share, quiet=quiet)
    refused(lambda: read_audio(path), "a.wav: its header is unfinished", "more stand behind")
    assert "unfinished" in facts._file_facts(path)["problem"]


@pytest.mark.parametrize(
    "tail", [b"LIST\x04\0\0\0abcd", b"ID3" + b"x" * 200_000, bytes(200_000), b"id3 \x04\0\0\0abcd"]
)
def test_what_stands_behind_a_wavs_sound_is_let_pass(tmp_path, tail):
    assert len(read_audio(restated_wav(tmp_path / "a.wav", 1, tail=tail))) == 44100
    put(tmp_path / "b.wav", np.zeros(0), 44100)
    (tmp_path / "b.wav").write_bytes((tmp_path / "b.wav").read_bytes() + b"LIST\x04\0\0\0abcd")
    refused(lambda: read_audio(tmp_path / "b.wav"), "holds no sound")


def test_unfinished_headers_of_other_formats_are_told(tmp_path):
    au, rf64 = put(tmp_path / "a.au", sine(44100), 44100), put(tmp_path / "a.rf64", sine(44100), 44100)
    restate(au, 8, ">I", 0)
    restate(rf64, 28, "<Q", 0)
    for path in (au, rf64):
        refused(lambda: read_audio(path), "its header is unfinished")


@pytest.mark.parametrize("size", [2**41, 200_000, 2**33])
def test_64_bit_headers_that_claim_more_are_told(tmp_path, size):
    w64, rf64 = put(tmp_path / "a.w64", sine(44100), 44100), put(tmp_path / "a.rf64", sine(44100), 44100)
    restate(w64, w64.read_bytes().index(b"data") + 16, "<Q", size)
    restate(rf64, 28, "<Q", size)
    for path in (w64, rf64):
        refused(lambda: read_audio(path), path.name, "cut short")


def test_64_bit_headers_that_know_no_length_are_read(tmp_path):
    rf64 = put(tmp_path / "a.rf64", sine(44100), 44100)
    restate(rf64, 28, "<Q", 2**64 - 1)
    refused(lambda: read_audio(rf64), "its header states no length")
    restate(rf64, 28, "<Q", 2**63 - 1)
    assert len(read_audio(rf64)) == 44100


@pytest.mark.parametrize("size", [1000, 30_000])
def test_headers_that_state_less_are_told(tmp_path, size):
    for suffix, mark, at, fmt in (("au", b".snd", 8, ">I"), ("caf", b"data", 4, ">Q"), ("aiff", b"SSND", 4, ">I")):
        path = put(tmp_path / f"a.{suffix}", sine(44100), 44100)
        restate(path, path.read_bytes().rindex(mark) + at, fmt, size)
        refused(lambda: read_audio(path), path.name, "its header is unfinished")
    flac = put(tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.9, 0.9, 44100), 44100)
    restate(flac, 18, ">Q", struct.unpack_from(">Q", flac.read_bytes(), 18)[0] >> 36 << 36 | size // 10)
    refused(lambda: read_audio(flac), "a.flac", "its header is unfinished")


@pytest.mark.parametrize("suffix", ["flac", "ogg", "opus"])
def test_files_joined_to_one_are_told(tmp_path, suffix):
    how = dict(format="OGG", subtype="OPUS") if suffix == "opus" else {}
    path = put(tmp_path / f"a.{suffix}", sine(48000, 2), 48000, **how)
    assert len(read_audio(path)) == pytest.approx(2 * 44100, abs=2000)
    path.write_bytes(path.read_bytes() * 2)
    refused(lambda: read_audio(path), path.name, "files joined to one")


def test_a_header_of_a_million_chunks_costs_nothing(tmp_path):
    import time

    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + bytes(40_000_000))
    begun = time.perf_counter()
    refused(lambda: read_audio(tmp_path / "a.wav"))
    assert time.perf_counter() - begun < 5


# ---- recordings to mix in, files to be looked at


@pytest.mark.parametrize(
    "y, why",
    [(np.zeros(44100), "is silent"), (np.full(44100, 0.3), "near 0.3"), (np.ones(1), "0.1 s"), (np.ones(800), "0.1 s")],
)
def test_recordings_that_are_not_heard(tmp_path, y, why):
    path = put(tmp_path / "a.wav", y, 44100)
    refused(lambda: datasets.read_recording(path, audible=True), "a.wav", why)
    assert len(datasets.read_recording(path)[0]) == len(y)


def test_recordings_keep_their_rate_and_level(tmp_path):
    y, rate = datasets.read_recording(put(tmp_path / "a.wav", 3 * sine(48000), 48000, subtype="FLOAT"), audible=True)
    assert rate == 48000 and y.dtype == np.float32 and y.max() == pytest.approx(1.5, abs=1e-3)
    refused(lambda: datasets.read_recording(""), "the name of a file is empty")
    refused(lambda: datasets.read_recording(tmp_path), "is a folder")


def test_hardly_sounds_are_findings(tmp_path):
    tree(tmp_path, dog=3, cow=3)
    for label, y in dict(silent=np.zeros(8000), constant=np.full(8000, 0.3), click=np.ones(1) / 2).items():
        put(tmp_path / label / "1.wav", y)
    put(tmp_path / "dog" / "off.wav", 0.3 + 0.1 * sine(8000))
    kinds = datasets.survey(tmp_path).findings.groupby("finding")["clip"].apply(list)
    assert kinds["near-silent"] == ["silent/1"] and kinds["constant"] == ["click/1", "constant/1"]
    assert kinds["very short"] == ["click/1"] and kinds["off zero"] == ["dog/off"]
    assert sorted(kinds["class of one clip"]) == ["click", "constant", "silent"]
    assert found(tree(tmp_path / "one", dog=3)) >= {"one class only"}


def test_all_files_are_looked_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(facts, "_KEPT", {})
    clips = load_clips(tree(tmp_path, cat=3, dog=3), n_folds=2)
    put(tmp_path / "cat" / "0.wav", np.full(1600, np.nan), subtype="FLOAT")
    (tmp_path / "dog" / "1.wav").unlink()
    bad = datasets.unusable(clips)
    assert [(Path(path).name, reason) for path, reason in bad] == [
        ("0.wav", "holds samples that are not finite (NaN or infinity)"),
        ("1.wav", "no such file"),
    ]
    calls = []
    read = facts._file_facts
    monkeypatch.setattr(facts, "_file_facts", lambda path: calls.append(Path(path).name) or read(path))
    assert datasets.unusable(clips) == bad and sorted(calls) == ["0.wav", "1.wav"]  # what could be read is known
    calls.clear()
    put(tmp_path / "dog" / "2.wav", sine(8000, 0.7, hertz=777))
    assert datasets.unusable(clips) == bad and sorted(calls) == ["0.wav", "1.wav", "2.wav"]


def test_facts_are_kept_by_content(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache"))
    clips = load_clips(tree(tmp_path / "a", cat=3, dog=3), n_folds=2)
    for i, path in enumerate(clips.path):
        put(Path(path), sine(8000, 0.5, hertz=500 + i))
    monkeypatch.setattr(facts, "_KEPT", {})
    whole = datasets.file_facts(clips)
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(kept.read_text() + 'x\n{"key": 1}\n[]\n{"key": "a", "problem": "b"}\n')
    monkeypatch.setattr(facts, "_KEPT", {})
    monkeypatch.setattr(facts, "_file_facts", lambda path: pytest.fail(f"{path} is decoded again"))
    pd.testing.assert_frame_equal(datasets.file_facts(clips), whole)
    monkeypatch.undo()
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache" / kept.name / "no folder"))
    assert datasets.unusable(clips) == []


# ---- text of tables


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_encodings(tmp_path, separator, encoding, end):
    rows = table(tmp_path).replace({"cat": "Käfer, groß"})
    cells = [[f'"{o}"' for o in row] for row in [list(rows), *rows.to_numpy().tolist()]]
    text = end.join(separator.join(row) for row in cells) + end + separator.strip(" ") + end
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert set(load_clips(tmp_path / "t.csv", n_folds=2).label) == {"Käfer, groß", "dog"}


@pytest.mark.parametrize(
    "data, why",
    [
        ("path,label\nü.wav,a\n".encode("latin-1"), ["line 2", "0xfc", "Windows-1252"]),
        ("path,label\na.wav,a\n".encode("utf-16-le"), ["UTF-16 without its mark"]),
        (b"path,label\na.wav,\0\n", ["line 2", "NUL"]),
        (b"\xff\xfea", ["begins like UTF-16"]),
        (b"path:label\na.wav:dog\n", ["column path is missing, it has path:label; columns are separated by"]),
        (b"path label\na.wav dog\n", ["column path is missing, it has path label; columns are separated by"]),
        (b"a/0.wav,dog\na/1.wav,dog\n", ["column path is missing, it has a/0.wav, dog"]),
        (b'path,label\na.wav,"dog\n', ["not a CSV table"]),
        (b"path,label\na.wav,dog\nb.wav,dog,x\n", ["row 2 has 3 fields, the first line names 2 columns"]),
        (b"path,label,Label\na.wav,dog,cat\n", ["column label is there twice"]),
        (b"file,category\na.wav,dog\n", ["column path is missing", "if file is the path, call it path"]),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, data, why):
    (tmp_path / "t.csv").write_bytes(data)
    refused(lambda: load_clips(tmp_path / "t.csv"), "t.csv", *why)


def test_a_row_of_100000_commas_costs_milliseconds(tmp_path):
    import time

    rows = table(tmp_path).to_csv(index=False)
    for text in (f"{rows}{',' * 100_000}\n", f"path,label\n{',' * 100_000}\n"):
        (tmp_path / "t.csv").write_text(text)
        begun = time.perf_counter()
        try:
            load_clips(tmp_path / "t.csv", n_folds=2)
        except InputError as e:
            assert "holds no rows" in str(e)
        assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_pipes_and_devices_are_no_tables(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe.{suffix}")
    (tmp_path / f"zero.{suffix}").symlink_to("/dev/zero")
    (tmp_path / f"gone.{suffix}").symlink_to("nowhere")
    (tmp_path / f"empty.{suffix}").touch()
    for name, why in dict(pipe="not a regular file", zero="not a regular file", empty="0 bytes").items():
        refused(lambda: load_clips(tmp_path / f"{name}.{suffix}"), f"{name}.{suffix}", why)
    refused(lambda: load_clips(tmp_path / f"gone.{suffix}"), f"gone.{suffix}")


def test_a_name_with_two_blanks_is_said_as_it_is(tmp_path):
    table(tmp_path).assign(path="sound/dog  9.wav").iloc[:1].to_csv(tmp_path / "t.csv", index=False)
    refused(lambda: load_clips(tmp_path / "t.csv"), "sound/dog  9.wav: no such file")


def test_download_leaves_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHIVES, "esc10", {**ARCHIVES["esc10"], "urls": ("http://127.0.0.1:9/x.zip",)})
    monkeypatch.setenv("METAUG_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "esc10").mkdir(parents=True)
    assert download("esc10") == tmp_path / "data" / "esc10"
    refused(lambda: download("esc10", folder=tmp_path / "new"), "could not be downloaded")


@pytest.mark.parametrize("source", ["", "a.xlsx"])
def test_sources_that_are_none(source):
    refused(lambda: load_clips(source), "empty" if not source else "save a spreadsheet as CSV")


def test_what_goes_with_a_table_of_clips(tmp_path):
    put(tree(tmp_path, cat=2, dog=2) / "loose.wav")
    clips, _ = said(tmp_path)
    assert set(clips.attrs) == {"problems", "loose", "made_folds", "notes", "passed_over"} and clips.attrs["made_folds"]
    collection = datasets.read_collection(tmp_path, n_folds=2)
    assert collection.clips.equals(clips) and collection.clips.attrs == {} and collection.files == 4


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("copies", [False, True])
def test_folds_are_drawn_as_if_unusable_files_were_not_there(tmp_path, copies):
    from metaug.curation import find

    for number, label in enumerate(("cat", "dog")):
        for i in range(7):
            put(tmp_path / label / f"{i}.wav", sine(8000, 0.2, 300 * (number + 1) + 20 * i))
    if copies:
        shutil.copy(tmp_path / "dog" / "1.wav", tmp_path / "dog" / "copy.wav")
    put(tmp_path / "cat" / "2.wav", np.full(1600, np.nan), subtype="FLOAT")
    put(tmp_path / "dog" / "0.wav", np.full(1600, np.inf), subtype="FLOAT")
    before = datasets.usable(load_clips(tmp_path)), find(tmp_path, folds=3, seed=4).clips
    assert [Path(o["path"]).name for o in before[0].attrs["problems"]] == ["2.wav", "0.wav"]
    (tmp_path / "cat" / "2.wav").unlink(), (tmp_path / "dog" / "0.wav").unlink()
    after = datasets.usable(load_clips(tmp_path)), find(tmp_path, folds=3, seed=4).clips
    assert before[0].equals(after[0]) and before[1].equals(after[1])


def test_copies_of_a_recording_are_in_one_fold(tmp_path):
    "Whether for a selection or a run: a copy in training would give the tested clip away."
    for label, pitch in dict(cat=300, dog=600).items():
        for i in range(10):
            put(tmp_path / label / f"{i}.wav", sine(8000, 0.2, pitch + 20 * i))
            shutil.copy(tmp_path / label / f"{i}.wav", tmp_path / label / f"copy{i}.wav")
    assert load_clips(tmp_path).groupby("label").fold.nunique().eq(5).all()
    clips = datasets.usable(load_clips(tmp_path))
    number = clips["clip"].str.replace("copy", "")
    assert clips.groupby(number)[["fold", "source"]].nunique().eq(1).all(axis=None) and clips.fold.nunique() == 5
    clips[["path", "label"]].assign(fold=np.arange(len(clips)) % 4 + 1).to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(UserWarning, match=r"clips have copies in another fold.*first cat/0 and cat/copy0"):
        given = datasets.usable(load_clips(tmp_path / "t.csv"))
    assert given.equals(load_clips(tmp_path / "t.csv"))  # what somebody has given is kept


def test_folds_are_drawn_again_as_they_were_drawn(tmp_path):
    for number, label in enumerate(("cat", "dog")):
        for i in range(9):
            put(tmp_path / label / f"{i}.wav", sine(8000, 0.2, 300 * (number + 1) + 20 * i))
    put(tmp_path / "cat" / "bad.wav", np.full(1600, np.nan), subtype="FLOAT")
    with pytest.warns(UserWarning, match="1 of 19 files can't be used"):
        before = datasets.usable(load_clips(tmp_path, n_folds=3, seed=4))
    (tmp_path / "cat" / "bad.wav").unlink()
    assert before.equals(load_clips(tmp_path, n_folds=3, seed=4))


@pytest.mark.parametrize("column", ["cv", "outer_fold", "Fold #", "fold assignment", "split_id"])
def test_columns_that_may_be_folds_are_named(tmp_path, column):
    table(tmp_path).assign(**{column: [1, 2, 3, 1] * 2}).to_csv(tmp_path / "t.csv", index=False)
    assert [o["finding"] for o in said(tmp_path / "t.csv")[0].attrs["notes"]] == ["column not read"]


@pytest.mark.parametrize(
    "start, end",
    [
        ("Begin Time (s)", "End Time (s)"),
        ("t0", "t1"),
        ("onset_sec", "offset_sec"),
        ("start_time_s", "end_time_s"),
        ("from", "to"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_times_within_a_file_are_known_whatever_their_unit_is_called(tmp_path, start, end, suffix):
    rows = table(tmp_path)
    seconds = sf.info(tmp_path / rows.path[0]).duration
    for last, refused_ in ((seconds / 3, True), (seconds, False)):
        timed = rows.assign(**{start: 0.0, end: last})
        timed.to_csv(tmp_path / "t.csv", index=False) if suffix == "csv" else timed.to_parquet(tmp_path / "t.parquet")
        if refused_:
            refused(lambda: load_clips(tmp_path / f"t.{suffix}", n_folds=2), "times within a file are not read")
        else:
            notes = said(tmp_path / f"t.{suffix}")[0].attrs["notes"]
            assert {o["clip"] for o in notes if o["finding"] == "column not read"} == {start, end}
    timed = rows.assign(**{f"{start} ms": 0, f"{end} ms": 40})
    timed.to_csv(tmp_path / "u.csv", index=False)
    assert len([o for o in said(tmp_path / "u.csv")[0].attrs["notes"] if o["finding"] == "column not read"]) == 2


def test_a_second_label_is_named_if_it_says_more(tmp_path):
    rows = table(tmp_path)
    rows.assign(category=rows.label.str.upper(), species="animal").to_csv(tmp_path / "t.csv", index=False)
    assert said(tmp_path / "t.csv")[0].attrs["notes"] == []
    rows.assign(category=["loud", "quiet"] * 4).to_csv(tmp_path / "t.csv", index=False)
    assert [o["clip"] for o in said(tmp_path / "t.csv")[0].attrs["notes"]] == ["category"]


@pytest.mark.parametrize("mark", [",", ";", "|", "/", "+", " & "])
def test_several_labels_in_one_field_are_a_finding(tmp_path, mark):
    rows = table(tmp_path)
    rows.assign(label=[*rows.label[:6], f"cat{mark}dog", f"cat{mark}dog"]).to_csv(tmp_path / "t.csv", index=False)
    assert "several labels" in {o["finding"] for o in said(tmp_path / "t.csv")[0].attrs["notes"]}


@pytest.mark.parametrize("place", ["metadata.csv", "meta/all.csv", "metadata/US8K.csv", "labels.csv"])
@pytest.mark.parametrize("fold", ["1", "1.0", "fold1", "Fold_1"])
def test_urbansound8k_is_known_by_its_columns(tmp_path, place, fold):
    rows = []
    for number in (1, 2, 3):
        for c, label in enumerate(("siren", "drilling")):
            name = f"{number}{c}0-{c}-0-0.wav"
            put(tmp_path / "us" / f"fold{number}" / name, sine(8000, 0.2, 300 + 90 * c + number))
            rows.append([name, f"{number}{c}0", fold.replace("1", str(number), 1), label])
    (tmp_path / "us" / place).parent.mkdir(exist_ok=True)
    columns = ["slice_file_name", "fsID", "fold", "class"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "us" / place, index=False)
    clips = load_clips(tmp_path / "us")
    assert set(clips.label) == {"siren", "drilling"} and sorted(clips.fold) == [1, 1, 2, 2, 3, 3]
    assert set(clips.source) == {o[1] for o in rows}
    (tmp_path / "us" / place).unlink()
    refused(lambda: load_clips(tmp_path), "give", "/us")


def test_folders_named_audio_lead_to_their_table(tmp_path):
    for number in range(6):
        put(tmp_path / "audio" / "audio" / f"{number % 3 + 1}-{number}-A-0.wav", sine(8000, 0.2, 300 + 40 * number))
    rows = pd.DataFrame(dict(filename=sorted(o.name for o in (tmp_path / "audio" / "audio").iterdir())))
    rows.assign(fold=[1, 1, 2, 2, 3, 3], category=["dog", "cow"] * 3).to_csv(tmp_path / "esc50.csv", index=False)
    here = load_clips(tmp_path)
    assert len(here) == 6
    for folder in (tmp_path / "audio", tmp_path / "audio" / "audio"):
        assert load_clips(folder).equals(here)


@pytest.mark.parametrize(
    "name, text", [("metadata.jsonl", "{}\n"), ("metadata.csv", "file_name,text\ndata/0.wav,hello\n")]
)
def test_metadata_in_which_no_classes_are_found_is_noted(tmp_path, name, text):
    tree(tmp_path, cat=2, dog=2)
    (tmp_path / name).write_text(text)
    assert [(o["finding"], o["clip"]) for o in said(tmp_path)[0].attrs["notes"]] == [("table not read", name)]


@pytest.mark.parametrize("format", ["W64", "AU", "CAF", "RF64"])
def test_joined_files_of_other_formats_are_refused(tmp_path, format):
    one = put(tmp_path / "a.snd", sine(8000, 0.3), format=format, subtype="PCM_16")
    assert len(datasets.read_recording(one)[0]) == 2400
    (tmp_path / "two.snd").write_bytes(2 * one.read_bytes())
    refused(lambda: datasets.read_recording(tmp_path / "two.snd"), "two.snd", "joined files")


def test_a_caf_of_unknown_length_is_told_as_such(tmp_path):
    data = bytearray(put(tmp_path / "a.caf", sine(8000, 0.3), format="CAF", subtype="PCM_16").read_bytes())
    at = data.find(b"data") + 4
    data[at : at + 8] = b"\xff" * 8
    (tmp_path / "b.caf").write_bytes(data)
    refused(lambda: datasets.read_recording(tmp_path / "b.caf"), "b.caf", "states no length")


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_w64_that_was_cut_is_refused(tmp_path, keep):
    data = put(tmp_path / "a.w64", sine(8000, 0.3), format="W64", subtype="PCM_16").read_bytes()
    (tmp_path / "b.w64").write_bytes(data[: int(keep * len(data))])
    refused(lambda: datasets.read_recording(tmp_path / "b.w64"), "b.w64", "cut short")


def test_a_line_for_excel_before_a_table_is_passed_over(tmp_path):
    text = table(tmp_path).to_csv(index=False, sep=";")
    (tmp_path / "t.csv").write_text(f"sep=;\r\n{text}")
    assert len(load_clips(tmp_path / "t.csv", n_folds=2)) == 8
