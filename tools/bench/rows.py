"""What was measured: one row for each contender, kept as JSON, printed by `Compare`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.benchmark import Compare, Measurement
from torch.utils.benchmark.utils.common import TaskSpec

from sslbook.core import files
from sslbook.errors import UsageError

SCHEMA = 2
TITLES = {
    "augmentation": "(1) Augmentation: two views of each image of a batch",
    "step": "(2) A step of pretraining over its bare backbone (forward and backward)",
    "loop": "(3) A step of the whole pretraining loop",
    "probes": "(4) Probes: fit and score",
    "growth": "(5) Growth with the number of chapters",
}
# Whom the others' times are divided by, in this form of results and in the first.
REFERENCES = ("backbone", "ours", "bare", "ours, exact")
_LIBRARIES = ("torch", "torchvision", "scikit-learn", "lightly", "kornia", "stable-pretraining")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+){2,}[\\/]?")


@dataclass
class Row:
    """One contender. part, case, who: the table, row and column that its time stands in.

    seconds: of one call or step, one entry per round. clock: what they count. items: images or
    features in a call, 0 where none are counted. note: what else was seen, such as an accuracy.
    error: why there are no seconds.
    """

    part: str
    case: str
    who: str
    seconds: list[float] = field(default_factory=list)
    threads: int = 1
    clock: str = ""
    items: int = 0
    note: str = ""
    error: str = ""


def describe(error: BaseException) -> str:
    """An error as one short line, without paths of this machine."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {_PATH.sub('(path)', first)[:160]}".removesuffix(": ")


def surroundings(name: str, **more: Any) -> dict[str, Any]:
    """What the figures depend on, with the name of the device; no path, user or host name."""
    installed = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    if more["device"] == "cpu" and Path("/proc/cpuinfo").is_file():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
        name = found.group(1) if found else name
    libraries = {name: installed[name] for name in _LIBRARIES if name in installed}
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return {"date": date, "device_name": name, "libraries": libraries, **more}


def write(path: Path, about: dict[str, Any], rows: list[Row]) -> None:
    """Publish the file: schema, `about`, rows."""
    files.write_json(path, {"schema": SCHEMA, "about": about, "rows": [asdict(r) for r in rows]})


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """(about, rows) of a file in this form or in the first one. UsageError where it is neither."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] == SCHEMA:
            return stored["about"], [Row(**row) for row in stored["rows"]]
        rows = [_from_first_form(row) for row in stored.pop("rows")]
        return {**stored, "libraries": {"torch": stored["torch"], **stored["libraries"]}}, rows
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path.name} holds no results of the bench: {describe(error)}") from error


def _from_first_form(stored: dict[str, Any]) -> Row:
    """A row of schema 1, where a case was a dict and a method's name a part of it."""
    case, who, extra = dict(stored["case"]), stored["name"], stored["extra"]
    threads = case.pop("threads")
    if stored["part"] == "step":
        who = ": ".join(filter(None, (case.pop("method"), who)))
    hidden = {"device", "seconds", "budget"}
    text = ", ".join(f"{key} {value}" for key, value in case.items() if key not in hidden)
    note = f"accuracy {100 * extra['accuracy']:.2f} %" if extra.get("accuracy") else ""
    same = {key: stored[key] for key in ("part", "seconds", "clock", "items", "error")}
    return Row(case=text, who=who, threads=threads, note=note, **same)


def heading(about: dict[str, Any]) -> str:
    """What the figures were measured on, in two lines."""
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    quick = "; QUICK: sizes that mean nothing" if about["quick"] else ""
    return (f"{about['date'][:10]}, {about['device_name']}, {about['precision']}, "
            f"sslbook {about['sslbook']}{quick}\n{libraries}")  # fmt: skip


def tables(part: str, rows: list[Row]) -> str:
    """The times of a part as `Compare` prints them, then ratios and rates, then who is missing."""
    timed = []
    for row in (row for row in rows if row.seconds):
        spec = TaskSpec("", "", label=f"{TITLES[part]}, {row.clock}", sub_label=row.case,
                        description=row.who, num_threads=row.threads)  # fmt: skip
        timed.append(Measurement(1, row.seconds, spec))
    text = [str(Compare(timed)).strip() if timed else TITLES[part]]
    for (case, threads), group in groupby(rows, lambda row: (row.case, row.threads)):
        lines = _rates_and_ratios(list(group))
        text += [f"{case}, {threads} thread{'s' * (threads > 1)}:", *lines] if lines else []
    text += dict.fromkeys(f"! {row.who}: {row.error}" for row in rows if row.error)
    return "\n".join(text)


def _rates_and_ratios(rows: list[Row]) -> list[str]:
    """A line for each row of a case: its rate, its time over the reference's, its note."""
    rows = [row for row in rows if row.seconds]
    base = next((row for row in rows if row.who in REFERENCES), None)
    lines = []
    for row in rows:
        said = [f"{row.items / np.median(row.seconds):,.0f} a second"] if row.items else []
        if base is not None and row is not base:
            ratios = np.divide(row.seconds, base.seconds)
            low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75))
            said.append(f"{median:.3g} x the time of {base.who} ({low:.3g}-{high:.3g})")
            if row.part == "step":
                said.append(f"{100 / median:.0f} % of it is the backbone")
        said += [row.note] if row.note else []
        lines += [f"    {row.who:<24}{', '.join(said)}"] if said else []
    return lines
