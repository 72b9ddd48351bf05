"Files made to do harm: no code is run, memory stays small, and every answer is one line. `METAUG_FUZZ=100000` makes the fuzzing a campaign."

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fuzz
from metaug.datasets import InputError


def refused(call, *parts):
    with pytest.raises(InputError) as error:
        call()
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_any_bytes_give_a_result_or_one_line(reader):
    count = round(int(os.environ.get("METAUG_FUZZ", 400)) * fuzz.SHARES[reader])
    told = fuzz.fuzz(reader, count)
    assert told["inputs"] >= min(0.7 * count, 20) and told["refused"] > 0 and told["longest"] < 30


class Runs:
    "What a pickle of it does when it is loaded."

    def __reduce__(self):
        return os.mkdir, ("harm",)


# ---- stores


@pytest.fixture
def store(tmp_path):
    fuzz.store(tmp_path)
    return tmp_path / "s"


def restated(store, change):
    about = json.loads((store / "mels/zarr.json").read_text())
    change(about)
    (store / "mels/zarr.json").write_text(json.dumps(about))


def _set(path, value):
    def change(about):
        for key in path[:-1]:
            about = about[key]
        about[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change, why",
    [
        (_set(["shape", 0], 21 * 2**40), "samples for 2 clips"),
        (_set(["shape"], [42, 128, 2**40]), "at most"),
        (_set(["shape"], [42, 2**40, 5]), "128 bands"),
        (_set(["data_type"], "float64"), "float16"),
        (_set(["chunk_grid", "configuration", "chunk_shape"], [2**40, 128, 5]), "a shard must hold a clip"),
        (_set(["codecs", 0, "configuration", "chunk_shape"], [2**40, 128, 5]), "a chunk must hold a sample"),
        (_set(["codecs", 0, "name"], "numcodecs.pickle"), "codec numcodecs.pickle is not one of a store's"),
        (_set(["codecs", 0, "configuration", "codecs"], [{"name": "pickle"}]), "codec pickle"),
        (_set(["zarr_format"], 2), "float16"),
        (_set(["shape"], "x"), "no log-mel store"),
    ],
)
def test_store_with_a_hostile_description(store, change, why):
    from metaug.features import LogMelStore

    restated(store, change)
    refused(
        lambda: LogMelStore.open(str(store)),
        "no log-mel store that can be read" if why == "no log-mel store" else "",
        why,
    )


def test_store_of_zarr_2_with_pickled_chunks_runs_nothing(store, tmp_path, monkeypatch):
    from metaug.features import LogMelStore

    monkeypatch.chdir(tmp_path)
    (store / "mels/zarr.json").unlink()
    (store / "mels/.zarray").write_text(
        json.dumps(
            dict(
                zarr_format=2,
                shape=[42, 128, 5],
                chunks=[21, 128, 5],
                dtype="|O",
                compressor=None,
                filters=[{"id": "pickle"}],
                fill_value=None,
                order="C",
            )
        )
    )
    (store / "mels/0.0.0").write_bytes(pickle.dumps(Runs()))
    refused(lambda: LogMelStore.open(str(store)).read(0))
    assert not Path("harm").exists()


def test_store_whose_table_is_a_bomb(store):
    import pyarrow as pa, pyarrow.parquet as pq
    from metaug.features import LogMelStore

    text = pa.DictionaryArray.from_arrays(np.zeros(1_000_000, np.int32), ["x" * 60_000])
    for name in ("clips", "samples"):
        pq.write_table(pa.table(dict(clip=text)), store / "bomb.parquet")
        kept = (store / f"{name}.parquet").read_bytes()
        (store / "bomb.parquet").replace(store / f"{name}.parquet")
        refused(lambda: LogMelStore.open(str(store)).samples, "MB of text")
        (store / f"{name}.parquet").write_bytes(kept)


# ---- histories


def history(tmp_path, steps):
    steps = [dict(transformer={"__class__": name, "params": {}}, state=state) for name, state in steps]
    (tmp_path / "a.jams").write_text(json.dumps(dict(sandbox=dict(muda=dict(history=steps)))))
    return tmp_path / "a.jams"


def test_histories_that_grow_without_end(tmp_path):
    from metaug.augmentation import read_history, replay

    y = np.ones(44100, np.float32) / 2
    refused(lambda: replay(history(tmp_path, [("TimeStretch", dict(rate=0.1))] * 8), y), "its stretching makes")
    refused(lambda: replay(history(tmp_path, [("TimeStretch", dict(rate=10))] * 8), y), "its stretching makes")
    refused(lambda: read_history(history(tmp_path, [("TimeStretch", dict(rate=1))] * 10_000)), "at most 20")


