"""Execute a chapter without a screen: checked parameters, a run folder, an exit code.

Papermill executes; around it everything is checked before a kernel starts, interrupts are handed
on to the kernel, and the record says how the run ended.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sslbook import records
from sslbook.errors import DataError, OutOfTime, UsageError, UserError
from sslbook.headless.log import Screen
from sslbook.headless.plan import Plan
from sslbook.headless.torchrun import TorchrunWorker
from sslbook.headless.worker import Worker, signals_to

_CODES = {kind.__name__: kind.exit_code for kind in (UserError, UsageError, DataError, OutOfTime)}


@dataclass
class Outcome:
    """How a run ended: exit code, folder, and what to say."""

    code: int
    folder: Path
    message: str = ""


def execute(plan: Plan, screen: Screen | None = None, minutes: float = 0.0) -> Outcome:
    """Run a planned chapter; the executed notebook lies in the run's folder.

    screen: where log and progress go; None prints nothing. minutes: the run is interrupted, its
    checkpoint kept, when it takes longer (exit code 5); 0 is no limit.
    """
    output = plan.folder / f"{plan.chapter.name}.ipynb"
    environment = {"SSLBOOK_RUN_FOLDER": str(plan.folder), "SSLBOOK_HEADLESS": "1"}
    kind = partial(TorchrunWorker, plan.nproc) if plan.nproc > 1 else Worker
    worker = kind(plan.chapter.path, output, plan.values, environment, screen)
    deadline, late = time.monotonic() + 60 * minutes, False
    try:
        with signals_to(worker.interrupt):
            worker.start()
            while worker.is_alive():
                worker.join(0.2)
                if minutes and not late and time.monotonic() > deadline:
                    late = True
                    worker.interrupt(signal.SIGTERM)
                if screen is not None:
                    screen.follow(plan.folder, worker.place)
    finally:
        worker.end()
        if screen is not None:
            screen.end()
    return _outcome(plan, worker, output, minutes if late else 0.0)


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """An ended run as JSON can hold it: id, status, code, message, scores, verdicts, times."""
    record = records.read(outcome.folder / "record.json") or {}
    found = {"chapter": outcome.folder.parent.name, "id": outcome.folder.name,
             "folder": str(outcome.folder), "code": outcome.code, "message": outcome.message,
             "status": record.get("status", "not begun")}
    pool = [record] if record else []
    if found["status"] == "finished":
        pool = records.pool_of(record, outcome.folder.parents[1])
    return {**found, **{key: record.get(key) for key in ("seconds", "memory_mb", "scores")},
            "verdicts": {key: str(verdict) for key, verdict in records.verdicts(pool).items()}}


def _outcome(plan: Plan, worker: Worker, output: Path, minutes: float = 0.0) -> Outcome:
    """How the run ended, which its record then says as well."""
    record = records.read(plan.folder / "record.json")
    if worker.error is None and record is not None and record["status"] == "finished":
        return Outcome(0, plan.folder)
    status, code, message, why = _ending(plan, worker, output, minutes, record)
    if record is not None:
        try:
            records.write(plan.folder, {**record, "status": status, "error": why})
        except (OSError, UserError):
            message += "\n(The record could not be updated.)"
    return Outcome(code, plan.folder, message)


def _ending(plan: Plan, worker: Worker, output: Path, minutes: float,
            record: records.Record | None) -> tuple[str, int, str, str]:
    """(status, exit code, message, error of the record); the last names no path."""
    error = worker.error
    if worker.signal:
        what = f"Out of time after {minutes:g} minutes." if minutes else "Interrupted."
        code = OutOfTime.exit_code if minutes else 128 + worker.signal
        message = _how_to_continue(plan, record, what)
        return "interrupted", code, message, what if minutes else ""
    name = getattr(error, "ename", type(error).__name__)
    if name == "DeadKernelError":
        message = (f"{getattr(error, 'who', 'The kernel')} died, probably out of memory.\n"
                   "What was finished is kept; the run can be resumed.\n" + _smaller(record))
        return "crashed", 4, message, name
    if error is None:
        message = "The notebook ended without run.finish(): its record is not finished."
        return "failed", 4, message, "unfinished"
    value = str(getattr(error, "evalue", error)).strip() or "no message"
    if name in _CODES:
        return "failed", _CODES[name], value, name
    place = _place(error)
    message = f"{place} failed: {name}: {value}"
    if hasattr(error, "exec_count") and output.is_file():  # a cell failed, not what executes it
        message += f"\nThe executed notebook shows the place: {output}"
    return "failed", 4, message, f"{name} in {place}"


def _smaller(record: records.Record | None) -> str:
    """The batch size to try after a kernel died: half of what it had."""
    size = (record or {}).get("parameters", {}).get("batch_size")
    if not isinstance(size, int) or size < 2:
        return "Try a smaller BATCH_SIZE."
    return f"Try -p BATCH_SIZE={size // 2} in a new run."


def _place(error: BaseException | None) -> str:
    """The cell of an error: its number in the executed notebook and its first line."""
    if not hasattr(error, "exec_count"):
        return "The execution"
    lines = [line for line in error.source.splitlines() if line.strip()]
    return f"Cell In [{error.exec_count}] ({lines[0].strip()[:50] if lines else ''})"


def _how_to_continue(plan: Plan, record: records.Record | None, what: str) -> str:
    if record is None:
        return f"{what[:-1]} before the run began.\nNothing was computed.\nStart it again."
    command = f"sslbook run {plan.chapter.name} --resume {plan.folder.name}"
    if plan.nproc > 1:
        command += f" --nproc {plan.nproc}"
    if plan.values.get("OUT_DIR"):
        command += f" -p OUT_DIR={plan.values['OUT_DIR']}"
    return f"{what}\nThe last checkpoint is kept.\nContinue with: {command}"
