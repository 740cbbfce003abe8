"""Editions of a course: blanks that run, notes that fit, one tag, nothing written over."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch
from notebook_factory import source_of
from typer.testing import CliRunner

from sslbook.book import routes, toc
from sslbook.book.collapse import is_collapsed, opened
from sslbook.book.notebook import NotebookSource, read
from sslbook.cli import course as cli
from sslbook.core import paths
from sslbook.course import build, editions, notes, variants, vendored
from sslbook.errors import UsageError
from sslbook.nbtools.contract import rules

CHAPTERS = toc.chapters()
named = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
_SOLUTION = re.compile(r"^ *### BEGIN SOLUTION$.*?^ *### END SOLUTION$\n?|^ *# blank: [^\n]*\n",
                       re.M | re.S)


def edition(chapter: toc.Chapter, name: str, ref: str = "") -> NotebookSource:
    made = json.loads(editions.make(chapter, name, ref))
    nbformat.validate(nbformat.from_dict(made))
    return NotebookSource(made, replace(chapter, ref=ref or chapter.ref))


@named
def test_a_blank_equals_the_solution_but_for_the_marked_lines(chapter):
    """The drift test: what students get differs from the source inside the marks, nowhere else."""
    solved, made = source_of(chapter), edition(chapter, "student")
    for before, after in zip(solved.cells, made.cells, strict=True):
        if before.index == 0:  # the card says what its badge opens
            assert after.source.replace(f"\n\n{editions.SOLVED}", "") == before.source
        elif not before.tagged("exercise:"):
            assert after.source == before.source
        else:
            assert not is_collapsed(after.raw["metadata"]), "a blank is there to be seen"
            turned = re.findall(r"^ *(.*)  # your turn$", after.source, re.M)
            assert turned == re.findall(r"# blank: (.*)", before.source) != []
            kept = re.sub(r"^.*  # your turn$\n?", "", after.source, flags=re.M)
            outside = _SOLUTION.sub("", opened(before.source))
            assert kept.splitlines() == outside.splitlines()
    assert not any(cell.outputs for cell in made.cells)
    assert not re.search("(BEGIN|END) SOLUTION|# blank:", json.dumps(made.notebook))


@named
def test_the_instructors_edition_is_the_source_with_notes(chapter):
    solved, made = source_of(chapter), edition(chapter, "instructor")
    rest = [cell for cell in made.cells if "teacher" not in cell.tags]
    assert [cell.raw for cell in rest] == [cell.raw for cell in solved.cells]
    found = [cell for cell in made.cells if "teacher" in cell.tags]
    minutes = [int(re.search(r"· (\d+) min", cell.source)[1]) for cell in found]
    assert sum(minutes) == sum(routes.minutes(chapter)) > 0
    assert made.order == solved.order


@named
def test_notes_name_sections_that_there_are_and_share_out_all_minutes(chapter):
    order, common = set(source_of(chapter).order), set(notes.common(chapter.folder))
    assert set(chapter.metadata.get("notes", {})) <= order
    assert chapter.form == "guide" or order <= common | set(chapter.metadata.get("notes", {}))
    if chapter.name in variants.chapters():
        own = chapter.metadata.get("notes", {}).values()
        assert sum(len(one.get("misconceptions", [])) for one in own) >= 3
        assert sum(len(one.get("ask", {})) for one in own) >= 4


def test_the_common_notes_are_of_sections_that_there_are_and_fit_a_slides_back():
    common = notes.common(CHAPTERS[0].folder)
    known = set().union(*(source_of(chapter).order for chapter in CHAPTERS))
    assert set(common) <= known
    for entry in common.values():
        assert all(len(one) <= 200 for one in [*entry.get("misconceptions", []),
                                               *entry.get("ask", {})])


@pytest.mark.parametrize(("text", "says"), [
    ("sections: {card: {minuets: 3}}", "minuets"), ("sections: {card: 3}", "must be object"),
    ("- a list", "must be object"), ("sections: [", "cannot be read"),
])
def test_a_wrong_file_of_notes_is_named(tmp_path, text, says):
    (tmp_path / "teaching.yml").write_text(text)
    with pytest.raises(UsageError, match=says):
        notes.common(tmp_path)


def test_minutes_are_whole_and_sum_up():
    assert notes.shared(10, [1, 1, 1]) == [4, 3, 3]
    assert notes.shared(80, [2, 0, 18]) == [8, 0, 72]
    assert notes.shared(5, []) == notes.shared(0, []) == []


@named
@pytest.mark.parametrize("name", ["student", "instructor"])
def test_a_ref_pins_badge_and_install_cell(chapter, name):
    """The contract's own rules hold for the pinned tag, and the book's tag is nowhere left."""
    made = edition(chapter, name, "v9.1")
    for rule in ("card_colab", "parameters_cell"):
        assert list(rules()[rule][0](made)) == []
    assert not re.search(rf"{chapter.repository}(\.git)?(@|/\w+/){chapter.ref}\b",
                         "\n".join(cell.source for cell in made.cells))
    about = made.metadata["sslbook"]
    assert (about["ref"], about["edition"]) == ("v9.1", name)


def test_a_ref_that_git_does_not_know_is_named(tmp_path, monkeypatch):
    assert build.unknown("v9.1") == [
        "Not known to git here: v9.1. Its links work once it is published."]
    assert build.unknown("HEAD") == build.unknown("") == []
    monkeypatch.chdir(tmp_path)
    assert build.unknown("v9.1") == [], "no checkout, nothing to ask"


@pytest.mark.parametrize(("wrong", "said"), [
    *(({"edition": "student", "ref": ref}, "no tag") for ref in ("v 1", "../x", "--help", "v1;rm",
                                                                "a..b")),
    ({"edition": "teacher"}, "There is no edition 'teacher'")])
def test_what_is_no_ref_and_no_edition(wrong, said):
    with pytest.raises(UsageError, match=said):
        editions.make(CHAPTERS[0], **wrong)


def test_chapters_are_chosen_in_the_order_of_the_book():
    assert [one.name for one in build.chosen("mae, simclr")] == ["simclr", "mae"]
    assert build.chosen("") == CHAPTERS
    with pytest.raises(UsageError, match="Did you mean"):
        build.chosen("barlow_twin")


@named
def test_scripts_compile(chapter):
    text = editions.make(chapter, "script")
    compile(text, chapter.name, "exec")
    assert "%pip" not in text
    assert "run.finish()" in text


def course(*arguments: object) -> str:
    """What `sslbook course` prints."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        cli.app, [*map(str, arguments)], catch_exceptions=False).output


