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
from urllib.parse import urldefrag, urlparse
from urllib.request import url2pathname

import pandas as pd
import pytest
from conftest import copy_project
from test_listening import HOSTILE, judge_once, make_judged_by_hand, make_plane, make_run, make_worth

from metaug.curation import read_decisions
from metaug.features import LogMelStore
from metaug.listening import Browser, listening_page, page

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
def run(tmp_path_factory):  # folder of a run
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def report(run) -> str:  # address of a report on disk
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
    "A cell of the map, in the middle of the window."
    buttons = browser.find_elements("css selector", "#map button")
    names = browser.execute_script("return arguments[0].map(b => [b.dataset.label, b.dataset.deformation])", buttons)
    found = buttons[names.index([label, deformation])]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    return found


def test_a_cell_lists_its_samples(opened):
    cell(opened, "plain", "stretch").click()
    named = [item.text for item in opened.find_elements("css selector", "#list .name")]
    assert named and all(name.startswith("plain, stretch × ") for name in named)
    assert opened.find_element("id", "count").text.startswith(f"{len(named)} candidate")
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
    assert re.match(r"\d+ candidates? of plain|No candidate of plain fits", opened.find_element("id", "count").text)


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
            const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/^rgba.*, 0\\)$/.test(c)) return c; } };
            return [...document.querySelectorAll('h1, p, #map button, #map th, #list span, #list li[aria-selected=true] span, #filters label, #filters summary, #bar button, #bar span, #sample p, #verdict th, #verdict td, .axes span, .sound button:enabled, .sound button span')].map(e => ratio(getComputedStyle(e).color, ground(e)));""")
        assert len(contrasts) > 50 and min(contrasts) >= 4.5  # WCAG 2 AA
        unnamed = opened.execute_script(
            "return [...document.querySelectorAll('button, select, input, img, [tabindex]:not([tabindex=\"-1\"])')].filter(e => !(e.textContent.trim() || e.ariaLabel || e.getAttribute('aria-labelledby') || e.alt || e.labels?.length)).length"
        )
        assert unnamed == 0
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=[]))


# ---------------------------------------------------------------- the page of a selection


@pytest.fixture(scope="module")
def selection(run, tmp_path_factory) -> tuple[str, pd.DataFrame]:  # address of its page, acceptance table
    store = LogMelStore.open(str(run / "cache/stores/one"))
    judged = judge_once(store, k=5)
    path = tmp_path_factory.mktemp("selection") / "report.html"
    text = page(
        judged, store, judge="efficientat", worth=make_worth(), data="my_sounds", plane=make_plane(store), max_mb=2.5
    )
    path.write_text(text, encoding="utf-8")
    return path.as_uri(), judged


def load(browser, address):
    "Load a page from disk afresh, even where only the state in its address differs."
    browser.get("about:blank")
    browser.get(address)
    until(browser, "document.querySelectorAll('#list li').length > 0")


@pytest.fixture
def chosen(browser, selection):
    "The page of a selection, with nothing overruled; at the end the console must be clean."
    errors(browser)
    load(browser, selection[0])
    browser.execute_script("localStorage.clear()")
    load(browser, selection[0])
    yield browser
    browser.execute_script("localStorage.clear()")
    assert errors(browser) == []


@contextlib.contextmanager
def screen(browser, width, height, **how):
    "A screen of another size."
    how = dict(width=width, height=height, deviceScaleFactor=1, mobile=False) | how
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", how)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


IN_VIEW = """const inView = e => { const r = e.getBoundingClientRect(); return r.top >= -1 && r.bottom <= innerHeight + 1; };
const all = (selector, root = document) => [...root.querySelectorAll(selector)]; """


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_the_first_view_is_the_verdict(chosen, selection, size):
    judged = selection[1]
    with screen(chosen, *size):
        load(chosen, selection[0])
        assert chosen.find_element("tag name", "h1").text.endswith(
            f"{judged.accepted.sum()} of 480 candidates kept, {round(100 * judged.accepted.mean())}%"
        )
        assert chosen.execute_script(
            IN_VIEW + "return scrollY == 0 && inView(all('h1')[0]) && all('#verdict .warning').every(inView)"
        )
        tops = "['h1', '#verdict', '#verdict table', '#map', '#filters', '#list'].map(s => all(s)[0].getBoundingClientRect().top)"
        tops = chosen.execute_script(IN_VIEW + f"return {tops}")
        assert tops == sorted(tops)


def test_the_rejected_are_a_click_away(chosen):
    chosen.find_element("id", "to-rejected").click()
    assert {mark.text for mark in chosen.find_elements("css selector", "#list .rejected, #list .accepted")} == {"✗"}
    assert chosen.execute_script(IN_VIEW + "return document.activeElement.id == 'list' && inView(all('#list li')[0])")


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_the_map_stays_when_a_cell_is_chosen(chosen, size):
    with screen(chosen, *size):
        cell(chosen, "plain", "stretch").click()
        assert chosen.execute_script(IN_VIEW + "return all('#map button').every(inView) && inView(all('#list li')[0])")


def test_sounds_and_neighbours_are_in_view_together_at_one_scale(chosen):
    cell(chosen, "plain", "stretch").click()
    found = chosen.execute_script(
        IN_VIEW
        + """return {seen: all('.sound button').every(inView), count: all('.sound button').length,
        heights: all('.picture').map(p => p.clientHeight), widths: all('.picture').map(p => p.clientWidth),
        rate: all('.picture img').map(i => i.clientWidth / i.naturalWidth),
        axes: all('.picture').map(p => [all('.x', p).length, all('.y', p).map(y => y.textContent).join()].join())};"""
    )
    assert found["seen"] and found["count"] == 7
    assert len(set(found["heights"])) == 1 and max(found["widths"]) - min(found["widths"]) <= 1
    assert max(found["rate"]) < 1.03 * min(found["rate"]), "a pixel is as many seconds in each"
    [axes] = set(found["axes"])
    assert axes.endswith("0.5k,1k,2k,4k,8k,16k") and int(axes.split(",")[0]) >= 3


def test_neighbours_show_their_classes(chosen, selection):
    judged = selection[1].set_index(["clip", "deformation", "level"])
    cell(chosen, "plain", "bgnoise").click()
    for _ in range(3):
        s = chosen.execute_script("const s = shown[chosen]; return [s.source.clip, s.deformation, s.level]")
        labels = [clip.rpartition("/")[0] for clip in judged.loc[tuple(s)].neighbours]
        shown = chosen.find_elements("css selector", "#neighbours .sound button")
        for label, button in zip(labels, shown, strict=True):
            assert "✓✗"[label != "plain"] + " " + " ".join(label.split()) in " ".join(button.text.split())
        press(chosen, "j")


def test_the_map_of_the_embedding_is_drawn(chosen):
    cell(chosen, "plain", "bgnoise").click()
    count, name = chosen.execute_script("""
        const canvas = document.querySelector('.plane canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return [new Set(new Uint32Array(pixels.buffer)).size, canvas.getAttribute('aria-label')];""")
    assert count > 4 and "5 neighbours" in name


def test_deformations_are_explained(chosen):
    cell(chosen, "plain", "drc").click()
    assert "dynamic range compressed" in chosen.find_element("css selector", "#sample p").text
    assert "dynamic range compressed" in chosen.find_element("id", "verdict").text


def test_a_key_overrules_and_a_file_carries_it(chosen, selection, tmp_path):
    address, judged = selection
    how = dict(behavior="allow", downloadPath=str(tmp_path))
    chosen.execute_cdp_cmd("Browser.setDownloadBehavior", how)
    cell(chosen, HOSTILE[0], "bgnoise").click()
    before, count = chosen.execute_script(f"return {SELECTED}")[0], chosen.find_element("id", "count").text
    press(chosen, "x")
    assert chosen.execute_script(f"return {SELECTED}")[0] == {"✓": "✗", "✗": "✓"}[before]
    assert "overruled" in chosen.execute_script(f"return {SELECTED}")
    assert "by you" in chosen.find_element("id", "decided").text
    assert re.match("Overruled: .* by you. 1 overruled", chosen.find_element("id", "said").text)
    counts = [
        list(map(int, re.findall(r"(\d+) (?:acc|rej)", text)))
        for text in (count, chosen.find_element("id", "count").text)
    ]
    assert sum(counts[0]) == sum(counts[1]) and abs(counts[0][0] - counts[1][0]) == 1
    press(chosen, "jxjxx")  # a second one; the third is taken back
    load(chosen, address)  # a person comes back
    assert chosen.find_element("id", "save").text == "Save 2 decisions"
    chosen.execute_script("$('decision').value = 'overruled'; refresh()")
    assert len(chosen.find_elements("css selector", "#list li")) == 2
    chosen.execute_script("$('save').click()")
    until(chosen, "$('said').textContent.includes('--overrule overruled.csv')")
    file = tmp_path / "overruled.csv"
    for _ in range(100):
        if file.exists() and file.stat().st_size:
            break
        chosen.execute_async_script("setTimeout(arguments[0], 100)")
    said = read_decisions(file, judged["clip"].unique()).merge(judged, on=["clip", "deformation", "level"])
    assert len(said) == 2 and set(said.label) == {HOSTILE[0]} and (said.heard != said.accepted).all()


def test_decisions_of_a_run_cannot_be_overruled(opened):
    press(opened, "x")
    assert opened.execute_script("return $('overrule').hidden && samples.filter(isOverruled).length == 0")


def test_text_filters(chosen):
    press(chosen, "/")
    press(chosen, "plain DRC 3-1")
    named = [item.text for item in chosen.find_elements("css selector", "#list li")]
    assert 0 < len(named) <= 480 and all("drc" in name for name in named)
    assert "“plain DRC 3-1”" in chosen.find_element("id", "count").text
    press(chosen, "\ue00c")  # Escape: back to the list, where keys are keys again
    assert chosen.execute_script("return document.activeElement.id") == "list"


def test_the_address_holds_what_is_chosen(chosen):
    cell(chosen, "plain", "pitch2").click()
    chosen.execute_script("$('order').value = 'clear'; $('order').dispatchEvent(new Event('input', {bubbles: true}))")
    press(chosen, "jj")
    until(chosen, "location.hash.includes('pitch2') && location.hash.includes('at=')")
    address, seen = chosen.current_url, chosen.execute_script(f"return {SELECTED}")
    chosen.execute_async_script("setTimeout(arguments[0], 400)")
    load(chosen, chosen.current_url)
    assert chosen.execute_script(f"return {SELECTED}") == seen and "pitch2" in address
    assert cell(chosen, "plain", "pitch2").get_attribute("aria-pressed") == "true"
    chosen.execute_script("location.hash = 'label=nowhere&at=nothing&order=clear'")  # nonsense does no harm
    until(chosen, "$('label').value == '' && document.querySelectorAll('#list li').length == 200")


def test_the_keyboard_alone_is_enough(chosen):
    chosen.execute_script("document.body.tabIndex = -1; document.body.focus()")
    for _ in range(20):
        press(chosen, "\ue004")  # Tab
        if chosen.execute_script("return document.activeElement.closest('#map') !== null"):
            break
    press(chosen, "\ue012\ue013")  # left, up: from all/all to the noise of the last class
    at = chosen.execute_script("return {...document.activeElement.dataset}")
    assert at == dict(label="plain", deformation="bgnoise")
    press(chosen, "\ue007")  # Enter
    assert chosen.execute_script("return document.activeElement.id") == "list"
    assert all(item.text.startswith("plain, bgnoise") for item in chosen.find_elements("css selector", "#list .name"))
    press(chosen, "jx")
    assert chosen.find_element("id", "save").text == "Save 1 decision"


@pytest.mark.parametrize("width", [390, 1280])
def test_lines_of_the_list_are_whole(chosen, selection, width):
    with screen(chosen, width, 844):
        load(chosen, selection[0])
        cut = "all('#list .name, #list .from').filter(e => e.scrollWidth > e.clientWidth + 1 || getComputedStyle(e).textOverflow == 'ellipsis')"
        assert chosen.execute_script(IN_VIEW + f"return {cut}.length") == 0


def test_a_thumb_is_enough(chosen, selection):
    with screen(chosen, 390, 844, mobile=True):
        load(chosen, selection[0])
        cell(chosen, "plain", "stretch").click()
        chosen.find_elements("css selector", "#list li")[1].click()
        sizes = "all('#bar button').filter(b => b.offsetParent).map(b => Math.min(b.offsetWidth, b.offsetHeight))"
        assert min(chosen.execute_script(IN_VIEW + f"return {sizes}")) >= 36
        assert chosen.execute_script(IN_VIEW + "return inView(all('#sample h3')[0]) && inView(all('#overrule')[0])")
        chosen.find_element("id", "overrule").click()
        assert "by you" in chosen.find_element("id", "decided").text
        assert chosen.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_screen_reader_hears_names(chosen):
    cell(chosen, "plain", "bgnoise").click()
    tree = chosen.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree if not n["ignored"]]
    wanted = "button option listbox searchbox combobox slider checkbox img region toolbar form search".split()
    assert [role for role, name in nodes if role in wanted and not name.strip()] == []
    named = dict.fromkeys(name for _, name in nodes)
    for name in ("Verdict", "Judged candidates", "The chosen candidate", "Next candidate"):
        assert name in named, name
    assert any(role == "group" and name.startswith("✗") or name.startswith("✓") for role, name in nodes)


