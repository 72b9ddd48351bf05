"The `metaug` command: every command teaches by an example, plans without making anything, and says what is wrong."

import errno
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from metaug import __version__
from metaug.cli import RECIPE_NAMES, SCHEME_NAMES, main
from metaug.datasets import InputError
from metaug.experiment import refuse_other_data, run_name
from metaug.features import LogMelStore, write_atomic
from metaug.learning.training import RECIPES
from metaug.selection.schemes import SCHEMES, get_scheme


def metaug(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_help_names_every_command():
    assert all(name in metaug("--help").output for name in main.commands)
    assert metaug("--version").output.strip() == f"metaug, version {__version__}"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_each_command_teaches_by_an_example(command):
    told = metaug(command, "--help")
    assert told.exit_code == 0 and f"metaug {command}" in told.output and "Example" in told.output


def test_metaug_alone_shows_the_three_usual_commands():
    told = metaug()
    assert told.exit_code == 0 and len(told.output.splitlines()) < 9
    assert all(f"metaug {name} my_sounds" in told.output for name in ("data", "select", "judge"))


def test_examples_come_first_and_no_line_of_help_is_cut():
    assert "..." not in metaug("--help").output.partition("Commands:")[2]
    for name in main.commands:
        told = metaug(name, "--help").output
        assert "Example" in "".join(told.splitlines()[4:6]), name


MISTYPED = (
    "data nowhere",
    "select nowhere --out x",
    "judge nowhere",
    "report nowhere",
    "run --data nowhere",
    "run --schemes nnoe",
    "run --engine foo",
    "run --candidates nothing",
    "plan --schemes none,random:metic",
)


@pytest.mark.parametrize("args", MISTYPED)
def test_what_is_mistyped_is_refused_before_slow_imports(args):
    code = (
        "import sys; from metaug.cli import main\n"
        f"try: main({args.split()!r}, prog_name='metaug')\n"
        "except SystemExit as e: print(e.code, {'torch', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "2 set()\n" and ran.stderr.startswith("metaug: ") and ran.stderr.count("\n") == 1, ran.stderr


def test_names_that_the_command_checks_are_those_of_the_library():
    assert set(SCHEME_NAMES) == {*SCHEMES, "conformal", "vote"} and all(map(get_scheme, SCHEME_NAMES))
    assert set(RECIPE_NAMES) == set(RECIPES)


def test_data_counts_the_generated_clips():
    told = metaug("data", "generated")
    assert told.exit_code == 0 and "200 clips, 10 classes, 10 folds" in told.output


def test_plan_counts_trainings_and_makes_nothing(tmp_path):
    told = metaug("plan", "--data", "generated", "--schemes", "none,metric", "--out", tmp_path / "out", "--epochs", 2)
    assert told.exit_code == 0, told.output
    assert "120" in told.output and "720" in told.output and "4,200 samples" in told.output
    assert not list(tmp_path.iterdir())


def test_a_dry_run_lists_what_would_be_done(tmp_path):
    told = metaug(
        "run", "--data", "generated", "--folds", "1", "--valid-folds", "1", "--dry-run", "--out", tmp_path / "out"
    )
    assert told.exit_code == 0, told.output
    assert told.output.count("to do  metric nets: npair net without folds") == 8
    assert told.output.count("to do  classifiers: ") == 4
    assert not list(tmp_path.iterdir())


BAD_OPTIONS = {
    "--folds one": "folds must be numbers",
    "--recipe old": "'old' is not one of 'paper', 'modern'",
    "--k 0": "k must be from 1",
    "--k x": "'x' is not a list of int",
    "--epochs 0": "epochs must be",
    "--epochs x": "'x' is not a valid integer",
    "--jobs 0": "must be at least 1",
    "--sheme none": "No such option",
    "--seeds 0,0": "seeds must be different, got 0 twice",
    "--seeds ,": "seeds must name at least one",
    "--schemes none,none": "schemes must be different, got none twice",
    "--folds 1,1": "folds must be different, got 1 twice",
    "--folds ,": "folds must be numbers or all, got none",
    "--folds ²": "folds must be numbers or all, got ²",
    "--schemes none,only-strech": "must be one of stretch, pitch1, pitch2, drc, bgnoise, got strech",
    "--engine foo": "'foo' is not one of 'spectral', 'rubberband', 'signalsmith', 'muda'",
    "--schemes math:sqrt": "math:sqrt: is no Python code",
    "--schemes .x:f": "scheme .x:f must be module:name",
}


@pytest.mark.parametrize("args, word", [(args.split(), word) for args, word in BAD_OPTIONS.items()], ids=BAD_OPTIONS)
def test_bad_options_are_one_line(args, word):
    told = metaug("run", "--data", "generated", *args)
    assert (
        told.exit_code == 2
        and told.stderr.startswith("metaug: ")
        and word in told.stderr
        and told.stderr.count("\n") == 1
    )


def test_a_run_is_called_as_its_collection(tmp_path):
    assert [run_name(data) for data in ("esc10", tmp_path / "snd.v1", tmp_path / "list.csv")] == [
        "esc10",
        "snd.v1",
        "list",
    ]
    pd.DataFrame({"data": ["esc10"]}).to_parquet(tmp_path / "results.parquet")
    refuse_other_data(tmp_path, "esc10")
    refuse_other_data(tmp_path / "none", "esc10")
    with pytest.raises(InputError, match="holds the results of esc10, not of .*/esc10"):
        refuse_other_data(tmp_path, tmp_path / "esc10")
    told = metaug("run", "--data", "generated", "--out", tmp_path)
    assert (
        told.exit_code == 2
        and told.stderr == f"metaug: {tmp_path}: holds the results of esc10, not of generated; name another folder\n"
    )
    (tmp_path / "results.parquet").write_text("no table")
    told = metaug("run", "--data", "generated", "--out", tmp_path)
    assert (
        told.exit_code == 2
        and f"{tmp_path / 'results.parquet'}: is no table of a run" in told.stderr
        and told.stderr.count("\n") == 1
    )


def test_an_output_that_cannot_be_written_is_one_line(sounds, tmp_path):
    (tmp_path / "odd.csv").write_text("a,b")
    (sounds / "cat" / "bad.wav").unlink()
    for args in (
        ("run", "--schemes", "none", "--out"),
        ("augment", "--store"),
        ("augment", "--store", tmp_path / "store", "--audio"),
    ):
        told = metaug(args[0], "--data", sounds, *args[1:], tmp_path / "odd.csv", "--jobs", 1)
        assert told.exit_code == 2 and "odd.csv" in told.stderr.splitlines()[-1] and "Traceback" not in told.output, (
            told.output
        )
    assert not (tmp_path / "store").exists() and (tmp_path / "odd.csv").read_text() == "a,b"


def test_augment_writes_no_sound_among_the_sounds(sounds, tmp_path):
    (sounds / "cat" / "bad.wav").unlink()
    before = sorted(sounds.rglob("*"))
    told = metaug("augment", "--data", sounds, "--store", tmp_path / "store", "--audio", sounds / "out")
    assert told.exit_code == 2 and "lies inside the folder of sounds" in told.stderr
    twice = metaug("augment", "--data", sounds, "--store", tmp_path / "store", "--audio", tmp_path / "store")
    assert twice.exit_code == 2 and "name another folder for the sound" in twice.stderr
    assert sorted(sounds.rglob("*")) == before and not (tmp_path / "store").exists()


# ---- a folder of one's own


@pytest.fixture
def sounds(tmp_path):
    from test_datasets import put, sine

    for number, label in enumerate(("cat", "dog")):
        for i in range(4):
            put(tmp_path / "sounds" / label / f"{i}.wav", sine(8000, 0.2, 300 * (number + 1) + 20 * i))
    (tmp_path / "sounds" / "cat" / "bad.wav").write_text("hello")
    return tmp_path / "sounds"


def test_data_lists_what_is_left_out(sounds, tmp_path):
    told = metaug("data", sounds, "--picture", tmp_path / "p.png")
    assert (
        told.exit_code == 0
        and "8 clips, 2 classes" in told.output
        and "unreadable: " in told.output
        and "bad.wav" in told.output
    )
    assert (tmp_path / "p.png").stat().st_size > 1000
    as_json = json.loads(metaug("data", sounds, "--json").stdout)
    assert as_json["clips"] == 8 and as_json["findings"][0]["finding"] == "unreadable"


def test_strict_is_bad_input(sounds, tmp_path):
    for args in (("data", sounds), ("select", sounds, "--out", tmp_path / "out")):
        told = metaug(*args, "--strict")
        assert told.exit_code == 2 and "bad.wav" in told.stderr and told.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_select_tells_what_it_found_and_what_came_out(sounds, tmp_path):
    quick = ("--judge", "npair", "--k", 1, "--epochs", 1, "--jobs", 1, "--no-audio")
    told = metaug("select", sounds, "--out", tmp_path / "out", *quick)
    assert told.exit_code == 0, told.output
    assert (
        "Found 8 clips of 2 classes" in told.stdout
        and "minutes" in told.stdout
        and "samples: 8 originals and" in told.stdout
    )
    assert (
        "write report" in told.stdout
        and "In all at most about 0." in told.stdout
        and "Kept of each class" in told.stdout
        and f"See {tmp_path / 'out' / 'manifest.csv'} and {tmp_path / 'out' / 'report.html'}" in told.stdout
    )
    assert {"manifest.csv", "acceptance.parquet", "summary.csv", "report.html", "cat", "dog"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }
    kept = pd.read_parquet(tmp_path / "out" / "acceptance.parquet").accepted
    assert ("Most suspicious of what was rejected:" in told.stdout) == (not kept.all())
    again = metaug("select", sounds, "--out", tmp_path / "out", *quick, "--json")
    assert json.loads(again.stdout)["clips"] == 8
    refused = metaug("select", sounds, "--out", sounds, *quick)
    assert refused.exit_code == 2 and refused.stderr.splitlines()[-1].startswith("metaug: ")


def test_plan_for_machines(tmp_path):
    told = json.loads(metaug("plan", "--data", "generated", "--json", "--out", tmp_path / "out").stdout)
    assert (
        told["samples"] == 4200
        and {"name", "shared", "role_by_role"} == set(told["trainings"][0])
        and "hours" in told["stages"][0]
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_the_shell(shell):
    import os
    import subprocess
    import sys

    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'metaug'; from metaug.cli import main; main(prog_name='metaug')",
    ]
    done = subprocess.run(
        command, env={**os.environ, "_METAUG_COMPLETE": f"{shell}_source"}, capture_output=True, text=True
    )
    if "not supported" in done.stderr or "Couldn't detect" in done.stderr:
        pytest.skip(f"click completes for no {shell} here")
    assert "_METAUG_COMPLETE" in done.stdout
    words = subprocess.run(
        command,
        env={
            **os.environ,
            "_METAUG_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": "metaug sel",
            "COMP_CWORD": "sel" if shell == "fish" else "1",
        },
        capture_output=True,
        text=True,
    )
    assert "select" in words.stdout


def test_missing_muda_is_told_in_one_line():
    import subprocess
    import sys

    code = "import sys; sys.modules['muda'] = None; sys.argv = ['metaug', 'augment', '--store', 's']; from metaug.cli import main; main()"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "pip install --no-deps muda" in done.stderr


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(f"{tmp_path}/a.txt", b"whole")
    assert not list(tmp_path.iterdir())
    told = metaug("augment", "--data", "generated", "--store", tmp_path / "store")
    assert told.exit_code == 1 and told.stderr.splitlines()[-1] == "metaug: No space left on device", told.output
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("name", ["take::1", "~", "a b ü"])
def test_odd_names_are_names(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic(f"{name}/{name}.txt", b"one")
    assert (tmp_path / name / f"{name}.txt").read_bytes() == b"one"


def test_clips_with_double_colons_keep_their_sounds_apart(sounds, tmp_path):
    (sounds / "cat" / "bad.wav").unlink()
    for label in ("cat", "dog"):
        for file in list((sounds / label).iterdir()):
            file.rename(file.with_name(f"take::{file.name}"))
    told = metaug(
        "augment",
        "--data",
        sounds,
        "--store",
        tmp_path / "a::b" / "store",
        "--audio",
        tmp_path / "~" / "audio",
        "--jobs",
        1,
    )
    assert told.exit_code == 0, told.output
    assert (
        len(list((tmp_path / "~" / "audio").rglob("*.flac"))) == 8 * 21
        and (tmp_path / "a::b" / "store" / "mels" / "zarr.json").exists()
    )
    assert len(LogMelStore.open(tmp_path / "a::b" / "store").labelled) == 8 * 21


def test_a_collection_is_known_by_its_place_and_not_by_its_name(tmp_path, monkeypatch):
    pd.DataFrame({"data": ["snd"]}).to_parquet(tmp_path / "results.parquet")
    (tmp_path / "run.json").write_text(json.dumps({"data": str(tmp_path / "one" / "snd")}))
    for folder in ("one", "two"):
        (tmp_path / folder / "snd").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    for same in ("snd", "./snd", tmp_path / "one" / "snd"):
        refuse_other_data(tmp_path, same)
    monkeypatch.chdir(tmp_path / "two")
    refuse_other_data(tmp_path, tmp_path / "one" / "snd")
    with pytest.raises(InputError, match="holds the results of .*one/snd, not of .*two/snd"):
        refuse_other_data(tmp_path, "snd")
    (tmp_path / "one" / "snd").rmdir()  # moved, or on another machine
    refuse_other_data(tmp_path, "snd")
    with pytest.raises(InputError, match="holds the results of .*one/snd, not of esc10"):
        refuse_other_data(tmp_path, "esc10")


def test_a_run_may_go_into_a_folder_with_double_colons(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = metaug("run", "--data", "generated", "--folds", "1", "--valid-folds", "1", "--dry-run", "--out", "take::1/x")
    assert told.exit_code == 0 and "to do  classifiers: " in told.output, told.output
    told = metaug("report", "take::1/x")
    assert told.exit_code == 2 and "take::1/x: there is no such folder" in told.stderr, told.output


def test_a_tilde_that_is_nobodys_home_is_a_character(sounds, monkeypatch):
    monkeypatch.chdir(sounds.parent)
    sounds.rename("~sounds")
    told = metaug("data", "~sounds")
    assert told.exit_code == 0 and "2 classes" in told.output, told.output


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("damage", ["nan", "no sound"])
def test_a_bad_file_costs_no_work_on_the_others(tmp_path, monkeypatch, damage):
    import numpy as np
    from test_datasets import put, sine

    monkeypatch.chdir(tmp_path)
    for number, label in enumerate(("cat", "dog")):
        for i in range(6):
            put(tmp_path / "s" / label / f"{i}.wav", sine(8000, 0.2, 300 * (number + 1) + 20 * i))
    bad = tmp_path / "s" / "dog" / "3.wav"
    put(bad, np.full(1600, np.nan), subtype="FLOAT") if damage == "nan" else bad.write_text("hello")
    quick = ("--schemes", "none", "--folds", 1, "--valid-folds", 1, "--epochs", 1, "--jobs", 1, "--out", "o")
    for dry in ((), ("--dry-run",)):
        refused = metaug("run", "--data", "s", *quick, *dry)
        assert refused.exit_code == 2 and "dog/3.wav" in refused.stderr.splitlines()[-1], refused.output
    assert metaug("augment", "--data", "s", "--store", "st", "--jobs", 1).exit_code == 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "st").rglob("c/*/0/0")}
    bad.unlink()
    assert " 11    11" in metaug("run", "--data", "s", *quick, "--dry-run").output  # the store is complete
    again = metaug("augment", "--data", "s", "--store", "st", "--jobs", 1)
    assert again.exit_code == 0 and "231 samples of 11 clips" in again.output
    assert made == {path: path.stat().st_mtime_ns for path in made} and len(made) == 11


@pytest.mark.parametrize(
    "args",
    [
        ("augment", "--data", "sounds", "--store", "new"),
        ("augment", "--data", "sounds", "--store", "new", "--audio", "new audio"),
        ("select", "sounds", "--out", "new", "--k", 1),
        ("run", "--data", "sounds", "--schemes", "none", "--out", "new"),
        ("run", "--data", "sounds", "--schemes", "none", "--out", "new", "--dry-run"),
        ("plan", "--data", "sounds", "--schemes", "none", "--out", "new"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "engine, missing",
    [
        ("muda", "the program rubberband"),
        ("signalsmith", "the package python-stretch"),
        ("rubberband", "the package pedalboard"),
    ],
)
def test_what_an_engine_lacks_is_said_before_anything_is_made(sounds, tmp_path, monkeypatch, args, engine, missing):
    (sounds / "cat" / "bad.wav").unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    for module in ("python_stretch", "pedalboard"):
        monkeypatch.setitem(sys.modules, module, None)
    told = metaug(*args, "--engine", engine)
    last = told.stderr.splitlines()[-1]
    assert told.exit_code == 2 and f"engine {engine} needs {missing}, which is not installed" in last, told.output
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("new") and [*path.rglob("*.parquet")]]
    assert args[0] == "run" or not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", [("augment", "--store"), ("select", "--out"), ("run", "--out"), ("plan", "--out")])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_empty_name_of_background_noise_is_said_as_such(sounds, tmp_path, monkeypatch, command):
    (sounds / "cat" / "bad.wav").unlink()
    monkeypatch.chdir(tmp_path)
    name, out = command
    more = {"select": ("--judge", "npair", "--k", 1), "augment": ()}.get(name, ("--schemes", "none"))
    told = metaug(
        name, *(("sounds",) if name == "select" else ("--data", "sounds")), out, "new", *more, "--background", ""
    )
    assert told.exit_code == 2 and "the name of a file is empty" in told.stderr, told.output
    assert not (tmp_path / "new").exists()
