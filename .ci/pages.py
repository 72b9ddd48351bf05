#!/usr/bin/env python3
"""Mend the built site; Quarto and smalldocs call this when they have written the pages (`post-render` in _quarto.yml).

It needs the standard library, house.py beside it, and latex2mathml for equations that need no network.
"""

import ast
import html
import json
import os
import re
import shutil
import sys
from pathlib import Path

from house import ROOT, notebooks, source, write

HERE = Path(__file__).resolve().parent
FONTS = re.compile(
    r"@import\s+url\([^)]*//[^)]*\)\s*;?|@import\s+[\"'](?:https?:)?//[^\"']*[\"']\s*;?"
)  # that themes fetch from another host; others are named beside them

# ---------------------------------------------------------------- equations

MATHS = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.S)
MATHS_SCRIPT = re.compile(
    r'<script[^>]*src="https?://[^"]*(?:katex|mathjax)[^"]*"[^>]*></script>|<link[^>]*href="https?://[^"]*katex[^"]*"[^>]*>',
    re.I,
)
TAG = re.compile(r"\\tag\{([^}]*)\}")


def with_mathml(
    page: str,  # HTML with TeX in it, as smalldocs and Pandoc write it
    convert,  # from TeX and `inline` or `block` to MathML
) -> str:  # the same with MathML, and without the scripts from elsewhere that drew the TeX
    "Turn a page's equations into MathML, which browsers draw by themselves, offline too; a number goes to the right."

    def one(m):
        tex = html.unescape(m[2]).strip()
        number = TAG.search(tex)
        mathml = convert(TAG.sub("", tex).strip(), display="block" if m[1] == "display" else "inline")
        mathml = mathml.replace("&#x029F5;", "&#x02216;")  # a set minus that common fonts have
        if number:
            return f'<span class="math {m[1]} numbered">{mathml}<span>({html.escape(number[1])})</span></span>'
        return f'<span class="math {m[1]}">{mathml}</span>'

    return MATHS_SCRIPT.sub("", MATHS.sub(one, page))


# ---------------------------------------------------------------- cells of a notebook


def defined(
    code: str,  # Python
) -> dict[str, str]:  # public names and the first sentence of their docstrings
    "Find what code defines."
    found = {}
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = re.split(r"(?<=[.:])\s+(?=[A-Z`])", (ast.get_docstring(node) or "").strip())[0]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({t.id: "" for t in targets if isinstance(t, ast.Name)})
    return {name: said for name, said in found.items() if not name.startswith("_")} or found


def summary(
    cell: dict,  # of a notebook
) -> str | None:  # HTML for the line that its folded code leaves; None for code that is shown
    "Say what a cell of imports or of the library's own code holds."
    code = re.sub(r"^#\|.*\n?", "", source(cell), flags=re.M)
    try:
        nodes = ast.parse(code).body
    except SyntaxError:  # a cell with a magic
        return None
    if nodes and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in nodes):
        return "Imports"
    if not nodes or not re.search(r"^#\|\s*exports?\b", source(cell), re.M):
        return None
    names = defined(code)
    said = next(iter(names.values())) if len(names) == 1 else ""
    shown = ", ".join(f"<code>{html.escape(name)}</code>" for name in names) or "Code"
    return f"{shown}: {html.escape(said)}" if said else shown


def with_folds(
    page: str,  # HTML of a notebook
    cells: list[dict],  # its cells
) -> str:  # the same with imports and exported code folded
    "Fold what a reader of a lesson need not read: it opens with a click."

    def one(m):
        said = summary(cells[int(m[2])])
        return m[0] if said is None else f'{m[1]}<details class="code-fold"><summary>{said}</summary>{m[3]}</details>'

    code = r'(<div id="cell-(\d+)" class="cell">\n)(<div class="code-copy-outer-scaffold">.*?</pre></div>.*?</div>)'
    return re.sub(code, one, page, flags=re.S)


ALT = re.compile(r"^#\|\s*fig-alt:\s*(.+)$", re.M)


def with_alt(
    page: str,  # HTML of a notebook
    cells: list[dict],  # its cells
) -> str:  # the same with a description in each picture whose cell has one
    """Describe pictures by the line `fig-alt` of their cells, also beside a directive that is no `key: value`, such as `slow`.
    Mark pictures of sound, whose colours stay as they are in dark mode."""

    def one(m):
        cell, shown = source(cells[int(m[1])]), m[0]
        if re.search(r"\b(imshow|specgram)\(", cell):
            shown = shown.replace('class="img-fluid"', 'class="img-fluid spectrogram"')
        said = ALT.search(cell)
        if said is None:
            return shown
        text = html.escape(said[1].strip().strip('"').replace('\\"', '"'), quote=True)
        return re.sub(r"<img (?![^>]*\balt=)", lambda _: f'<img alt="{text}" ', shown)

    return re.sub(r'<div id="cell-(\d+)" class="cell">.*?(?=<div id="cell-|</main>)', one, page, flags=re.S)


# ---------------------------------------------------------------- lessons and the API reference

MODULE = re.compile(r"^#\|\s*default_exp\s+(\S+)", re.M)


def modules(
    found: dict[Path, list[dict]],  # notebooks, relative to the project's folder, and their cells
) -> dict[str, Path]:  # module's name to the notebook that writes it
    "Find which notebook writes which module."
    named = {path: MODULE.search("\n".join(map(source, cells))) for path, cells in found.items()}
    return {f"metaug.{m[1]}": path for path, m in named.items() if m}


