"The experiment on a Dask cluster, under an fsspec URL, and cut off in the middle: the tables are those of an undisturbed run here."

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from metaug.experiment import Settings, experiment

# two of five test folds with two pairs each: a run that is cut off leaves 7 nets and 3 pairs to be made, not 10 and 10
WHOLE = Settings(schemes=("none", "metric"), k=(3,), epochs=1, metric_epochs=2, folds=(1, 2), valid_folds=2)
OPTIONS = "--schemes none,metric --k 3 --epochs 1 --metric-epochs 2 --folds 1,2 --valid-folds 2".split()
ONE_THREAD = dict(os.environ, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def five_folds(tmp_path_factory) -> Path:
    "A table of 30 generated clips: three classes in five folds, two clips each."
    from metaug.datasets import load_clips

    clips = load_clips("generated")
    clips = clips[clips.label.isin(["bark", "horn", "siren"]) & clips.fold.le(5)]
    path = tmp_path_factory.mktemp("five") / "clips.csv"
    clips[["path", "label", "fold", "source"]].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def whole(few_versions) -> Settings:
    return WHOLE._replace(candidates=(few_versions,))


@pytest.fixture(scope="module")
def here(five_folds, whole, tmp_path_factory):
    return experiment(str(five_folds), whole, cache=tmp_path_factory.mktemp("here"), jobs=1, progress=False)


@pytest.fixture
def run(five_folds, few_versions):
    "Give the command that does the same, from where it writes and further options."

    def command(out, *options):
        words = ["run", "--data", five_folds, *OPTIONS, "--candidates", few_versions, "--out", out, *options]
        return [sys.executable, "-m", "metaug.cli", *map(str, words)]

    return command


def bytes_of(tables) -> dict[str, bytes]:
    "Tables as Parquet, without the seconds that they took."
    plain = {
        name: tables[name].drop(columns="seconds", errors="ignore")
        for name in ("results", "acceptance", "predictions", "quality")
    }
    for table in plain.values():
        table.attrs = {}  # where the store is
    return {name: table.to_parquet() for name, table in plain.items()}


def saved(folder) -> dict[str, bytes]:
    return bytes_of(
        {
            name: pd.read_parquet(Path(folder) / f"{name}.parquet")
            for name in ("results", "acceptance", "predictions", "quality")
        }
    )


def eventually(true, seconds=120, every=0.2):
    "What `true` gives as soon as it is true."
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "it never came"
        time.sleep(every)
    return value


@pytest.fixture
def two_hosts():
    "Two network namespaces joined by a cable; gives what to put before a command to run it on either, and the first one's address."
    if shutil.which("ip") is None or os.geteuid():
        pytest.skip("network namespaces need the program ip, and root")
    names = [f"metaug{os.getpid()}{side}" for side in "ab"]

    def ip(*words):
        return subprocess.run(["ip", *words], capture_output=True, text=True).stderr.strip()

    def remove():
        return [ip("netns", "del", name) for name in names]

    steps = [["netns", "add", name] for name in names] + [
        ["link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1]]
    ]
    for i, name in enumerate(names):
        steps += [
            ["-n", name, *words.split()]
            for words in (f"addr add 10.77.0.{i + 1}/24 dev cable", "link set cable up", "link set lo up")
        ]
    if wrong := next(filter(None, (ip(*step) for step in steps)), None):
        remove()
        pytest.skip(f"no network namespaces here: {wrong}")
    yield [["ip", "netns", "exec", name] for name in names], "10.77.0.1"
    remove()


@pytest.fixture(params=["one machine", "two network namespaces"])
def cluster(request, tmp_path):
    "A Dask scheduler and two workers, each its own process; gives how a client gets there, the address and the workers."
    pytest.importorskip("distributed")
    hosts, host = request.getfixturevalue("two_hosts") if request.param.startswith("two") else ([[], []], "127.0.0.1")
    bin, logs, about = Path(sys.executable).parent, open(tmp_path / "cluster.log", "wb"), tmp_path / "scheduler.json"

    def start(on, *command):
        return subprocess.Popen(
            [*on, str(bin / "dask"), *map(str, command)],
            env=ONE_THREAD,
            stdout=logs,
            stderr=logs,
            cwd=tmp_path,
            start_new_session=True,
        )

    scheduler = start(hosts[0], "scheduler", "--host", host, "--port", 0, "--no-dashboard", "--scheduler-file", about)
    address = json.loads(eventually(lambda: about.exists() and about.read_text()))["address"]
    workers = [
        start(
            on,
            "worker",
            address,
            "--nthreads",
            1,
            "--nworkers",
            1,
            "--no-dashboard",
            "--local-directory",
            tmp_path / f"worker{i}",
        )
        for i, on in enumerate(hosts)
    ]
    yield hosts[0], address, workers
    for process in [*workers, scheduler]:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the one that the test killed
        process.wait()
    logs.close()


def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(five_folds, whole, here, run, cluster, tmp_path):
    here_first, address, workers = cluster
    # from another host one test fold with two networks: what differs there is the way, not the work
    part, options = (dict(folds=(1,), valid_folds=2), "--folds 1 --valid-folds 2".split()) if here_first else ({}, [])
    expected = experiment(str(five_folds), whole._replace(**part), cache=here.cache, jobs=1, progress=False)
    with subprocess.Popen(
        [*here_first, *run(tmp_path / "out", "--scheduler", address, *options)],
        env=ONE_THREAD,
        stderr=subprocess.PIPE,
    ) as process:
        eventually(lambda: process.poll() is not None or list(tmp_path.glob("out/cache/net/*/task.json")), seconds=600)
        assert process.poll() is None, "it must not be over when the worker is killed"
        os.killpg(workers[0].pid, signal.SIGKILL)  # with its nanny, or that would start another
        _, told = process.communicate(timeout=900)
    assert process.returncode == 0, told.decode()[-2000:]
    assert saved(tmp_path / "out") == bytes_of(expected._asdict())


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "nosuch://node:8786", "tcp://127.0.0.1:x"])
def test_no_scheduler_is_one_line(run, tmp_path, scheduler):
    ran = subprocess.run(run(tmp_path / "out", "--scheduler", scheduler), capture_output=True, text=True)
    assert (
        ran.returncode == 2
        and ran.stderr.startswith(f"metaug: {scheduler}: no Dask scheduler answers")
        and ran.stderr.count("\n") == 1
    )