def test_in_a_notebook_it_says_that_it_loads_and_works_closed_off(browser, selection, tmp_path):
    text = Path(url2pathname(urlparse(selection[0]).path)).read_text(encoding="utf-8")
    (tmp_path / "lesson.html").write_text(f"<!DOCTYPE html><body>{Browser(text, 900)._repr_html_()}", encoding="utf-8")
    errors(browser)
    browser.get((tmp_path / "lesson.html").as_uri())
    assert "MB) is loading" in browser.find_element("css selector", "body p").text
    browser.switch_to.frame(browser.find_element("css selector", "iframe"))
    try:
        until(browser, "document.querySelectorAll('#list li').length > 0")
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert not ground.startswith("rgba"), "it covers the line behind it"
        cell(browser, "plain", "drc").click()
        press(browser, "jx")
        assert browser.find_element("id", "save").text == "Save 1 decision"
        assert "only until this page is closed" in browser.find_element("id", "said").text
    finally:
        browser.switch_to.default_content()
    assert errors(browser) == []


@pytest.mark.parametrize("count", [8_400, 100_000])
def test_many_samples(browser, tmp_path, count):
    path = tmp_path / "report.html"
    path.write_text(page(make_judged_by_hand(count), data="many", worth=None), encoding="utf-8")
    errors(browser)
    load(browser, path.as_uri())
    assert f"of {count:,} candidates kept" in browser.title
    listed = browser.execute_script("return samples.length")
    assert listed >= min(count, 30_000)
    spent = browser.execute_script(
        "const t = performance.now(); $('text').value = 'class 3 drc'; refresh(); choose(100); return performance.now() - t"
    )
    assert 0 < browser.execute_script("return shown.length") < listed / 4
    assert spent < 5000  # milliseconds, on a machine that may be busy
    assert errors(browser) == []


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
    "The site as `make docs` builds it, from a copy of the project."
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
            until(browser, "document.querySelector('input[type=search]').getBoundingClientRect().left >= 0")
            until(browser, "document.getElementById('quarto-sidebar').getAnimations({subtree: true}).length == 0")
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


