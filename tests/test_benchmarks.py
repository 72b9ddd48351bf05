"The bench: what it counts, that it goes on without programs that are missing, and what it writes."

import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from metaug import benchmarks
from metaug.benchmarks import Fact, Missing, SelfTimed, Timing, alternate, bench, rank_loss_by_loop, timing_ratios
from metaug.benchmarks import pairs as pairs_room
from metaug.benchmarks import sound as sound_room
from metaug.benchmarks import training as training_room
from metaug.benchmarks.timing import _plot_growth
from metaug.cli import main
from metaug.metric import rank_loss

NAME = ("pair", "what", "tool", "unit")


def missing(quick):
    yield Timing(*NAME, 0, 1.0, 2.0)
    raise Missing("sox")


def whole(quick):
    yield from (
        Timing("whole", "all", "none", "clip", run, 1.0, usual) for run, usual in enumerate((1.0, 2.0, 4.0, 8.0))
    )
    yield Fact("whole", "rate", 3.0, "clips/s", at_least=4.0)
    yield from (Fact("growth", "store", clips / 2, "s", clips=clips) for clips in (1, 2, 4))


@pytest.fixture
def pairs(monkeypatch):
    monkeypatch.setattr(pairs_room, "PAIRS", {"missing": missing, "whole": whole})
    return ("missing", "whole")


def test_every_growth_has_a_curve():
    whats = [f"work {i}" for i in range(6)]
    facts = pd.DataFrame([Fact("growth", what, 1.0, "s", clips=clips) for what in whats for clips in (1, 2)])
    figure, ax = plt.subplots()
    _plot_growth(ax, facts)
    assert [line.get_label() for line in ax.lines] == whats
    plt.close(figure)


def test_neighbours_are_compared():
    "The median of ratios is not the ratio of medians when the machine slows down half-way."
    rows = pd.DataFrame([Timing(*NAME, run, slow, 3 * slow) for run, slow in enumerate((1.0, 1.0, 1.0, 10.0, 10.0))])
    assert timing_ratios(rows)[["ratio", "low", "high"]].values.tolist() == [[3, 3, 3]]


def test_a_function_that_returns_a_number_is_timed_all_the_same():
    (timing,) = alternate(lambda: 1e6, lambda: 1e6, name=NAME, runs=1)
    assert timing.ours < 1e3 and timing.usual < 1e3


def test_a_function_that_timed_itself_is_believed():
    (timing,) = alternate(lambda: SelfTimed(2.0), lambda: SelfTimed(6.0), name=NAME, runs=1, units=2, warm=False)
    assert (timing.ours, timing.usual) == (1, 3)
    with pytest.warns(FutureWarning, match="SelfTimed"):
        assert benchmarks.Told is SelfTimed


def test_without_mudas_programs_its_pairs_alone_are_left_out(monkeypatch):
    monkeypatch.setattr(sound_room.shutil, "which", lambda program: None if program == "sox" else program)
    with pytest.raises(Missing, match="muda's programs sox"):
        list(sound_room._clip_with_muda(np.zeros(8), 1, ("spectral",), None))


def test_what_is_missing_is_named_and_left_out(pairs):
    done = bench(quick=True, pairs=pairs)
    assert done.left_out == ["missing: sox not installed"]
    assert set(done.timings.pair) == {"pair", "whole"}  # what was timed before stays
    assert "≥ 4: MISSED" in done.text() and "left out: missing: sox" in done.text()


def test_the_command_writes_tables_and_a_picture(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks.bench, "__kwdefaults__", {**benchmarks.bench.__kwdefaults__, "pairs": pairs})
    done = CliRunner().invoke(main, ["bench", "--quick", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "runs.csv",
        "summary.csv",
        "facts.csv",
        "machine.json",
        "bench.txt",
        "bench.png",
    }
    assert pd.read_csv(tmp_path / "out" / "summary.csv").ratio.tolist() == [2, 3]


def test_the_loop_of_the_rank_loss_is_the_rank_loss():
    rng = np.random.default_rng(0)
    embedding, labels = rng.standard_normal((23, 5)), rng.integers(0, 4, 23)
    assert rank_loss_by_loop(embedding, labels) == pytest.approx(rank_loss(embedding, labels), abs=1e-12)


@pytest.mark.parametrize(("kind", "bs"), [("classifier", 8), ("encoder", 20)])
def test_a_plain_learner_has_the_same_losses(kind, bs):
    "Same function, weights, batches and dropout; only the order of sums differs."
    threads = torch.get_num_threads()
    try:
        ours, usual = (
            [loss for call in range(2) for loss in training_room._fit_once(kind, side, bs, 2, call)[1]]
            for side in ("ours", "usual")
        )
    finally:
        torch.set_num_threads(threads)
    assert len(ours) == 4 and np.allclose(ours, usual, rtol=1e-3)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone hands a parent's peak on")
def test_the_peak_is_not_the_parents():
    child = "from metaug.benchmarks.growth import _peak; print(_peak())"
    start = f"subprocess.run([sys.executable, '-W', 'ignore', '-c', {child!r}], check=True)"
    parent = f"import subprocess, sys; fat = b'x' * (3 << 30); {start}"
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 50 < float(done.stdout) < 2500
