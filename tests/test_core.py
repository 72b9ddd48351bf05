"What the wings stand on: files that are whole, folders that several processes use, work that ends with who began it."

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import zarr

from metaug.augmentation import augment
from metaug.batches import ResidentMels
from metaug.core import files
from metaug.core.checks import InputError
from metaug.core.constants import FRAME, SAMPLE_RATE, VERSIONS
from metaug.datasets import load_clips
from metaug.features import LogMelStore

ONE_THREAD = {
    **os.environ,
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")},
    "PYTHONWARNINGS": "ignore",
}


def python(code, **options) -> subprocess.Popen:
    "A process of its own that runs some code."
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
        **options,
    )


def lives(pid) -> bool:
    "Whether a process is there and is no zombie."
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(what, seconds=60):
    "Wait until something is so."
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    files.write_atomic(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "command",
    [
        "select s --out nosuch://x",
        "augment --data s --store nosuch://x",
        "augment --data s --store st --audio nosuch://x",
        "run --data s --out nosuch://x",
        "plan --data s --out nosuch://x",
        "report nosuch://x",
        "report s --html nosuch://x",
        "bench --out nosuch://x",
        "run --data s --out memory://x",
        "augment --data s --store memory://x",
        "select s --out memory://x",
    ],
)
def test_a_url_that_nothing_opens_is_one_line_and_no_folder(command, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from metaug.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").mkdir()
    ran = CliRunner().invoke(main, command.split())
    assert ran.exit_code == 2 and ran.output.count("\n") == 1 and "://x: " in ran.output, ran.output
    assert os.listdir(tmp_path) == ["s"]


def test_a_url_as_path_is_no_folder_to_claim(tmp_path):
    for place in ("s3:/bucket/run", "nosuch:/x"):
        with pytest.raises(InputError, match="is a URL"):
            files.claim_folder(Path(place), {}, by="metaug select")


# -- who is at work ----------------------------------------------------------------------------------------------------

HOLDING = """
    import sys, time
    from metaug.core import files
    with files.{how}:
        print("held", flush=True)
        time.sleep(100)
"""


@pytest.mark.parametrize("how", ["shared_use({folder!r})", "sole_use({folder!r}, by='metaug select')"])
def test_a_killed_process_blocks_nobody_and_its_leftovers_go(how, tmp_path):
    with python(HOLDING.format(how=how.format(folder=str(tmp_path)))) as process:
        assert process.stdout.readline() == "held\n", process.stderr.read()
        for name in (".half.partial", "net/.0123456789abcdef.here-1-00000000.partial/log.txt"):
            name = name.replace("here", files.socket.gethostname())
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        files.remove_partials(tmp_path)
        assert (tmp_path / ".half.partial").exists(), "somebody is at work there"
        with (
            pytest.raises(InputError, match="another metaug select is at work"),
            files.sole_use(tmp_path, by="metaug select"),
        ):
            pass
        process.kill()
    with files.sole_use(tmp_path, by="metaug select"):
        assert sorted(os.listdir(tmp_path)) == [files.LOCK, "net"] and not os.listdir(tmp_path / "net")


def test_what_others_look_after_is_left_alone(tmp_path):
    here = [tmp_path / name for name in (".a.partial", "low/.b.partial")]
    others = [
        tmp_path / "stores/0123456789abcdef/.c.partial",  # of a store, which has a lock of its own
        tmp_path / "net/.0123456789abcdef.elsewhere-1-00000000.partial/log.txt",  # of a task on another machine
    ]
    for file in here + others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "stores/0123456789abcdef" / files.LOCK).touch()
    files.remove_partials(tmp_path)
    assert [file.exists() for file in here + others] == [False, False, True, True]


def test_a_folder_that_cannot_be_locked_is_used_without(tmp_path, monkeypatch):
    class Unlockable:
        def __init__(self, *_, **__):
            pass

        def acquire_read(self):
            raise OSError(errno.ENOLCK, "No locks available")

        acquire_write = acquire_read

    monkeypatch.setattr(files.filelock, "ReadWriteLock", Unlockable)
    (tmp_path / ".a.partial").touch()
    with files.shared_use(tmp_path), files.sole_use(tmp_path, by="x"):
        assert (tmp_path / ".a.partial").exists(), "nobody can know whether somebody is at work"


# -- processes ---------------------------------------------------------------------------------------------------------


def test_workers_end_soon_after_the_one_that_began_them_is_killed():
    code = """
        import os, time, joblib
        from metaug.core.process import in_parallel
        def work():
            print(os.getpid(), flush=True)
            time.sleep(600)
        list(in_parallel([joblib.delayed(work)() for _ in range(2)], jobs=2))
    """
    with python(code) as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.kill()
        eventually(lambda: not any(map(lives, workers)), seconds=30)