@pytest.mark.parametrize(
    "text",
    [
        '{"sandbox":' * 900 + "1" + "}" * 900,
        "[" * 100_000,
        '{"a":' + "9" * 10_000 + "}",
        '{"sandbox": {"muda": {"history": [{"py/object": "os.system"}]}}}',
        "\ud800",
        "null",
        '{"sandbox": []}',
        '{"sandbox": {"muda": {"history": {"a": 1}}}}',
    ],
)
def test_histories_that_are_none(tmp_path, text):
    from metaug.augmentation import read_history

    (tmp_path / "a.jams").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(lambda: read_history(tmp_path / "a.jams"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_and_devices_are_no_histories(tmp_path):
    from metaug.augmentation.provenance import read_history

    os.mkfifo(tmp_path / "pipe.jams")
    (tmp_path / "endless.jams").symlink_to("/dev/zero")
    for name in ("pipe.jams", "endless.jams"):
        refused(lambda: read_history(tmp_path / name), "no ordinary file")


def test_a_history_of_a_terabyte_is_not_read(tmp_path):
    from metaug.augmentation import read_history

    with open(tmp_path / "a.jams", "wb") as f:
        f.truncate(1 << 40)
    refused(lambda: read_history(tmp_path / "a.jams"), "at most")


# ---- weights


def test_weights_run_no_code(tmp_path, monkeypatch):
    import torch
    from metaug.networks import load_weights

    monkeypatch.chdir(tmp_path)
    network = torch.nn.Linear(2, 2)
    Path("w.safetensors").write_bytes(pickle.dumps(Runs()))
    refused(lambda: load_weights(network, "w.safetensors"), "no weights of this network")
    torch.save(dict(a=Runs()), "w.safetensors")
    refused(lambda: load_weights(network, "w.safetensors"), "no weights of this network")
    for header in (
        {"weight": dict(dtype="F32", shape=[2**40, 2], data_offsets=[0, 2**43])},
        {"weight": dict(dtype="F32", shape=[2, 2], data_offsets=[0, 16])},
    ):
        text = json.dumps(header).encode()
        Path("w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
        refused(lambda: load_weights(network, "w.safetensors"), "no weights of this network")
    Path("w.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    refused(lambda: load_weights(network, "w.safetensors"), "no weights of this network")
    refused(lambda: load_weights(network, "gone.safetensors"), "gone.safetensors")
    assert not Path("harm").exists()


# ---- memory


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory is set as Linux does it")
def test_absurd_statements_take_no_memory(tmp_path):
    "Sound, tables and histories that state 2^40 of something, read under a limit of memory that is little over what the imports take."
    import struct

    import soundfile as sf

    for name in ("a.w64", "b.rf64", "c.flac", "d.wav", "e.aiff", "f.caf", "g.au"):
        sf.write(tmp_path / name, np.zeros(1000), 8000)
    for path in tmp_path.iterdir():
        data = bytearray(path.read_bytes())
        for at in range(4, min(len(data) - 8, 200), 2):
            for fmt in "<Q", ">Q":
                struct.pack_into(fmt, changed := bytearray(data), at, 2**40)
                path.with_name(f"{path.stem}-{at}{'le' if fmt == '<Q' else 'be'}{path.suffix}").write_bytes(changed)
    code = f"""
import resource
from pathlib import Path
from metaug.datasets import InputError, read_audio
from metaug.datasets.facts import _file_facts
before = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (before + (1 << 30),) * 2)
count = 0
for path in Path({str(tmp_path)!r}).iterdir():
    count += 1
    _file_facts(path)
    try: assert len(read_audio(path)) <= 3600 * 44100
    except InputError: pass
peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))  # ru_maxrss would be the parent's, if that is larger
print(count, int(peak) >> 10)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    count, memory = map(int, done.stdout.split())
    assert count > 1000 and memory < 1500


def test_parquet_text_that_is_no_utf8_is_one_line(tmp_path):
    "Found by the fuzzing: pyarrow reads it, and fails with an error of its own when the text is looked at."
    import pyarrow as pa, pyarrow.parquet as pq

    from metaug.datasets import load_clips

    broken = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 3, 6], np.int32)), pa.py_buffer(b"3.\xffa.w"))
    pq.write_table(pa.table(dict(path=broken, label=["a", "b"])), tmp_path / "clips.parquet")
    with pytest.raises(InputError, match="clips.parquet"):
        load_clips(tmp_path / "clips.parquet")
