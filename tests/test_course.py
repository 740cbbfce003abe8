"""Editions of a course: blanks that run, notes that fit, one tag, nothing written over."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest
from notebook_factory import source_of
from tiny_book import sslbook

from sslbook import paths
from sslbook.course import build, editions, notes, vendored
from sslbook.errors import UsageError
from sslbook.nbtools import routes, toc
from sslbook.nbtools.collapse import is_collapsed, opened
from sslbook.nbtools.contract import rules
from sslbook.nbtools.source import NotebookSource, read

CHAPTERS = toc.chapters()
named = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)


def edition(chapter: toc.Chapter, name: str, ref: str = "") -> NotebookSource:
    made = json.loads(editions.make(chapter, name, ref))
    nbformat.validate(nbformat.from_dict(made))
    return NotebookSource(made, replace(chapter, ref=ref or chapter.ref))


def outside(lines: list[str]) -> list[str]:
    """A solved cell's lines without solutions and without marks."""
    kept, inside = [], False
    for line in lines:
        inside = inside or "### BEGIN SOLUTION" in line
        if not inside and "# blank:" not in line:
            kept.append(line)
        inside = inside and "### END SOLUTION" not in line
    return kept


@named
def test_a_blank_equals_the_solution_but_for_the_marked_lines(chapter):
    """The drift test: what students get differs from the source inside the marks, nowhere else."""
    solved, made = source_of(chapter), edition(chapter, "student")
    assert len(made.cells) == len(solved.cells)
    for before, after in zip(solved.cells, made.cells, strict=True):
        if before.index == 0:  # the card says what its badge opens
            added = difflib.ndiff(before.source.splitlines(), after.source.splitlines())
            assert [line[2:] for line in added if line[0] in "+-?"] in ([], ["", editions.SOLVED])
        elif not before.tagged("exercise:"):
            assert after.source == before.source
        else:
            lines = after.source.splitlines()
            turned = [line for line in lines if line.endswith("  # your turn")]
            assert turned
            assert not is_collapsed(after.raw["metadata"]), "a blank is there to be seen"
            assert [one for one in lines if one not in turned] == outside(
                opened(before.source).splitlines())
            blanks = re.findall(r"# blank: (.*)", before.source)
            assert [one.strip().removesuffix("  # your turn") for one in turned] == blanks
    assert not any(cell.outputs for cell in made.cells)
    assert not re.search("(BEGIN|END) SOLUTION|# blank:", json.dumps(made.notebook))


def test_the_drift_test_sees_drift():
    lines = ["a", "# blank: b", "### BEGIN SOLUTION", "c", "### END SOLUTION", "d"]
    assert outside(lines) == ["a", "d"]


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
    assert set(notes.own(chapter)) <= order
    assert chapter.form == "guide" or order <= common | set(notes.own(chapter))


def test_the_common_notes_are_of_sections_that_there_are():
    known = set().union(*(source_of(chapter).order for chapter in CHAPTERS))
    assert set(notes.common(CHAPTERS[0].folder)) <= known