def title(
    cells: list[dict],  # of a notebook
) -> str:  # its title
    "Read a notebook's title."
    return source(cells[0]).splitlines()[0].removeprefix("# ")


def with_lesson(
    page: str,  # HTML of a module's reference
    lesson: str,  # address of the notebook that writes it, relative to the page
    cells: list[dict],  # that notebook's cells
) -> str:  # the same with links to the notebook, and to the cell of each name
    "Lead from the API reference to where a name is explained and shown."
    where = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code" and re.search(r"^#\|\s*exports?\b", source(cell), re.M):
            where.update({name: number for name in defined(re.sub(r"^#\|.*\n?", "", source(cell), flags=re.M))})

    def one(m):
        number = where.get(m[2].split(".")[0])
        return m[0] if number is None else f'{m[1]} · <a href="{lesson}#cell-{number}">where it is shown</a>'

    page = re.sub(
        r'(data-anchor-id="([^"]+)">[^\n]*</h\d>\n<p><a href="[^"]*" class="source-link">source</a>)', one, page
    )
    link = f'<p class="lesson">Explained and shown in <a href="{lesson}">{html.escape(title(cells))}</a>.</p>\n'
    return re.sub(
        r'<header id="title-block-header".*?</header>', lambda m: f"{m[0]}\n{link}", page, count=1, flags=re.S
    )


def with_reference(
    page: str,  # HTML of a notebook
    module: str,  # the module that it writes
    reference: str,  # address of the module's reference, relative to the page
) -> str:  # the same with a link to the reference at its end
    "Lead from a lesson or room to the API reference."
    link = f'<p class="reference">Parameters and types of all its functions: <a href="{reference}"><code>{module}</code></a>.</p>\n'
    return re.sub(r'(?=<nav class="page-navigation">|</main>)', lambda m: link, page, count=1)


# ---------------------------------------------------------------- every page


def with_description(
    page: str,  # HTML
) -> str:  # the same with a description, for search engines and for those who are sent a link
    "Describe a page by the sentence under its title."
    said = re.search(r"<main.*?<blockquote>\s*<p>(.*?)</p>", page, re.S) or re.search(
        r"<main.*?<p>(.*?)</p>", page, re.S
    )
    if said is None or '<meta name="description"' in page:
        return page
    text = html.escape(" ".join(html.unescape(re.sub(r"<[^>]+>", "", said[1])).split())[:300], quote=True)
    return page.replace(
        "</head>",
        f'<meta name="description" content="{text}">\n<meta property="og:description" content="{text}">\n</head>',
        1,
    )


def with_head(
    page: str,  # HTML
    libs: str,  # address of site_libs, relative to the page
) -> str:  # the same with the site's style, and an icon, or every page asks for /favicon.ico
    "Link a page to the site's own style."
    icon = "" if 'rel="icon"' in page else '<link rel="icon" href="data:,">\n'
    return page.replace("</head>", f'{icon}<link rel="stylesheet" href="{libs}/metaug.css">\n</head>', 1)


def first_page() -> str:  # HTML
    "Write the page that leads to the index notebook, since the notebooks keep their folder."
    page = '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>metaug</title><link rel="icon" href="data:,">'
    page += '<meta http-equiv="refresh" content="0; url=nbs/index.html"></head>\n'
    return page + '<body><a href="nbs/index.html">metaug</a></body>\n</html>\n'


def mend(
    out: Path,  # the site's folder
    convert=None,  # latex2mathml's; None: the equations stay TeX
) -> None:
    "Mend every page of a built site, and its styles and search."
    read = {path: path.read_text(encoding="utf-8") for path in out.rglob("*.html")}
    found = {path.relative_to(ROOT): cells_of(path) for path in notebooks()}
    written_by = modules(found)
    described = {m[1]: path for path, page in read.items() if (m := re.search(r"<title>(metaug\.[\w.]+)", page))}
    for path, page in read.items():
        beside = lambda target: os.path.relpath(target, path.parent).replace(os.sep, "/")
        notebook = path.relative_to(out).with_suffix(".ipynb")
        if convert and MATHS.search(page):
            page = with_mathml(page, convert)
        if notebook in found:
            page = with_alt(with_folds(page, found[notebook]), found[notebook])
            module = next((m for m, writer in written_by.items() if writer == notebook and m in described), None)
            page = with_reference(page, module, beside(described[module])) if module else page
        for module, reference in described.items():
            if reference == path and module in written_by:
                lesson = written_by[module]
                page = with_lesson(page, beside(out / lesson.with_suffix(".html")), found[lesson])
        write(path, with_head(with_description(page), beside(out / "site_libs")))
    for path in out.rglob("*.css"):
        write(path, FONTS.sub("", path.read_text(encoding="utf-8")))
    shutil.copy(HERE / "pages.css", out / "site_libs" / "metaug.css")
    fuse = out / "site_libs/fuse/fuse.min.js"
    if fuse.exists():  # Quarto has a search of its own
        shutil.copy(HERE / "search.js", fuse)
    write(out / "index.html", first_page())


def cells_of(
    path: Path,  # a notebook
) -> list[dict]:  # its cells
    "Read a notebook's cells."
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


if __name__ == "__main__":
    try:
        from latex2mathml.converter import convert
    except ImportError:
        convert = None
        print(
            "pages.py: no latex2mathml here, so readers of the site need a network to see its equations",
            file=sys.stderr,
        )
    mend(ROOT / os.environ.get("QUARTO_PROJECT_OUTPUT_DIR", "_docs"), convert)
