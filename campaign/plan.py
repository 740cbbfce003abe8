"""The runs of the campaign, in order of value: what each is, what it needs, whether it is done."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from sslbook.errors import UsageError
from sslbook.judging import records

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "campaign"  # git ignores it
TRAVELS = FOLDER / "travel"  # what goes to the machine beside the repository
DATA, CHAPTERS = TRAVELS / "data", TRAVELS / "chapters"
BASELINES = ROOT / "data" / "records" / "baselines"  # records that belong to no chapter
SPEED = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Entry:
    """One run. minutes: a guess for the GPU it is meant for.

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
    miniature: bool = False

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
    def resumes(self) -> bool:
        """True where a run that was cut off goes on from a checkpoint."""
        return self.kind == "chapter"

    @property
    def home(self) -> Path:
        """Runs and caches; those of a miniature lie apart, for they are never kept."""
        return FOLDER / ("miniature" if self.miniature else "home")

    @property
    def folder(self) -> Path:
        """Where the run lies on the machine that runs it: the same at every start."""
        return self.home / "runs" / (self.chapter or self.kind) / self.name


@functools.cache
def stored() -> dict[str, Any]:
    """runs.yml as it is."""
    return yaml.safe_load(Path(__file__).with_name("runs.yml").read_text(encoding="utf-8"))


def entries(only: str = "", miniature: bool = False) -> list[Entry]:
    """All runs in order, a row with seeds as one each.

    only: names with commas between, with or without "-s0". miniature: the same runs, of one seed,
    at the size of preset check. Raises UsageError for a name that is none.
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
    return name in (entry.name, series(entry.name))


def series(name: str) -> str:
    """The name of a run without its seed."""
    return name.rpartition("-s")[0] or name


def _small(entry: Entry) -> Entry:
    """The same run in a minute on a CPU."""
    given = {"supervised": {"epochs": 1, "batch_size": 32, "lr": 0.002, "images": 64, "width": 4},
             "lightly": {"epochs": 1, "batch_size": 32, "images": 64, "width": 4},
             "bench": {"parts": ["step"], "quick": True}}.get(entry.kind, {})
    return replace(entry, given=given, minutes=1, preset="check" if entry.preset else "",
                   miniature=True)


def kept() -> dict[str, dict[str, Any]]:
    """Name of a run -> its record in the repository, baselines among them."""
    found = [*records.shipped(), *filter(None, map(records.read, sorted(BASELINES.glob("*.json"))))]
    return {record["campaign"]["run"]: record for record in found if "campaign" in record}


def done(entry: Entry) -> bool:
    """True where the result is part of the repository."""
    if entry.kind == "bench":
        return not entry.miniature and any(SPEED.glob(f"{entry.name}-*.json"))
    return not entry.miniature and entry.name in kept()


def minutes(entry: Entry) -> float:
    """What the run takes: as long as the same with another seed did, else the list's guess."""
    took = [record["seconds"]["wall"] / 60 for name, record in kept().items()
            if series(name) == series(entry.name) and not entry.miniature]
    return max(took, default=entry.minutes)
