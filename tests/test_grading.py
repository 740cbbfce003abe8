"""Graded variants: drawn, running, never the book's own; through nbgrader to points."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch

from sslbook import paths
from sslbook.course import grading, guard, variants
from sslbook.errors import UsageError
from sslbook.nbtools import toc

needs_nbgrader = pytest.mark.skipif(
    importlib.util.find_spec("nbgrader") is None, reason='nbgrader: pip install "sslbook[teach]"')
SEEDS = [str(seed) for seed in range(25)]


def passes(code: str, test: str) -> bool:
    """Whether a test accepts an answer, both run as cells of one notebook."""
    space: dict[str, object] = {"torch": torch}
    exec(code, space)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(test, space)
        except AssertionError:
            return False
    return True


@pytest.mark.parametrize("chapter", variants.chapters())
def test_every_variant_accepts_its_solution_and_refuses_its_blank(chapter):
    texts = set()
    for seed in SEEDS:
        for task in variants.assignment(chapter, seed).tasks:
            texts.add(task.text)
            for test in filter(None, (task.shown, task.hidden)):
                assert passes(task.cell, test), (seed, task.name)
                assert not passes(task.blank, test), (seed, task.name)
    assert len(texts) >= 10, "the draws hardly differ"


@pytest.mark.parametrize("chapter", variants.chapters())
def test_no_hidden_test_accepts_another_variant(chapter):
    """Nor does it accept an answer that knows the shown number alone."""
    tasks = [variants.assignment(chapter, seed).tasks[0] for seed in SEEDS[:8]]
    for one in tasks:
        for other in tasks:
            assert passes(other.cell, one.hidden) == (other.cell == one.cell)
        assert passes(constant(one), one.shown)
        assert not passes(constant(one), one.hidden)


def constant(task: variants.Task) -> str:
    """An answer that returns the value of the shown test, whatever it is asked."""
    number = re.search(r"assert check_same\(.*?\(\*case\), (.*), grads=", task.shown)[1]
    return f"import torch\n\n\ndef {task.name}(*anything):\n    return {number}"


@pytest.mark.parametrize(("chapter", "own", "arguments"), [
    ("barlow_twins", "barlow_twins_loss", (0.3,)), ("simclr", "nt_xent_loss", (0.5,)),
    ("dcl", "dcl_loss", (0.5,)), ("mae", "mae_loss", (torch.eye(4, 3),)),
])
def test_the_books_own_function_answers_no_variant(chapter, own, arguments):
    line = f"from sslbook.methods.{chapter} import {own} as my_loss"
    for seed in SEEDS:
        task = variants.assignment(chapter, seed).tasks[0]
        assert not passes(line, task.hidden), f"seed {seed} drew the twin"


def test_a_seed_draws_the_same_course_again():
    one, again, other = (variants.assignment("mae", seed) for seed in ("a", "a", "b"))
    assert one == again
    assert one != other


def test_a_chapter_without_variants_is_named():
    with pytest.raises(UsageError, match="no graded variants"):
        variants.assignment("welcome", "0")
    with pytest.raises(UsageError, match="has graded variants"):
        grading.write_course(Path("nowhere"), [toc.find("welcome")])


def test_the_teachers_folder(tmp_path):
    chapters = [toc.find("barlow_twins"), toc.find("welcome")]
    said = grading.write_course(tmp_path, chapters, "7")
    assert said[0] == "barlow_twins: 10 points"
    assert "welcome" in said[1]
    marking = tmp_path / "marking" / "barlow_twins.md"
    before = marking.read_text()
    assert (tmp_path / ".gitignore").read_text().endswith("*\n")
    grading.write_course(tmp_path, chapters)  # the same again
    marking.write_text("mine")
    with pytest.raises(UsageError, match="already"):
        grading.write_course(tmp_path, chapters)
    assert marking.read_text() == "mine"
    grading.write_course(tmp_path, [toc.find("dcl")])  # next week's stands beside it
    assert marking.read_text() == "mine"
    assert set(json.loads((tmp_path / "course.json").read_text())["points"]) == {
        "barlow_twins", "dcl"}
    marking.write_text(before)
    with pytest.raises(UsageError, match="another seed"):
        grading.write_course(tmp_path, chapters, "8", replace=True)
    marking.write_text("mine")
    grading.write_course(tmp_path, chapters, replace=True)
    assert marking.read_text() == before




@pytest.mark.parametrize(("code", "said"), [
    ("import sslbook.methods.mae", "is not there while"),
    ("from sslbook.methods import mae", "is not there while"),
    ("import importlib; importlib.import_module('sslbook.methods')", "cannot be read|not there"),
    ("import sslbook.course.variants", "is not there while"),
    ("import sslbook; open(sslbook.__path__[0] + '/methods/mae.py')", "cannot be read"),
    ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "no network"),
    ("import socket; socket.getaddrinfo('example.org', 80)", "no network"),
    ("import subprocess; subprocess.run(['true'])", "no program"),
    ("import os; os.system('true')", "no program"),
    ("import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.close(); print('fine')", ""),
    ("import torch; from sslbook.lesson import check_same; check_same(1.0, 1.0)", ""),
])
def test_the_guard(code, said):
    line = f"from sslbook.course import guard; guard.close()\n{code}"
    done = subprocess.run([sys.executable, "-c", line], cwd=paths.PACKAGE.parent, timeout=120,
                          capture_output=True, text=True)
    assert done.returncode == (1 if said else 0), done.stderr
    assert re.search(said, done.stderr)


def test_the_guard_refuses_to_close_too_late():
    line = "import sslbook.methods.mae\nfrom sslbook.course import guard\nguard.close()"
    done = subprocess.run([sys.executable, "-c", line], cwd=paths.PACKAGE.parent, timeout=120,
                          capture_output=True, text=True)
    assert "before the guard closed" in done.stderr
    assert guard.HIDDEN[0] == "sslbook.methods"


def nbgrader(course: Path, *arguments: str) -> str:
    """Run an nbgrader command in the course's folder, with the programs of this environment."""
    env = {k: v for k, v in os.environ.items() if k not in ("IPYTHONDIR", "SSLBOOK_STRICT")}
    env["PATH"] = str(Path(sys.executable).parent) + os.pathsep + env.get("PATH", "")
    env["PYTHONPATH"] = str(paths.PACKAGE.parent)
    env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run([sys.executable, "-m", "nbgrader", *arguments], cwd=course, env=env,
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one chapter, with the students' notebook made by nbgrader."""
    folder = tmp_path_factory.mktemp("course") / "nbgrader"
    grading.write_course(folder, [toc.find("barlow_twins")], "2026")
    nbgrader(folder, "generate_assignment", "barlow_twins")
    return folder


@needs_nbgrader
def test_what_students_get(course):
    """Blanks that run, shown tests, and neither answer, hidden test nor seed."""
    path = course / "release" / "barlow_twins" / "barlow_twins.ipynb"
    text = path.read_text(encoding="utf-8")
    drawn = variants.assignment("barlow_twins", "2026")
    for secret in ("HIDDEN", "SOLUTION", "reference()", "seed=", "Rubric", "2026",
                   drawn.questions[0].answer[:40]):
        assert secret not in text
    cells = {cell.id: cell.source for cell in nbformat.read(path, 4).cells}
    for task in drawn.tasks:
        assert cells[task.name.replace("_", "-")] == task.blank
        assert cells[f"{task.name.replace('_', '-')}-shown"] == task.shown
    assert "*Your answer:*" in cells.values()


def hand_in(course: Path, student: str, answers: dict[str, str]) -> None:
    """Submit the students' notebook with some of its cells filled in."""
    notebook = nbformat.read(course / "release/barlow_twins/barlow_twins.ipynb", 4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    folder = course / "submitted" / student / "barlow_twins"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "barlow_twins.ipynb")


def scores(course: Path, student: str) -> dict[str, float | None]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submission = book.find_submission("barlow_twins", student)
        grades = submission.notebooks[0].grades
        return {one.name: one.auto_score for one in grades}


@needs_nbgrader
@pytest.mark.slow
def test_points_of_a_right_a_half_right_and_a_blank_submission(course):
    """And of two that try to read the twin and to use the network; feedback keeps the secrets."""
    drawn = variants.assignment("barlow_twins", "2026")
    loss, claim = drawn.tasks
    (shown, hidden), worth = loss.points, claim.points[0]
    right = {one.name.replace("_", "-"): one.cell for one in drawn.tasks}
    half = {"my-loss": constant(loss), "counterexample": claim.cell}
    twin = {"my-loss": "from sslbook.methods.barlow_twins import barlow_twins_loss as my_loss"}
    phone = "import socket\nsocket.create_connection(('192.0.2.1', 80), 2)\n"
    spy = "\n\n\ntrue_loss = my_loss\n\n\ndef my_loss(*case):\n    print(f'SPY {len(case[0])}')\n" \
          "    return true_loss(*case)"
    students = {"right": right, "half": half, "blank": {}, "twin": twin,
                "phone": {**right, "my-loss": phone + loss.cell},
                "spy": {**right, "my-loss": loss.cell + spy}}
    for student, answers in students.items():
        hand_in(course, student, answers)
    nbgrader(course, "autograde", "barlow_twins")
    found = {student: scores(course, student) for student in students}
    full = {"my_loss-shown": shown, "my_loss-hidden": hidden, "counterexample-shown": worth}
    question = f"{drawn.questions[0].name}-question"
    tested = {student: {k: v for k, v in one.items() if k != question}
              for student, one in found.items()}
    nothing = dict.fromkeys(full, 0)
    assert tested["right"] == tested["spy"] == full
    assert tested["half"] == {**full, "my_loss-hidden": 0}
    assert tested["blank"] == tested["twin"] == nothing
    assert tested["phone"] == {**nothing, "counterexample-shown": worth}
    print({student: sum(one.values()) for student, one in tested.items()})

    nbgrader(course, "generate_feedback", "barlow_twins")
    for student in students:
        page = (course / f"feedback/{student}/barlow_twins/barlow_twins.html").read_text("utf-8")
        words = re.sub(r"<[^>]*>", "", page)
        assert not re.search(r"HIDDEN|SPY 7|seed=\d|reference\(\)", words), student
        assert ("SPY 3" in words) == (student == "spy")  # what the shown case prints stays
    half = (course / "feedback/half/barlow_twins/barlow_twins.html").read_text("utf-8")
    assert "did not pass" in half  # of the hidden test, and nothing of its case
    assert "expected" not in half
    shutil.rmtree(course / "submitted")


def test_assignments_are_whole_notebooks(tmp_path):
    """nbformat accepts them, ids are unique, and points add up to what is said."""
    for name in variants.chapters():
        drawn = variants.assignment(name, "1")
        notebook = nbformat.from_dict(json.loads(grading.notebook(toc.find(name), drawn)))
        nbformat.validate(notebook)
        ids = [cell.metadata["nbgrader"]["grade_id"] for cell in notebook.cells]
        points = sum(cell.metadata["nbgrader"].get("points", 0) for cell in notebook.cells)
        assert len(set(ids)) == len(ids)
        assert points == sum(grading.graded(drawn).values())