def test_sigterm_ends_a_command_as_ctrl_c_does(tmp_path):
    code = f"""
        import sys
        from metaug.cli import main
        sys.argv = ["metaug", "augment", "--data", "generated", "--store", {str(tmp_path / "store")!r}, "--jobs", "2"]
        main()
    """
    with python(code, start_new_session=True) as process:
        eventually(lambda: list(tmp_path.glob("store/mels/c/*/0/0")) or process.poll() is not None, seconds=300)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)
        said = [line for line in told[1].splitlines() if line and not line.startswith("augment: ")]  # progress
        assert (process.returncode, said) == (1, ["Aborted!"])
    assert not list(tmp_path.rglob("*.partial"))
    eventually(lambda: not group(process.pid), seconds=30)


def group(leader) -> list[int]:
    "Processes of a session that are still there."
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


# -- stores ------------------------------------------------------------------------------------------------------------


def table(seconds) -> pd.DataFrame:
    "A clips table of clips that are never read."
    names = [f"clip{i}" for i in range(len(seconds))]
    return pd.DataFrame(
        dict(clip=names, path="", label=["a", "b"] * (len(names) // 2), fold=1, source=names, seconds=seconds)
    )


def fill(store, seconds) -> list[list[np.ndarray]]:
    "Noise for each clip, each version of another length, written in reverse order."
    rng, made = np.random.default_rng(0), []
    for i, length in reversed(list(enumerate(seconds))):
        most = int(length * SAMPLE_RATE / FRAME)
        mels = [rng.uniform(-100, 0, (128, max(1, most - j))).astype(np.float16) for j in range(store.versions)]
        store.append(i, mels, [dict(clip=f"clip{i}", deformation="x", level=j) for j in range(store.versions)])
        made.insert(0, mels)
    return made


@pytest.mark.parametrize("versions, seconds", [(VERSIONS, [2.0, 1.0]), (3, [0.3, 70.0]), (1, [30.0, 24.0])])
def test_a_store_gives_back_what_was_put_in(versions, seconds, tmp_path):
    store = LogMelStore.create(tmp_path / "s", table(seconds), versions=versions)
    made = fill(store, seconds)
    store = LogMelStore.open(tmp_path / "s")
    assert (store.versions, store.missing(), store.verify()) == (versions, [], [])
    for row, expected in enumerate(sum(made, [])):
        assert np.array_equal(store.read(row), expected.astype(np.float32))
    frames = np.concatenate([x.T for x in sum(made, [])])
    assert np.array_equal(ResidentMels.of(store).frames.numpy(), frames)
    assert np.array_equal(np.load(tmp_path / "s/frames.npy"), frames)


def test_a_short_clip_costs_no_more_beside_a_long_one(tmp_path):
    def cost(name, seconds):
        store = LogMelStore.create(tmp_path / name, table(seconds))
        tracemalloc.start()
        fill(store, seconds[:1])
        store.read(5)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, Path(store._shard(0)).stat().st_size

    alone, beside = cost("a", [0.3, 0.3]), cost("b", [0.3, 3600.0])
    assert beside[0] < alone[0] + 20e6 and beside[1] < 2 * alone[1]


def test_stores_of_short_clips_keep_their_layout_and_those_of_before_open(tmp_path):
    short = LogMelStore.create(tmp_path / "short", table([10.0, 5.0]))
    assert (short.array.chunks, short.array.shards) == ((1, 128, 540), (VERSIONS, 128, 540))
    frames = int(60.0 * SAMPLE_RATE / FRAME * 1.25) + 2
    clips = table([60.0, 1.0])
    before = zarr.create_array(
        tmp_path / "long" / "mels",
        shape=(2 * VERSIONS, 128, frames),
        chunks=(1, 128, frames),
        shards=(VERSIONS, 128, frames),
        dtype="float16",
        fill_value=0,
        compressors=short.array.compressors,
        attributes=dict(metaug={}, clips=clips["clip"].tolist(), labels=clips.label.tolist()),
    )
    clips.to_parquet(tmp_path / "long" / "clips.parquet")
    store = LogMelStore.create(tmp_path / "long", clips)
    made = fill(store, [60.0, 1.0])
    assert store.array.shards == before.shards and store.verify() == []
    assert np.array_equal(store.read(22), made[1][1].astype(np.float32))


def test_other_versions_are_refused(tmp_path):
    LogMelStore.create(tmp_path / "s", table([1.0, 1.0]), versions=5)
    with pytest.raises(InputError, match="was made with 5 samples a clip, not 21"):
        LogMelStore.create(tmp_path / "s", table([1.0, 1.0]))


@pytest.fixture
def sounds(tmp_path):
    "Two classes of two short clips."
    for label, hertz in (("dog", 300), ("rain", 900)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for i in range(2):
            y = 0.4 * np.sin(2 * np.pi * (hertz + 50 * i) * np.arange(9000) / SAMPLE_RATE)
            soundfile.write(tmp_path / "sounds" / label / f"{i}.wav", y, SAMPLE_RATE)
    return tmp_path / "sounds"


def test_a_replaced_recording_is_made_again_and_nothing_else(sounds, tmp_path):
    clips = load_clips(sounds, n_folds=2)
    first = augment(clips, tmp_path / "s", progress=False)
    ResidentMels.of(first)
    shards = {i: Path(first._shard(i)).stat().st_mtime_ns for i in range(4)}
    soundfile.write(clips.path[1], 0.3 * np.random.default_rng(0).standard_normal(9000).clip(-3, 3), SAMPLE_RATE)
    again = augment(clips, tmp_path / "s", progress=False)
    changed = [i for i in range(4) if Path(again._shard(i)).stat().st_mtime_ns != shards[i]]
    fresh = augment(clips, tmp_path / "fresh", progress=False)
    assert changed == [1] and all(np.array_equal(again.read(row), fresh.read(row)) for row in range(len(fresh)))
    assert np.array_equal(ResidentMels.of(again).frames, ResidentMels.of(fresh).frames)


def test_a_store_that_noted_no_contents_is_kept(sounds, tmp_path):
    clips = load_clips(sounds, n_folds=2)
    store = augment(clips, tmp_path / "s", progress=False)
    store.clips.drop(columns="content").to_parquet(tmp_path / "s/clips.parquet")
    shards = [Path(store._shard(i)).stat().st_mtime_ns for i in range(4)]
    augment(clips, tmp_path / "s", progress=False)
    assert [Path(store._shard(i)).stat().st_mtime_ns for i in range(4)] == shards
    assert LogMelStore.open(tmp_path / "s").clips.content.nunique() == 4


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-500], lambda data: data + b"x", lambda data: b"", lambda data: data[:90]]
)
def test_frames_that_were_cut_are_made_again(damage, tmp_path):
    store = LogMelStore.create(tmp_path / "s", table([1.0, 2.0]), versions=2)
    fill(store, [1.0, 2.0])
    ResidentMels.of(store)
    whole = (tmp_path / "s/frames.npy").read_bytes()
    (tmp_path / "s/frames.npy").write_bytes(damage(whole))
    ResidentMels.of(store)
    assert (tmp_path / "s/frames.npy").read_bytes() == whole


ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() or subprocess.run(["unshare", "-m", "true"]).returncode,
    reason="needs root for a mount of its own",
)


