"""Claims: what a paper says, what is measured, and the rule that decides, fixed before training.

A verdict is computed from the rule and the measured values; there is no way to type one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sslbook.errors import UsageError

SEEDS = 3  # fewer than this, and a claim about accuracy stays undecided


@dataclass(frozen=True)
class Rule:
    """A bound on one number.

    op: ">=" or "<=". bound: in the unit of the number. seeds: False for identities, fixed points
    and mechanisms, which one run decides (three or more, only if the interval of their mean meets
    the bound as well); True for accuracies, where the number is a paired
    difference per seed and its mean and 95 % t-interval must both meet the bound.
    """

    op: str
    bound: float
    seeds: bool = False

    def __post_init__(self) -> None:
        if self.op not in (">=", "<="):
            raise UsageError(f"A rule compares with '>=' or '<=', not {self.op!r}.")

    def meets(self, value: float) -> bool:
        return value >= self.bound if self.op == ">=" else value <= self.bound

    def __str__(self) -> str:
        over = f"mean over at least {SEEDS} seeds, 95 % interval included"
        how = over if self.seeds else "one run"
        return f"{self.op} {self.bound:g} ({how})"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, as this book tests it.

    id: a letter. text: the claim. source: paper and place. measures: the number, in words.
    rule: decides. presets: where it is decided; elsewhere it reads "not run".
    precondition: a rule on a second number; where it fails the verdict is "not at this scale".
    """

    id: str
    text: str
    source: str
    measures: str
    rule: Rule
    presets: tuple[str, ...] = ("smoke", "lesson", "full")
    precondition: Rule | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "presets": list(self.presets)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Claim:
        before = stored.get("precondition")
        return cls(**{**stored, "rule": Rule(**stored["rule"]), "presets": tuple(stored["presets"]),
                      "precondition": Rule(**before) if before else None})


@dataclass(frozen=True)
class Verdict:
    """word: holds, same direction, fails, undecided, not at this scale or not run.

    n: values behind it. mean, low, high: of the values; the interval is nan for a single run.
    """

    word: str
    n: int
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        return f"undecided ({self.n} of {SEEDS})" if self.word == "undecided" else self.word


def tally(verdicts: Iterable[Verdict]) -> str:
    """How many claims, and which verdicts they have: 3 claims: 2 holds, 1 not run."""
    words = Counter(map(str, verdicts))
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    return f"{words.total()} claim{'s' * (words.total() != 1)}{': ' * bool(counts)}{counts}"


def interval(values: list[float]) -> tuple[float, float]:
    """95 % t-interval of the mean; (nan, nan) for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def decide(claim: Claim, values: list[float], preconditions: list[float] | None = None) -> Verdict:
    """The verdict on a claim from its measured values, one per seed.

    preconditions: the second number of each run, for claims that registered one.
    """
    if not values:
        return Verdict("not run", 0)
    if any(not math.isfinite(value) for value in values):
        return Verdict("fails", len(values), float(np.mean(values)))
    mean, n = float(np.mean(values)), len(values)
    low, high = interval(values)
    if claim.precondition and not all(map(claim.precondition.meets, preconditions or [math.nan])):
        return Verdict("not at this scale", n, mean, low, high)
    rule = claim.rule
    near, far = (low, high) if rule.op == ">=" else (high, low)
    if not rule.seeds:  # one run decides, and no further run may speak against it
        sure = n < SEEDS or rule.meets(near)
        every = "holds" if sure else "same direction"
        return Verdict(every if all(map(rule.meets, values)) else "fails", n, mean, low, high)
    if n < SEEDS:
        return Verdict("undecided", n, mean, low, high)
    if rule.meets(near):
        return Verdict("holds", n, mean, low, high)
    # The sign of the difference; a bound beyond zero ("at most 2 points worse") moves it there.
    right_sign = mean > min(0, rule.bound) if rule.op == ">=" else mean < max(0, rule.bound)
    word = "same direction" if right_sign and rule.meets(far) else "fails"
    return Verdict(word, n, mean, low, high)
