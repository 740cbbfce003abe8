"""The grid of a sweep: values of parameters, seeds, and the runs that they span."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbook.book import parameters, toc
from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.headless import plan
from sslbook.run import presets

LIMIT = 10_000  # runs of one sweep
_SPAN = re.compile(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?")


@dataclass(frozen=True)
class Point:
    """One run of a sweep: what its parameters are (preset and seed apart), and its seed."""

    values: dict[str, Any]
    seed: int


@dataclass(frozen=True)
class Grid:
    """All runs of a sweep: every combination of `varied` with every seed, under one preset.

    varied: name -> at least two values, in the order given. fixed: name -> its one value.
    defaults: name -> what the chapter's parameters cell says. out_dir: "" means `runs/` at home.
    """

    chapter: toc.Chapter
    preset: str
    varied: dict[str, list[Any]]
    fixed: dict[str, Any]
    seeds: list[int]
    defaults: dict[str, Any]
    out_dir: str = ""

    @property
    def base(self) -> Path:
        """The folder of the chapter's runs."""
        return paths.runs(self.out_dir) / self.chapter.name

    @property
    def folder(self) -> Path:
        """The folder of the sweep's own files; the same command always finds the same one."""
        parts = json.dumps([self.varied, self.fixed, self.seeds], sort_keys=True)
        digest = hashlib.sha256(parts.encode()).hexdigest()[:8]
        return paths.runs(self.out_dir) / "sweeps" / f"{self.chapter.name}-{self.preset}-{digest}"

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the varied parameters; one empty one where only seeds vary."""
        return [dict(zip(self.varied, values, strict=True))
                for values in itertools.product(*self.varied.values())]

    def points(self) -> list[Point]:
        """All runs, seed by seed: what a budget cuts short still has its pairs."""
        return [Point(self.fixed | one, seed) for seed in self.seeds for one in self.settings()]

    def given(self, point: Point) -> dict[str, Any]:
        """What a run is given, by the names of the parameters cell."""
        return {**point.values, "PRESET": self.preset, "SEED": point.seed}

    def label(self, point: Point) -> str:
        """What tells a run from the others, in words."""
        return f"{words({k: point.values[k] for k in self.varied})} seed {point.seed}".strip()


def words(values: dict[str, Any]) -> str:
    """NAME=VALUE NAME=VALUE."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def parse(chapter: str, assignments: list[str], seeds: str, preset: str) -> Grid:
    """The grid that a command line means; all that can be checked before a run starts is.

    assignments: "NAME=V1,V2" texts; a value with a comma stands in double quotes. seeds: numbers
    and ranges, as in "0-2,5". Raises UsageError (chapter, preset, names, types, too many runs)
    and DataError (a data set that is not there).
    """
    found = toc.find(chapter)
    wanted = presets.wanted_preset(preset)
    if wanted == "auto":
        raise UsageError("A sweep needs one preset for all its runs.", "Nothing was started.",
                         "Type for example: --preset smoke")
    known = parameters.accepted(found.path)
    values = parse_values(assignments, known)
    out_dir = values.pop("OUT_DIR", [""])
    if len(out_dir) > 1:
        raise UsageError("OUT_DIR takes one folder for the whole sweep.", "Nothing was started.",
                         "Example: -p OUT_DIR=results")
    grid = Grid(found, wanted, {k: v for k, v in values.items() if len(v) > 1},
                {k: v[0] for k, v in values.items() if len(v) == 1}, parse_seeds(seeds),
                {name: about.default for name, about in known.items()}, out_dir[0])
    _check(grid)
    return grid


def parse_values(assignments: list[str], known: dict[str, parameters.Parameter]) -> dict[str, list]:
    """NAME=V1,V2 texts -> name -> typed values, each value once. Raises UsageError."""
    values: dict[str, list] = {}
    for text in assignments:
        name, sign, told = (part.strip() for part in text.partition("="))
        if name in values or name in ("PRESET", "SEED"):
            instead = {"PRESET": "--preset smoke", "SEED": "--seeds 0-2"}
            raise UsageError(f"{name} is given by {instead.get(name, 'another -p')}.",
                             "Nothing was started.",
                             f"Type: {instead.get(name, f'-p {name}=VALUE,VALUE')}")
        try:
            cells = next(csv.reader([told], skipinitialspace=True), None) or [""]
        except csv.Error as error:
            raise UsageError(f"The values of {name} cannot be read: {error}.",
                             "Nothing was started.", "Example: -p BATCH_SIZE=32,64") from error
        typed = [plan.parse([f"{name}{sign}{cell}"], known)[name] for cell in cells]
        values[name] = list(dict.fromkeys(typed))
    return values


def parse_seeds(text: str) -> list[int]:
    """Seeds of a text such as "0-2,5", each once, in the order given. Raises UsageError."""
    found: list[int] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise UsageError(f"{part.strip()!r} is no seed and no range of seeds.",
                             "Nothing was started.", "Example: --seeds 0-2,5")
        _check_count(len(found) + last - first + 1)
        found.extend(range(first, last + 1))
    return list(dict.fromkeys(found))


def _check_count(runs: int) -> None:
    if runs > LIMIT:
        raise UsageError(f"This sweep has {runs:,} runs; {LIMIT:,} is the most.",
                         "Nothing was started.", "Give fewer values or fewer seeds.")


def _check(grid: Grid) -> None:
    count = len(grid.seeds)
    for values in grid.varied.values():
        count *= len(values)
    _check_count(count)
    for name, values in {**grid.varied, **{k: [v] for k, v in grid.fixed.items()}}.items():
        for value in values:
            presets.check_standard({name: value})
            if name == "DATASET" and value:
                from sslbook import datasets

                datasets.load(value, "train", limit=1)
