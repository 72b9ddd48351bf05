"""Every reader of metaug against damaged and hostile files: whatever the bytes, a result or an InputError.

    python tests/fuzz.py 100000              # so many inputs in all, with a limit on memory
    python tests/fuzz.py 5000 store jams     # some readers only
    METAUG_FUZZ=100000 pytest tests/test_hostile.py

Files are mutants of whole ones (bytes changed, cut, doubled, replaced by extreme numbers, swapped with another's),
drawn by hypothesis, which makes a failing one small. Tables, folders and headers of sound are also put together
from parts that people use (other separators, encodings and column names; splits, folds and tables in a folder; sizes
that state more or less than there is). The input at work is kept in `last-<reader>`, so that one that ends the process
can be found.
"""

import csv as csv_module
import io
import json
import os
import resource
import shutil
import struct
import sys
import tempfile
import time
import unicodedata
import warnings
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pandas as pd
import soundfile as sf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from metaug.datasets import InputError

EXTREMES = [
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\x00\x00\x00",
    struct.pack("<Q", 2**40),
    struct.pack(">Q", 2**40),
    struct.pack("<Q", 2**63 - 1),
    bytes(16),
    b"\xff" * 16,
]
WORDS = [
    b"1099511627776",
    b"-1",
    b"0",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"1e999",
    b"NaN",
    b"true",
    b'"py/object"',
    b"[" * 2000,
    b",",
    b"\n",
    b'"',
    b"\xef\xbb\xbf",
    b"../../x",
    b"=1+1",
    b"9" * 5000,
]


def mutate(data: bytes, other: bytes, steps) -> bytes:
    "A damaged copy: each step is (what, place in 0..1, number)."
    for what, place, number in steps:
        at = int(place * len(data))
        if what == "flip":
            data = data[:at] + bytes([data[at] ^ (number % 255 + 1)] if at < len(data) else []) + data[at + 1 :]
        elif what == "cut":
            data = data[:at]
        elif what == "drop":
            data = data[:at] + data[at + number % 64 + 1 :]
        elif what == "double":
            data = data[: at + number % 64] + data[at:]
        elif what == "extreme":
            data = data[:at] + (e := EXTREMES[number % len(EXTREMES)]) + data[at + len(e) :]
        elif what == "word":
            data = data[:at] + WORDS[number % len(WORDS)] + data[at + number // 97 % 8 :]
        elif what == "splice":
            data = data[:at] + other[int(number / 2**16 * len(other)) :]
    return data


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "double", "extreme", "word", "splice"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 2**16 - 1),
    ),
    min_size=1,
    max_size=5,
)


def files(corpus):
    return st.builds(
        lambda a, b, steps: (corpus[a][0], mutate(corpus[a][1], corpus[b][1], steps)),
        *[st.integers(0, len(corpus) - 1)] * 2,
        STEPS,
    )


# ---- what is read: (corpus of (name, bytes), function of a name and bytes)


def sine(n, rate=8000):
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / rate)


def audio(folder):
    from metaug.datasets import read_audio
    from metaug.datasets.facts import _file_facts

    corpus = []
    for name, how in {
        "a.wav": dict(subtype="PCM_16"),
        "b.wav": dict(subtype="FLOAT"),
        "c.wav": dict(subtype="MS_ADPCM"),
        "d.flac": {},
        "e.ogg": {},
        "f.mp3": {},
        "g.aiff": {},
        "h.au": {},
        "i.caf": {},
        "j.w64": {},
        "k.rf64": {},
    }.items():
        sf.write(
            folder / name, np.stack([sine(700)] * (1 + (name[0] in "bd")), 1), 16000 if "mp3" in name else 8000, **how
        )
        corpus.append((name, (folder / name).read_bytes()))

    def read(name, data):
        (folder / name).write_bytes(data)
        _file_facts(folder / name)
        y = read_audio(folder / name, sr=8000)
        assert y.ndim == 1 and len(y) and np.isfinite(y).all() and np.abs(y).max() <= 1

    return corpus, read


def _four_sounds(folder):
    for i in range(4):
        sf.write(folder / f"{i}.wav", sine(80), 8000)
    return pd.DataFrame(
        dict(path=[f"{i}.wav" for i in range(4)], label=list("aabb"), fold=[1, 2, 1, 2], source=list("wxyz"))
    )


