"""Slides: what becomes one, that each fits, and that the file asks for nothing else."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from sslbook import files
from sslbook.course import slides, vendored
from sslbook.errors import UsageError, UserError
from sslbook.lesson.viz import style
from sslbook.nbtools import toc
from sslbook.nbtools.source import read

CHAPTERS = toc.chapters()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PARTS = dict.fromkeys(vendored.FILES, "/* vendored */")


def deck(name: str) -> list[slides.Slide]:
    """The slides of a chapter as it was committed."""
    chapter = toc.find(name)
    return list(slides.deck(read(chapter.path, chapter)))


@pytest.mark.parametrize("name", [chapter.name for chapter in CHAPTERS])
def test_every_chapter_makes_a_deck_that_a_room_can_read(name):
    found = deck(name)
    assert 8 <= len(found) <= 60
    assert found[0].kind == "title"
    assert found[0].heading == toc.find(name).title
    for slide in found:
        if slide.kind == "code":
            assert slides._size(slide) >= 19, f"{slide.body[:60]}: type too small"
            assert "SOLUTION" not in slide.body
        elif slide.kind == "figure":
            assert slide.alt
            assert slide.body.startswith("*How to read it")
        elif slide.kind == "text":
            assert len(slide.body.split()) <= 110, f"{slide.heading}: too much text"


def test_an_exercise_is_a_blank_and_then_its_answer():
    found = deck("barlow_twins")
    at = next(i for i, one in enumerate(found) if one.heading == "Your turn")
    assert "# your turn" in found[at].body
    assert found[at + 1].heading == "One answer"
    assert "# your turn" not in found[at + 1].body


def test_notes_stand_beside_the_first_slide_of_a_section():
    first = next(one for one in deck("dcl") if one.heading == "One term less")
    assert first.notes.startswith("> **For the teacher**")
    assert "Often believed" in first.notes


def test_claims_are_listed_and_verdicts_lose_their_rules():
    claims = next(one for one in deck("barlow_twins") if "claims" in one.heading)
    assert claims.body.splitlines()[1] == "- (b) Small batches are enough"
    verdict = [one for one in deck("barlow_twins") if one.kind == "table"][-1]
    assert verdict.body.splitlines()[0] == "| claim | value | verdict |"


def test_the_page_asks_for_no_other_file():
    page = slides.page("A <title>", deck("welcome"), PARTS)
    assert "A &lt;title&gt;" in page
    assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'", page)
    assert not re.findall(r"(?:src|srcset|data)=\"(?!data:)[^\"]+\"|<link|@import|url\(", page)


def test_text_of_a_heading_is_escaped():
    page = slides.page("x", [slides.Slide("text", "<img src=x onerror=alert(1)>", "a")], PARTS)
    assert "<img" not in page


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder as npm leaves it, and the hashes of what lies in it."""
    for name in vendored.FILES:
        path = tmp_path / "node_modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"/* {name} */")
        monkeypatch.setitem(vendored.FILES, name, files.sha256(path))
    return tmp_path


def test_vendored_files_are_found_and_compared(packages):
    assert list(vendored.texts(str(packages))) == list(vendored.FILES)
    assert vendored.texts(str(packages / "node_modules")) == vendored.texts(str(packages))
    changed = packages / "node_modules" / "reveal.js" / "dist" / "reveal.js"
    changed.write_text("alert(1)")
    with pytest.raises(UserError, match="is not the file of"):
        vendored.texts(str(packages))
    changed.unlink()
    with pytest.raises(UserError, match="is not there"):
        vendored.texts(str(packages))


def test_without_npm_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="--vendor FOLDER"):
        vendored.texts()


def test_what_npm_says_is_handed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: name)
    failed = subprocess.CompletedProcess([], 1, "", "npm error network\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match="npm error network"):
        vendored.texts()


def test_a_deck_is_not_written_over(tmp_path):
    (tmp_path / "welcome.html").write_text("mine")
    with pytest.raises(UsageError, match="already"):
        slides.write_decks(tmp_path, [toc.find("welcome")])


def test_figures_are_drawn_for_a_room_where_that_is_asked(monkeypatch):
    monkeypatch.setenv("SSLBOOK_FIGURES", "talk")
    assert style.use() == style.CONTEXTS["talk"]
    monkeypatch.delenv("SSLBOOK_FIGURES")
    assert style.use() == style.CONTEXTS["page"]


@pytest.mark.slow
def test_a_chapter_runs_for_its_deck(tmp_path, packages, monkeypatch):
    """Its figures are the talk's, nothing is left in runs/, the environment is as before."""
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path / "home"))
    chapter = toc.find("linear_jepa")
    (line,) = slides.write_decks(tmp_path / "out", [chapter], "check", str(packages))
    assert line.endswith("slides")
    page = (tmp_path / "out" / "linear_jepa.html").read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", page)
    wide = [Image.open(io.BytesIO(base64.b64decode(one))).width for one in pictures]
    strip = style.CONTEXTS["talk"]
    assert strip.strip[0] * strip.dpi in wide
    assert "SSLBOOK_FIGURES" not in os.environ
    assert not list((tmp_path / "home").rglob("record.json"))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_no_slide_overflows_in_a_browser(tmp_path):
    """With the real reveal.js and MathJax: every formula is set, nothing stands out of the page."""
    try:
        parts = vendored.texts(os.environ.get("SSLBOOK_VENDOR", ""))
    except UserError as error:
        pytest.skip(str(error).splitlines()[0])
    checked = """<script>Reveal.on("ready", () => MathJax.startup.promise.then(() => {
      const out = [];
      document.querySelectorAll(".slides > section").forEach((slide, i) => {
        Reveal.slide(i);
        const parts = [...slide.querySelectorAll("h2, .body *, img")];
        const low = Math.max(...parts.map(one => one.getBoundingClientRect().bottom));
        if (low > 720) out.push(i);
      });
      document.title = "low " + out.join(",") + " raw " +
        (document.querySelector(".slides").innerText.match(/\\$/g) || []).length;
    }));</script></body>"""
    for name in ("simclr", "graphmae", "linear_jepa"):
        page = slides.page(name, deck(name), parts).replace("</body>", checked)
        path = tmp_path / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        assert title(path, tmp_path) == "low  raw 0", name


def title(path: Path, folder: Path) -> str:
    """The page's title after its scripts ran."""
    line = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder / 'profile'}", "--window-size=1280,720",
            "--virtual-time-budget=20000", "--dump-dom", path.as_uri()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    return re.search(r"<title>(.*?)</title>", done.stdout)[1].strip()
