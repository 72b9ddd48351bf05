"The house itself: notebooks, modules, README and site in step, imports one way from wing to wing, nothing where it doesn't belong."

import ast
import base64
import configparser
import importlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from conftest import copy_project
from nbdev.doclinks import nbglob
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PLAIN = {
    "__init__",
    "_modidx",
    "cli",
    "core.moved",
    "batches",
    "networks",
    "metric",
}  # modules that no notebook writes: faces and the command
TOP = {
    ".ci", ".github", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
    "_quarto.yml", "metaug", "nbs", "requirements.lock", "settings.ini", "setup.py", "tests",
}  # fmt: skip

spec = importlib.util.spec_from_file_location("house", ROOT / ".ci/house.py")
house = importlib.util.module_from_spec(spec)
spec.loader.exec_module(house)

NOTEBOOKS = house.notebooks()
LESSONS = [p for p in NOTEBOOKS if re.match(r"[0-9]", p.name)]
WRITERS = LESSONS + [
    p for p in NOTEBOOKS if p.parent not in (ROOT / "nbs", ROOT / "nbs/tutorials")
]  # lessons and rooms


def module_name(path: Path) -> str:
    "Name a module below metaug: metaug/core/files.py is core.files."
    return ".".join(path.relative_to(ROOT / "metaug").with_suffix("").parts)


FACES = sorted((ROOT / "metaug").rglob("__init__.py"))
MODULES = sorted(p for p in (ROOT / "metaug").rglob("*.py") if p not in FACES and module_name(p) not in PLAIN)
SETTINGS = configparser.ConfigParser(delimiters="=", interpolation=None)
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")


def name(path: Path) -> str:
    "Name a test after its file."
    return path.relative_to(ROOT).with_suffix("").as_posix()


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=name)
each_writer = pytest.mark.parametrize("path", WRITERS, ids=name)
each_module = pytest.mark.parametrize("path", MODULES, ids=name)


def code_cells(path: Path) -> list[str]:
    "Give the source of each code cell, without magics."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [re.sub(r"^\s*[%!].*$", "", house.source(c), flags=re.M) for c in cells if c["cell_type"] == "code"]


def default_exp(path: Path) -> list[str]:
    "Give the modules that a notebook says it writes."
    return re.findall(r"^#\|\s*default_exp\s+(\S+)", "\n".join(code_cells(path)), flags=re.M)


def wings() -> list[str]:
    "List the wings in the order of the sidebar, which is the order of imports."
    text = (ROOT / "_quarto.yml").read_text(encoding="utf-8")
    return list(dict.fromkeys(re.findall(r"^ +- nbs/(?!tutorials)(\w+)/\w+\.ipynb$", text, flags=re.M)))


WINGS = wings()
WING = {module: module.split(".")[0] for path in WRITERS for module in default_exp(path)}
OLD_FACES = {"batches": "learning", "networks": "learning", "metric": "learning"}


def place(module: str) -> int:
    "Give the place of a module's wing, or of a face that is called otherwise than its wing, in the order of imports."
    wing = module.split(".")[0]
    return WINGS.index(OLD_FACES.get(wing, wing))


def metaug_imports(path: Path, code: str) -> set[str]:
    "Give the modules below metaug, as `core.files`, that code of a file imports from."
    found, here = (
        set(),
        ("metaug", *path.relative_to(ROOT / "metaug").parts[:-1]) if path.is_relative_to(ROOT / "metaug") else (),
    )
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {a.name.removeprefix("metaug.") for a in node.names if a.name.startswith("metaug.")}
        elif isinstance(node, ast.ImportFrom):
            inside = (
                [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
                if node.level
                else (node.module or "").split(".")
            )
            inside = [part for part in inside if part]
            if inside[:1] == ["metaug"]:
                found |= {".".join(inside[1:])} if len(inside) > 1 else {a.name for a in node.names}
    return {module for module in found if module.split(".")[0] in {*WINGS, *OLD_FACES}}


def project_files() -> list[Path]:
    "List the files that are, or would be, committed."
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / n for n in names.split("\0") if n and (ROOT / n).is_file()]


# ---------------------------------------------------------------- imports


