"""Every reader of metaug against damaged and hostile files: whatever the bytes, a result or an InputError.

    python tests/fuzz.py 100000              # so many inputs in all, with a limit on memory
    python tests/fuzz.py 5000 store jams     # some readers only
    METAUG_FUZZ=100000 pytest tests/test_hostile.py

Files are mutants of whole ones (bytes changed, cut, doubled, replaced by extreme numbers, swapped with another's),
drawn by hypothesis, which makes a failing one small. The mutant at work is kept in `last-<reader>`, so that
one that ends the process can be found.
"""

import io
import json
import os
import resource
import struct
import sys
import tempfile
import time
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


def _read_tables(folder):
    from metaug.datasets import load_clips

    def read(name, data):
        (folder / name).write_bytes(data)
        clips = load_clips(folder / name, check=False)
        assert list(clips) == ["clip", "path", "label", "fold", "source", "seconds"] and clips["clip"].is_unique

    return read


def csv(folder):
    rows = _four_sounds(folder)
    texts = [
        rows.to_csv(index=False),
        rows[["path", "label"]].to_csv(index=False, quoting=1),
        rows.assign(label=["=1+1", "ü\n", "..", "a/b"]).to_csv(index=False),
    ]
    return [("t.csv", text.encode()) for text in texts], _read_tables(folder)


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


READERS = {f.__name__: f for f in (audio, csv, parquet, jams, store, weights, manifest, run)}
SHARES = dict(audio=0.3, csv=0.1, parquet=0.1, jams=0.15, store=0.1, weights=0.1, manifest=0.1, run=0.05)


def fuzz(reader: str, count: int, *, seed: int = 0, keep: Path | None = None) -> dict:
    "Try a reader on so many files; what it made of them."
    told = dict(reader=reader, inputs=0, refused=0, longest=0.0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        corpus, read = READERS[reader](Path(folder))
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
        @given(files(corpus))
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
