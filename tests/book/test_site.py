"""The built site, looked at in a real browser: what every page owes its readers.

`make book` builds the site; SEGTUTOR_SITE names it where it is not `_build/html`. A failure lists
the page and the rules it breaks.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from tests.book.browser import DESK, PHONE, Links, Watch, chromium, serve

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("SEGTUTOR_SITE") or ROOT / "_build" / "html").resolve()
NOT_PAGES = ("_static", "_sources", "_images")
LIMIT = 3 * 2**20  # bytes of a page's HTML and own pictures
PICTURE_PAGES = {"15_reading_the_model": 4 * 2**20, "gallery": 4 * 2**20}


def all_pages() -> list[str]:
    files = (path.relative_to(SITE) for path in SITE.rglob("*.html"))
    return sorted(f.as_posix() for f in files if f.parts[0] not in NOT_PAGES)


PAGES = all_pages()
READ = [
    p for p in PAGES if p != "index.html"
]  # index.html only sends the reader on to the first page
SHOWN = READ or ["none"]


def missing(why: str) -> None:
    """Skip with a sentence; where the automatic check runs (SEGTUTOR_REQUIRE_BROWSER), fail."""
    (pytest.fail if os.environ.get("SEGTUTOR_REQUIRE_BROWSER") else pytest.skip)(why)


@pytest.fixture(scope="module")
def site() -> Path:
    if not PAGES:
        missing(f"no site in {SITE}: run `make book` first, or set SEGTUTOR_SITE")
    return SITE


@pytest.fixture(scope="module")
def browser(site):
    try:
        with chromium() as running:
            yield running
    except LookupError as why:
        missing(str(why))


@pytest.fixture(scope="module")
def home(site):
    with serve(site) as address:
        yield address


@pytest.fixture(scope="module")
def axe() -> str:
    base = pytest.importorskip(
        "axe_playwright_python.base", reason="axe-playwright-python is not installed"
    )
    return base.AXE_SCRIPT


def open_tab(browser, home: str):
    context = browser.new_context(viewport=PHONE, color_scheme="light", reduced_motion="reduce")
    context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
    page = context.new_page()
    return page, Watch(page, home)


@pytest.fixture(scope="module")
def tab(browser, home):
    page, watch = open_tab(browser, home)
    yield page, watch
    page.context.close()


LOOK = """async () => {
  const started = Date.now(), pause = () => new Promise(done => setTimeout(done, 20));
  if (document.querySelector('script[src*="tex-svg"]')) {
    while (!window.MathJax?.startup?.promise && Date.now() - started < 30000) await pause();
    await window.MathJax?.startup?.promise;
  }
  const all = (what) => [...document.querySelectorAll(what)];
  const wide = document.documentElement.scrollWidth;
  const boxes = 'pre, .pst-scrollable-table-container, div.math, div.output, dt.sig, dialog';
  return {
    wide,
    culprits: wide <= innerWidth ? [] : all('body *')
      .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(boxes))
      .map(e => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`).slice(0, 5),
    formulas: all('.math').length,
    drawn: all('.math mjx-container').length,
    broken: all('mjx-merror, [data-mjx-error]').map(e => e.textContent.slice(0, 60)),
    bare: all('img').filter(e => !e.alt.trim()).map(e => e.getAttribute('src')),
    code: all('div.highlight pre').length,
    copy: all('button.copybtn').length,
    title: document.title,
    language: document.documentElement.lang,
  };
}"""

# A page holds dozens of listings, hundreds of paragraphs and formulas, thousands of coloured words,
# but only a few kinds of each. Some of each kind in each surrounding stay; otherwise nearly all the
# time would go into measuring the same contrasts again and again.
THIN = """() => {
  const seen = {};
  const around =
    'blockquote, table, nav, .admonition, .field-list, .cell_output, .sd-card, details';
  const enough = (e, keep) => {
    const inside = e.parentElement.closest(around)?.className, link = !!e.closest('a');
    const kind = [e.tagName, e.className, e.getAttribute('style'), inside, link].join();
    return (seen[kind] = (seen[kind] ?? 0) + 1) > keep;
  };
  const all = (what) => [...document.querySelectorAll(what)];
  for (const e of all('mjx-container, div.highlight')) if (enough(e, 2)) e.remove();
  for (const e of all('p, nav li, .genindextable li'))
    if ((!e.childElementCount || e.matches('li')) && enough(e, 4)) e.remove();
  for (const e of all('.highlight pre span, dt.sig span, code.literal'))
    if (enough(e, 2)) e.replaceWith(...e.childNodes);
}"""

AXE = """async ([theme, only]) => {
  document.documentElement.dataset.theme = theme;
  const options = {runOnly: only, resultTypes: ['violations'], preload: false};
  const {violations} = await axe.run(document, options);
  return violations.map(({id, nodes: [first, ...more]}) => [
    id, 1 + more.length, first.html.slice(0, 160),
    [...first.any, ...first.all, ...first.none][0]?.message,
  ]);
}"""
RULES = {  # the other mode changes colours and nothing else
    "light": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}


@pytest.mark.parametrize("name", SHOWN)
def test_page(name, tab, home, axe):
    """Nothing from outside, nothing broken; fit for a phone, a screen reader, and both modes."""
    page, watch = tab
    watch.fresh()
    page.set_viewport_size(PHONE)
    page.goto(f"{home}/{name}", wait_until="load")
    seen = page.evaluate(LOOK)
    problems = []
    if seen["wide"] > PHONE["width"]:
        problems.append(
            f"overflow: {seen['wide']} pixels on a phone of {PHONE['width']}: {seen['culprits']}"
        )
    if seen["drawn"] < seen["formulas"]:
        problems.append(f"mathematics: {seen['drawn']} of {seen['formulas']} formulas drawn")
    problems += [f"mathematics: error in {text!r}" for text in seen["broken"]]
    problems += [f"alt text: none for {source}" for source in seen["bare"]]
    if seen["code"] and not seen["copy"] and not name.startswith("_modules/"):
        problems.append(f"copy button: none for {seen['code']} blocks of code")
    if not seen["title"] or not seen["language"]:
        problems.append("no title, or no language")
    page.set_viewport_size(DESK)
    page.evaluate(axe)
    page.evaluate(THIN)
    for theme, rules in RULES.items():
        for rule, count, html, message in page.evaluate(AXE, [theme, rules]):
            problems.append(
                f"accessibility ({theme}): {rule}, {count} times, first: {html} ({message})"
            )
    problems += watch.problems()
    assert not problems, f"{name}:\n" + "\n".join(problems)


def test_first_page_leads_on(tab, home, site):
    page, watch = tab
    watch.fresh()
    page.goto(f"{home}/index.html")
    page.wait_for_url("**/intro.html")
    assert not watch.problems()


def test_links_resolve(site):
    """Every link inside the site leads to a page that exists, and to a place that exists on it."""
    parsed = {name: Links((site / name).read_text(encoding="utf-8")) for name in PAGES}
    dead = []
    for name, page in parsed.items():
        for link in page.links:
            address, anchor = urldefrag(link)
            if urlsplit(address).scheme or address.startswith("//"):
                continue
            target = (
                (site / name).parent / unquote(address.split("?")[0]) if address else site / name
            )
            target = target.resolve()
            if not target.is_file():
                dead.append(f"{name}: {link} (no such file)")
            elif anchor and target.suffix == ".html":
                there = parsed.get(target.relative_to(site).as_posix())
                if there and unquote(anchor) not in there.ids:
                    dead.append(f"{name}: {link} (no such place on that page)")
    assert not dead, "\n".join(sorted(set(dead)))


def test_weight(site):
    """HTML and own pictures of a page: 3 MB; 4 MB where pictures are the subject. Scripts and
    styles are shared and loaded once."""
    heavy = []
    for name in PAGES:
        html = site / name
        pictures = {
            (html.parent / unquote(p)).resolve()
            for p in Links(html.read_text("utf-8")).pictures
            if ":" not in p
        }
        size = html.stat().st_size + sum(p.stat().st_size for p in pictures if p.is_file())
        if size > PICTURE_PAGES.get(html.stem, LIMIT):
            heavy.append(f"{name}: {size / 2**20:.1f} MB")
    assert not heavy, heavy


def search(page, start: str) -> int:
    """Search for a word as a reader does; the number of results."""
    page.set_viewport_size(DESK)
    page.goto(start)
    page.locator(".search-button__button, .search-button-field").locator(
        "visible=true"
    ).first.click()
    field = page.locator(
        "dialog input[name=q], .search-button__search-container input[name=q]"
    ).first
    field.fill("attention")
    field.press("Enter")
    page.wait_for_url("**/search.html?q=attention**")
    page.wait_for_selector("#search-results ul.search li")
    return page.locator("#search-results ul.search li").count()


def test_search_over_http(browser, home):
    page, watch = open_tab(browser, home)
    assert search(page, f"{home}/intro.html") >= 3
    assert not watch.problems()
    page.context.close()


@pytest.fixture(scope="module")
def loose(browser, site):
    """A tab for pages opened as plain files, without a server."""
    page, watch = open_tab(browser, site.as_uri())
    yield page, watch
    page.context.close()


def test_search_in_files(loose, site):
    page, _ = loose
    assert search(page, (site / "intro.html").as_uri()) >= 3


FILES = [
    p
    for p in READ
    if p in ("intro.html", "notation.html", "api/tokens.html") or "02_attention" in p
]


@pytest.mark.parametrize("name", FILES or ["none"])
def test_page_in_files(name, loose, site):
    page, watch = loose
    watch.fresh()
    page.goto((site / name).as_uri())
    seen = page.evaluate(LOOK)
    assert seen["drawn"] == seen["formulas"]
    assert not watch.problems()


def test_mathematics_only_where_needed(site):
    """MathJax is 2.3 MB: pages without a formula do not load it, pages with one do."""
    for name in PAGES:
        text = (site / name).read_text("utf-8")
        formulas = 'class="math ' in text or "MathJax_Preview" in text
        assert ("tex-svg" in text) == formulas, name


def test_no_page_needs_a_kernel(site):
    for name in PAGES:
        text = (site / name).read_text("utf-8")
        assert "application/vnd.jupyter.widget" not in text, (
            f"{name} holds a widget, which nothing on it can move"
        )


def test_theme_switch(browser, home):
    page, watch = open_tab(browser, home)
    page.set_viewport_size(DESK)
    page.goto(f"{home}/intro.html")
    button = page.locator("button.theme-switch-button").locator("visible=true").first
    themes, grounds = set(), set()
    for _ in range(3):
        themes.add(page.evaluate("document.documentElement.dataset.theme"))
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        button.click()
    assert themes == {"light", "dark"}
    assert len(grounds) == 2
    assert not watch.problems()
    page.context.close()


def test_reference_is_complete():
    """Whatever a room offers is in the reference: each file that its __init__ imports from."""
    pages = "".join(p.read_text("utf-8") for p in (ROOT / "book" / "api").glob("*.md"))
    offered = set()
    for room in (ROOT / "segtutor").glob("*/__init__.py"):
        offered |= set(
            re.findall(r"^from (segtutor\.[\w.]+) import", room.read_text("utf-8"), re.M)
        )
    missing = sorted(m for m in offered if f"automodule:: {m}\n" not in pages)
    assert not missing, f"add to a page in book/api: {missing}"