def test_a_url_as_cache_gives_the_same_tables(five_folds, whole, here):
    one = whole._replace(folds=(1,), valid_folds=1)
    far, near = (
        experiment(str(five_folds), one, cache=cache, jobs=1, progress=False) for cache in ("memory://far", here.cache)
    )
    assert bytes_of(far._asdict()) == bytes_of(near._asdict())
    assert [path.name for path in far.save("memory://out")] == [
        "results.parquet",
        "acceptance.parquet",
        "predictions.parquet",
        "quality.parquet",
        "originals.parquet",
    ]


def finished(out) -> dict[str, float]:
    "Finished tasks, and when each was."
    return {str(file.relative_to(out)): file.stat().st_mtime_ns for file in Path(out).glob("cache/*/*/task.json")}


def test_killed_at_any_moment_it_goes_on_where_it_was(run, here, tmp_path):
    "Ten moments with METAUG_KILLS=10; no task is done twice after it was finished, no half-done output stays."
    out, chance, known = tmp_path / "out", random.Random(0), {}
    for _ in range(int(os.environ.get("METAUG_KILLS", 2))):
        process = subprocess.Popen(
            run(out, "--jobs", "2"),
            env=ONE_THREAD,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        before = len(finished(out))
        # or nothing would be there to be kept
        eventually(lambda: process.poll() is not None or len(finished(out)) > before)
        time.sleep(chance.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert known.items() <= finished(out).items(), "a finished task was done again"
        known = finished(out)
    assert known
    subprocess.run(run(out, "--jobs", "2"), env=ONE_THREAD, check=True, capture_output=True)
    assert known.items() <= finished(out).items() and not list(out.glob("cache/*/.*.partial"))
    assert saved(out) == bytes_of(here._asdict())


def test_another_seed_gives_other_tables_the_same_seed_the_same(five_folds, whole, here, tmp_path):
    one = whole._replace(folds=(1,), valid_folds=1)
    first, again = (
        experiment(str(five_folds), one, cache=cache, jobs=1, progress=False)
        for cache in (here.cache, tmp_path / "again")
    )
    other = experiment(str(five_folds), one._replace(seeds=(1,)), cache=tmp_path / "again", jobs=1, progress=False)
    assert bytes_of(first._asdict()) == bytes_of(again._asdict())

    def predicted(outcome):
        return outcome.predictions.probabilities.map(tuple).tolist()

    assert predicted(first) != predicted(other)
    assert not first.acceptance.similarity.equals(other.acceptance.similarity)
