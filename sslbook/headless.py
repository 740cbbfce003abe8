"""Execute a chapter without a screen: checked parameters, a run folder, an exit code.

Papermill executes; around it everything is checked before a kernel starts, interrupts are handed
on to the kernel, and the record says how the run ended.
"""

from __future__ import annotations

import ast
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslbook import files, folders, paths, settings
from sslbook.errors import DataError, UsageError
from sslbook.judging import records
from sslbook.lock import held
from sslbook.nbtools import toc

GRACE = 30  # seconds that a kernel has to write its checkpoint after an interrupt
_KINDS = {"str": str, "int": int, "float": float, "bool": bool}
_CODES = {"UsageError": 2, "DataError": 3, "OutOfTime": 5}


@dataclass
class Outcome:
    """How a run ended: exit code, folder, and what to say."""

    code: int
    folder: Path
    message: str = ""


@dataclass
class Plan:
    """A run that passed all checks: the chapter, its values and the folder it will use."""

    chapter: toc.Chapter
    values: dict[str, Any]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)


def plan(name: str, assignments: list[str], preset: str = "", resume: str = "") -> Plan:
    """Check everything that can be checked before a kernel starts.

    assignments: "NAME=VALUE" texts. Raises UsageError (chapter, preset, parameter, type) or
    DataError (data set); nothing is written before all is well.
    """
    chapter = toc.find(name)
    if not chapter.path.is_file():
        raise UsageError(f"The notebook of {name!r} is not here.", "", "See: sslbook list")
    if preset:
        assignments = [*assignments, f"PRESET={preset}"]
    values = parse(assignments, known_parameters(chapter.path))
    settings.check_standard(values)
    wanted = settings.wanted_preset(values.get("PRESET", "auto"))
    if values.get("DATASET"):
        from sslbook import datasets

        datasets.load(values["DATASET"], "train", limit=1)
    base = paths.runs(values.get("OUT_DIR", "")) / name
    if resume:
        folder = _resumable(base, resume)
    else:
        folder = folders.new(base, wanted, values.get("SEED", 0))
    return Plan(chapter, values, folder, {"SSLBOOK_RUN_FOLDER": str(folder)})


def _resumable(base: Path, run_id: str) -> Path:
    folder = base / Path(run_id).name
    record = records.read(folder / "record.json")
    if record is None:
        raise UsageError(f"No run {run_id!r} of {base.name}.", "", "See: sslbook runs")
    if record["status"] == "finished":
        raise UsageError(f"The run {run_id} is finished.", "Nothing was changed.")
    if held(folder):
        raise UsageError(f"The run {run_id} is in use by another process.", "Nothing was changed.")
    return folder


def known_parameters(notebook: Path) -> dict[str, dict[str, Any]]:
    """Name -> {inferred_type_name, default, help} of a notebook's parameters cell."""
    import papermill

    return papermill.inspect_notebook(str(notebook))


def parse(assignments: list[str], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """NAME=VALUE texts as typed values. Raises UsageError for unknown names and wrong types."""
    values = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign:
            raise UsageError(f"{text!r} is not NAME=VALUE.", "Nothing was started.",
                             "Example: -p SEED=1")
        if name not in known:
            raise UsageError(
                f"Unknown parameter {name!r}.", "Nothing was started.",
                f"Known: {', '.join(known)}.{settings.closest(name, known)}",
            )
        values[name] = _typed(name, value, known[name])
    return values


def _typed(name: str, text: str, about: dict[str, Any]) -> Any:
    kind = _KINDS.get(about["inferred_type_name"], str)
    if kind is str:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UsageError(
            f"{name} takes {settings.said(kind)}, not {text!r}.", "Nothing was started.",
            f"It means: {about['help'] or 'see the parameters cell'} (default {about['default']})",
        )
    return value


def execute(plan: Plan, quiet: bool = False) -> Outcome:
    """Run a planned chapter; the executed notebook lies in the run's folder."""
    output = plan.folder / f"{plan.chapter.name}.ipynb"
    worker = _Worker(plan, output, None if quiet else sys.stdout)
    handlers = {s: signal.signal(s, worker.interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.start()
        while worker.is_alive():
            worker.join(0.2)
    finally:
        for which, handler in handlers.items():
            signal.signal(which, handler)
    return _outcome(plan, worker, output)


class _Worker(threading.Thread):
    """Papermill in a thread, so that the main thread can hear signals."""

    def __init__(self, plan: Plan, output: Path, stream: Any):
        super().__init__(daemon=True)
        self.plan, self.output, self.stream = plan, output, stream
        self.error: BaseException | None = None
        self.signal = 0
        self.client: Any = None

    def run(self) -> None:
        import papermill
        from papermill.engines import NBClientEngine, papermill_engines

        from sslbook.kernels import engine

        papermill_engines.register("sslbook", engine(NBClientEngine, self))
        os.environ |= {**self.plan.environment, "SSLBOOK_HEADLESS": "1"}
        try:
            papermill.execute_notebook(
                str(self.plan.chapter.path), str(self.output), self.plan.values,
                engine_name="sslbook", kernel_name="python3", progress_bar=False,
                stdout_file=self.stream,
            )
        except BaseException as error:  # handed to the main thread, which explains it
            self.error = error

    def interrupt(self, number: int, _frame: Any) -> None:
        """Hand SIGINT or SIGTERM on to the kernel, then wait for it for a while."""
        if self.signal:
            return
        self.signal = number
        process = getattr(getattr(self.client, "km", None), "provisioner", None)
        kernel = getattr(process, "pid", None)
        if kernel is None:
            self.error = KeyboardInterrupt()
            return
        os.kill(kernel, signal.SIGINT)
        timer = threading.Timer(GRACE, lambda: os.kill(kernel, signal.SIGTERM))
        timer.daemon = True
        timer.start()


def _outcome(plan: Plan, worker: _Worker, output: Path) -> Outcome:
    record = records.read(plan.folder / "record.json")
    error = worker.error
    if error is None and record is not None and record["status"] == "finished":
        return Outcome(0, plan.folder)
    if worker.signal:
        return _ended(plan, record, "interrupted", 128 + worker.signal,
                      f"Interrupted. Continue with: sslbook run {plan.chapter.name} "
                      f"--resume {plan.folder.name}")
    name = getattr(error, "ename", type(error).__name__)
    if name == "DeadKernelError":
        message = ("The kernel died, probably out of memory.\n"
                   "What was finished is kept; the run can be resumed.\n"
                   "Try a smaller BATCH_SIZE.")
        return _ended(plan, record, "crashed", 4, message)
    if error is None:
        message = "The notebook ended without run.finish(): its record is not finished."
        return _ended(plan, record, "failed", 4, message)
    if isinstance(error, OSError):
        with files.explained(output):
            raise error
    where = f"Cell {error.cell_index} failed" if hasattr(error, "cell_index") else "It failed"
    value = str(getattr(error, "evalue", error)).strip() or "no message"
    message = value if name in (*_CODES, "UserError") else f"{where}: {name}: {value}"
    if name not in _CODES and output.is_file():
        message += f"\nThe executed notebook shows the place: {output}"
    return _ended(plan, record, "failed", _CODES.get(name, 4), message)


def _ended(plan: Plan, record: dict | None, status: str, code: int, message: str) -> Outcome:
    if record is not None:
        record["status"] = status
        record["error"] = message.splitlines()[0][:200].replace(str(plan.folder.parent), "")
        try:
            records.write(plan.folder, record)
        except (OSError, DataError, UsageError):
            message += "\n(The record could not be updated.)"
    return Outcome(code, plan.folder, message)
