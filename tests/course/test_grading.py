"""Graded variants: drawn, running, never the book's own; through nbgrader to points."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
import yaml

from sslbook.book import toc
from sslbook.core import files, paths
from sslbook.course import grading, preprocess, variants
from sslbook.errors import UsageError

SEEDS = [str(seed) for seed in range(16)]
each = pytest.mark.parametrize("chapter", variants.chapters())


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


def constant(task: variants.Task) -> str:
    """An answer that returns the value of the shown test, whatever it is asked."""
    number = re.search(r"assert check_same\(.*?\(\*case\), (.*), grads=", task.shown)[1]
    return f"def {task.name}(*anything):\n    return torch.tensor({number})"


@each
def test_every_variant_accepts_its_solution_and_refuses_its_blank(chapter):
    tasks = [task for seed in SEEDS for task in variants.assignment(chapter, seed).tasks]
    for task in tasks:
        for test in filter(None, (task.shown, task.hidden)):
            assert passes(task.cell, test), task.cell
            assert not passes(task.blank, test), task.cell
    assert len({task.text for task in tasks}) >= 10, "the draws hardly differ"
    assert variants.assignment(chapter, SEEDS[0]).tasks[0] == tasks[0], "same seed, other task"
    assert not any(re.search(r"<\w+>", task.text + task.cell + task.hidden) for task in tasks)


@each
def test_no_hidden_test_accepts_another_variant(chapter):
    """Nor does it accept an answer that knows the shown number alone, nor the book's own."""
    tasks = [variants.assignment(chapter, seed).tasks[0] for seed in SEEDS]
    for one in tasks[:6]:
        for other in tasks[:6]:
            assert passes(other.cell, one.hidden) == (other.cell == one.cell)
        assert passes(constant(one), one.shown)
        assert not passes(constant(one), one.hidden)
    own = yaml.safe_load((Path(variants.__file__).parent / f"{chapter}.yml").read_text())["twin"]
    for one in tasks:
        line = f"from sslbook.methods.{chapter} import {own} as {one.name}"
        assert not passes(line, one.hidden)


def test_the_teachers_folder(tmp_path):
    chapters = [toc.find("barlow_twins"), toc.find("welcome")]
    with pytest.raises(UsageError, match="has graded variants"):
        grading.write_course(tmp_path, chapters[1:])
    with pytest.raises(UsageError, match="no graded variants"):
        variants.assignment("welcome", "0")
    said = grading.write_course(tmp_path, chapters, "7")
    assert said[:2] == ["barlow_twins: 10 points", "no graded variants yet: welcome"]
    marking = tmp_path / "marking" / "barlow_twins.md"
    before = marking.read_text()
    assert (tmp_path / ".gitignore").read_text().endswith("*\n")
    grading.write_course(tmp_path, chapters)  # the same again
    marking.write_text("mine")
    with pytest.raises(UsageError, match="already"):
        grading.write_course(tmp_path, chapters)
    grading.write_course(tmp_path, [toc.find("dcl")])  # next week's stands beside it
    assert marking.read_text() == "mine"
    assert set(json.loads((tmp_path / "course.json").read_text())["points"]) == {
        "barlow_twins", "dcl"}
    with pytest.raises(UsageError, match="another seed"):
        grading.write_course(tmp_path, chapters, "8", replace=True)
    grading.write_course(tmp_path, chapters, replace=True)
    assert marking.read_text() == before


@each
def test_assignments_are_whole_and_what_students_get_of_them_is_blank(chapter):
    """nbformat accepts them, points add up; no solution is left, feedback hides hidden tests."""
    drawn = variants.assignment(chapter, "1")
    notebook = nbformat.reads(grading.notebook(toc.find(chapter), drawn), as_version=4)
    nbformat.validate(notebook)
    about = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells}
    assert len(about) == len(notebook.cells)
    assert drawn.points == sum(cell.metadata.nbgrader.get("points", 0) for cell in notebook.cells)
    for task in drawn.tasks:
        assert about[f"{task.name}-shown"].source == task.shown
        assert preprocess.released(about[task.name]).source == task.blank
    question = about[f"{drawn.question.name}-question"]
    assert preprocess.released(question).source == "*Your answer:*"
    hidden = about["my_loss-hidden"]
    hidden.outputs = [nbformat.v4.new_output("error", ename="E", evalue="of the hidden case")]
    hidden = preprocess.discreet(hidden)
    assert not re.search("reference|HIDDEN|hidden case", f"{hidden}")
    assert hidden.outputs[0].text == "did not pass\n"


