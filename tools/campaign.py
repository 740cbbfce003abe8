"""A session on a GPU: `python -m tools.campaign` makes the runs of campaign.yml, in their order.

One loop over `sslbook run` and `sslbook nb keep`. All lies in build/campaign: a finished run is not
made again, one that was cut off is resumed. See docs/headless.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".yml")
SSLBOOK = (sys.executable, "-m", "sslbook.cli")
GRACE = 60.0  # seconds that an interrupted run has to write its checkpoint
PACKED = ("runs/*/*/*.json*", "runs/*/*/encoder.safetensors", "data/cache/controls/*.json",
          "logs/*.txt", "runs/bench/*.json")  # of a session's home


@dataclass(frozen=True)
class Run:
    """A line of campaign.yml with one of its seeds. home: where it leaves its files."""

    name: str
    why: str
    minutes: float
    home: Path
    command: tuple[str, ...] = ()
    chapter: str = ""
    label: str = ""  # of the data set and what was set by hand, in the name of the kept record
    given: dict[str, Any] = field(default_factory=dict)  # parameters, PRESET among them

    @property
    def log(self) -> Path:
        return self.home / "logs" / f"{self.name}.txt"

    def folder(self) -> Path | None:
        """The newest run folder that was begun with these parameters."""
        found = sorted((self.home / "runs" / self.chapter).glob("*/record.json"), reverse=True)
        return next((path.parent for path in found if self.chapter
                     and _json(path.with_name("parameters.json")) == self.given), None)

    def status(self) -> str:
        """"finished", "" for not begun, else how far it came ("interrupted", "failed" ...)."""
        if self.command:
            return "finished" if self.log.with_suffix(".done").is_file() else ""
        folder = self.folder()
        return _json(folder / "record.json").get("status", "damaged") if folder else ""


def read(miniature: bool = False, only: str = "") -> list[Run]:
    """The runs in their order. only: names with commas between, with or without a seed.

    miniature: the chapters alone, in preset check on their own data. Raises SystemExit for an
    unknown name.
    """
    stored = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    home, runs = ROOT / "build" / "campaign" / ("miniature" if miniature else "home"), []
    for line in stored["runs"]:
        name, *about = line["name"], line["why"], line["minutes"], home
        if "command" in line:
            runs += [] if miniature else [Run(name, *about, command=tuple(line["command"]))]
            continue
        by_hand = line.get("set", {})
        given = {"PRESET": line["preset"], "DATASET": stored["data"][line["data"]], **by_hand}
        given = {"PRESET": "check"} if miniature else given
        label = "-".join([line["data"], *(f"{key.lower()}{by_hand[key]}" for key in by_hand)])
        runs += [Run(f"{name}-s{seed}", *about, chapter=line["chapter"], label=label,
                     given={**given, "SEED": seed}) for seed in line["seeds"]]
    return choose(runs, only.split(",")) if only else runs


def choose(runs: list[Run], names: list[str]) -> list[Run]:
    """The runs of these names, in the order of the names."""
    found = {name: [run for run in runs if name in (run.name, run.name.rpartition("-s")[0])]
             for name in names}
    if unknown := [name for name in names if not found[name]]:
        raise SystemExit(f"no run {', '.join(unknown)}; see: python -m tools.campaign --list")
    return [run for name in names for run in found[name]]


def execute(run: Run, minutes: float) -> int:
    """Begin or resume a run for so many minutes; its exit code, 5 where time ended it."""
    if run.command:
        line, limit = [sys.executable, "-m", *run.command], 60 * minutes
    else:
        line = [*SSLBOOK, "run", run.chapter]
        line += [word for k, v in run.given.items() for word in ("-p", f"{k}={v}")]
        line += ["--timeout", f"{minutes:.3f}"] if math.isfinite(minutes) else []
        line += ["--resume", run.folder().name] if run.status() else []
        limit = 60 * minutes + GRACE
    run.log.parent.mkdir(parents=True, exist_ok=True)
    code = call(line, run, limit)
    if run.command and not code:
        run.log.with_suffix(".done").touch()
    return code


def call(line: list[str], run: Run, seconds: float = math.inf) -> int:
    """A command in the session's home, its words in the run's log; nothing of it lives on."""
    env = {**os.environ, "SSLBOOK_HOME": str(run.home)}
    env |= {"SSLBOOK_DEVICE": "cpu"} if run.home.name == "miniature" else {}
    with open(run.log, "ab") as log:
        process = subprocess.Popen(line, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=os.name != "nt")
        try:
            return process.wait(seconds if math.isfinite(seconds) else None)
        except subprocess.TimeoutExpired:
            return 5
        finally:
            end(process)


def end(process: subprocess.Popen) -> None:
    """Interrupt a process that still runs, so that it writes its checkpoint; then kill it."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if process.poll() is None:
            process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
            process.wait(GRACE)
    if process.poll() is None:
        (os.killpg if os.name != "nt" else os.kill)(process.pid, signal.SIGKILL)
        process.wait()