def _check_clips(clips):
    "What every table of clips keeps, wherever it comes from."
    assert list(clips) == ["clip", "path", "label", "fold", "source", "seconds"] and clips["clip"].is_unique
    assert len(clips) and clips.fold.ge(1).all() and all(map(os.path.isfile, clips.path))
    assert all(o and o == unicodedata.normalize("NFC", o).strip() for o in clips.label)


def _read_tables(folder):
    from metaug.datasets import load_clips

    def read(name, data):
        (folder / name).write_bytes(data)
        _check_clips(load_clips(folder / name, check=False))
        (folder / name).unlink()

    return read


def csv(folder):
    rows = _four_sounds(folder)
    texts = [
        rows.to_csv(index=False),
        rows[["path", "label"]].to_csv(index=False, quoting=1),
        rows.assign(label=["=1+1", "ü\n", "..", "a/b"]).to_csv(index=False),
    ]
    others = [
        ("t.csv", rows.to_csv(index=False, sep=";").encode("utf-16")),
        ("t.tsv", rows.assign(start=0, end="9").to_csv(index=False, sep="\t").encode()),
        (
            "t.csv",
            rows.rename(columns=dict(fold=" Split ")).replace({1: "train", 2: "test"}).to_csv(index=False).encode(),
        ),
        ("esc50.csv", b"filename,fold,target,category,esc10,src_file\n0.wav,1,0,dog,True,7\n1.wav,2.0,1,cow,0,8\n"),
        ("UrbanSound8K.csv", b"slice_file_name,fsID,fold,class\n0.wav,7,1,dog\n1.wav,8,2,cow\n"),
        ("metadata.csv", b"file_name,label\n0.wav,dog\n1.wav,cow\n"),
    ]
    return [*(("t.csv", text.encode()) for text in texts), *others], _read_tables(folder)


COLUMN_NAMES = (
    "path label fold source Path LABEL fold\u00a0 folds Fold. file_name filename category class split subset".split()
)
COLUMN_NAMES += "slice_file_name fsID esc10 src_file start end onset offset channel labels tags take target".split()
COLUMN_NAMES += [" path", "label ", "", "fold id", "lable", "pfad", "\ufeffpath", '"path"', "path" * 99]
CELLS = (
    "0.wav 1.wav 2.wav 0.WAV ./3.wav ../x 9.wav dog cat Dog dog,cat dog;cat train test valid fold1 1 2 1.0 0 -1".split()
)
CELLS += [
    "dog ",
    " 0.wav",
    "0.wav ",
    ".\\\\0.wav",
    "e\u0301.wav",
    "\u00e9.wav",
    "\u00e9",
    "e\u0301",
    "True",
    "0.5",
    "1e999",
    "nan",
]
CELLS += [
    "",
    "\u200b",
    "\x1c",
    "a\nb",
    '"',
    "'",
    "9" * 400,
    "x" * 300,
    "/",
    "..",
    ".",
    "~",
    "\u202edog",
    "=1+1",
    "C:\\\\0.wav",
]


@st.composite
def any_table(draw):
    "A table from column names and cells that people use; name of the file, and its bytes."
    columns = draw(st.lists(st.sampled_from(COLUMN_NAMES), min_size=1, max_size=6))
    if draw(st.booleans()):
        columns = [
            *draw(st.sampled_from([["path", "label"], ["filename", "category", "fold"], ["file_name", "label"]])),
            *columns,
        ]
    rows = draw(st.lists(st.lists(st.sampled_from(CELLS), min_size=0, max_size=len(columns) + 1), max_size=6))
    if "path" in columns and "label" in columns and draw(st.booleans()):
        columns = [o for i, o in enumerate(columns) if o not in columns[:i]]
        rows = rows or [[]]
        at, what = columns.index("path"), columns.index("label")
        rows = [(o + [""] * len(columns))[: len(columns)] for o in rows]
        for number, row in enumerate(rows):
            row[at], row[what] = f"{number % 4}.wav", row[what] or "dog"
    name = draw(st.sampled_from(["t.csv", "t.tsv", "esc50.csv", "UrbanSound8K.csv", "metadata.csv", "t.parquet"]))
    if name == "t.parquet":
        whole = [(o + [""] * len(columns))[: len(columns)] for o in rows]
        unique = list(dict.fromkeys(columns))
        out = io.BytesIO()
        pd.DataFrame(whole, columns=columns).loc[:, ~pd.Index(columns).duplicated()][unique].to_parquet(out)
        return name, out.getvalue()
    separator, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))
    if draw(st.booleans()):  # as a program writes it
        out = io.StringIO(newline="")
        writer = csv_module.writer(out, delimiter=separator, lineterminator=end)
        writer.writerows([columns, *(o[: len(columns)] for o in rows)])
        return name, out.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "replace")
    lines = [separator.join(o) for o in [columns, *rows]]
    text = end.join(lines) + draw(st.sampled_from([end, "", end + separator * 3 + end, "\0", '"', "," * 9000]))
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "utf-32"]
    return name, text.encode(draw(st.sampled_from(encodings)), "replace")


