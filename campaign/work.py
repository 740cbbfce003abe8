"""One run in a process of its own: `python -m campaign.work NAME [--miniature]`.

Its folder says how it ended: `result.json` is there when it is finished. Ctrl-C keeps a chapter's
checkpoint, and the next start goes on from it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from campaign import plan, travel
from campaign.plan import Entry
from sslbook import files
from sslbook.errors import UserError

FIGURES = 3  # of a run, at most


def main(arguments: list[str] | None = None) -> int:
    """Execute one run; exit code 0 where it is finished, 130 where it was interrupted."""
    name, *options = sys.argv[1:] if arguments is None else arguments
    (entry,) = plan.entries(name, "--miniature" in options)
    entry.folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(SSLBOOK_HOME=str(entry.home), SSLBOOK_DATA=str(plan.DATA),
                      SSLBOOK_RUN_FOLDER=str(entry.folder), SSLBOOK_HEADLESS="1",
                      SSLBOOK_OFFLINE="1", MPLBACKEND="agg")
    if entry.until:  # the supervised control has no checkpoint, and takes as long as the rest
        os.environ["SSLBOOK_CONTROLS"] = "untrained"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    begun = time.monotonic()
    try:
        result = KINDS[entry.kind](entry)
    except KeyboardInterrupt:
        return 130
    except UserError as error:
        print(error)
        return error.exit_code
    finally:
        took = spent(entry) + (time.monotonic() - begun) / 60
        files.write_text(entry.folder / "minutes", f"{took:.2f}")
    if record := result.get("record"):
        record["code"]["commit"] = commit() or record["code"].get("commit", "")
        record["seconds"]["wall"] = round(60 * took, 1)  # of all starts together
        record["campaign"] = {"run": entry.name, "executed": f"until {entry.until}"
                              if entry.until else "whole"}
    files.write_json(entry.folder / "result.json", {**result, "name": entry.name,
                                                    "kind": entry.kind, "minutes": took})
    return 0


def spent(entry: Entry) -> float:
    """Minutes that went into the run so far, all its starts together."""
    try:
        return float((entry.folder / "minutes").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0


def commit() -> str:
    """The commit that was prepared; the machine that runs it may hold no repository."""
    path = plan.TRAVELS / "commit"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _end_with(parent: int) -> None:
    """Interrupt this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)


# -- chapters ----------------------------------------------------------------------------------


def chapter(entry: Entry) -> dict[str, Any]:
    """Execute a chapter: its notebook where Papermill and all of it are wanted, else its cells."""
    if _finished(entry) is None:  # else it was killed between its record and its result
        (_notebook if _notebook_runs(entry) else _cells)(entry)
    record = _finished(entry)
    if record is None:
        raise RuntimeError(f"{entry.name} ended without a finished record")
    return {"record": record}


def _finished(entry: Entry) -> dict[str, Any] | None:
    from sslbook.judging import records

    record = records.read(entry.folder / "record.json")
    return record if record and record["status"] == "finished" else None


def _notebook_runs(entry: Entry) -> bool:
    from importlib.util import find_spec

    here = (plan.ROOT / "notebooks" / "toc.yml").is_file()
    return here and not entry.until and find_spec("papermill") is not None


def _notebook(entry: Entry) -> None:
    from sslbook import headless
    from sslbook import plan as plans

    assignments = [f"{key}={value}" for key, value in entry.parameters.items()]
    planned = plans.plan(entry.chapter, assignments, dry=True)
    planned.folder = entry.folder
    outcome = headless.execute(planned)
    if outcome.code in (130, 143):
        raise KeyboardInterrupt
    if outcome.code:
        raise RuntimeError(outcome.message)


def _cells(entry: Entry) -> None:
    """Execute the cells in this process; figures become files."""
    from sslbook.lesson import viz

    cells = travel.cells(entry.chapter)
    sections = list(dict.fromkeys(cell["section"] for cell in cells))
    last = sections.index(entry.until) if entry.until else len(sections)
    wanted = {*sections[: last + 1], "stamp"} - {"install"}
    viz.show = figures = _Figures(entry.folder / "figures")
    space: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["section"] in wanted:
            figures.section = cell["section"]
            code = compile(cell["source"], f"{entry.chapter}, cell {number}", "exec")
            exec(code, space)  # nosec B102 # the book's own cells
            if cell["section"] == "parameters":
                space.update(entry.parameters)


class _Figures:
    """In place of viz.show: keeps the first figure of each section that shows results."""

    WANTED = ("train", "learned", "verdict", "break", "experiment")

    def __init__(self, folder: Path):
        self.folder, self.section, self.kept = folder, "", []

    def __call__(self, fig: Any, *, how_to_read: str, alt: str) -> None:
        from matplotlib.pyplot import close

        from sslbook.lesson.viz.show import png_bytes

        wanted = self.section in self.WANTED and self.section not in self.kept
        if wanted and len(self.kept) < FIGURES:
            self.kept.append(self.section)
            self.folder.mkdir(exist_ok=True)
            with files.publish(self.folder / f"{self.section}.png") as path:
                path.write_bytes(png_bytes(fig))
        print(f"Figure: {alt}")
        close(fig)


# -- what is compared with ---------------------------------------------------------------------


def supervised(entry: Entry) -> dict[str, Any]:
    """The same encoder trained with labels, with crops and flips: what the data allow."""
    from campaign import baselines

    return {"record": baselines.supervised(entry.dataset, SimpleNamespace(**entry.given))}


def lightly(entry: Entry) -> dict[str, Any]:
    """lightly's SimCLR for a few epochs: seconds of each, and the features after the last."""
    from campaign import baselines

    return {"record": baselines.lightly_simclr(entry.dataset, SimpleNamespace(**entry.given))}


def bench(entry: Entry) -> dict[str, Any]:
    """The speed tables; their rows are the result."""
    from bench import __main__ as command

    out = entry.folder / "bench.json"
    pack = plan.DATA / next(iter(plan.stored()["data"][entry.data]["files"]))
    line = [*entry.given["parts"], "--out", str(out), "--data", str(pack)]
    code = command.main([*line, *(["--quick"] if entry.given.get("quick") else [])])
    if code:
        raise RuntimeError(f"the bench ended with exit code {code}")
    found = json.loads(out.read_text(encoding="utf-8"))
    return {"bench": {**found, "commit": commit() or found["commit"]}}


KINDS = {"chapter": chapter, "supervised": supervised, "lightly": lightly, "bench": bench}

if __name__ == "__main__":
    sys.exit(main())
