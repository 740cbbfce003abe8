"""Graded tasks drawn at random: each course has its own, so the book's solutions answer none.

A chapter's variants are data, `variants/<chapter>.yml`: tasks whose knobs are drawn (an option is
what the text says and the code that stands for it; the first of each are the book's own), wrong
claims to refute by an example, open questions. A task's cell is written as the book's exercises
are, with a `# blank:` line and a solution: blank, reference and right value come from this text.
"""

from __future__ import annotations

import random
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sslbook.book.notebook import blank, solved
from sslbook.errors import UsageError

Entry = dict[str, Any]  # a part of a chapter's file
_FOLDER = Path(__file__).parent
_TEXTS = yaml.safe_load((_FOLDER.parent / "nbgrader" / "tasks.yml").read_text(encoding="utf-8"))
_SLOT = re.compile(r"^( *)<(\w+)>|<(\w+)>", re.M)


@dataclass(frozen=True)
class Task:
    """A function to write, graded by two tests.

    name: of the function. text: markdown, what is asked. cell: the solved code with its blank.
    shown, hidden: code that raises unless the answer is right; the first goes to the students,
    the second (may be empty) stays with the teacher. points: of the two. note: for the marker.
    """

    name: str
    text: str
    cell: str
    shown: str
    hidden: str
    points: tuple[int, int]
    note: str

    @property
    def blank(self) -> str:
        """The cell as the students get it."""
        return blank(self.cell)


@dataclass(frozen=True)
class Question:
    """An open question. rubric: (points, for what). answer: what a full one says."""

    name: str
    text: str
    rubric: tuple[tuple[int, str], ...]
    answer: str

    @property
    def points(self) -> int:
        return sum(points for points, _ in self.rubric)


@dataclass(frozen=True)
class Assignment:
    """What a chapter's class hands in."""

    chapter: str
    tasks: tuple[Task, ...]
    question: Question

    @property
    def points(self) -> int:
        return sum(sum(task.points) for task in self.tasks) + self.question.points


def chapters() -> list[str]:
    """The chapters that have variants."""
    return sorted(path.stem for path in _FOLDER.glob("*.yml"))


def assignment(chapter: str, seed: str) -> Assignment:
    """The chapter's assignment in the course of that seed: the same for the same seed.

    Raises UsageError for a chapter without variants.
    """
    if chapter not in chapters():
        raise UsageError(f"Chapter {chapter} has no graded variants yet.", "Nothing was drawn.",
                         f"These have: {', '.join(chapters())}.")
    entry = yaml.safe_load((_FOLDER / f"{chapter}.yml").read_text(encoding="utf-8"))
    draw = random.Random(f"{seed}/{chapter}")  # nosec B311 # no secret in it
    tasks = [_variant(one, draw) for one in entry["tasks"]]
    if "claims" in entry:
        tasks.append(_claim(entry["claims"], draw))
    asked = draw.choice(entry["questions"])
    question = Question(**asked | {"rubric": tuple(map(tuple, asked["rubric"]))})
    return Assignment(chapter, tuple(tasks), question)


def _variant(entry: Entry, draw: random.Random) -> Task:
    """A function drawn by its knobs, compared with its reference in value and gradient.

    case: source of the arguments of the shown test, which holds the right value as a number.
    cases: of a list of such for the hidden one; each `<seed>` there is a number of its own.
    """
    knobs = {name: [one if isinstance(one, dict) else {"say": one, "code": one} for one in options]
             for name, options in entry["knobs"].items()}
    book = {name: options[0] for name, options in knobs.items()}
    chosen = book
    while chosen == book:
        chosen = {name: draw.choice(options) for name, options in knobs.items()}
    said, code = ({knob: one[key] for knob, one in chosen.items()} for key in ("say", "code"))
    name, cell, case = entry["name"], _fill(entry["cell"], code), entry["case"]
    cases = re.sub("<seed>", lambda _: str(draw.randrange(10**6)), entry["cases"])
    shown = _TEXTS["shown"].format(name=name, case=case, right=_value(cell, name, case))
    inside = textwrap.indent(solved(cell), "    ")
    return Task(name, _fill(entry["text"], said), cell, shown,
                _TEXTS["hidden"].format(name=name, cases=cases, inside=inside),
                tuple(entry["points"]), f"Drawn: {said}.")


def _claim(entry: Entry, draw: random.Random) -> Task:
    """A wrong claim to refute by an example; the students see the test that judges it."""
    words = entry | draw.choice(entry["wrong"])
    asked, cell, shown = (_TEXTS[key].format(**words) for key in ("claim", "example", "refutes"))
    return Task("counterexample", asked, cell, shown, "", (2, 0),
                "Any example that passes the shown test is right.")


def _fill(template: str, words: dict[str, str]) -> str:
    """Each <name> replaced by its words; lines that begin with it keep its indentation."""
    def put(found: re.Match[str]) -> str:
        margin = found[1] or ""
        return margin + words[found[2] or found[3]].replace("\n", f"\n{margin}")

    return _SLOT.sub(put, template)


def _value(cell: str, name: str, case: str) -> str:
    """Source of what the solved cell's function says on a case, to 7 digits: one number."""
    import torch

    space: dict[str, Any] = {"torch": torch}
    exec(cell, space)  # nosec B102 # the package's own text
    return f"{float(space[name](*eval(case, space))):.7g}"  # nosec B307 # the same
