"""The web edition: built with warnings as errors, then read in a browser at two widths (slow)."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Page, opened

from sslbook.book import routes, toc
from sslbook.book.toc import Chapter

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = toc.chapters(ROOT / "notebooks")
IMAGE = re.compile(r"<img\b[^>]*>")


def chapter(name, form="short", needs=(), part="p", parents=()):
    return Chapter(name, part, form, title=name.title(), needs=tuple(needs), parents=parents,
                   number=int(name[1:]))


# Routes and the map: no site is needed.


def test_a_route_is_closed_and_within_its_minutes():
    for route in routes.routes(CHAPTERS):
        read = []
        for unit in route.units:
            for one in unit:
                assert set(one.needs) <= set(read)
                read.append(one.name)
        assert len(read) == len(set(read))
    first, day, weeks = routes.routes(CHAPTERS)
    assert 45 <= first.minutes <= 90
    assert not first.doing
    assert 180 <= day.minutes <= 360
    for week in weeks.units:
        assert sum(one.form == "long" for one in week) <= 2
        assert sum(one.form != "long" for one in week) <= 2
    taken = {one.name for one in weeks.chapters}
    for one in CHAPTERS:  # what could still be read finds the last week full
        if one.part != "scoreboard" and one.name not in taken and taken.issuperset(one.needs):
            same = [w for w in weeks.units[-1] if (w.form == "long") == (one.form == "long")]
            assert len(same) == 2, one.name


def test_what_a_chapter_needs_comes_with_it_even_through_others():
    book = [chapter("c0"), chapter("c1", needs=["c0"]), chapter("c2", needs=["c1"]), chapter("c3")]
    assert [one.name for one in routes.closure(book[2], book)] == ["c0", "c1", "c2"]


def test_the_map_has_a_box_for_each_chapter_with_a_parent_and_none_on_another():
    pytest.importorskip("jinja2")
    from tools.site import methodmap

    place = methodmap.layout(CHAPTERS)
    assert len(set(place.values())) == len(place)
    for one in CHAPTERS:
        assert all(name in place for name, _ in one.parents)
        if one.parents:
            assert place[one.parents[0][0]][0] == place[one.name][0] - 1
    drawn = methodmap.svg(CHAPTERS)
    assert drawn.count("<rect") == len(place)


# The built site.


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of pages; skips where npm or Sphinx is missing."""
    pytest.importorskip("sphinx", reason="no test of the site: Sphinx is missing")
    if shutil.which("npm") is None:
        pytest.skip("no test of the site: npm is missing")
    out = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "tools.site", "--out", str(out)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600)
    if "npm could not get" in done.stderr:
        pytest.skip("no test of the site: npm has no connection")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no warnings" in done.stdout
    return out / "html"


@pytest.fixture(scope="module")
def address(site):
    """The site served on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with opened() as found:
        yield found


@pytest.mark.slow
def test_every_chapter_is_a_page_that_can_be_downloaded(site):
    for one in CHAPTERS:
        page = (site / one.inside).with_suffix(".html").read_text(encoding="utf-8")
        assert one.colab in page
        assert (site / one.inside).read_bytes() == one.path.read_bytes()
        for need in one.needs:
            assert re.search(rf'href="[^"]*{need}\.html"', page)


@pytest.mark.slow
def test_every_picture_has_a_text_instead_of_it(site):
    pages = [page for page in site.rglob("*.html") if "_static" not in page.parts]
    images = [image for page in pages for image in IMAGE.findall(page.read_text("utf-8"))]
    assert images
    assert [image for image in images if not re.search(r'\balt="[^"]{10,}"', image)] == []


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site):
    loads = re.compile(r'<(?:script|img|link|iframe|source)\b[^>]*(?:src|href)="(?:https?:)?//')
    canonical = re.compile(r'rel="(?:canonical|alternate)"')
    for page in site.rglob("*.html"):
        found = [m for m in loads.findall(page.read_text("utf-8")) if not canonical.search(m)]
        assert found == [], page.name


@pytest.mark.slow
@pytest.mark.parametrize(("size", "width"), [(DESKTOP, "desktop"), (PHONE, "phone")])
def test_a_reader_searches_follows_a_link_and_turns_the_light_off(browser, address, size, width):
    reader = Page(browser, address, size)
    page = reader.page
    page.goto(f"{address}/search.html?q=temperature")
    page.wait_for_selector("#search-results li a")
    reader.keep(f"search-{width}")
    with page.expect_navigation():
        page.click("#search-results li a[href*='simclr']")
    assert "SimCLR" in page.inner_text("h1")
    page.wait_for_selector("mjx-container")  # formulas are set
    assert reader.overflow() <= 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.locator(".theme-switch-button:visible").first.click()
    page.locator(".theme-change-button[data-mode=dark]:visible").first.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    reader.keep(f"dark-{width}")
    page.goto(f"{address}/index.html")
    reader.keep(f"front-{width}")
    page.click("a[href='notebooks/start/welcome.html'] >> nth=-1")
    assert "Learning without labels" in page.inner_text("h1")
    assert reader.overflow() <= 0
    assert reader.strangers == []
    assert reader.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "index", "gallery", "routes", "method_map", "papers", "glossary",
    "notebooks/decorrelate/barlow_twins",
])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_keeps_anyone_from_reading(browser, address, name, scheme):
    """axe-core: no serious or critical finding."""
    axe = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
    reader = Page(browser, address, color_scheme=scheme)
    reader.page.goto(f"{address}/{name}.html")
    reader.page.wait_for_load_state("networkidle")
    reader.page.add_script_tag(path=str(axe))
    found = reader.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [{"rule": one["id"], "where": [node["target"] for node in one["nodes"]][:3],
                "count": len(one["nodes"])}
               for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert serious == [], json.dumps(serious, indent=1)
    assert reader.strangers == []