def tables(folder):
    rows = _four_sounds(folder)
    sf.write(folder / "e\u0301.wav", sine(80), 8000)
    return [("t.csv", rows.to_csv(index=False).encode())], _read_tables(folder), any_table()


FOLDERS = (
    "dog cat Dog train test valid Training fold1 fold2 fold3 fold10 split0 extra audio meta metadata data esc".split()
)
FOLDERS += ["e\u0301", "\u00e9", ".hidden", "001 - Dog bark", "002 - Rain", "dog ", "a,b", "x" * 99]
FILES = "0.wav 1.wav 2.wav 1-10-A.ogg 2-20-A.ogg 100-1-0-0.wav notes.txt image.jpg noending readme.md x.sph".split()
FILES += ["y.m4a", "._0.wav"]
FOLDER_TABLES = {
    "clips.csv": ["path,label,fold\ndog/0.wav,dog,1\ncat/1.wav,cat,2\n", "path,label\n", "x"],
    "metadata.csv": [
        "file_name,label\ndog/0.wav,dog\n",
        "file_name\n0.wav\n",
        "a,b\n1,2\n",
        "file_name,label\n0.wav,dog\n",
    ],
    "esc50.csv": ["filename,fold,category,esc10\n0.wav,1,dog,1\n1.wav,2.0,cow,0\n", "filename,fold\n"],
    "UrbanSound8K.csv": ["slice_file_name,fold,class\n100-1-0-0.wav,1.0,dog\n0.wav,2,cat\n", ""],
    "manifest.csv": ["path,label\ndog/0.wav,dog\n"],
    ".metaug.json": ["{}"],
}


@st.composite
def any_folder(draw):
    "A folder of sounds, splits, folds and tables: what lies where, as JSON."
    where = st.lists(st.sampled_from(FOLDERS), max_size=4)
    if draw(st.booleans()):
        few = draw(st.lists(st.sampled_from(FOLDERS), min_size=1, max_size=3, unique=True))
        where = st.lists(st.sampled_from(few), min_size=1, max_size=3)
    files = draw(st.lists(st.tuples(where, st.sampled_from(FILES)), min_size=1, max_size=10))
    names = draw(st.lists(st.tuples(where, st.sampled_from(sorted(FOLDER_TABLES)), st.integers(0, 3)), max_size=2))
    written = [
        ["/".join([*place, name]), FOLDER_TABLES[name][i % len(FOLDER_TABLES[name])]] for place, name, i in names
    ]
    return "tree", json.dumps(dict(sounds=["/".join([*place, name]) for place, name in files], tables=written)).encode()


def layouts(folder):
    from metaug.datasets import survey
    from metaug.datasets import load_clips

    sf.write(folder / "one.wav", sine(80), 8000)

    def read(name, data):
        shutil.rmtree(folder / name, ignore_errors=True)
        tree = json.loads(data)
        for o in tree["sounds"]:
            (folder / name / o).parent.mkdir(parents=True, exist_ok=True)
            if o.endswith((".txt", ".jpg", ".md", ".m4a")):
                (folder / name / o).write_text("no sound")
            elif not (folder / name / o).exists():
                os.link(folder / "one.wav", folder / name / o)
        for o, text in tree["tables"]:
            (folder / name / o).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / o).write_text(text)
        _check_clips(load_clips(folder / name, check=False))
        if len(data) % 8 == 0:
            json.dumps(survey(folder / name).as_dict(), allow_nan=False)

    whole = dict(sounds=["dog/0.wav", "cat/1.wav", "cat/2.wav"], tables=[])
    return [("tree", json.dumps(whole).encode())], read, any_folder()


