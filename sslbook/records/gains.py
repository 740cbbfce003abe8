"""What runs gained over their controls, what they know, and what became of their claims.

A score says little; its distance from the untrained net and from the raw input of the same run,
seed by seed, says what was learned. All from records alone, of the runs that count (`pools`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from sslbook.book import toc
from sslbook.records import pools
from sslbook.records.report import CONTROLS
from sslbook.records.schema import Record

RAW = ("pixels", "raw features", "raw columns")
Table = dict[str, dict[str, float]]
Judged = tuple[str, pools.Pool]  # a row, and the runs that have it, one per seed


@dataclass(frozen=True)
class Level:
    """One measure of a method beside its controls: a value per seed, nan where it is missing.

    tried: configurations that were looked at before these runs.
    """

    measure: str
    tried: int
    method: list[float]
    untrained: list[float]
    raw: list[float]
    supervised: list[float]

    def over(self, role: str) -> list[float]:
        """Points that the method lies above "untrained", "raw" or "supervised", seed by seed."""
        pairs = zip(self.method, getattr(self, role), strict=True)
        return [100 * (one - other) for one, other in pairs if math.isfinite(one - other)]


def main_measure(record: Record) -> str:
    """What the record's chapter is about (`measure` in its metadata), such as knn20 or labels 5.

    linear where the chapter names none, or none that was measured.
    """
    named = _chapters().get(record["chapter"], (0, ""))[1]
    measured = any(math.isfinite(value(record, row, named)) for row in judged(record))
    return named if measured else "linear"


def judged(record: Record) -> list[str]:
    """The row that a record is about (`method`); of an older one all rows that are no control."""
    return [record["method"]] if "method" in record else [
        row for row in record["scores"] if row not in CONTROLS]


def value(record: Record, row: str, measure: str) -> float:
    """A measure of a row in 0-1; nan where it was not taken. "labels 5": five labels per class."""
    if measure.startswith("labels "):
        point = record.get("labels", {}).get(row, {}).get(measure.removeprefix("labels "), {})
        found = point.get("mean")
    else:
        found = record["scores"].get(row, {}).get(measure)
    return math.nan if found is None else float(found)


def worlds(found: Iterable[Record]) -> dict[str, dict[str, Judged]]:
    """World, as in shapes/2000 -> label of a method -> (its row, its runs in order of seeds).

    Data are told apart by what they hold; presets other than smoke are named. The label is the
    row, and where that means several pools also what they differ in: the chapter, or settings.
    """
    found = list(found)
    name = pools.data_names(found)
    made: dict[str, list[Judged]] = defaultdict(list)
    for pool in pools.pools(found):
        ordered = sorted(pool, key=lambda record: record["seed"])
        place = name(pool[-1]) + _preset(pool[-1])
        made[place] += [(row, ordered) for row in judged(pool[-1])]
    return {place: dict(_labelled(made[place])) for place in sorted(made)}


def levels(found: Iterable[Record], measure: str | Callable[[Record], str] = main_measure
           ) -> dict[str, dict[str, Level]]:
    """World -> label -> values. measure: a name, or a function of a record.

    Where a world's methods are judged by different measures, their labels say by which.
    """
    made: dict[str, dict[str, Level]] = {}
    for place, methods in worlds(found).items():
        rows = {label: level(row, pool, measure(pool[-1]) if callable(measure) else measure)
                for label, (row, pool) in methods.items()}
        rows = {label: one for label, one in rows.items() if any(map(math.isfinite, one.method))}
        mixed = len({one.measure for one in rows.values()}) > 1
        if rows:
            made[place] = {f"{label} ({in_words(one.measure)})" if mixed else label: one
                           for label, one in rows.items()}
    return made


def gains(found: Iterable[Record], measure: str | Callable[[Record], str] = main_measure
          ) -> dict[str, dict[str, dict[str, list[float]]]]:
    """World -> label -> {"untrained": points per seed, "raw": ...}: the method less its control.

    Method and control are of one run. Left out is a seed in which one of them is missing.
    """
    return {place: {label: {role: one.over(role) for role in ("untrained", "raw")}
                    for label, one in methods.items()}
            for place, methods in levels(found, measure).items()}


def factor_rows(found: Iterable[Record]) -> dict[str, dict[str, list[Table]]]:
    """World -> label -> one factor table per seed, for `viz.factor_matrix`.

    The controls "random" and "pixels" come last: those of all methods of a world.
    """
    made: dict[str, dict[str, list[Table]]] = {}
    for place, methods in worlds(found).items():
        rows: dict[str, list[Table]] = defaultdict(list)
        controls: dict[str, list[Table]] = defaultdict(list)
        for label, (row, pool) in methods.items():
            for tables in (record.get("factors", {}) for record in pool):
                rows[label] += [tables[row]] if row in tables else []
                for role in ("random", "pixels"):
                    controls[role] += [tables[role]] if row in tables and role in tables else []
        if rows := {label: tables for label, tables in (rows | controls).items() if tables}:
            made[place] = rows
    return made


def verdict_words(found: Iterable[Record]) -> dict[str, dict[str, str]]:
    """Chapter -> letter of a claim -> its verdict's word, in the order of the book.

    A chapter with several pools, such as two data sets, has a line for each, most seeds first.
    What one run decides is a check, and no claim.
    """
    made = []
    for pool in pools.pools(found):
        words = {key: verdict.word for key, verdict in sorted(pools.verdicts(pool).items())
                 if pool[-1]["claims"][key]["claim"]["rule"]["seeds"]}
        made += [(pool, words)] if words else []
    made.sort(key=lambda one: (_place(one[0][-1]["chapter"]), -len(one[0])))
    several = Counter(pool[-1]["chapter"] for pool, _ in made)
    lines: dict[str, dict[str, str]] = {}
    for pool, words in made:
        last = pool[-1]
        line = name = last["chapter"] + (
            f" on {short(pools.data_name(last))}{_preset(last)}"
            if several[last["chapter"]] > 1 else "")
        again = 1
        while line in lines:
            again += 1
            line = f"{name} ({again})"
        lines[line] = words
    return lines


def short(data: str) -> str:
    """The name of data without their number and a file's kind: adult of csv:adult.data/24130."""
    name = data.partition("/")[0]
    return name.partition(":")[2].partition(".")[0] or name


