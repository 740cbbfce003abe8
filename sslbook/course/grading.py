"""An nbgrader course: one assignment per chapter that has variants, all drawn from one seed.

    OUT/nbgrader/source/<chapter>/<chapter>.ipynb   solved, with hidden tests: the teacher's
    OUT/nbgrader/course.json                        the seed, and the points of every assignment
    OUT/nbgrader/marking/<chapter>.md               what was drawn, and the rubrics
    OUT/nbgrader/kernel/                            starts the grading kernels closed

`nbgrader generate_assignment NAME` makes what students get from it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sslbook import files
from sslbook.course import build, variants
from sslbook.course.preprocess import HIDE, HIDE_END
from sslbook.course.variants import Assignment, Question, Task
from sslbook.errors import UsageError
from sslbook.nbtools.toc import Chapter

_STARTUP = """\
import os

try:
    from sslbook.course import guard

    guard.close()
except BaseException:  # no grading without the guard
    os._exit(70)
del guard, os
"""
_START = """\
# {title}: graded tasks

Write your code where it says `# your turn`, and your answers where it says *Your answer*. Run all
cells before you hand in: the tests you see are a part of those that count. They need
torch and the book; while your work is graded, `sslbook.methods`, the network and other programs
are not there.

Say below each answer who and what helped you."""
_MARKING = """\
# Marking notes

Yours alone: with the seed in `course.json` these tell every answer.

    nbgrader generate_assignment NAME    # what students get: release/
    nbgrader autograde NAME              # what they handed in: submitted/<student>/NAME/
    nbgrader formgrader                  # open questions, by hand
    nbgrader generate_feedback NAME      # what they get back: feedback/

Submissions are untrusted code. Grade them in a container without network: docs/teaching.md.
"""


def write_course(out: Path, chapters: Sequence[Chapter], seed: str = "",
                 replace: bool = False) -> list[str]:
    """Write the course's folder; returns lines that say what is there.

    seed: any text; "" takes that of `course.json` where there is one, else a new one. A gradebook
    and submissions are never touched. Raises UsageError where no chapter has variants, where files
    are there already (unless `replace`), and where `seed` is not the one of a course that is there.
    """
    known = variants.chapters()
    picked = [one for one in chapters if one.name in known]
    if not picked:
        raise UsageError("None of these chapters has graded variants yet.", "None were written.",
                         f"These have: {', '.join(known)}.")
    seed = _seed(out / "course.json", seed)
    drawn = {one.name: variants.assignment(one.name, seed) for one in picked}
    points = {name: sum(graded(one).values()) for name, one in drawn.items()}
    made = {out / "source" / one.name / f"{one.name}.ipynb": notebook(one, drawn[one.name])
            for one in picked}
    made |= {out / "marking" / f"{name}.md": marking(one) for name, one in drawn.items()}
    made[out / "nbgrader_config.py"] = _text("nbgrader_config.py.txt")
    profile = out / "kernel" / "profile_default"
    made[profile / "startup" / "00-guard.py"] = _STARTUP
    made[profile / "ipython_kernel_config.py"] = "c.HistoryManager.enabled = False\n"
    made[out / ".gitignore"] = "# hidden tests and seeds lie here: none of it is published\n*\n"
    build.write(made, replace)
    about = {"seed": seed, "points": _points(out / "course.json") | points}
    files.write_json(out / "course.json", about)
    without = [one.name for one in chapters if one.name not in known]
    return [f"{name}: {total} points" for name, total in points.items()] + [
        f"no graded variants yet: {', '.join(without)}"] * bool(without) + [
        f"{out} is yours alone: it has the seed and the hidden tests. Begin with marking/."]


def _seed(path: Path, wanted: str) -> str:
    """The course's seed: kept where there is a course, else the one asked for or a new one."""
    if not path.is_file():
        return wanted or secrets.token_hex(4)
    try:
        kept = str(json.loads(path.read_text(encoding="utf-8"))["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__}).", "Nothing was written.",
                         "Give another folder, or put the file back.") from error
    if wanted and wanted != kept:
        raise UsageError(f"The course in {path.parent} was drawn from another seed.",
                         "Nothing was written.", "Give another folder, or leave --seed out.")
    return kept


def _points(path: Path) -> dict[str, int]:
    """Points of the assignments that an earlier build has written."""
    return json.loads(path.read_text(encoding="utf-8"))["points"] if path.is_file() else {}


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def graded(assignment: Assignment) -> dict[str, int]:
    """Points of every graded cell by its nbgrader id; those of questions end in `-question`."""
    found: dict[str, int] = {}
    for task in assignment.tasks:
        found |= {f"{task.name}-shown": task.points[0]}
        found |= {f"{task.name}-hidden": task.points[1]} if task.hidden else {}
    return found | {f"{one.name}-question": one.points for one in assignment.questions}


def notebook(chapter: Chapter, assignment: Assignment) -> str:
    """The assignment's source as nbgrader wants it: solved, hidden tests marked."""
    cells = [_cell("markdown", "intro", _START.format(title=chapter.title)),
             _cell("code", "imports", "import torch")]
    for task in assignment.tasks:
        cells += _task_cells(task)
    for question in assignment.questions:
        cells += _question_cells(question)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _task_cells(task: Task) -> Iterable[dict[str, Any]]:
    shown, hidden = task.points
    yield _cell("markdown", f"{task.name}-text", f"{task.text}\n\n*{shown + hidden} points*")
    yield _cell("code", task.name, task.cell, solution=True)
    yield _cell("code", f"{task.name}-shown", task.shown, points=shown)
    if task.hidden:
        more = (f"# more tests of {task.name} run when it is graded\n"
                f"{HIDE}\n{task.hidden}\n{HIDE_END}")
        yield _cell("code", f"{task.name}-hidden", more, points=hidden)


def _question_cells(question: Question) -> Iterable[dict[str, Any]]:
    worth = "\n".join(f"- {points} for: {what}" for points, what in question.rubric)
    yield _cell("markdown", f"{question.name}-text",
                f"### A question\n\n{question.text}\n\n*{question.points} points, marked by hand*")
    yield _cell("markdown", f"{question.name}-question",
                f"{question.answer}\n\nRubric:\n\n{worth}", points=question.points, solution=True)


def _cell(kind: str, name: str, source: str, *, points: int | None = None,
          solution: bool = False) -> dict[str, Any]:
    """A cell with nbgrader's metadata: graded where it has points, else locked or a solution."""
    graded = points is not None
    about = {"schema_version": 3, "grade_id": name, "cell_type": kind, "task": False,
             "grade": graded, "solution": solution, "locked": not solution}
    made = {"cell_type": kind, "id": name.replace("_", "-"), "source": source,
            "metadata": {"nbgrader": about | ({"points": points} if graded else {})}}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def marking(one: Assignment) -> str:
    """Marking notes of an assignment: what was drawn, each rubric, what a full answer says."""
    parts = [_MARKING.replace("NAME", one.chapter), f"## {one.chapter}\n"]
    parts += [f"- `{task.name}` ({sum(task.points)} points). {task.note}\n" for task in one.tasks]
    for question in one.questions:
        parts.append(f"\n**{question.text}**\n\n")
        parts += [f"- {points}: {what}\n" for points, what in question.rubric]
        parts.append(f"\nA full answer: {question.answer}\n")
    return "\n".join(part.rstrip("\n") + "\n" if part.startswith("#") else part.rstrip("\n")
                     for part in parts) + "\n"