def test_every_picture_is_described(browser, site):
    folder, address = site
    found = []
    for path in sorted((folder / "nbs").rglob("*.html")):
        page = path.read_text(encoding="utf-8")
        main = page[page.index("<main") : page.index("</main>")]
        found += [
            f"{path.stem}: {img[:60]}"
            for img in re.findall(r"<img [^>]*?>", re.sub(r"srcdoc=\"[^\"]*\"", "", main))
            if not re.search(r'\balt="[^"]', img)
        ]
    assert not found, "\n".join(found)


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


def test_six_players_of_a_dog_play(browser, site):
    browser.get(f"{site[1]}/nbs/tutorials/listen.html")
    players = browser.find_elements("css selector", "main .sounds audio")
    assert len(players) == 6
    for number in range(6):
        browser.execute_script(f"window.player = document.querySelectorAll('main audio')[{number}]; player.play()")
        until(browser, "!player.paused && player.currentTime > 0 && player.duration > 4")
        browser.execute_script("player.pause()")
    assert "ronfont" in browser.find_element("css selector", "main").text
    browser.get(f"{site[1]}/nbs/index.html")
    assert browser.find_element("css selector", "#quarto-sidebar a[href*=listen]").is_displayed()


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
    "JupyterLab as `make lab` starts it, on a folder with one lesson, with settings of its own."
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "nbs/04_selection.ipynb", folder)
    shutil.copy(ROOT / "nbs/04_selection.ipynb", folder / "opened.ipynb")
    shutil.copy(ROOT / "settings.ini", folder)
    hooks = re.findall(r"--ContentsManager\S+", (ROOT / "Makefile").read_text(encoding="utf-8"))
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
        *hooks,
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