FORBIDDEN = {
    "import sslbook.methods.mae": "is not there while",
    "import importlib; importlib.import_module('sslbook.methods')": "not there|cannot be read",
    "import sslbook.course.variants": "is not there while",
    "open(sslbook.__path__[0] + '/methods/mae.py')": "cannot be read",
    "open(sslbook.__path__[0] + '/course/variants/mae.yml')": "cannot be read",
    "socket.create_connection(('192.0.2.1', 80), 1)": "no network",
    "socket.getaddrinfo('example.org', 80)": "no network",
    "import subprocess; subprocess.run(['true'])": "no program",
    "os.system('true')": "no program",
    "socket.socket().bind(('127.0.0.1', 0))": "",
    "import torch; from sslbook.lesson import check_same; check_same(1.0, 1.0)": "",
}


def guarded(code: str) -> str:
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=paths.PACKAGE.parent, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_guard():
    said = guarded(f"""if True:
        import os, socket, sslbook
        from sslbook.course import guard
        guard.close()
        for code in {list(FORBIDDEN)}:
            try:
                exec(code)
                print("done")
            except Exception as error:
                print(error)""")
    lines = [line for line in said.splitlines() if not line.startswith("same:")]
    for line, (code, wanted) in zip(lines, FORBIDDEN.items(), strict=True):
        assert re.search(wanted or "done", line), code
    assert "before the guard closed" in guarded(
        "import sslbook.methods.mae; from sslbook.course import guard; guard.close()")


def nbgrader(course: Path, command: str) -> None:
    """Run an nbgrader command in the course's folder, with the programs of this environment."""
    env = {k: v for k, v in os.environ.items() if k not in ("IPYTHONDIR", "SSLBOOK_STRICT")}
    env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
            "PYTHONPATH": str(paths.PACKAGE.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "nbgrader", command, "barlow_twins"], cwd=course,
                          env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nbgrader") is None,
                    reason='nbgrader: pip install "sslbook[teach]"')
def test_a_course_through_nbgrader(tmp_path):
    """Students get blanks and no secret; points of a right, a half right, a blank submission, of
    two that try the twin and the network, of a spy; feedback keeps the secrets."""
    from nbgrader.api import Gradebook

    grading.write_course(tmp_path, [toc.find("barlow_twins")], "2026")
    nbgrader(tmp_path, "generate_assignment")
    drawn = variants.assignment("barlow_twins", "2026")
    released = (tmp_path / "release/barlow_twins/barlow_twins.ipynb").read_text(encoding="utf-8")
    for secret in ("HIDDEN", "SOLUTION", "reference()", "seed=", "Rubric", "2026",
                   drawn.question.answer[:40]):
        assert secret not in released

    loss, claim = drawn.tasks
    right = {"my-loss": loss.cell, "counterexample": claim.cell}
    phone = "import socket\nsocket.create_connection(('192.0.2.1', 80), 2)\n"
    spy = "\n\n\ntrue_loss = my_loss\n\n\ndef my_loss(*case):\n    print(f'SPY {len(case[0])}')\n" \
          "    return true_loss(*case)"
    twin = "from sslbook.methods.barlow_twins import barlow_twins_loss as my_loss"
    students = {  # answers, and the points of shown and hidden test and of the claim
        "right": (right, (1, 3, 2)), "half": (right | {"my-loss": constant(loss)}, (1, 0, 2)),
        "blank": ({}, (0, 0, 0)), "twin": ({"my-loss": twin}, (0, 0, 0)),
        "phone": (right | {"my-loss": phone + loss.cell}, (0, 0, 2)),
        "spy": (right | {"my-loss": loss.cell + spy}, (1, 3, 2))}
    for student, (answers, _) in students.items():
        notebook = nbformat.reads(released, as_version=4)
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        files.write_text(tmp_path / f"submitted/{student}/barlow_twins/barlow_twins.ipynb",
                         nbformat.writes(notebook))
    nbgrader(tmp_path, "autograde")
    nbgrader(tmp_path, "generate_feedback")
    for student, (_, points) in students.items():
        with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
            (notebook,) = book.find_submission("barlow_twins", student).notebooks
            found = {one.name: one.auto_score for one in notebook.grades}
        assert points == (found["my_loss-shown"], found["my_loss-hidden"],
                          found["counterexample-shown"]), student
        page = tmp_path / f"feedback/{student}/barlow_twins/barlow_twins.html"
        words = re.sub(r"<[^>]*>", "", page.read_text("utf-8"))
        assert not re.search(r"HIDDEN|SPY 7|seed=\d|reference\(\)", words), student
        assert ("SPY 3" in words) == (student == "spy")  # what the shown case prints stays
        if student == "half":  # the hidden test's verdict, and nothing of its case
            assert "did not pass" in words
            assert "expected" not in words
