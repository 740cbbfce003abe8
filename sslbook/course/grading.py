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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from sslbook.book.toc import Chapter
from sslbook.core import files
from sslbook.course import build, variants
from sslbook.course.preprocess import HIDE, HIDE_END
from sslbook.course.variants import Assignment
from sslbook.errors import UsageError

_TEXTS = Path(__file__).with_name("nbgrader")  # course/: goes into each course as it is


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
    course = _course(out / "course.json", seed)
    made = {out / path.relative_to(_TEXTS / "course").with_suffix(""):
            path.read_text(encoding="utf-8") for path in (_TEXTS / "course").rglob("*.txt")}
    said = []
    for chapter in picked:
        drawn = variants.assignment(chapter.name, course["seed"])
        made[out / "source" / chapter.name / f"{chapter.name}.ipynb"] = notebook(chapter, drawn)
        made[out / "marking" / f"{chapter.name}.md"] = marking(drawn)
        course["points"][chapter.name] = drawn.points
        said.append(f"{chapter.name}: {drawn.points} points")
    build.write(made, replace)
    files.write_json(out / "course.json", course)
    if without := [one.name for one in chapters if one.name not in known]:
        said.append(f"no graded variants yet: {', '.join(without)}")
    return [*said,
            f"{out} is yours alone: it has the seed and the hidden tests. Begin with marking/."]


def _course(path: Path, wanted: str) -> dict[str, Any]:
    """Seed and points of the course that is there, else of a new one with the seed asked for."""
    if not path.is_file():
        return {"seed": wanted or secrets.token_hex(4), "points": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        course = {"seed": str(found["seed"]), "points": dict(found["points"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__}).", "Nothing was written.",
                         "Give another folder, or put the file back.") from error
    if wanted and wanted != course["seed"]:
        raise UsageError(f"The course in {path.parent} was drawn from another seed.",
                         "Nothing was written.", "Give another folder, or leave --seed out.")
    return course


def notebook(chapter: Chapter, assignment: Assignment) -> str:
    """The assignment's source as nbgrader wants it: solved, hidden tests marked."""
    cells = [_cell("markdown", "intro", _text("start.md").rstrip("\n").format(title=chapter.title)),
             _cell("code", "imports", "import torch")]
    for task in assignment.tasks:
        name, (shown, hidden) = task.name, task.points
        cells += [_cell("markdown", f"{name}-text", f"{task.text}\n\n*{shown + hidden} points*"),
                  _cell("code", name, task.cell, solution=True),
                  _cell("code", f"{name}-shown", task.shown, points=shown)]
        if task.hidden:
            more = (f"# more tests of {name} run when it is graded\n"
                    f"{HIDE}\n{task.hidden}\n{HIDE_END}")
            cells.append(_cell("code", f"{name}-hidden", more, points=hidden))
    question = assignment.question
    cells += [
        _cell("markdown", f"{question.name}-text", f"### A question\n\n{question.text}\n\n"
              f"*{question.points} points, marked by hand*"),
        _cell("markdown", f"{question.name}-question", _full(assignment),
              points=question.points, solution=True)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return nbformat.writes(made) + "\n"


def _cell(kind: str, name: str, source: str, *, points: int | None = None,
          solution: bool = False) -> NotebookNode:
    """A cell with nbgrader's metadata: graded where it has points, else locked or a solution."""
    about = {"schema_version": 3, "grade_id": name, "cell_type": kind, "task": False,
             "grade": points is not None, "solution": solution, "locked": not solution}
    if points is not None:
        about["points"] = points
    new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return new(source, id=name.replace("_", "-"), metadata={"nbgrader": about})


def _full(assignment: Assignment) -> str:
    """What a full answer to the question says, and its rubric."""
    worth = "\n".join(f"- {points}: {what}" for points, what in assignment.question.rubric)
    return f"{assignment.question.answer}\n\nRubric:\n\n{worth}"


def marking(assignment: Assignment) -> str:
    """Marking notes of an assignment: what was drawn, the rubric, what a full answer says."""
    drawn = "\n".join(f"- `{task.name}` ({sum(task.points)} points). {task.note}"
                      for task in assignment.tasks)
    head = _text("marking.md").replace("NAME", assignment.chapter)
    return (f"{head}\n## {assignment.chapter}\n\n{drawn}"
            f"\n\n**{assignment.question.text}**\n\nA full answer: {_full(assignment)}\n")


def _text(name: str) -> str:
    return (_TEXTS / name).read_text(encoding="utf-8")