def test_nothing_is_written_over(tmp_path):
    command = ["build", tmp_path / "c", "--chapters", "dcl,welcome"]
    assert course(*command).startswith("2 chapters, edition student")
    path = tmp_path / "c" / "student" / "contrast" / "dcl.ipynb"
    path.write_text("mine")
    with pytest.raises(UsageError, match="add --force"):
        course(*command)
    assert path.read_text() == "mine"
    course(*command, "--force")
    assert path.read_text() != "mine"
    with pytest.raises(UsageError, match="has graded variants"):
        course("build", tmp_path / "d", "--chapters", "welcome", "--nbgrader")
    assert not (tmp_path / "d").exists(), "nothing was written"


def test_blanks_run():
    """A learner can run the cells before writing a line: each blank has the right kind."""
    space: dict = {"torch": torch, "np": np}
    for cell in edition(toc.find("dcl"), "student").code:
        if cell.tagged("exercise:"):
            exec(cell.source, space)
    space["dcl_loss"](*torch.randn(2, 4, 3, requires_grad=True), 0.5).backward()
    assert space["coupling"](4, 0.5) == 0


@pytest.mark.slow
@named
def test_every_students_edition_runs_to_its_end(chapter, tmp_path, monkeypatch):
    """In preset check; blank by blank the reference stands in, and the notebook says so."""
    import papermill

    monkeypatch.setenv("SSLBOOK_PRESET", "check")
    (path,) = build.write(build.editions_of(tmp_path, [chapter], "student"), replace=False)
    papermill.execute_notebook(path, tmp_path / "out.ipynb", kernel_name="python3", cwd=tmp_path,
                               progress_bar=False)
    done = read(tmp_path / "out.ipynb", chapter)
    told = "".join(cell.printed for cell in done.code)
    assert "using the reference, not your code" in told or "solve(" not in done.text(*done.order)


@pytest.mark.slow
def test_a_script_runs_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBOOK_PRESET", "check")
    monkeypatch.setenv("SSLBOOK_STRICT", "1")
    monkeypatch.setenv("PYTHONPATH", str(paths.PACKAGE.parent))
    chapter = toc.find("barlow_twins")
    (path,) = build.write(build.editions_of(tmp_path, [chapter], "script"), replace=False)
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_teaching_page_names_every_option():
    text = (paths.PACKAGE.parent / "docs" / "teaching.md").read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z]+", course("build", "--help"))) - {"--help"}
    assert len(options) >= 9
    assert [name for name in [*options, *vendored.PACKAGES] if name not in text] == []
