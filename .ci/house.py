#!/usr/bin/env python3
"""What keeps the house in order. It needs the standard library alone, ruff to format code, and latex2mathml for the equations of the site.

house.py tidy           format all code, and mend in the notebooks what no other tool mends (see `tidied`)
house.py readme         write README.md from nbs/index.ipynb
house.py lock           write requirements.lock from the running environment
house.py site           after the site is built: its first page, and equations that need no network
house.py links FOLDER   check every link and anchor inside a built site
"""

import html
import json
import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
HIDE = re.compile(r"^#\|\s*hide\s*$", re.M)
HIDDEN = re.compile(r"^#\|\s*(include:\s*false|hide\s*$|default_exp\b)", re.M)
FONTS = re.compile(
    r"@import\s+url\([^)]*//[^)]*\)\s*;?|@import\s+[\"'](?:https?:)?//[^\"']*[\"']\s*;?"
)  # that themes fetch from another host; others are named beside them
STYLE = """
.sidebar-title a { color: inherit; }  /* it is black on dark */
table.dataframe th, table.dataframe td { padding: 0.15em 0.6em; }
"""
LINK = re.compile(r"(\]\(|\b(?:src|href)=[\"'])(?![a-z]+:|#|/)([^)\"'\s]+)")


# ---------------------------------------------------------------- notebooks


def notebooks() -> list[Path]:  # every notebook, in reading order
    "List the notebooks under nbs/."
    return sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def source(
    cell: dict,  # a notebook cell, or an output with `text`
) -> str:  # its text as one string
    "Join what a notebook may store as a list of lines."
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def tidied(
    nb: dict,  # a notebook
) -> dict:  # the same notebook with the cells mended
    """Say `include: false` for `hide`: nbdev, Quarto and smalldocs all understand it, `hide` only nbdev.
    Drop other programs' warnings from the outputs: they teach nothing, and Python's name this machine's folders.
    Put the title before a lone `default_exp`: the site takes a page's title from a notebook's first cell."""
    cells = nb["cells"]
    if (
        len(cells) > 1
        and re.fullmatch(r"#\|\s*default_exp\s+\S+\s*", source(cells[0]))
        and source(cells[1]).startswith("# ")
    ):
        cells[:2] = cells[1::-1]
    for cell in nb["cells"]:
        if cell["cell_type"] != "code":
            continue
        if HIDE.search(source(cell)):
            cell["source"] = HIDE.sub("#| include: false", source(cell)).splitlines(keepends=True)
        cell["outputs"] = [
            o
            for o in cell["outputs"]
            if not (o.get("name") == "stderr" and re.search("site-packages|^sox WARN", "".join(o["text"]), re.M))
        ]
    return nb


def dumps(
    nb: dict,  # a notebook
) -> str:  # its JSON, byte for byte as nbdev_clean writes it
    "Write a notebook as nbdev does."
    return json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


DIALECT = {"line-length": 120, "format.line-ending": "lf"}  # of all code of the project
PLAIN_CODE = ("tests", ".ci", "metaug")  # folders with code that no notebook writes
MAGIC = re.compile(r"^\s*[%!]", re.M)


def formatted(
    codes: list[str],  # Python
) -> list[str]:  # the same in the project's dialect; what is no Python is left as it is
    "Format pieces of code by one call of ruff."
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.py" for number in range(len(codes))]
        for file, code in zip(files, codes):
            file.write_text(code + "\n", encoding="utf-8")
        options = [f"--config={key}={json.dumps(value)}" for key, value in DIALECT.items()]
        subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--quiet", "--isolated", *options, folder], capture_output=True
        )
        return [file.read_text(encoding="utf-8").rstrip("\n") for file in files]