@st.composite
def any_header(draw, corpus):
    "A whole file whose first bytes state other sizes, with another end."
    name, data = draw(st.sampled_from(corpus))
    data, size = bytearray(data), len(data)
    sizes = [
        0,
        1,
        2,
        24,
        size // 4,
        size // 2,
        size,
        size + 1,
        2 * size,
        9 * size,
        2**31 - 1,
        2**31,
        2**32 - 1,
        2**32 - 8,
    ]
    for _ in range(draw(st.integers(0, 3))):
        fmt = draw(st.sampled_from(["<I", ">I", "<Q", ">Q", "<H"]))
        value = draw(st.sampled_from(sizes + [2**41, 2**63 - 1, 2**63, 2**64 - 1])) % 2 ** (8 * struct.calcsize(fmt))
        marks = [
            data.find(o) for o in (b"data", b"ds64", b"SSND", b"COMM", b"fmt ", b"RIFF", b"fLaC", b"riff", b".snd")
        ]
        at = draw(st.sampled_from([o for o in marks if o >= 0] or [0])) + draw(st.sampled_from([4, 8, 12, 16, 20, 24]))
        if at + struct.calcsize(fmt) <= len(data):
            struct.pack_into(fmt, data, at, value)
    tails = [
        b"",
        bytes(3),
        bytes(5000),
        b"\x7f" * 5000,
        b"LIST\x04\0\0\0abcd",
        b"ID3" + bytes(900),
        b"APETAGEX",
        bytes(data),
    ]
    kept = int(draw(st.sampled_from([1, 1, 1, 0.999, 0.9, 0.5, 0.05])) * len(data))
    return name, bytes(data[:kept]) + draw(st.sampled_from(tails))


def headers(folder):
    from metaug.datasets import read_recording

    corpus, read = audio(folder)
    sf.write(folder / "l.wav", sine(700), 8000, format="WAVEX")
    corpus.append(("l.wav", (folder / "l.wav").read_bytes()))

    def read_both(name, data):
        (folder / name).write_bytes(data)
        try:
            y, rate = read_recording(folder / name, audible=True)
            assert len(y) >= 0.1 * rate and y.std() > 0
        except InputError as e:
            assert name in str(e) and "\n" not in str(e)
        read(name, data)

    return corpus, read_both, any_header(corpus)


def parquet(folder):
    corpus, rows = [], _four_sounds(folder)
    for table, how in (
        (rows, {}),
        (rows.astype(str), dict(compression="gzip")),
        (rows.astype({"label": "category"}), dict(compression="zstd")),
        (rows[["path", "label"]], dict(compression=None)),
    ):
        table.to_parquet(out := io.BytesIO(), **how)
        corpus.append(("t.parquet", out.getvalue()))
    return corpus, _read_tables(folder)


def jams(folder):
    from metaug.augmentation import DEFORMATIONS, deform_clip, jams_of, read_history, replay

    y, corpus = sine(2205, 44100).astype(np.float32), []
    _, rows = deform_clip(y, clip="a")
    for row in rows:
        if row["level"] in (0, 3):
            corpus.append(("a.jams", jams_of(row, seconds=0.05, label="x").dumps(indent=1).encode()))
    assert len(corpus) == 1 + 2 * len(DEFORMATIONS)

    def read(name, data):
        (folder / name).write_bytes(data)
        read_history(folder / name)
        out = replay(folder / name, y)
        assert np.isfinite(out).all()

    return corpus, read


def store(folder):
    from metaug.augmentation import deform_clip
    from metaug.features import LogMelStore

    clips = pd.DataFrame(
        dict(clip=["a", "b"], path=["x", "y"], label=["l", "m"], fold=[1, 2], source=["s", "t"], seconds=[0.1, 0.1])
    )
    made = LogMelStore.create(str(folder / "s"), clips, attrs=dict(engine="spectral"))
    for i in range(2):
        made.append(i, *deform_clip(sine(4410, 44100).astype(np.float32), clip="ab"[i]))
    len(made.samples)
    whole = {p.relative_to(folder).as_posix(): p.read_bytes() for p in (folder / "s").rglob("*") if p.is_file()}

    def read(name, data):
        (folder / name).write_bytes(data)
        if len(data) % 2:
            (folder / "s/samples.parquet").unlink(missing_ok=True)  # by way of the rows
        try:
            opened = LogMelStore.open(str(folder / "s"))
            for row in opened.samples.row[:3] if len(opened.samples) else ():
                opened.read(row)
            for row in (0, 20, 21):
                opened.read(row)
            opened.verify()
        finally:
            for name, data in whole.items():
                (folder / name).write_bytes(data)

    return list(whole.items()), read


