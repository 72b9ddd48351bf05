"What people see, in a real browser: the listening report, the site, and JupyterLab. Needs Chromium and its driver."

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urldefrag

import pandas as pd
import pytest
from conftest import copy_project
from test_listening import HOSTILE, make_run

from metaug.listening import listening_page

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
CHROMIUM, DRIVER = (
    next(filter(None, map(shutil.which, names)), None)
    for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
)
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE = 60  # seconds; a machine may be busy

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    "One Chromium for all tests, with a profile of its own."
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(180)
    driver.set_window_size(1280, 900)
    yield driver
    driver.quit()


def errors(browser) -> list[str]:  # of the console since the last call
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def until(browser, script: str, *, patience: float = PATIENCE):  # the first true value
    "Wait for a JavaScript expression to become true."
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, patience, poll_frequency=0.1).until(
        lambda b: b.execute_script(f"return {script}"), f"never true: {script}"
    )


def press(browser, keys: str):
    "Press keys wherever the focus is, as a person does."
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(keys).perform()


# ---------------------------------------------------------------- the report


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:  # address of a report on disk
    run = make_run(tmp_path_factory.mktemp("run"))
    return listening_page(run, run / "report.html", max_mb=1.5, jobs=1).as_uri()


@pytest.fixture
def opened(browser, report):
    "The report, freshly loaded from disk; at the end the console must be clean."
    errors(browser)
    browser.get(report)
    until(browser, "document.querySelectorAll('#list li').length > 0")
    yield browser
    assert errors(browser) == []


SELECTED = "document.querySelector('#list [aria-selected=true]').textContent"


def cell(browser, label, deformation):
    return next(
        b
        for b in browser.find_elements("css selector", "#map button")
        if (b.get_attribute("data-label"), b.get_attribute("data-deformation")) == (label, deformation)
    )


def test_a_cell_lists_its_samples(opened):
    cell(opened, "plain", "stretch").click()
    named = [item.text for item in opened.find_elements("css selector", "#list .name")]
    assert named and all(name.startswith("plain, stretch × ") for name in named)
    assert opened.find_element("id", "count").text.startswith(f"{len(named)} sample")
    assert cell(opened, "plain", "stretch").get_attribute("aria-pressed") == "true"
    assert len(opened.find_elements("css selector", "#neighbours .sound")) == 5


def test_hostile_names_are_text(opened):
    shown = [row.text for row in opened.find_elements("css selector", "#map tbody th")]
    assert [" ".join(label.split()) for label in sorted(HOSTILE)] == [" ".join(label.split()) for label in shown[:3]]
    assert opened.execute_script("return document.querySelectorAll('[onerror], main b, #map img').length") == 0


@pytest.mark.parametrize("down, up", [("j", "k"), ("\ue015", "\ue013")])  # letters, arrows
def test_keys_step(opened, down, up):
    cell(opened, "", "").click()
    first = opened.execute_script(f"return {SELECTED}")
    press(opened, down * 2)
    third = opened.execute_script(f"return {SELECTED}")
    assert (
        third == opened.execute_script("return document.querySelectorAll('#list li')[2].textContent") and third != first
    )
    press(opened, up * 5)  # no further than the first
    assert opened.execute_script(f"return {SELECTED}") == first


def test_stepping_goes_through_long_lists(opened):
    opened.execute_script("document.getElementById('sounding').click()")
    count = int(opened.find_element("id", "count").text.split()[0])
    assert count == 480
    opened.execute_script("document.getElementById('list').focus()")
    press(opened, "j" * 230)
    assert opened.execute_script("return document.querySelector('#list [aria-selected=true]').id") == "sample-230"
    assert opened.execute_script(
        "const i = document.querySelector('#list [aria-selected=true]').getBoundingClientRect(), l = document.getElementById('list').getBoundingClientRect(); return i.top >= l.top - 1 && i.bottom <= l.bottom + 1"
    )


