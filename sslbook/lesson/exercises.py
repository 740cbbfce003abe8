"""Exercises: what the learner wrote is checked, used when right, replaced when not.

    register("off_diagonal", reference, cases, hint="...", known_mistakes={...})   # the chapter
    off_diagonal = solve("off_diagonal", my_off_diagonal)                          # the learner

A wrong answer never stops a chapter: `solve` says what is wrong and returns the reference, and
`trained_with_note()` is the banner for every figure and verdict that follows. Under
SSLBOOK_STRICT=1 (the solved edition's tests) a fallback is an error.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sslbook.errors import UsageError, UserError
from sslbook.lesson.checks import check_same, compare

__all__ = ["check_same", "fallbacks", "hint", "register", "reset", "solve", "trained_with_note"]

NOTE = "trained with the reference, not with your code"


@dataclass(frozen=True)
class Exercise:
    """One exercise: the right answer, what it is checked on, and help."""

    reference: Any
    cases: Sequence | Callable[[], Sequence]
    hint: str
    known_mistakes: Mapping[str, Callable]
    grads: bool
    bound: float


_exercises: dict[str, Exercise] = {}
_fallbacks: dict[str, None] = {}  # names in the order of their `solve`


def register(name: str, reference: Any, cases: Sequence | Callable[[], Sequence] = (),
             hint: str = "", known_mistakes: Mapping[str, Callable] | None = None, *,
             grads: bool = True, bound: float = 1e-9) -> None:
    """Make an exercise known; registering a name again replaces it, so cells can be run again.

    reference: the right function, or the right value. cases: tuples of arguments, or a function
    that makes them. hint: printed by `hint(name)`. known_mistakes, grads, bound: as in
    `check_same`.
    """
    _exercises[name] = Exercise(reference, cases, hint, known_mistakes or {}, grads, bound)


def solve(name: str, mine: Any) -> Any:
    """Return `mine`, the very object, when it is right, else the reference; print the verdict.

    A wrong answer is remembered (`fallbacks()`) until the same exercise is solved. Raises
    UsageError for an unknown name, and UserError for a wrong answer under SSLBOOK_STRICT=1.
    """
    exercise = _find(name)
    cases = exercise.cases() if callable(exercise.cases) else exercise.cases
    right, line = compare(mine, exercise.reference, cases, exercise.grads, exercise.bound,
                          exercise.known_mistakes)
    if right:
        _fallbacks.pop(name, None)
        print(f"{name}: {line}")
        return mine
    help_line = f'hint("{name}") helps.' if exercise.hint else "Compare it with the equation."
    if os.environ.get("SSLBOOK_STRICT", "") == "1":
        raise UserError(f"{name}: {line}", "Stopped here, because SSLBOOK_STRICT=1.", help_line)
    _fallbacks[name] = None
    print(f"{name}: {line}\nusing the reference, not your code. {help_line}")
    return exercise.reference


def hint(name: str) -> None:
    """Print the hint of an exercise; UsageError for an unknown name."""
    print(_find(name).hint or f"{name} has no hint: the equation above says it all.")


def fallbacks() -> tuple[str, ...]:
    """Names of the exercises whose reference is in use, in the order of their `solve`."""
    return tuple(_fallbacks)


def reset() -> None:
    """Forget all fallbacks: what a new run starts with."""
    _fallbacks.clear()


def trained_with_note() -> str:
    """The banner for figures and verdicts: empty while only the learner's code is in use."""
    return NOTE if _fallbacks else ""


def _find(name: str) -> Exercise:
    if name in _exercises:
        return _exercises[name]
    near = difflib.get_close_matches(name, _exercises, n=1)
    raise UsageError(f"There is no exercise {name!r}.", "Nothing was checked.",
                     f'Did you mean "{near[0]}"?' if near else "Run the cells above first.")