def format_cells(
    cells: list[dict],  # code cells, changed in place
) -> None:
    "Format the code of cells; directives at the beginning and a semicolon at the end, which hides a value, stay."
    parts = [re.match(r"((?:#\|[^\n]*\n?)*)(.*?)(;?)\s*$", source(cell), re.S).groups() for cell in cells]
    for cell, (directives, code, semicolon), new in zip(cells, parts, formatted([code for _, code, _ in parts])):
        if new.strip() and not MAGIC.search(code):
            cell["source"] = (directives + new.strip("\n") + semicolon).splitlines(keepends=True)


def tidy() -> None:
    "Mend every notebook in place, and format all code; what is right already is not touched."
    found = {path: json.loads(path.read_text(encoding="utf-8")) for path in notebooks()}
    before = {path: dumps(nb) for path, nb in found.items()}
    format_cells([cell for nb in found.values() for cell in tidied(nb)["cells"] if cell["cell_type"] == "code"])
    for path, nb in found.items():
        if dumps(nb) != before[path]:
            write(path, dumps(nb))
    own = [
        p
        for folder in PLAIN_CODE
        for p in sorted((ROOT / folder).rglob("*.py"))
        if "AUTOGENERATED" not in p.read_text(encoding="utf-8")[:1000]
    ]
    own = [p for p in own if p.name != "_modidx.py"]
    for path, new in zip(own, formatted([p.read_text(encoding="utf-8") for p in own])):
        write(path, new + "\n")


# ---------------------------------------------------------------- README


def relink(
    text: str,  # Markdown with links relative to nbs/
) -> str:  # the same with links relative to the top
    "Make relative links right for a file one folder further up."
    return LINK.sub(lambda m: m[1] + os.path.normpath(f"nbs/{m[2]}"), text)


def output_markdown(
    output: dict,  # an output of a code cell
) -> str:  # Markdown for it
    "Show a stored output in the README: Markdown, a table, or text; a picture must be a file that the text links to."
    if output["output_type"] == "stream":
        return "```\n" + "".join(output["text"]).rstrip() + "\n```"
    data = {mime: "".join(value) for mime, value in output.get("data", {}).items()}
    if any(mime.startswith("image/") for mime in data):
        raise ValueError(
            "nbs/index.ipynb: a picture in an output can't go into README.md; save it under nbs/images and link to it"
        )
    if "text/markdown" in data:
        return data["text/markdown"].strip()
    if "text/html" in data:
        return re.sub(r"<style.*?</style>\s*", "", data["text/html"], flags=re.S).strip()
    return "```\n" + data.get("text/plain", "").rstrip() + "\n```"


