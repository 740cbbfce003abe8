"""Slides: which cells become one, and that the page asks for nothing else."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess

import browser
import pytest
from PIL import Image

from sslbook.book import toc
from sslbook.book.notebook import read
from sslbook.core import files
from sslbook.course import slides, vendored
from sslbook.errors import UsageError, UserError
from sslbook.lesson.viz import style

PARTS = dict.fromkeys(vendored.FILES, "/* vendored */")


def deck(chapter: toc.Chapter):
    """The slides of a chapter as it was committed."""
    return slides.deck(read(chapter.path, chapter))


@pytest.mark.parametrize("chapter", toc.chapters(), ids=lambda chapter: chapter.name)
def test_every_chapter_makes_a_deck(chapter):
    """It begins with its title, no text fills more than a slide, every figure has words."""
    found = deck(chapter)
    assert 8 <= slides.count(found) <= 60
    assert found.cells[0].source.startswith(f"# {chapter.title}")
    for cell in found.cells:
        assert "SOLUTION" not in cell.source
        if cell.metadata.slideshow.slide_type == "-" and not cell.source.startswith("|"):
            assert len(cell.source.split()) <= 170, cell.source
        for output in cell.get("outputs", []):
            assert output.metadata.get("image/png", {}).get("alt") or "text/markdown" in output.data


def test_cells_become_slides_by_their_tags():
    """Blank and answer, claims, notes, a table of its own; nothing of what only a machine needs."""
    found = [(cell.metadata.slideshow.slide_type, cell.source)
             for cell in deck(toc.find("dcl")).cells]
    at = found.index(("slide", "## Your turn"))
    assert "# your turn" in found[at + 1][1]
    assert found[at + 2] == ("slide", "## One answer")
    assert "# your turn" not in found[at + 3][1]
    kind, note = found[found.index(("slide", "## One term less")) + 2]
    assert kind == "notes"
    assert re.match(r"(?s)> \*\*For the teacher\*\*.*Often believed", note)
    everything = "\n".join(text for _, text in found)
    assert "\n- (b) " in everything
    assert ("-", "| symbol | code |") in [(kind, text[:17]) for kind, text in found]
    assert not re.search(r"colab-badge|PRESET: str|<details>|run\.finish", everything)


def test_the_page_asks_for_no_other_file():
    made = deck(toc.find("dcl"))
    made.metadata.title = "A <title>"
    page = slides.page(made, PARTS)
    assert "<title>A &lt;title&gt;</title>" in page
    assert re.search(r"content=\"default-src 'none'[^>]*http-equiv=\"Content-Security-P", page)
    assert not re.findall(r"(?:src|srcset|data)=\"(?!data:)[^\"]+\"|<link|@import|url\(", page)
    assert page.count("/* vendored */") == len(PARTS)
    pictures = re.findall(r"<img alt=\"[^\"]{20}[^\"]*\" src=\"data:image/png;base64", page)
    assert len(pictures) == page.count("<img") > 3
    assert len(re.findall(r"<section[^>]*>\s*<section", page)) == slides.count(made)
    assert page.count('<aside class="notes">') > 3
    assert "viz.show" not in page


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder as npm leaves it, and the hashes of what lies in it."""
    for name in vendored.FILES:
        path = tmp_path / "node_modules" / name
        files.write_text(path, f"/* {name} */")
        monkeypatch.setitem(vendored.FILES, name, files.sha256(path))
    return tmp_path


def test_vendored_files_are_found_and_compared(packages):
    found = vendored.texts(str(packages))
    assert list(found) == list(vendored.FILES)
    assert vendored.texts(str(packages / "node_modules")) == found
    changed = packages / "node_modules" / "reveal.js" / "dist" / "reveal.js"
    for damage in (lambda: changed.write_text("alert(1)"), changed.unlink):
        damage()
        with pytest.raises(UserError, match="is not the file of"):
            vendored.texts(str(packages))


@pytest.mark.parametrize(("npm", "said"), [(None, "--vendor FOLDER"), ("npm", "npm error network")])
def test_without_npm_or_network_the_way_out_is_said(monkeypatch, npm, said):
    failed = subprocess.CompletedProcess([], 1, "", "npm error network\n")
    monkeypatch.setattr(shutil, "which", lambda name: npm)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match=said):
        vendored.texts()


def test_a_deck_is_not_written_over(tmp_path):
    (tmp_path / "welcome.html").write_text("mine")
    with pytest.raises(UsageError, match="already"):
        slides.write_decks(tmp_path, [toc.find("welcome")])


@pytest.mark.slow
def test_a_chapter_runs_for_its_deck(tmp_path, packages, monkeypatch):
    """Its figures are the talk's, nothing is left in runs/, the environment is as before."""
    (line,) = slides.write_decks(tmp_path / "out", [toc.find("linear_jepa")], "check",
                                 str(packages))
    assert line.endswith("slides")
    page = (tmp_path / "out" / "linear_jepa.html").read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", page)
    wide = [Image.open(io.BytesIO(base64.b64decode(one))).width for one in pictures]
    strip = style.CONTEXTS["talk"]
    assert strip.strip[0] * strip.dpi in wide
    assert "SSLBOOK_FIGURES" not in os.environ
    assert not list((tmp_path / "home").rglob("record.json"))


@pytest.mark.slow
def test_slides_in_a_browser(tmp_path):
    """With the real files: nothing is asked for, formulas are set, no slide must be scrolled."""
    browser.program()
    try:
        parts = vendored.texts(os.environ.get("SSLBOOK_VENDOR", ""))
    except UserError as error:
        pytest.skip(str(error).splitlines()[0])
    with browser.opened() as program:
        for name in ("simclr", "graphmae", "linear_jepa"):
            path = tmp_path / f"{name}.html"
            path.write_text(slides.page(deck(toc.find(name)), parts), encoding="utf-8")
            shown = browser.Page(program, path.as_uri())
            shown.page.goto(path.as_uri())
            found = shown.page.evaluate("""MathJax.startup.promise.then(() => [
                document.querySelector(".slides").innerText.match(/\\$/g) || [],
                [...document.querySelectorAll(".slides > section > section")].filter((one, i) => {
                    Reveal.slide(i);
                    return one.scrollHeight > one.clientHeight + 1;
                }).map(one => one.innerText)])""")
            assert (found, shown.strangers, shown.errors) == ([[], []], [], []), name