def open_in_lab(browser, lab, path):
    "Open a notebook and wait until it is shown, not one that was open before, and its kernel is ready."
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    folder, address, server = lab

    def up(_):
        assert server.poll() is None, (folder / "lab.log").read_text()
        try:
            return urllib.request.urlopen(f"{address}/api", timeout=5).status == 200
        except OSError:
            return False

    WebDriverWait(browser, PATIENCE).until(up)
    # a workspace of its own: JupyterLab opens again what a workspace held, and runs commands on that
    browser.get(f"{address}/lab/workspaces/{path.stem}/tree/{path.name}?token=test")
    WebDriverWait(browser, 2 * PATIENCE, ignored_exceptions=[WebDriverException]).until(
        lambda b: b.execute_script(
            "const shown = window.jupyterapp?.shell.currentWidget;"
            "return shown?.context?.path == arguments[0] && shown.sessionContext?.session?.kernel?.status == 'idle'",
            path.name,
        )
    )


def test_a_notebook_that_is_opened_and_saved_stays_as_it_was(browser, lab):
    path = lab[0] / "opened.ipynb"
    before = path.read_bytes()
    open_in_lab(browser, lab, path)
    done = browser.execute_async_script("""
        const done = arguments[0], context = window.jupyterapp.shell.currentWidget.context;
        context.model.setMetadata('language_info', {name: 'python', version: '3.0'});
        context.save().then(() => done('saved'), error => done(String(error)));""")
    assert done == "saved"
    assert path.read_bytes() == before


def test_jupyterlab_runs_a_lesson_whole(browser, lab):
    folder, _, _ = lab
    path = folder / "04_selection.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for code in notebook["cells"]:
        code.update({"outputs": [], "execution_count": None} if code["cell_type"] == "code" else {})
    path.write_text(json.dumps(notebook), encoding="utf-8")
    open_in_lab(browser, lab, path)
    done = browser.execute_async_script("""
        const done = arguments[0], {commands, shell} = window.jupyterapp;
        commands.execute('notebook:run-all-cells').then(() => shell.currentWidget.context.save()).then(
            () => done('saved'), error => done(String(error)));""")
    assert done == "saved"
    cells = browser.execute_script("return window.jupyterapp.shell.currentWidget.context.model.toJSON().cells")
    ran = [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    assert ran and all(c["execution_count"] for c in ran)
    assert [o["ename"] for c in ran for o in c["outputs"] if o["output_type"] == "error"] == []
    assert sum(bool(c["outputs"]) for c in ran) > len(ran) / 5
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert {c.get("execution_count") for c in saved["cells"]} == {None} and list(saved["metadata"]) == ["kernelspec"]