def readme_text() -> str:  # what README.md must hold
    "Turn the index notebook into the README: prose as it is, code in fences, outputs below."
    parts = ["<!-- Written from nbs/index.ipynb by `make prepare`: edit the notebook. -->"]
    for cell in json.loads((ROOT / "nbs/index.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(relink(source(cell)).strip())
        elif cell["cell_type"] == "code" and source(cell).strip() and not HIDDEN.search(source(cell)):
            code = re.sub(r"^#\|.*\n?", "", source(cell), flags=re.M).strip()
            parts += ([f"```python\n{code}\n```"] if code else []) + [output_markdown(o) for o in cell["outputs"]]
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- lock


def lock_text() -> str:  # what requirements.lock must hold
    "List the exact versions in the running environment, but those that are installed on their own."
    own = {"pip", "wheel", "metaug", "muda"}  # muda: see the Makefile
    linux = re.compile(r"(nvidia-|cuda-|triton$)")
    only = ' ; sys_platform == "linux" and platform_machine == "x86_64"'
    head = [
        "# The exact versions that are tested together; `make lock` writes this file. muda is installed on its own: see the Makefile."
    ]
    names = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    rows = [f"{n}=={v.split('+')[0]}{only if linux.match(n) else ''}" for n, v in names.items() if n.lower() not in own]
    return "\n".join(head + sorted(rows, key=str.lower)) + "\n"


# ---------------------------------------------------------------- site

MATHS = re.compile(r'(<span class="math (inline|display)">)\\[(\[](.*?)\\[)\]](</span>)', re.S)
MATHS_SCRIPT = re.compile(
    r'<script[^>]*src="https?://[^"]*(?:katex|mathjax)[^"]*"[^>]*></script>|<link[^>]*href="https?://[^"]*katex[^"]*"[^>]*>',
    re.I,
)


def with_mathml(
    page: str,  # HTML with TeX in it, as smalldocs and Pandoc write it
    convert,  # from TeX and `inline` or `block` to MathML
) -> str:  # the same with MathML, and without the scripts from elsewhere that drew the TeX
    "Turn a page's equations into MathML, which browsers draw by themselves, offline too."

    def one(m):
        mathml = convert(html.unescape(m[3]).strip(), display="block" if m[2] == "display" else "inline")
        return m[1] + mathml.replace("&#x029F5;", "&#x02216;") + m[4]  # a set minus that common fonts have

    style = "<style>.math.display { overflow: auto hidden; padding-block: .4em; }</style>"
    return MATHS_SCRIPT.sub("", MATHS.sub(one, page)).replace("</head>", style + "</head>", 1)


def site() -> None:
    "Mend a built site: equations, and a first page that leads to the index notebook, since the notebooks keep their folder."
    out = ROOT / os.environ.get("QUARTO_PROJECT_OUTPUT_DIR", "_docs")
    try:
        from latex2mathml.converter import convert
    except ImportError:
        print(
            "house.py: no latex2mathml here, so readers of the site need a network to see its equations",
            file=sys.stderr,
        )
    else:
        for path in out.rglob("*.html"):
            page = path.read_text(encoding="utf-8")
            if MATHS.search(page):
                write(path, with_mathml(page, convert))
    for path in out.rglob("*.css"):
        css = FONTS.sub("", path.read_text(encoding="utf-8"))
        write(path, css + STYLE if path.name == "smalldocs.css" else css)
    for path in out.rglob("*.html"):  # or every page asks for /favicon.ico
        page = path.read_text(encoding="utf-8")
        if 'rel="icon"' not in page:
            write(path, page.replace("</head>", '<link rel="icon" href="data:,">\n</head>', 1))
    page = '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>metaug</title><link rel="icon" href="data:,">'
    page += '<meta http-equiv="refresh" content="0; url=nbs/index.html"></head>\n<body><a href="nbs/index.html">metaug</a></body>\n</html>\n'
    write(out / "index.html", page)


class Page(HTMLParser):
    "The links and anchors of one HTML page."

    def __init__(self):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[k] for k in ("id", "name") if attrs.get(k)}
        self.links += [attrs[k] for k in ("href", "src") if attrs.get(k) and tag != "base"]


def broken_links(
    folder: Path,  # a built site
) -> list[str]:  # one line for each link inside the site that leads nowhere
    "Check links and anchors between the pages of a site."
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        pages[path.resolve()] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.exists() or (
                target in pages and anchor not in pages[target].anchors and not anchor.startswith(("/", ":"))
            ):
                found.append(f"{path.relative_to(folder.resolve())}: {link}")
    return found


# ---------------------------------------------------------------- command


def write(
    path: Path,  # where to
    text: str,  # what
) -> None:
    "Write a file when it differs, so that it appears whole or not at all."
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def main(
    argv: list[str],  # the command line, without the program's name
) -> int:  # exit status
    "Run one command."
    match argv:
        case ["tidy"]:
            tidy()
        case ["readme"]:
            write(ROOT / "README.md", readme_text())
        case ["lock"]:
            write(ROOT / "requirements.lock", lock_text())
        case ["site"]:
            site()
        case ["links", folder]:
            found = broken_links(Path(folder))
            print(
                "\n".join([f"broken link in {line}" for line in found] or [f"{folder}: no broken link"]),
                file=sys.stderr,
            )
            return 1 if found else 0
        case _:
            print(__doc__.strip(), file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
