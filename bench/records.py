"""Rows of raw figures, and the one file that a run of the bench leaves."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import sslbook
from bench.options import Options, cores
from sslbook import files
from sslbook.errors import UserError

SCHEMA = 1
ROOT = Path(__file__).resolve().parent.parent
_LIBRARIES = ("torchvision", "pillow", "scikit-learn", "lightly", "kornia", "stable-pretraining")
_PLACE = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+){2,}[\\/]?")


@dataclass
class Row:
    """One figure: who did what, and how long it took.

    part: of the bench. case: what was done (plain values). name: who did it. seconds: of one
    call or step, one entry per round. items: source images in it. clock: what the seconds count.
    ratios: by what they refer to, one entry per round. extra: other figures, such as accuracy or
    memory. error: why there is no figure.
    """

    part: str
    case: dict[str, Any]
    name: str
    seconds: list[float] = field(default_factory=list)
    items: int = 1
    clock: str = ""
    ratios: dict[str, list[float]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def rates(self) -> list[float]:
        """Items per second, one entry per round."""
        return [self.items / one for one in self.seconds]


def say(error: BaseException) -> str:
    """An error as one short line, without places of this machine."""
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    text = _PLACE.sub("(path)", text).strip()[:160]
    kind = "" if isinstance(error, UserError) else type(error).__name__
    return ": ".join(filter(None, (kind, text)))


def processor() -> str:
    """The kind of the processor, as it names itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def surroundings(options: Options) -> dict[str, Any]:
    """What the figures depend on; no path, user or host."""
    gpu = torch.cuda.get_device_name(options.device) if options.cuda else ""
    return {
        "schema": SCHEMA, "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "sslbook": sslbook.__version__, "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed": bool(_git("status", "--porcelain")), "python": platform.python_version(),
        "torch": torch.__version__, "libraries": dict(filter(None, map(_version, _LIBRARIES))),
        "device": options.device.type, "device_name": gpu or processor(),
        "processor": processor(), "cores": cores(), "threads": list(options.threads),
        "precision": options.precision, "images": "pack" if options.data else "shapes",
        "rounds": options.rounds, "seconds": options.seconds, "quick": options.quick,
    }  # fmt: skip


def write(path: Path, about: dict[str, Any], rows: list[Row]) -> None:
    """Publish the file: `about` and, under "rows", every row."""
    files.write_json(path, {**about, "rows": [asdict(row) for row in rows]})


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """What `write` wrote."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    rows = [Row(**row) for row in stored.pop("rows")]
    return stored, rows


def _git(*arguments: str) -> str:
    """What git says about the checkout; empty where there is no git or no repository."""
    try:
        done = subprocess.run(  # nosec B607 # the user's own git, as in a shell
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> tuple[str, str] | None:
    try:
        return name, metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def failed(part: str, case: dict[str, Any], name: str, error: BaseException) -> Row:
    """The row of somebody who could not be measured."""
    return Row(part, case, name, error=say(error))


def built(
    makers: dict[str, Callable[[], Any]], part: str, case: dict[str, Any]
) -> tuple[dict[str, Any], list[Row]]:
    """What each maker makes, and a row for every one that cannot: (things by name, rows)."""
    things: dict[str, Any] = {}
    rows: list[Row] = []
    for name, make in makers.items():
        try:
            things[name] = make()
        except Exception as error:  # a peer that is missing or breaks must not end the others
            rows.append(failed(part, case, name, error))
    return things, rows
