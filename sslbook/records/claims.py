"""Claims: what a paper says, what is measured, and the rule that decides, fixed before training.

A verdict is computed from the rule and the measured values; there is no way to type one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sslbook.errors import UsageError

SEEDS = 3  # with fewer, no claim is decided
MOST = 1000  # more seeds than this nobody runs

# How values are compared: (to the scale on which intervals are taken, and back).
_SCALES = {
    "difference": (np.asarray, np.asarray),
    "ratio": (np.log, np.exp),
    "correlation": (np.arctanh, np.tanh),  # Fisher's z
}


@dataclass(frozen=True)
class Rule:
    """A bound on one number.

    op: ">=" or "<=". bound: in the unit of the number; for a claim the smallest size that matters.
    seeds: True for a claim, decided over seeds (`decide`); False for a check, which every run must
    meet. scale: "difference" (no effect is 0), "ratio" (no effect is 1, compared as logarithms) or
    "correlation" (no effect is 0, compared by Fisher's z).
    """

    op: str
    bound: float
    seeds: bool = False
    scale: str = "difference"

    def __post_init__(self) -> None:
        if self.op not in (">=", "<="):
            raise UsageError(f"A rule compares with '>=' or '<=', not {self.op!r}.")
        if self.scale not in _SCALES:
            raise UsageError(f"No scale is called {self.scale!r}.", "",
                             f"Take one of: {', '.join(_SCALES)}.")
        with np.errstate(all="ignore"):
            there = _SCALES[self.scale][0](self.bound)
        if not np.isfinite(there):
            raise UsageError(f"{self.bound:g} is no bound of a {self.scale}.", "",
                             "A ratio's is above 0, a correlation's between -1 and 1.")

    def meets(self, value: float) -> bool:
        return value >= self.bound if self.op == ">=" else value <= self.bound

    def effects(self, values: Sequence[float]) -> tuple[np.ndarray, float]:
        """(effects, margin): values and bound on the rule's scale, counted from no effect.

        The claim's side is positive. No effect is 0 (of a ratio 1); where the bound lies on the
        other side of it ("at most 2 points worse"), no effect is the bound and the margin is 0.
        """
        sign = 1.0 if self.op == ">=" else -1.0
        with np.errstate(all="ignore"):
            there = sign * _SCALES[self.scale][0](np.asarray([*values, self.bound], dtype=float))
        margin = float(there[-1])
        return there[:-1] - min(0.0, margin), max(0.0, margin)

    def values(self, effects: Sequence[float]) -> list[float]:
        """What `effects` were made of."""
        sign = 1.0 if self.op == ">=" else -1.0
        margin = sign * float(_SCALES[self.scale][0](self.bound))
        return _SCALES[self.scale][1](sign * (np.asarray(effects) + min(0.0, margin))).tolist()

    def __str__(self) -> str:
        return f"{self.op} {self.bound:g}{' over seeds' if self.seeds else ''}"


def bound(at_most: float | None, at_least: float | None, **more: Any) -> Rule:
    """The rule of that one of two bounds which is given. Raises UsageError for none or both."""
    if (at_most is None) == (at_least is None):
        raise UsageError("One bound decides: at_least or at_most.")
    return Rule(">=", at_least, **more) if at_most is None else Rule("<=", at_most, **more)


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, as this book tests it.

    id: a letter. text: the claim. source: paper and place. measures: the number, in words. rule:
    decides. presets: where it is decided; elsewhere it reads "not run". precondition: a rule on a
    second number; where it fails the verdict is "not at this scale". paper: the paper's own number.
    """

    id: str
    text: str
    source: str
    measures: str
    rule: Rule
    presets: tuple[str, ...] = ("smoke", "lesson", "full")
    precondition: Rule | None = None
    paper: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "presets": list(self.presets)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Claim:
        before = stored.get("precondition")
        return cls(**{**stored, "rule": Rule(**stored["rule"]), "presets": tuple(stored["presets"]),
                      "precondition": Rule(**before) if before else None})


@dataclass(frozen=True)
class Verdict:
    """What the measured values say of a claim.

    word: supported, too small, refuted, open, not run or not at this scale; of a check passed or
    failed. n: values behind it. mean, low, high: of the values and their 95 % interval, which is
    nan for a single run. needed: of an open claim the number of seeds that would decide it at this
    spread, 0 where more than `MOST` would not.
    """

    word: str
    n: int
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    needed: int = 0

    def __str__(self) -> str:
        return self.word

    @property
    def why(self) -> str:
        """What would decide it, in brackets; "" for a claim that is decided."""
        if self.word == "not run" and self.n:
            return f"({self.n} of {SEEDS} seeds)"
        if self.word != "open" or math.isnan(self.low):
            return ""
        return f"(about {self.needed} seeds would decide)" if self.needed else (
            f"(even {MOST:,} seeds would not decide)")


def tally(verdicts: Iterable[Verdict]) -> str:
    """How many claims, and which verdicts they have: 3 claims: 2 supported, 1 not run."""
    words = Counter(map(str, verdicts))
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    return f"{words.total()} claim{'s' * (words.total() != 1)}{': ' * bool(counts)}{counts}"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % t-interval of the mean; (nan, nan) for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    half = _half(len(values), float(np.std(values, ddof=1)))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def decide(claim: Claim, values: list[float], preconditions: list[float] | None = None) -> Verdict:
    """The verdict on a claim from its measured values, one per seed, by the rule of the book.

    supported: the interval of the mean lies on the claim's side of no effect, and the bound inside
    or below it. refuted: wholly on the other side. too small: neither, but wholly short of the
    bound. open: everything else. not run: fewer than three values. preconditions: the second number
    of each run, for claims that registered one.
    """
    rule, n = claim.rule, len(values)
    if not values:
        return Verdict("not run", 0)
    effects, margin = rule.effects(values)
    if not np.isfinite(effects).all():  # a run that broke, a ratio of nothing
        return Verdict("open" if rule.seeds else "failed", n, float(np.mean(values)))
    low, high = interval(effects.tolist())
    mean = float(np.mean(effects))
    said = Verdict("", n, *_ordered(rule, mean, low, high))
    if claim.precondition and not all(map(claim.precondition.meets, preconditions or [math.nan])):
        return replace(said, word="not at this scale")
    if not rule.seeds:
        return replace(said, word="passed" if all(map(rule.meets, values)) else "failed")
    if n < SEEDS:
        return replace(said, word="not run")
    if high < 0:
        return replace(said, word="refuted")
    if high < margin:
        return replace(said, word="too small")
    if low > 0:
        return replace(said, word="supported")
    far = max(abs(mean), margin - mean)  # from no effect, or from the size that matters
    return replace(said, word="open", needed=_needed(far, float(np.std(effects, ddof=1))))


def _ordered(rule: Rule, mean: float, low: float, high: float) -> tuple[float, float, float]:
    """Mean and interval in the unit of the values."""
    mean, low, high = rule.values([mean, low, high])
    return mean, *((low, high) if rule.op == ">=" else (high, low))


def _half(n: int, spread: float) -> float:
    """Half of the 95 % t-interval of a mean of n values with this standard deviation."""
    from scipy import stats

    return float(stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n))


def _needed(far: float, spread: float) -> int:
    """Seeds for which half of the interval would be smaller than `far`; 0 beyond `MOST`."""
    return next((n for n in range(SEEDS, MOST + 1) if _half(n, spread) < far), 0)
