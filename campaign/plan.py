"""The runs of the campaign, in order of value: what each is, what it needs, whether it is done."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sslbook.errors import UsageError
from sslbook.judging import records

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "campaign"  # what travels beside the repository; git ignores it
DATA, CHAPTERS, HOME = FOLDER / "data", FOLDER / "chapters", FOLDER / "home"
BASELINES = ROOT / "data" / "records" / "baselines"  # results that are no record of a chapter
SPEED = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Entry:
    """One run. minutes: on the GPU it is meant for, measured where a record of it exists.

    data: the key of a data set in runs.yml. given: parameters beside PRESET, DATASET and SEED (of
    a chapter), else what the kind of run takes. until: the last section that is executed, "" all.
    """

    name: str
    kind: str
    data: str
    minutes: float
    chapter: str = ""
    preset: str = ""
    seed: int = 0
    until: str = ""
    given: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def dataset(self) -> str:
        """The data set as a chapter is told it."""
        return stored()["data"][self.data]["dataset"]

    @property
    def parameters(self) -> dict[str, Any]:
        """All parameters that a chapter is given."""
        return {"PRESET": self.preset, "DATASET": self.dataset, "SEED": self.seed, **self.given}

    @property
    def label(self) -> str:
        """Data set and what was set by hand, as the name of a kept record says it."""
        set_by_hand = [f"{key.lower()}{value}" for key, value in self.given.items()]
        return "-".join([self.data, *set_by_hand])

    @property
    def folder(self) -> Path:
        """Where the run lies on the machine that runs it: the same at every try, so it resumes."""
        return HOME / "runs" / (self.chapter or self.kind) / self.name


@functools.cache
def stored() -> dict[str, Any]:
    """runs.yml as it is."""
    return yaml.safe_load(Path(__file__).with_name("runs.yml").read_text(encoding="utf-8"))


def entries(only: str = "", miniature: bool = False) -> list[Entry]:
    """All runs in order, a row with seeds as one each.

    only: names with commas between, with or without "-s0". miniature: the same runs at the size of
    preset check, to try every path. Raises UsageError for a name that is none.
    """
    found = []
    for row in stored()["runs"]:
        row = {("given" if key == "set" else key): value for key, value in row.items()}
        count = row.pop("seeds", 1)
        for seed in range(count):
            name = f"{row['name']}-s{seed}" if count > 1 else row["name"]
            found.append(Entry(**{**row, "name": name, "seed": seed}))
    names = [name for name in only.split(",") if name]
    if unknown := [n for n in names if not any(_called(entry, n) for entry in found)]:
        raise UsageError(f"No run is called {', '.join(unknown)}.", "Nothing was started.",
                         "See: python scripts/gpu_campaign.py --list")
    chosen = [e for e in found if not names or any(_called(e, n) for n in names)]
    return [_small(entry) for entry in chosen if not entry.seed] if miniature else chosen


def _called(entry: Entry, name: str) -> bool:
    return name in (entry.name, entry.name.rpartition("-s")[0])


def _small(entry: Entry) -> Entry:
    """The same run in a minute on a CPU; its name tells it apart, and it is never kept."""
    given = {"supervised": {"epochs": 1, "batch_size": 32, "lr": 0.002, "images": 64, "width": 4},
             "lightly": {"epochs": 1, "batch_size": 32, "images": 64, "width": 4},
             "bench": {"parts": ["step"], "quick": True}}.get(entry.kind, {})
    return Entry(**{**vars(entry), "name": f"miniature-{entry.name}", "given": given, "minutes": 1,
                    "preset": "check" if entry.preset else ""})


def done(entry: Entry) -> bool:
    """True where the result is part of the repository."""
    if entry.kind != "chapter":
        folder = SPEED if entry.kind == "bench" else BASELINES
        return any(folder.glob(f"{entry.name}-*.json"))
    return any(_same(entry, record) for record in records.shipped())


def _same(entry: Entry, record: dict[str, Any]) -> bool:
    told = records.plain({k.lower(): v for k, v in entry.parameters.items()})
    return (record["chapter"], record["device"]["kind"], record["status"]) == (
        entry.chapter, "cuda", "finished"
    ) and all(record["parameters"].get(key) == value for key, value in told.items())


def minutes(entry: Entry) -> float:
    """What the run takes: the median of such records on a GPU, else the list's guess."""
    took = sorted(record["seconds"]["wall"] / 60 for record in records.shipped()
                  if _same(entry, {**record, "parameters": {
                      **record["parameters"], "seed": entry.seed}}))
    return took[len(took) // 2] if took else entry.minutes