def test_filters_and_order(opened):
    opened.execute_script(
        "const set = (id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})); }; set('decision', 'rejected'); set('margin', .5); set('order', 'clear');"
    )
    assert {mark.text for mark in opened.find_elements("css selector", "#list .rejected, #list .accepted")} == {"✗"}
    margins = [
        abs(float(m.text.replace("−", "-"))) for m in opened.find_elements("css selector", "#list [title=margin]")
    ]
    assert margins == sorted(margins, reverse=True) and margins[0] <= 0.505
    opened.execute_script(
        "document.getElementById('decision').value = 'accepted'; document.getElementById('margin').value = .05; document.getElementById('label').value = 'plain'; document.getElementById('order').dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert re.match(r"\d+ sample|No sample fits", opened.find_element("id", "count").text)


def playing(browser):
    return until(browser, "!player.paused && player.currentTime > 0 && player.src")


@pytest.mark.parametrize("key", [" ", "o", "1", "5"])
def test_keys_play(opened, key):
    cell(opened, "plain", "pitch1").click()
    opened.execute_script("player.loop = true")  # the clips are short
    press(opened, key)
    assert playing(opened).startswith("data:audio/mpeg;base64,")
    press(opened, key)
    until(opened, "player.paused")


def test_a_button_plays_and_another_takes_over(opened):
    cell(opened, "plain", "stretch").click()
    opened.execute_script("player.loop = true")
    deformed, original = opened.find_elements("css selector", "#sample .large button")
    deformed.click()
    first = playing(opened)
    original.click()
    until(opened, f"player.src.length != {len(first)} && !player.paused")
    assert [b.text[0] for b in (deformed, original)] == ["▶", "■"]


def test_another_judgement_has_other_neighbours(opened):
    cell(opened, "plain", "stretch").click()
    names = lambda: [p.text for p in opened.find_elements("css selector", "#neighbours .text[title]")]
    before = names()
    opened.execute_script(
        "const s = document.getElementById('judgement'); s.value = 1; s.dispatchEvent(new Event('change'))"
    )
    assert names() != before and len(names()) >= 5


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_fits_and_can_be_read(opened, width, scheme):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", dict(width=width, height=900, deviceScaleFactor=1, mobile=False)
    )
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", dict(features=[dict(name="prefers-color-scheme", value=scheme)])
    )
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        contrasts = opened.execute_script("""
            const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
            const ratio = (a, b) => { const [low, high] = [luminance(rgb(a)), luminance(rgb(b))].sort((x, y) => x - y); return (high + .05) / (low + .05); };
            const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } };
            return [...document.querySelectorAll('h1, p, #map button, #map th, #list span, #list li[aria-selected=true] span, #filters label, #keys li, #sample p, .sound button:enabled, .sound button span')].map(e => ratio(getComputedStyle(e).color, ground(e)));""")
        assert len(contrasts) > 50 and min(contrasts) >= 4.5  # WCAG 2 AA
        unnamed = opened.execute_script(
            "return [...document.querySelectorAll('button, select, input, img')].filter(e => !(e.textContent.trim() || e.ariaLabel || e.alt || e.labels?.length)).length"
        )
        assert unnamed == 0
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=[]))


# ---------------------------------------------------------------- the site


@contextlib.contextmanager
def served(folder):  # address
    "A folder served on this machine alone."

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "The site as `make docs` builds it without Quarto, from a copy of the project."
    copy = copy_project(tmp_path_factory.mktemp("site"))
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", BIN / "smalldocs", "render", "."],
        cwd=copy,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with served(copy / "_docs") as address:
        yield copy / "_docs", address


LINKS = "[...document.querySelectorAll('a[href], img[src], script[src], link[href], source[src]')].map(e => e.href || e.src).filter(u => u.startsWith(location.origin))"


def test_every_page_of_the_site_loads_clean(browser, site):
    folder, address = site
    pages, links, found = sorted(folder.rglob("*.html")), {}, []
    errors(browser)
    for path in pages:
        page = path.relative_to(folder).as_posix()
        browser.get(f"{address}/{page}")
        found += [f"{page}: {error}" for error in errors(browser)]
        for link in browser.execute_script(f"return {LINKS}"):
            links.setdefault(urldefrag(link)[0], page)
        if not browser.title:
            found.append(f"{page}: no title")
    for link, page in links.items():
        try:
            urllib.request.urlopen(urllib.request.Request(link, method="HEAD"), timeout=PATIENCE).close()
        except urllib.error.HTTPError as e:
            found.append(f"{page}: {link}: {e.code}")
    assert len(pages) > 20 and len(links) > len(pages) / 2
    assert not found, "\n".join(found)


@contextlib.contextmanager
def seen_on(browser, *, width: int = 1280, scheme: str = "light"):
    "Another window, and another choice of colours, for a while."
    size = dict(width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    preferred = [dict(name="prefers-color-scheme", value=scheme)]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=preferred))
    try:
        yield browser
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=[]))


