"""What a run decides: checks, claims and comparisons, and what they say over seeds."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sslbook import records
from sslbook.errors import UsageError, UserError
from sslbook.lesson import exercises
from sslbook.lesson.verdicts import show_verdicts
from sslbook.records import claims, pools
from sslbook.run.compare import compare
from sslbook.training import History


class Decisions:
    """The half of a run that is about evidence. `chapter`, `folder`, `record` are the run's."""

    chapter: str
    folder: Path

    def __init__(self) -> None:
        self.checks: dict[str, records.schema.Check] = {}
        self.comparisons: dict[str, records.schema.Comparison] = {}
        self.claims: dict[str, claims.Claim] = {}
        self.measured: dict[str, dict[str, float | None]] = {}

    def record(self, status: str) -> records.Record:
        """The record as it stands."""
        raise NotImplementedError

    def check(self, text: str, value: float, *, at_most: float | None = None,
              at_least: float | None = None) -> None:
        """Check an identity, a leak, a count or a closed form, and print a tick or a cross.

        Under SSLBOOK_STRICT=1 a check that fails raises UserError. A check is no claim: it is
        kept in the record, and decided by this run alone.
        """
        rule = claims.bound(at_most, at_least)
        self.checks[text] = {"value": float(value) if math.isfinite(value) else None,
                             "op": rule.op, "bound": rule.bound}
        word = "at most" if rule.op == "<=" else "at least"
        said = f"{text}: {value:.3g} ({word} {rule.bound:g})"
        if rule.meets(value):
            print(f"\N{CHECK MARK} {said}")
        elif os.environ.get("SSLBOOK_STRICT", "") == "1":
            raise UserError(f"The check fails: {said}.")
        else:
            print(f"\N{BALLOT X} {said}")

    def claim(self, id: str, text: str, *, source: str, measures: str,
              rule: claims.Rule | None = None, at_least: float | None = None,
              at_most: float | None = None, scale: str = "difference", paper: str = "",
              presets: tuple[str, ...] = ("smoke", "lesson", "full"),
              precondition: claims.Rule | None = None) -> None:
        """Register a claim before anything is trained.

        at_least or at_most: the side of no effect that is claimed, and the smallest size that
        matters, in the unit of what is measured. scale: of the measured number, as in `Rule`.
        paper: the paper's own number. The rest is described at `records.claims.Claim`. rule: a
        rule of the first edition, in place of the bound.
        """
        rule = rule or claims.bound(at_most, at_least, seeds=True, scale=scale)
        self.claims[id] = claims.Claim(id, text, source, measures, rule, presets, precondition,
                                       paper)

    def measure(self, id: str, value: float, precondition: float = math.nan) -> None:
        """Give the number that decides claim `id`. Raises UsageError for one not registered."""
        if id not in self.claims:
            raise UsageError(f"Claim {id!r} was never registered.", "", "Use run.claim first.")
        both = {"value": float(value), "precondition": float(precondition)}
        self.measured[id] = {k: v if math.isfinite(v) else None for k, v in both.items()}

    def verdicts(self) -> dict[str, claims.Verdict]:
        """The verdict on each claim, pooled over the finished runs that differ in the seed."""
        return records.verdicts(self._pool())

    def _pool(self) -> list[records.Record]:
        return records.pool_of(self.record("finished"), self.folder.parents[1])

    def compare(self, name: str, arms: Mapping[str, Mapping[str, Any] | History], *, change: str,
                differs: Mapping[str, str] = MappingProxyType({}), **shared: Any,
                ) -> dict[str, History]:
        """Train arms that differ in one thing, on equal budgets: {arm: History}.

        arms: what each gives to `train` beside `shared`; passes (looks at an image at test time)
        and tried (configurations) may be among it; or a History that is trained already, whose
        initial weights all arms then take. change: the one thing, in words. differs: what else of
        the budgets differs (images, seen, steps, batch_size, optimizer, initial, passes, tried) ->
        the reason, which is printed. Raises UsageError where a budget differs without a reason.
        """
        found, budgets = compare(self, name, arms, change=change, differs=differs, shared=shared)
        self.comparisons[name] = {"change": change, "arms": budgets, "differs": dict(differs)}
        return found

    def over_seeds(self, panel: str, dataset: str = "") -> dict[str, list[dict[str, Any]]]:
        """What `scores.profile` ("factors"), `scores.labels` ("labels") or "scores" hold by seed.

        Of this run, last, and of the finished ones that differ from it in the seed alone, the
        book's among them: {row: [of each seed]}, for `viz.factor_profile` and `viz.label_curve`.
        dataset: another data set, of which the book keeps runs of this chapter; {} for none.
        """
        found = self._stored(dataset) if dataset else self._pool()
        pool: list[dict[str, Any]] = [record.get(panel, {}) for record in found]
        return {row: [kept[row] for kept in pool if row in kept] for row in (pool or [{}])[-1]}

    def _stored(self, dataset: str) -> list[records.Record]:
        """The book's runs of this chapter on another data set, of those settings run most often."""
        kept = [record for record in records.shipped(self.chapter)
                if record["parameters"].get("dataset") == dataset]
        return max(pools.pools(kept), key=len, default=[])

    def show_verdicts(self) -> None:
        """Show claim, value, rule and verdict, with a warning when a reference was trained."""
        show_verdicts(self.claims, self.verdicts())
        if note := exercises.trained_with_note():
            print(note)