@each_module
def test_a_module_imports_from_its_own_wing_and_those_before(path):
    later = {m for m in metaug_imports(path, path.read_text(encoding="utf-8")) if place(m) > place(module_name(path))}
    assert not later, f"{path.name} imports {sorted(later)}"


@each_writer
def test_a_notebook_imports_from_its_own_wing_and_those_before(path):
    (own,) = default_exp(path)
    later = {m for code in code_cells(path) for m in metaug_imports(path, code) if place(m) > place(own)}
    if path.stem == "05_experiment":
        later -= {"analysis"}  # the run shows figures as any user does; the module imports none
    assert not later, f"{path.name} imports {sorted(later)}"


def test_rooms_of_a_wing_import_each_other_one_way():
    uses = {module_name(p): metaug_imports(p, p.read_text(encoding="utf-8")) for p in MODULES}
    left = {module: {m for m in of if m in uses} for module, of in uses.items()}
    while free := [module for module, of in left.items() if not of]:
        left = {module: of - set(free) for module, of in left.items() if module not in free}
    assert not left, f"import each other in a circle: {sorted(left)}"


@each_module
def test_a_module_has_one_idea(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    said = any(re.match(r"# (Longer|Long) than 350 lines", line) for line in lines)
    assert len(lines) <= 350 or said, (
        f"{path.name} has {len(lines)} lines; split it, or say why not in a comment `# Longer than 350 lines: …`"
    )


def test_the_sidebar_lists_each_notebook_once():
    text = (ROOT / "_quarto.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +(?:- |href: )(nbs/[\w/]+\.ipynb)$", text, flags=re.M)
    assert sorted(listed) == sorted(p.relative_to(ROOT).as_posix() for p in NOTEBOOKS)


@pytest.mark.parametrize(
    "module",
    [
        "core.neighbours",
        "core.statistics",
        "selection.algorithm",
        "selection.schemes",
        "selection.schemes",
        "selection.effects",
        "analysis.tables",
        "analysis.comparisons",
    ],
)
def test_science_on_tables_imports_no_plumbing(module):
    path = ROOT / "metaug" / f"{module.replace('.', '/')}.py"
    plain = {
        "core.checks",
        "core.compiled",
        "core.constants",
        "core.neighbours",
        "core.plugins",
        "core.statistics",
        *WINGS,
        "selection.algorithm",
        "selection.schemes",
        "selection.schemes",
        "analysis.tables",
    }
    assert metaug_imports(path, path.read_text(encoding="utf-8")) <= plain - {
        "core",
        "datasets",
        "experiment",
        "learning",
    }


def run_python(code: str) -> str:
    "Run code in a fresh interpreter and give what it printed."
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_metaug_is_light():
    assert run_python("import sys, metaug; print('torch' in sys.modules)").strip() == "False"


@pytest.mark.parametrize("module", ["networks", "metric", "benchmarks"])
def test_an_import_warns_of_nothing(module):
    done = subprocess.run([sys.executable, "-c", f"import metaug.{module}"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_is_light():
    code = "import sys; sys.argv = ['metaug', '--help']\nfrom metaug.cli import main\ntry: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    shown = run_python(code)
    assert "Usage" in shown or "usage" in shown
    assert shown.splitlines()[-1] == "False"


# ---------------------------------------------------------------- notebooks and what is written from them


@each_writer
def test_a_notebook_writes_one_module(path):
    (module,) = default_exp(path)
    wing, room = module.split(".")
    if path in LESSONS:
        assert re.fullmatch(r"\d\d_\w+", path.stem), f"{path.name}: lessons are numbered 00 to 08"
    else:
        assert (path.parent.name, path.stem) == (wing, room), (
            f"{path.name}: a room's notebook lies in its wing and is called as its module"
        )


def test_each_module_has_its_notebook():
    written = [m for path in WRITERS for m in default_exp(path)]
    assert sorted(written) == sorted(map(module_name, MODULES))


def test_make_test_runs_each_notebook_once():
    (lines,) = re.findall(r"^define NOTEBOOKS\n(.*?)\nendef", (ROOT / "Makefile").read_text(), re.M | re.S)
    found = []
    for line in lines.splitlines():
        folder, *options = line.split()
        names = [option.removeprefix("--") for option in options[::2]]
        found += nbglob(ROOT / folder, as_path=True, **dict(zip(names, options[1::2])))
    assert sorted(found) == sorted(NOTEBOOKS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:  # a copy of the project after `make prepare`
    "Do in a copy what `make prepare` does here."
    copy = copy_project(tmp_path_factory.mktemp("prepared"))
    bin_ = Path(sys.executable).parent
    for command in (
        [sys.executable, ".ci/house.py", "tidy"],
        [bin_ / "nbdev_clean"],
        [bin_ / "nbdev_export"],
        [sys.executable, ".ci/house.py", "readme"],
    ):
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    return copy


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "metaug").rglob("*.py")), *NOTEBOOKS, ROOT / "README.md"],
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_prepare_changes_nothing(path, prepared):
    new = (prepared / path.relative_to(ROOT)).read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8") == new, f"{path.name} is out of step: run `make prepare` and commit"


def test_prepare_writes_no_other_file(prepared):
    written = {p.relative_to(prepared).as_posix() for p in (prepared / "metaug").rglob("*.py")}
    assert written == {p.relative_to(ROOT).as_posix() for p in (ROOT / "metaug").rglob("*.py")}


@each_notebook
def test_cells_have_their_own_stable_ids(path):
    nb = json.loads(path.read_text(encoding="utf-8"))
    assert (nb["nbformat"], nb["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in nb["cells"]]
    assert len(set(ids)) == len(ids)
    nbformat.validate(nbformat.from_dict(nb))


@each_notebook
def test_each_name_in_a_notebook_is_known_and_stands_for_one_thing(path):
    "Slow cells run nowhere but where they were written, so what they lack is looked for in the text."
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F821,F811"]
    said = subprocess.run([*ruff, "--output-format", "concise", path], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


GIVES_NOTHING = (  # functions whose call may end a cell that shows nothing
    "test_eq test_close test_ne test_warns assert_frame_equal cleanup insert write check run_tasks return_memory "
    "simplefilter display"
).split()


def shows_something(code: str) -> bool:
    "Whether a cell ends with a value that a notebook shows, as far as its text tells."
    if re.search(r"^#\| *(export|include: false|hide|default_exp|exec: false|eval: false)", code, re.M):
        return False
    last = ast.parse(re.sub(r"^[%!].*$", "", code, flags=re.M)).body[-1:]
    if code.rstrip().endswith(";") or not last or not isinstance(last[0], ast.Expr):
        return False
    value = last[0].value
    called = value.func if isinstance(value, ast.Call) else None
    return getattr(called, "attr", getattr(called, "id", "")) not in GIVES_NOTHING


@each_notebook
def test_what_a_cell_shows_is_stored(path):
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    lacking = [c["id"] for c in cells if shows_something("".join(c["source"])) and not c["outputs"]]
    assert not lacking, f"{path.name}: run the cells {', '.join(lacking)} and keep their outputs"


@pytest.mark.parametrize("code", ["1 + 1", "print(2)", "x = 1\nx", "#| slow\ntable.round(2)"])
def test_cells_that_show_something_are_seen(code):
    assert shows_something(code)


@pytest.mark.parametrize(
    "code", ["x = 1", "plot(x);", "test_eq(1, 1)", "#| export\nprint(1)", "tmp.cleanup()", "#| include: false\n1", ""]
)
def test_cells_that_show_nothing_pass(code):
    assert not shows_something(code)


@each_notebook
def test_a_notebook_is_small(path):
    assert path.stat().st_size < 1_000_000


@each_lesson
def test_outputs_are_stored_and_are_not_errors(path):
    outputs = [o for c in json.loads(path.read_text(encoding="utf-8"))["cells"] for o in c.get("outputs", [])]
    assert outputs, f"{path.name}: run it and keep its outputs"
    assert not [o["ename"] for o in outputs if o["output_type"] == "error"]


@each_notebook
def test_a_notebook_begins_with_title_and_summary(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert re.match(r"# \S.*\n\n> \S", house.source(cells[0])), (
        f"{path.name}: begin with `# Title`, an empty line and `> one line`"
    )


@each_writer
def test_an_exported_cell_imports_or_computes(path):
    for code in code_cells(path):
        if re.search(r"^#\|\s*export", code, flags=re.M):
            kinds = {isinstance(n, ast.Import | ast.ImportFrom) for n in ast.parse(code).body}
            assert len(kinds) < 2, f"{path.name}: an exported cell imports and does something else:\n{code}"


def test_clean_keeps_papermills_parameters(tmp_path):
    shutil.copy(ROOT / "settings.ini", tmp_path)
    cell = nbformat.v4.new_code_cell(
        "k = 5", metadata={"tags": ["parameters"], "collapsed": True}, execution_count=3, id="ab12cd34"
    )
    nb = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(nb, tmp_path / "one.ipynb")
    subprocess.run(
        [Path(sys.executable).parent / "nbdev_clean", "--fname", "one.ipynb"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    cleaned = json.loads((tmp_path / "one.ipynb").read_text(encoding="utf-8"))["cells"][0]
    assert cleaned["metadata"] == {"tags": ["parameters"]}
    assert (cleaned["id"], cleaned["execution_count"]) == ("ab12cd34", None)


def test_the_experiment_has_parameters():
    path = ROOT / "nbs/05_experiment.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    wanted = {
        "data",
        "fold",
        "k",
        "schemes",
        "seed",
        "epochs",
        "metric_epochs",
        "recipe",
        "engine",
        "valid_folds",
        "out",
    }
    assert wanted <= {
        t.id
        for n in ast.parse(house.source(tagged[0])).body
        if isinstance(n, ast.Assign | ast.AnnAssign)
        for t in getattr(n, "targets", None) or [n.target]
    }


# ---------------------------------------------------------------- what code and files must not hold


def offences(code: str) -> list[str]:
    "List what the house style forbids in library code, with line numbers."
    found = []
    for node in ast.walk(ast.parse(code)):
        text = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            found.append((node.lineno, "import *"))
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                {getattr(node, "module", None) or "", *(a.name for a in node.names)}
                if isinstance(node, ast.ImportFrom)
                else {a.name for a in node.names}
            )
            found += [(node.lineno, f"import {n}") for n in names & {"pickle", "jsonpickle", "pdb"}]
        if isinstance(node, ast.Assert):
            found.append((node.lineno, "assert"))
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or all(isinstance(n, ast.Pass) for n in node.body)
        ):
            found.append((node.lineno, "silent except"))
        if text in {"print", "eval", "exec", "breakpoint", "random.seed"}:
            found.append((node.lineno, text))
        # get_state, set_state and RandomState put NumPy's global generator back where it was, for pipelines of others
        allowed = "default_rng|Generator|SeedSequence|PCG64|Philox|(?:get_state|set_state|RandomState)$"
        if re.fullmatch(rf"(np|numpy)\.random\.(?!{allowed})\w+", text):
            found.append((node.lineno, text))
        if text == "torch.load" and not any(
            k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords
        ):
            found.append((node.lineno, "torch.load without weights_only=True"))
    return [f"line {line}: {what}" for line, what in sorted(found)]


@each_module
def test_library_code_keeps_to_the_style(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code",
    [
        "from a import *",
        "import pickle",
        "from pickle import load",
        "assert x",
        "try: f()\nexcept E: pass",
        "print(1)",
        "np.random.rand(3)",
        "np.random.seed(3)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
    ],
)
def test_offences_are_seen(code):
    assert offences(code)


@pytest.mark.parametrize(
    "code",
    [
        "from a import b",
        "np.random.default_rng(0)",
        "np.random.set_state(before)",
        "torch.load(f, weights_only=True)",
        "try: f()\nexcept E as e: raise F from e",
    ],
)
def test_good_code_passes(code):
    assert offences(code) == []


# ---------------------------------------------------------------- dialect: what `ruff format` leaves open

VERBS = set(
    """
    Accept Add Adapt Apply Ask Assign Average Band-pass Blend Bound Bring Build Call Cast Change Check Choose Claim Clip
    Collect Colour Combine Compare Compress Compute Convert Copy Count Cut Decide Decode Deform Deliver Describe Divide
    Do Download Draw Embed End Estimate Execute Export Fetch Fill Find Fit Flag Follow Forget Generate Give Group Guess Hash
    Hold Import Judge Keep Label Lay Lead Learn Leave Let Limit List Listen Load Look Lower Make Mark Match Measure Merge Mix
    Move Name Open Order Parse Pick Place Play Plot Predict Print Provide Put Quote Raise Read Recognise Record Refuse
    Remove Render Repeat Replay Report Resample Resolve Return Round Run Save Say Search Select Send Set Shift Show Shuffle
    Skip Sort Split Standardise Start Stop Store Stretch Take Test Time Train Transform Translate Try Turn Unpack Use Wait
    Walk Warn Watch Weigh Wrap Write
    Bootstrap Compile Encode Correct Correlate Digest Peak-normalise Project Sample Score Share Silence Sum Summarise
    """.split()
)  # first words of docstrings; add a verb when you need one


def long_lines(code: str) -> list[str]:
    "List lines of over 120 characters, but `__all__` and those that hold a URL."
    lists = [n for n in ast.parse(code).body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    free = {line for n in lists for line in range(n.lineno, n.end_lineno + 1)}
    return [
        f"line {number}: {len(line)} characters"
        for number, line in enumerate(code.splitlines(), 1)
        if len(line) > 120 and number not in free and "://" not in line
    ]


def documented(code: str) -> list[tuple[str, ast.AST, bool]]:
    "Give the public functions, classes and methods of a module: name, definition, and whether it must have a docstring."
    found = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found.append((node.name, node, True))
            inside = node.body if isinstance(node, ast.ClassDef) else []
            methods = [m for m in inside if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
            found += [(f"{node.name}.{m.name}", m, False) for m in methods]  # one that overrides has its parent's
    return found


def poor_docstrings(code: str) -> list[str]:
    "List public names whose docstring is missing, begins with no verb or ends without a full stop."
    found = []
    for name, node, needed in documented(code):
        text = (ast.get_docstring(node) or "").strip()
        if not text:
            found += [f"{name} has no docstring"] if needed else []
            continue
        first, *rest = text.split()
        if first.rstrip(",") not in VERBS or (rest[:1] == ["of"] and first != "Warn"):  # `Share of …` is a noun
            found.append(f"{name} begins with no verb: {text[:60]!r}")
        if not text.endswith((".", "?", "!")):
            found.append(f"{name} ends without a full stop: {text[-60:]!r}")
    return found


def raised(function: ast.FunctionDef) -> set[str]:
    "Give the exceptions that a function raises itself, not in a function inside it."
    found, todo = set(), list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).rpartition(".")[2])
        found -= {name for name in found if re.fullmatch("Cancel.*Exception", name)}  # fastai's way to skip a step
        todo += ast.iter_child_nodes(node)
    return found


def unnamed_exceptions(code: str) -> list[str]:
    "List public functions that raise what their docstring does not name; for `__init__` the class's docstring counts."
    pairs = [(name, node, ast.get_docstring(node)) for name, node, _ in documented(code)]
    for name, node, text in list(pairs):
        if isinstance(node, ast.ClassDef):
            made = [m for m in node.body if isinstance(m, ast.FunctionDef) and m.name in ("__init__", "__new__")]
            pairs += [(f"{name}.{m.name}", m, text) for m in made]
    return [
        f"{name} does not say that it raises {exception}"
        for name, node, text in pairs
        if isinstance(node, ast.FunctionDef)
        for exception in sorted(raised(node))
        if f"`{exception}`" not in (text or "")
    ]


def private_names(code: str) -> set[str]:
    "Give the private names that a module defines."
    found = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return {name for name in found if name.startswith("_") and not name.endswith("__")}


def defined_twice(modules: dict[str, str]) -> list[str]:
    "List the private names that two modules define."
    homes: dict[str, list[str]] = {}
    for module, code in modules.items():
        for private in private_names(code):
            homes.setdefault(private, []).append(module)
    return sorted(f"{private}: {', '.join(sorted(of))}" for private, of in homes.items() if len(of) > 1)


@each_module
def test_no_line_is_too_long(path):
    assert long_lines(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [*FACES, ROOT / "metaug/cli.py", ROOT / "metaug/core/moved.py"], ids=name)
def test_no_line_of_a_plain_module_is_too_long(path):
    assert long_lines(path.read_text(encoding="utf-8")) == []


@each_module
def test_docstrings_begin_with_a_verb_and_end_with_a_full_stop(path):
    assert poor_docstrings(path.read_text(encoding="utf-8")) == []


@each_module
def test_docstrings_name_what_is_raised(path):
    assert unnamed_exceptions(path.read_text(encoding="utf-8")) == []


def test_a_private_name_means_one_thing():
    assert defined_twice({module_name(p): p.read_text(encoding="utf-8") for p in MODULES}) == []


@pytest.mark.parametrize(
    "code", ["x = 1" + " " * 116 + "# no", "def f(): pass\n__all__ = []\n" + "y" * 121, "# " + "x" * 119]
)
def test_long_lines_are_seen(code):
    assert long_lines(code)


@pytest.mark.parametrize(
    "code",
    [
        "x" * 120,
        "__all__ = ['" + "x" * 120 + "']",
        "# https://example.org/" + "x" * 110,
        "__all__ = ['a',\n" + " " * 120 + "'b']",
    ],
)
def test_lines_that_can_not_be_shorter_pass(code):
    assert long_lines(code) == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(): pass",
        "def f(): 'The mean.'",
        "def f(): 'Give the mean'",
        "def f(): 'give the mean.'",
        "def f(): 'Count of clips.'",
        "class A: 'A thing.'",
        "class A:\n 'Hold a thing.'\n def f(self): 'Its size.'",
    ],
)
def test_poor_docstrings_are_seen(code):
    assert poor_docstrings(code)


@pytest.mark.parametrize(
    "code",
    [
        "def f(): 'Give the mean.'",
        "def _f(): 'The mean'",
        "class A: 'Hold a thing.'",
        "class E(ValueError): 'Say that something failed.'",
        "def f(): 'Warn of classes that are too small.'",
        "class A:\n 'Hold a thing.'\n def f(self): pass\n def _g(self): 'Its size'",
        "def f():\n 'Give the mean.\\n\\n    Raise `E` if it has none.'",
    ],
)
def test_good_docstrings_pass(code):
    assert poor_docstrings(code) == []


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n 'Give it.'\n raise E('no')",
        "def f():\n 'Give it. Raises `E` if not.'\n if x: raise E('no')\n raise G('no')",
        "def f():\n 'Give it.'\n try: x()\n except G as e: raise m.E('no') from e",
        "class A:\n 'Hold it.'\n def __init__(self): raise E('no')",
        "class A:\n 'Hold it. Raises `E`.'\n def f(self):\n  'Give it.'\n  raise E('no')",
    ],
)
def test_unnamed_exceptions_are_seen(code):
    assert unnamed_exceptions(code)


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n 'Give it. Raises `E` if not.'\n raise E('no')",
        "def _f(): raise E('no')",
        "def f():\n 'Give it.'\n def inside(): raise E('no')\n return inside",
        "def f():\n 'Give it.'\n try: x()\n except G: raise",
        "def f():\n 'Stop it.'\n raise CancelFitException()",
        "class A:\n 'Hold it. Raises `E`.'\n def __init__(self): raise E('no')",
    ],
)
def test_named_exceptions_pass(code):
    assert unnamed_exceptions(code) == []