def results_of(browser, query: str) -> list[str]:  # the results' titles and sections, as they come
    "Search the site as a person does."
    until(browser, "document.readyState == 'complete' && document.querySelector('input[type=search]')")
    box = browser.find_element("css selector", "input[type=search]")
    box.clear()
    browser.execute_script("document.querySelector('.smalldocs-search-results').textContent = ''")
    box.send_keys(query)
    until(browser, "document.querySelectorAll('.smalldocs-search-results a').length")
    return browser.execute_script(
        "return [...document.querySelectorAll('.smalldocs-search-results a')].map(a => [...a.children].slice(0, 2).map(e => e.textContent).join(': '))"
    )


@pytest.mark.parametrize(
    "query, wanted",
    [
        ("install", "[Ii]nstall"),
        ("how to install", "[Ii]nstall"),
        ("my own sounds", "Your own sounds"),
        ("rank loss", "The rank loss"),
        ("pitch shift", "Augmentation"),
        ("npair_loss", "npair_loss"),
    ],
)
def test_search_finds(browser, site, query, wanted):
    browser.get(f"{site[1]}/nbs/03_metric.html")
    found = results_of(browser, query)
    assert any(re.search(wanted, result) for result in found[:3]), found


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_search_can_be_read(browser, site, width, scheme):
    with seen_on(browser, width=width, scheme=scheme):
        browser.get(f"{site[1]}/nbs/03_metric.html")
        if width < 600:
            browser.find_element("css selector", "header .quarto-btn-toggle").click()
            until(browser, "document.querySelector('input[type=search]').getBoundingClientRect().width > 100")
        results_of(browser, "rank loss")
        cut = browser.execute_script("""
            const list = document.querySelector('.smalldocs-search-results'), r = list.getBoundingClientRect();
            const inside = x => list.contains(document.elementFromPoint(x, r.top + 60));
            return [r.left >= 0, r.right <= innerWidth, inside(r.left + 5), inside(r.right - 25)];""")
        assert cut == [True] * 4
        colours = browser.execute_script(
            "const s = getComputedStyle(document.querySelector('input[type=search]')), c = document.createElement('canvas').getContext('2d');"
            "return [s.color, s.backgroundColor].map(name => { c.fillStyle = getComputedStyle(document.body).backgroundColor; c.fillRect(0, 0, 1, 1); c.fillStyle = name; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data.slice(0, 3)]; })"
        )
        ink, ground = (sum(rgb) for rgb in colours)
        assert abs(ink - ground) > 300 and (ink > ground) == (scheme == "dark"), colours


WIDE = """
    const shown = e => e.checkVisibility();
    const hidden = [...document.querySelectorAll('main pre.cell-code > code')].filter(shown).filter(e => e.parentElement.scrollWidth > e.parentElement.clientWidth + 1);
    const out = [...document.querySelectorAll('main table, main math, main img, main iframe, main audio, main pre')].filter(shown).filter(e => {
        for (let p = e; p && p.tagName != 'MAIN'; p = p.parentElement) if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return p.getBoundingClientRect().right > innerWidth + 1;
        return e.getBoundingClientRect().right > innerWidth + 1; });
    return [document.documentElement.scrollWidth <= innerWidth, hidden.length, out.map(e => e.outerHTML.slice(0, 80))];"""


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_runs_out_of_a_page(browser, site, width):
    folder, address = site
    found = []
    with seen_on(browser, width=width):
        for path in sorted((folder / "nbs").rglob("*.html")):
            browser.get(f"{address}/{path.relative_to(folder).as_posix()}")
            if (seen := browser.execute_script(WIDE)) != [True, 0, []]:
                found.append(f"{path.stem}: {seen}")
    assert not found, "\n".join(found)


def test_lessons_show_no_wall_of_imports(browser, site):
    for path in sorted((site[0] / "nbs").glob("0*.html")):
        browser.get(f"{site[1]}/nbs/{path.name}")
        shown = browser.execute_script(
            "return [...document.querySelectorAll('main pre.cell-code')].filter(e => e.checkVisibility()).map(e => e.textContent)"
        )
        assert shown, path.name
        assert not [code for code in shown if re.fullmatch(r"((import|from) .*\n?|\s)+", code)], path.name
        browser.execute_script("document.querySelector('main summary').click()")
        until(browser, "document.querySelector('main details[open] pre').checkVisibility()")