@pytest.mark.parametrize(("text", "says"), [
    ("sections: {card: {minuets: 3}}", "minuets"), ("sections: {card: 3}", "section: entry"),
    ("- a list", "not a mapping"), ("sections: [", "cannot be read"),
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
    for rule in ("card_colab", "install_cell"):
        assert list(rules()[rule][0](made)) == []
    assert not re.search(rf"{chapter.repository}(\.git)?(@|/\w+/){chapter.ref}\b",
                         "\n".join(cell.source for cell in made.cells))
    assert made.metadata["sslbook"]["ref"] == "v9.1"
    assert made.metadata["sslbook"]["edition"] == name


def test_a_ref_that_git_does_not_know_is_named(tmp_path, monkeypatch):
    assert build.unknown("v9.1") == [
        "Not known to git here: v9.1. Its links work once it is published."]
    assert build.unknown("HEAD") == build.unknown("") == []
    monkeypatch.chdir(tmp_path)
    assert build.unknown("v9.1") == [], "no checkout, nothing to ask"


@pytest.mark.parametrize("ref", ["v 1", "../x", "--help", "v1;rm", "a..b"])
def test_what_is_no_ref(ref):
    with pytest.raises(UsageError, match="no tag"):
        editions.make(CHAPTERS[0], "student", ref)


def test_unknown_editions_and_chapters_are_named():
    with pytest.raises(UsageError, match="There is no edition 'teacher'"):
        editions.make(CHAPTERS[0], "teacher")
    with pytest.raises(UsageError, match="Did you mean"):
        build.chosen("barlow_twin")
    assert [one.name for one in build.chosen("mae, simclr")] == ["simclr", "mae"]
    assert build.chosen("") == CHAPTERS


@named
def test_scripts_compile(chapter):
    text = editions.make(chapter, "script")
    compile(text, chapter.name, "exec")
    assert "%pip" not in text
    assert "run.finish()" in text


def test_nothing_is_written_over(tmp_path):
    command = ["course", "build", str(tmp_path / "c"), "--chapters", "dcl,welcome"]
    done = sslbook(*command)
    said, _ = done.communicate(timeout=120)
    assert (done.returncode, said[:26]) == (0, "2 chapters, edition studen")
    path = tmp_path / "c" / "student" / "contrast" / "dcl.ipynb"
    path.write_text("mine")
    again = sslbook(*command)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 2
    assert "add --replace" in said
    assert path.read_text() == "mine"
    graded = sslbook("course", "build", str(tmp_path / "d"), "--chapters", "welcome", "--nbgrader")
    _, said = graded.communicate(timeout=120)
    assert (graded.returncode, (tmp_path / "d").exists()) == (2, False)  # nothing was written
    edition = build.editions_of(tmp_path / "c", [toc.find("dcl")], "student")
    build.write(edition, replace=True)
    assert path.read_text() != "mine"


def written(folder, chapter, edition):
    (path,) = build.write(build.editions_of(folder, [chapter], edition), replace=False)
    return path


def execute(path, tmp_path, **more: str) -> None:
    """Run a written notebook in preset check, as papermill does, away from the checkout."""
    env = {k: v for k, v in os.environ.items() if k != "SSLBOOK_STRICT"}
    env |= {"PYTHONPATH": str(paths.PACKAGE.parent), "SSLBOOK_HOME": str(tmp_path / "home"),
            "SSLBOOK_PRESET": "check", "SSLBOOK_OFFLINE": "1", "SSLBOOK_HEADLESS": "1",
            "OMP_NUM_THREADS": "1", **more}
    line = [sys.executable, "-m", "papermill", str(path), str(tmp_path / "out.ipynb"),
            "--no-progress-bar", "--kernel", "python3"]
    if path.suffix == ".py":
        line = [sys.executable, str(path)]
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_students_edition_runs_to_its_end(tmp_path):
    """Blank by blank the reference stands in, and the verdict says so."""
    path = written(tmp_path, toc.find("linear_jepa"), "student")
    execute(path, tmp_path)
    printed = "".join(cell.printed for cell in read(tmp_path / "out.ipynb",
                                                    toc.find("linear_jepa")).code)
    assert "using the reference, not your code" in printed


@pytest.mark.slow
@named
def test_every_students_edition_runs_to_its_end(chapter, tmp_path):
    path = written(tmp_path, chapter, "student")
    execute(path, tmp_path)


@pytest.mark.slow
def test_a_script_runs_to_its_end(tmp_path):
    path = written(tmp_path, toc.find("barlow_twins"), "script")
    execute(path, tmp_path, SSLBOOK_STRICT="1")


def test_the_notes_are_plain_yaml():
    """No note is longer than a line on a slide's back: at most 200 characters."""
    for entry in notes.common(paths.notebooks()).values():
        for one in [*entry.get("misconceptions", []), *entry.get("ask", {})]:
            assert len(one) <= 200


def test_the_teaching_page_names_options_that_there_are():
    text = (paths.PACKAGE.parent / "docs" / "teaching.md").read_text(encoding="utf-8")
    done = sslbook("course", "build", "--help", env=os.environ | {"COLUMNS": "200"})
    said, _ = done.communicate(timeout=120)
    for option in ("--chapters", "--edition", "--ref", "--nbgrader", "--slides", "--replace",
                   "--preset", "--vendor", "--seed"):
        assert option in text
        assert option in said
    for package in vendored.PACKAGES:
        assert package in text