def in_words(measure: str) -> str:
    """The name of a measure: kNN of knn20, 5 labels a class of labels 5."""
    if measure.startswith("labels "):
        count = measure.removeprefix("labels ")
        return f"{count} label{'s' * (count != '1')} a class"
    return "kNN" if measure.startswith("knn") else {"linear": "linear probe"}.get(measure, measure)


def unit(rows: Mapping[str, Level]) -> str:
    """What the gains of one world are, for `viz.forest`."""
    words = {in_words(one.measure) for one in rows.values()}
    return f"{words.pop() if len(words) == 1 else 'main measure'}, points over the untrained net"


def level(row: str, pool: pools.Pool, measure: str) -> Level:
    """A row of each run of a pool, beside the controls of the same run."""
    roles = ((row,), ("random",), RAW, ("supervised",))
    tried = max(record["tried"] for record in pool)
    return Level(measure, tried, *([_first(record, rows, measure) for record in pool]
                                   for rows in roles))


def _first(record: Record, rows: Iterable[str], measure: str) -> float:
    """The first of some rows that has a measure."""
    every = (value(record, row, measure) for row in rows)
    return next(filter(math.isfinite, every), math.nan)


def _labelled(pairs: list[Judged]) -> Iterator[tuple[str, Judged]]:
    """Rows and their pools under unique labels."""
    for row, pool in pairs:
        chapter, mine = pool[-1]["chapter"], pools.settings(pool[-1])
        same = [other[-1] for one, other in pairs if one == row]
        told = [chapter] if len({one["chapter"] for one in same}) > 1 else []
        rivals = [one for one in same if one["chapter"] == chapter]
        told += [f"{key} {mine[key]}" for key in mine
                 if any(pools.settings(one).get(key) != mine[key] for one in rivals)]
        yield f"{row} ({', '.join(told)})" if told else row, (row, pool)


def _preset(record: Record) -> str:
    return "" if record["preset"] == "smoke" else f", {record['preset']}"


def _place(chapter: str) -> int:
    return _chapters().get(chapter, (10**6, ""))[0]


@cache
def _chapters() -> dict[str, tuple[int, str]]:
    """Chapter -> (its number, its main measure)."""
    return {one.name: (one.number, one.measure) for one in toc.chapters()}
