"What the wings stand on: files that are whole, folders that several processes use, work that ends with who began it."

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from metaug.core import files
from metaug.core.checks import InputError

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
        assert (process.returncode, told[1]) == (1, "\nAborted!\n")
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