def keep(run: Run) -> None:
    """Keep a finished run's record, once."""
    folder = run.folder()
    if folder and run.home.name != "miniature" and not (folder / "kept").exists():
        line = [*SSLBOOK, "nb", "keep", str(folder), "--name", run.label]
        if call(line, run) == 0:
            (folder / "kept").touch()


def pack(runs: list[Run], out: Path, size: float) -> list[Path]:
    """What came out as one zip, cut into files of at most `size` MB; replaces an earlier one."""
    home, out = runs[0].home, out.resolve()
    found = {path for pattern in PACKED for path in home.glob(pattern)}
    found |= set((ROOT / "data" / "records" / "bench").glob("*.json"))
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("results.zip*"):
        old.unlink()
    whole, parts = out / "results.zip", []
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(found):
            archive.write(path, path.relative_to(ROOT).as_posix())
    with open(whole, "rb") as file:
        while piece := file.read(int(size * 1e6)):
            parts.append(out / f"results.zip.{len(parts):03}")
            parts[-1].write_bytes(piece)
    whole.unlink()
    return parts


def work(runs: list[Run], minutes: float) -> Iterator[tuple[Run, str]]:
    """Make the runs that are not finished, while time is left; (run, how it ended) of each."""
    deadline = time.monotonic() + 60 * minutes
    for run in runs:
        left = (deadline - time.monotonic()) / 60
        if run.status() != "finished" and left > (run.minutes if run.command else 0):
            print(f"{time.strftime('%H:%M:%S')} {run.name}: {run.why}", flush=True)
            code = execute(run, left)
            ended = {0: "finished", 5: "out of time"}.get(code, f"failed ({code}), see {run.log}")
            yield run, ended
        if run.status() == "finished":
            keep(run)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; exit code 1 where a run failed, 130 where interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tools.campaign", description="Runs on a GPU.")
    parser.add_argument("--list", action="store_true", help="print the runs, start nothing")
    parser.add_argument("--budget", type=float, default=math.inf, metavar="MINUTES")
    parser.add_argument("--only", default="", metavar="NAME,...", help="these, in this order")
    parser.add_argument("--miniature", action="store_true", help="preset check on the CPU")
    parser.add_argument("--pack", type=Path, metavar="OUT", help="a folder for what came out")
    parser.add_argument("--size", type=float, default=16, metavar="MB", help="of a file in it")
    asked = parser.parse_args(arguments)
    runs = read(asked.miniature, asked.only)
    if asked.list:
        for run in runs:
            print(f"{run.name:<28}{run.minutes:>4} min  {run.status() or '-':<12}{run.why}")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job of a shell ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    code = 0
    try:
        for run, ended in work(runs, asked.budget):
            print(f"{time.strftime('%H:%M:%S')} {run.name}: {ended}", flush=True)
            code |= ended.startswith("failed")
    except KeyboardInterrupt:
        code = 130
    print(f"{sum(run.status() == 'finished' for run in runs)} of {len(runs)} runs finished")
    for path in pack(runs, asked.pack, asked.size) if asked.pack else ():
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    return int(code)


def _json(path: Path) -> dict[str, Any]:
    """A file of JSON, {} where it is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


if __name__ == "__main__":
    sys.exit(main())