def weights(folder):
    import torch
    from metaug.networks import load_weights, save_weights

    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    save_weights(network.state_dict(), folder / "w.safetensors")

    def read(name, data):
        (folder / name).write_bytes(data)
        load_weights(network, folder / name)

    return [("w.safetensors", (folder / "w.safetensors").read_bytes())], read


def manifest(folder):
    from metaug.curation import read_manifest

    rows = pd.DataFrame(
        dict(
            path=["a/b.flac"],
            label=["'=x"],
            fold=[1],
            source=["s"],
            clip=["c"],
            deformation=["drc"],
            level=[1],
            parameters=["{}"],
            votes=[3],
        )
    )

    def read(name, data):
        (folder / name).write_bytes(data)
        read_manifest(folder)

    return [("manifest.csv", rows.to_csv(index=False).encode())], read


def run(folder):
    from metaug.analysis import read_run
    from metaug.core.runs import _about

    pd.DataFrame(dict(scheme=["none"], test=[1], seed=[0], label=["a"], n=[3], correct=[2])).to_parquet(
        folder / "results.parquet"
    )
    (folder / "run.json").write_text(json.dumps(dict(data="esc10", store="s", settings=dict(background=["a.wav"]))))
    whole = {p.name: p.read_bytes() for p in folder.iterdir()}

    def read(name, data):
        (folder / name).write_bytes(data)
        try:
            read_run(folder), _about(folder)
        finally:
            for name, data in whole.items():
                (folder / name).write_bytes(data)

    return list(whole.items()), read


READERS = {f.__name__: f for f in (audio, headers, csv, tables, layouts, parquet, jams, store, weights, manifest, run)}
SHARES = dict(
    audio=0.15, headers=0.15, csv=0.05, tables=0.1, layouts=0.1, parquet=0.1, jams=0.1, store=0.1, weights=0.05,
    manifest=0.05, run=0.05,
)  # fmt: skip


def fuzz(reader: str, count: int, *, seed: int = 0, keep: Path | None = None) -> dict:
    "Try a reader on so many files; what it made of them."
    told = dict(reader=reader, inputs=0, refused=0, longest=0.0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corpus, read, *others = READERS[reader](Path(folder))
        for name, data in corpus:
            read(name, data)  # whole ones are read

        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(*others or [files(corpus)])
        def try_one(file):
            name, data = file
            if keep:
                (keep / f"last-{reader}").write_bytes(name.encode() + b"\n" + data)
            begun = time.perf_counter()
            try:
                read(name, data)
            except InputError as e:
                told["refused"] += 1
                assert "\n" not in str(e)
            finally:
                told["inputs"] += 1
                told["longest"] = max(told["longest"], time.perf_counter() - begun)

        from hypothesis import seed as seeded

        seeded(seed)(try_one)()
    return dict(told, longest=round(told["longest"], 3))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (24 << 30, 24 << 30))
    count, chosen = int(sys.argv[1]), sys.argv[2:] or list(READERS)
    total = sum(SHARES[reader] for reader in chosen)
    with (
        tempfile.TemporaryDirectory(delete=False)
        if sys.version_info >= (3, 12)
        else tempfile.TemporaryDirectory() as keep
    ):
        for reader in chosen:
            begun = time.perf_counter()
            told = fuzz(
                reader,
                round(count * SHARES[reader] / total),
                seed=int(os.environ.get("METAUG_FUZZ_SEED", 0)),
                keep=Path(os.environ.get("METAUG_FUZZ_KEEP", keep)),
            )
            print(
                json.dumps(
                    dict(
                        told,
                        seconds=round(time.perf_counter() - begun),
                        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                    )
                ),
                flush=True,
            )