@ROOT_ONLY
def test_a_full_disk_while_decoding_is_one_line_and_leaves_nothing(tmp_path):
    store = LogMelStore.create(tmp_path / "s", table([30.0, 30.0]))
    fill(store, [30.0, 30.0])
    code = f"""
        import os, shutil
        from metaug.batches import ResidentMels
        from metaug.core.checks import InputError
        from metaug.features import LogMelStore
        shutil.copytree({str(tmp_path / "s")!r}, "small/s")
        with open("small/filler", "wb") as filler:
            filler.write(bytes(shutil.disk_usage("small").free - 2_000_000))
        try:
            ResidentMels.of(LogMelStore.open("small/s"))
        except InputError as e:
            print(e, sorted(os.listdir("small/s")))
    """
    (tmp_path / "small").mkdir()
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=60m tmpfs small && exec "$@"', "sh"]
    ran = subprocess.run(
        [*mounted, sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env=ONE_THREAD,
        capture_output=True,
        text=True,
    )
    left = [".metaug.lock", "clips.parquet", "mels", "samples", "samples.parquet"]
    told = f"frames.npy: can't be written (No space left on device) {left}\n"
    assert ran.returncode == 0 and ran.stdout.endswith(told), (ran.returncode, ran.stdout, ran.stderr)


@ROOT_ONLY
def test_a_read_only_installation_and_no_home_compile_elsewhere(tmp_path):
    root = Path(files.__file__).resolve().parents[2]
    readonly = f"mount --bind {root} {root} && mount -o remount,ro,bind {root}"
    env = {"PATH": os.environ["PATH"], "HOME": "/proc/nohome", "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    code = "import metaug.augmentation, metaug.selection, numba; print(numba.config.CACHE_DIR)"
    ran = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            f'{readonly} && cd / && exec "$@"',
            "sh",
            sys.executable,
            "-W",
            "ignore",
            "-c",
            code,
        ],
        env=env,
        capture_output=True,
        text=True,
    )
    assert ran.stdout == f"{tmp_path}/metaug-numba-0\n", ran.stderr