def test_private_names_with_two_meanings_are_seen():
    assert defined_twice({"a": "_x = 1\ndef _f(): pass", "b": "def _x(): pass", "c": "y = _f"}) == ["_x: a, b"]
    assert defined_twice({"a": "_x, _y = 1, 2", "b": "_y: int = 3"}) == ["_y: a, b"]
    assert defined_twice({"a": "__all__ = []\nx = 1", "b": "__all__ = []\nx = 2"}) == []


# ---------------------------------------------------------------- faces


def wrong_face(face) -> list[str]:
    "List what is wrong with the list of names that a package hands on."
    listed = list(getattr(face, "__all__", ()))
    found = [f"{listed_name} is listed twice" for listed_name in sorted({n for n in listed if listed.count(n) > 1})]
    return found + [f"{listed_name} is missing" for listed_name in listed if not hasattr(face, listed_name)]


@pytest.mark.parametrize("face", [f"metaug.{wing}" for wing in WINGS] + [f"metaug.{f}" for f in OLD_FACES])
def test_a_face_exports_what_it_lists(face):
    assert wrong_face(importlib.import_module(face)) == []


def test_wrong_faces_are_seen():
    assert wrong_face(SimpleNamespace(__all__=["a", "b", "b"], b=1)) == ["b is listed twice", "a is missing"]
    assert wrong_face(SimpleNamespace(__all__=["b"], b=1)) == []


