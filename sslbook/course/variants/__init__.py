"""Graded tasks that are drawn: each course has its own, so the book's solutions answer none.

A chapter's variants lie in a module of its name with one function, `assignment(draw)`: from a
`random.Random` it chooses axis, sign, norm or fixture, and returns tasks (graded by running them)
and questions (graded by a person). A task's cell is written as the book's exercises are, with a
`# blank:` line and a solution: blank, reference and the right value all come from this one text.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sslbook.errors import UsageError
from sslbook.nbtools.source import BEGIN, BLANK, END, blank

SEED = 10**6  # hidden cases are drawn from seeds below this
_DRAWN = """\
def drawn(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
"""


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
    questions: tuple[Question, ...]


def chapters() -> list[str]:
    """The chapters that have variants."""
    names = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in names if not name.startswith("_"))


def assignment(chapter: str, seed: str) -> Assignment:
    """The chapter's assignment in the course of that seed: the same for the same seed.

    Raises UsageError for a chapter without variants.
    """
    if chapter not in chapters():
        raise UsageError(f"Chapter {chapter} has no graded variants yet.", "Nothing was drawn.",
                         f"These have: {', '.join(chapters())}.")
    module = import_module(f"{__name__}.{chapter}")
    return module.assignment(random.Random(f"{seed}/{chapter}"))  # nosec B311 # no secret in it


def choose(draw: random.Random, knobs: dict[str, Sequence[str]], book: dict[str, str]
           ) -> dict[str, str]:
    """One value of each knob, at random, but never all as the book's own function has them."""
    while True:
        chosen = {name: draw.choice(list(values)) for name, values in knobs.items()}
        if chosen != book:
            return chosen


def compared(name: str, text: str, cell: str, *, case: str, cases: str, note: str,
             points: tuple[int, int] = (1, 3)) -> Task:
    """A task whose function is compared with its reference, in value and gradient.

    case: source of one tuple of arguments for the shown test, which holds the right value as a
    number. cases: source of a list of such tuples for the hidden test; `drawn(*shape, seed=...)`
    makes float64 tensors there.
    """
    right = value(cell, name, case)
    shown = (f"from sslbook.lesson import check_same\n\ncase = {case}\n"
             f"assert check_same({name}(*case), {right}, grads=False, bound=1e-5)")
    inside = textwrap.indent(solved(cell), "    ")
    hidden = (f"from sslbook.lesson import check_same\n\n{_DRAWN}\n\n"
              f"def reference():\n{inside}\n    return {name}\n\n\n"
              f"cases = {cases}\nassert check_same({name}, reference(), *cases)")
    return Task(name, text, cell, shown, hidden, points, note)


def solved(cell: str) -> str:
    """A cell's code without the marks of blank and solution."""
    marks = (BEGIN, END, BLANK)
    return "\n".join(line for line in cell.splitlines() if not line.strip().startswith(marks))


def value(cell: str, name: str, case: str) -> str:
    """Source of what the solved cell's function says on a case, to 7 digits: number or tensor."""
    import torch

    space: dict[str, Any] = {"torch": torch}
    exec(cell, space)  # nosec B102 # the package's own text
    found = space[name](*eval(case, space))  # nosec B307 # the same
    if isinstance(found, torch.Tensor):
        digits = [float(f"{one:.7g}") for one in found.double().flatten().tolist()]
        shape = list(found.shape)
        return f"torch.tensor({digits}).reshape({shape})"
    return f"{found:.7g}"


def refuted(name: str, claim: str, gives: str, cell: str, judge: str, note: str,
            points: int = 2) -> Task:
    """A task to refute a claim by an example.

    gives: what the function returns, in words. judge: source of `refutes(...)`, which is true
    where what the function returns refutes the claim; the students see it.
    """
    text = (f"### A claim to refute\n\n> {claim}\n\nIt is wrong. Write `{name}()`, which returns "
            f"an example against it: {gives}. The test below says what counts.")
    shown = f"{judge}\n\nassert refutes(*{name}()), 'this example does not refute the claim'"
    return Task(name, text, cell, shown, "", (points, 0), note)


def seeds(draw: random.Random, count: int) -> list[int]:
    """Seeds of hidden cases."""
    return [draw.randrange(SEED) for _ in range(count)]