def test_figures_are_dark_on_a_dark_page(browser, site):
    filters = {}
    for scheme in ("light", "dark"):
        with seen_on(browser, scheme=scheme):
            browser.get(f"{site[1]}/nbs/analysis/figures.html")
            filters[scheme] = browser.execute_script(
                "return [...document.querySelectorAll('main .cell-output-display img')].map(e => getComputedStyle(e).filter)"
            )
    assert set(filters["light"]) == {"none"} and all("invert" in f for f in filters["dark"])


def test_every_page_names_the_next_one_and_says_what_it_is_about(site):
    folder, _ = site
    pages = sorted([*(folder / "nbs").rglob("*.html"), *(folder / "api").glob("*.html")])
    text = {path: path.read_text(encoding="utf-8") for path in pages}
    assert [p.name for p, page in text.items() if '<meta name="description"' not in page] == []
    assert [p.name for p, page in text.items() if '<meta property="og:image"' not in page] == []
    assert [
        p.name
        for p, page in text.items()
        if "nav-page-next" not in page or 'class="nav-page nav-page-next"></div>' in page
    ] == []
    lessons = {p.name: page for p, page in text.items() if p.parent.name == "api" and 'class="lesson"' not in page}
    assert set(lessons) <= {
        "cli.html",
        "moved.html",
        "metaug.batches.html",
        "metaug.metric.html",
        "metaug.networks.html",
    }


def test_a_player_of_the_site_plays(browser, site):
    browser.get(f"{site[1]}/nbs/listening/media.html")
    browser.execute_script("window.player = document.querySelector('audio'); player.loop = true; player.play()")
    until(browser, "!player.paused && player.currentTime > 0")


def test_the_lesson_on_listening_holds_the_page_itself(browser, site):
    errors(browser)
    browser.get(f"{site[1]}/nbs/listening/webpage.html")
    browser.switch_to.frame(browser.find_element("css selector", "iframe[srcdoc]"))
    try:
        until(browser, "document.querySelectorAll('#list li').length > 0")
        until(
            browser,
            "document.querySelector('#sample .sound button:enabled') && document.querySelector('#sample img').naturalWidth > 0",
        )
        browser.execute_script("document.querySelector('#map button').click()")
    finally:
        browser.switch_to.default_content()
    assert errors(browser) == []


# ---------------------------------------------------------------- JupyterLab


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "JupyterLab on a folder with one lesson, with settings of its own."
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "nbs/04_selection.ipynb", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        name: str(folder / ".jupyter" / name)
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "IPYTHONDIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=test",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(
            [BIN / "jupyter", "lab", *options], cwd=folder, env={**os.environ, **own}, stdout=log, stderr=log
        )
        try:
            yield folder, f"http://127.0.0.1:{port}", server
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def test_jupyterlab_runs_a_lesson_whole(browser, lab):
    folder, address, server = lab
    path = folder / "04_selection.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for code in notebook["cells"]:
        code.update({"outputs": [], "execution_count": None} if code["cell_type"] == "code" else {})
    path.write_text(json.dumps(notebook), encoding="utf-8")
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    def up(_):
        assert server.poll() is None, (folder / "lab.log").read_text()
        try:
            return urllib.request.urlopen(f"{address}/api", timeout=5).status == 200
        except OSError:
            return False

    WebDriverWait(browser, PATIENCE).until(up)
    browser.get(f"{address}/lab/tree/{path.name}?token=test")
    WebDriverWait(browser, 2 * PATIENCE, ignored_exceptions=[WebDriverException]).until(
        lambda b: b.execute_script(
            "return window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status == 'idle'"
        )
    )
    done = browser.execute_async_script("""
        const done = arguments[0], {commands, shell} = window.jupyterapp;
        commands.execute('notebook:run-all-cells').then(() => shell.currentWidget.context.save()).then(() => done('saved'), error => done(String(error)));""")
    assert done == "saved"
    ran = [
        c
        for c in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if c["cell_type"] == "code" and "".join(c["source"]).strip()
    ]
    assert ran and all(c["execution_count"] for c in ran)
    assert [o["ename"] for c in ran for o in c["outputs"] if o["output_type"] == "error"] == []
    assert sum(bool(c["outputs"]) for c in ran) > len(ran) / 5