# ---------------------------------------------------------------- what files must not name

HOSTS = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org", "ana" + "conda.org"]
FOREIGN = {
    "a path of one machine": re.compile(r"(?<![\w.~:-])/(?:work|home|root|Users|tmp|mnt)/[\w.-]|\b[A-Z]:\\\\?Users"),
    "a package registry": re.compile("|".join(map(re.escape, HOSTS))),
    "a conflict mark": re.compile(r"^(?:<{7} |>{7} )", re.M),
}


def test_files_name_nothing_foreign():
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and sounds
        if path.suffix == ".ipynb":  # embedded pictures and players can hold any letters
            text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", text)
        found += [
            f"{path.relative_to(ROOT)}: {what}: {m[0]!r}" for what, mark in FOREIGN.items() if (m := mark.search(text))
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["see /" + "home/me/x", "File '/" + "tmp/tmpab/x.wav'", "https://" + HOSTS[0] + "/simple"]
)
def test_foreign_names_are_seen(text):
    assert any(mark.search(text) for mark in FOREIGN.values())


@pytest.mark.parametrize("text", ["bin/" + "tmp/x", "https://example.org/" + "home/x", "a/b", "./" + "tmp/x"])
def test_own_names_pass(text):
    assert not any(mark.search(text) for mark in FOREIGN.values())


