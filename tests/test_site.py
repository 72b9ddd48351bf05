"The mending of the built site: equations, folds, links between lessons and reference, descriptions."

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ci"))
import pages

sys.path.remove(str(ROOT / ".ci"))


def code(*lines: str) -> dict:  # a code cell
    return {"cell_type": "code", "source": "\n".join(lines), "outputs": []}


def shown(number: int, inside: str) -> str:  # HTML of a cell
    return (
        f'<div id="cell-{number}" class="cell">\n<div class="code-copy-outer-scaffold"><div class="sourceCode">'
        f"<pre>{inside}</pre></div><button></button></div>\n</div>\n"
    )


def test_equations_become_mathml():
    from latex2mathml.converter import convert

    page = '<script src="https://x.org/katex.min.js" defer></script><p><span class="math inline">\\(a &lt; b\\)</span> <span class="math display">\\[x^2\\]</span> \\(c\\)</p>'
    new = pages.with_mathml(page, convert)
    assert new.count("<math") == 2 and "katex" not in new and "<mo><" not in new and "\\(c\\)" in new


def test_the_number_of_an_equation_is_beside_it():
    from latex2mathml.converter import convert

    new = pages.with_mathml('<span class="math display">\\[x = 1 \\tag{5}\\]</span>', convert)
    assert new.startswith('<span class="math display numbered"><math') and new.endswith(
        "</math><span>(5)</span></span>"
    )


@pytest.mark.parametrize(
    "cell, line",
    [
        (code("import os", "from a import b"), "Imports"),
        (code("#| export", "import os"), "Imports"),
        (code("#| export", "def f(x):", "    'Add one. Raises nothing.'"), "<code>f</code>: Add one."),
        (code("#| export", "A, B = 1, 2", "C = 3"), "<code>C</code>"),
        (code("#| export", "def _a(): ...", "def b(): ...", "c: int = 1"), "<code>b</code>, <code>c</code>"),
        (code("#| export", "def _a():", "    'Help <i>.'"), "<code>_a</code>: Help &lt;i&gt;."),
        (code("#| export", "def g():", "    'Draw it (Fig. 3). Raises `E`.'"), "<code>g</code>: Draw it (Fig. 3)."),
        (code("f(1)"), None),
        (code("%time f(1)"), None),
    ],
)
def test_imports_and_exported_code_fold(cell, line):
    assert pages.summary(cell) == line
    page = pages.with_folds(shown(0, "x"), [cell])
    assert ("<details" in page) == (line is not None) and "x</pre></div><button></button></div>" in page


def test_only_its_own_code_folds():
    cells = [
        code("#| export", "def f(): ..."),
        code("f()"),
        {"cell_type": "markdown", "source": "text"},
        code("import os"),
    ]
    page = pages.with_folds(shown(0, "def f") + shown(1, "f()") + shown(3, "import os"), cells)
    assert page.count("<details") == 2 and '<div class="sourceCode"><pre>f()</pre>' in page.split("<details")[1]


@pytest.mark.parametrize("first", ["", "#| slow\n"])
def test_a_picture_is_described_by_its_cell(first):
    cells = [code(f'{first}#| fig-alt: "It\'s 3 < 4"\nplot()'), code("plot()")]
    page = pages.with_alt(
        '<div id="cell-0" class="cell"><img src="a"><img src="b" alt="own"></div>'
        '<div id="cell-1" class="cell"><img src="c"></div></main>',
        cells,
    )
    alt = '<img alt="It&#x27;s 3 &lt; 4" src="a">'
    assert alt in page and '<img src="b" alt="own">' in page and '<img src="c">' in page


def test_pictures_of_sound_keep_their_colours():
    cells = [code("ax.imshow(mel)"), code("plot()")]
    shown = '<div id="cell-0" class="cell"><img src="a" class="img-fluid"></div><div id="cell-1" class="cell"><img src="b" class="img-fluid"></div></main>'
    page = pages.with_alt(shown, cells)
    assert page.count("spectrogram") == 1 and '<img src="a" class="img-fluid spectrogram">' in page


def test_lessons_and_reference_lead_to_each_other():
    cells = [
        {"cell_type": "markdown", "source": "# Loss\n\n> It."},
        code("#| default_exp a.loss"),
        code("#| export", "def f(): ..."),
    ]
    assert pages.modules({Path("nbs/a/loss.ipynb"): cells}) == {"metaug.a.loss": Path("nbs/a/loss.ipynb")}
    reference = '<header id="title-block-header"><h1>metaug.a.loss</h1></header>\n<h2 class="anchored" data-anchor-id="f">f</h2>\n<p><a href="u" class="source-link">source</a></p>'
    page = pages.with_lesson(reference, "../nbs/a/loss.html", cells)
    assert '<a href="../nbs/a/loss.html#cell-2">' in page and '</header>\n<p class="lesson">' in page
    page = pages.with_reference("<main><p>a</p></main>", "metaug.a.loss", "../api/loss.html")
    assert '<a href="../api/loss.html"><code>metaug.a.loss</code></a>' in page and page.endswith("</main>")


@pytest.mark.parametrize("first", ['<blockquote>\n<p>What <em>it</em> is &amp; "does".</p>\n</blockquote>', ""])
def test_a_page_is_described_by_the_sentence_under_its_title(first):
    page = pages.with_description(f"<head></head><main>{first}<p>More.</p></main>")
    said = "What it is &amp; &quot;does&quot;." if first else "More."
    assert page.count(f'content="{said}"') == 2
    assert pages.with_description(page) == page