def test_the_top_level_holds_only_what_it_must():
    assert {p.relative_to(ROOT).parts[0] for p in project_files()} <= TOP


# ---------------------------------------------------------------- versions


def lock() -> dict[str, Requirement]:
    "Read requirements.lock."
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    rows = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): r for r in rows}


def test_the_lock_holds_exact_versions_alone():
    for r in lock().values():
        assert r.url is None and [s.operator for s in r.specifier] == ["=="], str(r)


def test_the_lock_holds_what_settings_ask_for():
    locked = lock()
    for text in (SETTINGS["DEFAULT"]["requirements"] + " " + SETTINGS["DEFAULT"]["dev_requirements"]).split():
        wanted = Requirement(text)
        row = locked[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(next(iter(row.specifier)).version, prereleases=True), f"{row} is not {wanted}"


def test_what_breaks_soundfile_is_not_locked():
    assert not {"pysoundfile", "muda"} & set(lock())


def test_locked_versions_install_on_the_first_python_3_11():
    for key, row in lock().items():
        try:
            dist = metadata.distribution(row.name)
        except metadata.PackageNotFoundError:
            continue  # only for another machine
        if row.specifier.contains(dist.version):
            python = dist.metadata.get("Requires-Python") or ""
            assert SpecifierSet(python).contains("3.11.0"), f"{key} {dist.version} needs Python {python}"


NOT_ENGLISH = re.compile(
    r"\b(?:a|one) (?:row|subfolder|line|column) a [a-z]|\bby lot\b|\bthe lot\b|can't be told from|\b[Ii]n comes? |\b[Cc]ut off, it"
)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[p.stem for p in NOTEBOOKS])
def test_prose_is_plain_english(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        found = NOT_ENGLISH.search(house.source(cell))
        assert not found, f"{path.name}, cell {cell['id']}: {found[0]!r} is not plain English"


FIGURES = [
    (path, cell)
    for path in NOTEBOOKS
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
]


@pytest.mark.parametrize(
    "path, cell", FIGURES, ids=[f"{p.relative_to(ROOT / 'nbs').with_suffix('')}-{c['id']}" for p, c in FIGURES]
)
def test_a_figure_is_described_and_can_be_read(path, cell):
    assert re.search(r"^#\|\s*fig-alt: ?\S", house.source(cell), flags=re.M), "a figure needs #| fig-alt"
    if re.search(r"^#\|\s*slow", house.source(cell), flags=re.M):
        return  # real recordings are needed to draw it anew
    for output in cell["outputs"]:
        if png := output.get("data", {}).get("image/png"):
            dpi = Image.open(io.BytesIO(base64.b64decode("".join(png)))).info.get("dpi")
            assert dpi is None or round(dpi[0]) >= 100, f"a figure needs 100 dots per inch, got {dpi[0]:.0f}"


# ---------------------------------------------------------------- README and site


def test_readme_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", text):
        assert (ROOT / link).exists(), f"README.md: {link}"


def test_relink():
    assert house.relink("[a](00_datasets.ipynb) ![b](images/r.png) [c](../LICENSE) [d](https://x.org) [e](#f)") == (
        "[a](nbs/00_datasets.ipynb) ![b](nbs/images/r.png) [c](LICENSE) [d](https://x.org) [e](#f)"
    )
    assert house.relink('<img src="images/r.png">') == '<img src="nbs/images/r.png">'


def test_tidied_hides_in_a_way_that_all_tools_know():
    nb = {
        "cells": [
            {"cell_type": "code", "source": ["#| hide\n", "import os"], "outputs": []},
            {"cell_type": "markdown", "source": "#| hide"},
        ]
    }
    assert [house.source(c) for c in house.tidied(nb)["cells"]] == ["#| include: false\nimport os", "#| hide"]


@pytest.mark.parametrize(
    "text",
    [
        "/x/site-packages/a.py:1: FutureWarning: old\n",
        "sox WARN compand: compand clipped 6 samples; decrease volume?\n",
    ],
)
def test_tidied_drops_other_programs_warnings_alone(text):
    kept = [
        {"output_type": "stream", "name": "stderr", "text": ["our own word\n"]},
        {"output_type": "execute_result", "data": {}},
    ]
    warning = {"output_type": "stream", "name": "stderr", "text": [text]}
    nb = {"cells": [{"cell_type": "code", "source": "1", "outputs": [warning, *kept]}]}
    assert house.tidied(nb)["cells"][0]["outputs"] == kept


def test_tidied_puts_the_title_first():
    title, exp = (
        {"cell_type": "markdown", "source": "# T\n\n> t"},
        {"cell_type": "code", "source": "#| default_exp t", "outputs": []},
    )
    assert (
        house.tidied({"cells": [exp, title]})["cells"] == house.tidied({"cells": [title, exp]})["cells"] == [title, exp]
    )


def test_a_file_that_is_written_stays_executable(tmp_path):
    path = tmp_path / "house.py"
    path.write_text("old")
    path.chmod(0o755)
    house.write(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o755)


def test_the_programs_of_the_house_are_executable():
    assert all(os.access(ROOT / ".ci" / program, os.X_OK) for program in ("house.py", "pages.py", "run"))


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x">1</a> <a href="b.html#y">2</a> <a href="c.html">3</a> <img src="d.png"> <a href="https://x.org">4</a> <a href="#z">5</a>'
    )
    (tmp_path / "b.html").write_text('<h1 id="x">b</h1> <a href="a.html">back</a>')
    assert house.broken_links(tmp_path) == ["a.html: b.html#y", "a.html: c.html", "a.html: d.png", "a.html: #z"]


def test_the_site_builds_without_a_warning(prepared):
    smalldocs = Path(sys.executable).parent / "smalldocs"
    env = {**os.environ, "PATH": f"{smalldocs.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", smalldocs, "render", "--strict", "."],
        cwd=prepared,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert house.broken_links(prepared / "_docs") == []
    pages = {p.relative_to(prepared / "_docs").with_suffix("") for p in (prepared / "_docs/nbs").rglob("*.html")}
    assert pages == {p.relative_to(ROOT).with_suffix("") for p in NOTEBOOKS}
    assert {p.stem.split(".")[-1] for p in (prepared / "_docs/api").glob("*.html")} >= {p.stem for p in MODULES}
    for page in (prepared / "_docs/nbs").rglob("*.html"):
        assert not re.search(r"<(?:script|link)[^>]*(?:katex|mathjax)", page.read_text(encoding="utf-8")), (
            f"{page.name} needs a network"
        )
        assert "#| " not in re.sub(r"<p>.*?</p>|<li>.*?</li>", "", page.read_text(encoding="utf-8"), flags=re.S), (
            f"{page.name} shows a directive"
        )
