"""Execute a chapter without a screen: checked parameters, a run folder, an exit code.

Papermill executes; around it everything is checked before a kernel starts, interrupts are handed
on to the kernel, and the record says how the run ended.
"""

from __future__ import annotations

import ast
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbook import files, folders, paths, settings
from sslbook.errors import UsageError, UserError
from sslbook.judging import records
from sslbook.kernels import Worker
from sslbook.lock import held
from sslbook.nbtools import toc

_GIVEN = "parameters.json"  # in the run's folder: what it was started with, paths and all
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


def plan(name: str, assignments: list[str], preset: str = "", resume: str = "") -> Plan:
    """Check everything that can be checked before a kernel starts.

    assignments: "NAME=VALUE" texts. Raises UsageError (chapter, preset, parameter, type) or
    DataError (data set); nothing is written before all is well.
    """
    chapter = toc.find(name)
    if not chapter.path.is_file():
        raise UsageError(f"The notebook of {name!r} is not here.", "Nothing was started.",
                         "See: sslbook list")
    if preset:
        assignments = [*assignments, f"PRESET={preset}"]
    values = parse(assignments, known_parameters(chapter.path))
    settings.check_standard(values)
    wanted = settings.wanted_preset(values.get("PRESET", "auto"))
    base = paths.runs(values.get("OUT_DIR", "")) / name
    folder = None
    if resume:
        folder, values = _resumed(base, resume, values)
    if values.get("DATASET"):
        from sslbook import datasets

        datasets.load(values["DATASET"], "train", limit=1)
    if folder is None:
        folder = folders.new(base, wanted, values.get("SEED", 0))
        files.write_json(folder / _GIVEN, {k: v for k, v in values.items() if k != "OUT_DIR"})
    return Plan(chapter, values, folder)


def _resumed(base: Path, run_id: str, values: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The folder of an unfinished run and the parameters it was started with."""
    folder = base / Path(run_id).name
    record = records.read(folder / "record.json")
    if record is None:
        raise UsageError(f"No run {run_id!r} of {base.name}.", "Nothing was started.",
                         "See: sslbook runs")
    if record["status"] == "finished":
        raise UsageError(f"The run {run_id} is finished.", "Nothing was changed.",
                         "Start a new one without --resume.")
    if held(folder):
        raise UsageError(f"The run {run_id} is in use by another process.", "Nothing was changed.",
                         "Wait for it, or start a new run without --resume.")
    try:
        given = json.loads((folder / _GIVEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # begun in JupyterLab, where nothing was given
        given = {}
    given |= {"PRESET": record["preset"], "SEED": record["seed"]}
    for name, value in values.items():
        if value != given.get(name, value) and value != "auto":
            raise UsageError(f"The run {run_id} has {name}={given[name]}, not {value}.",
                             "Nothing was changed.", "Start a new one without --resume.")
    return folder, {**values, **given}


def known_parameters(notebook: Path) -> dict[str, dict[str, Any]]:
    """Name -> {inferred_type_name, default, help} of a notebook's parameters cell.

    Raises UsageError for a file that is not a notebook of Python code.
    """
    import nbformat
    import papermill

    try:
        return papermill.inspect_notebook(str(notebook))
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0][:60]
        raise UsageError(f"The notebook {notebook.name} cannot be read: {reason}.",
                         "Nothing was started.", "Save it again in JupyterLab.") from error


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
    settings.check_finite(name, value)
    return value


def execute(plan: Plan, quiet: bool = False) -> Outcome:
    """Run a planned chapter; the executed notebook lies in the run's folder."""
    output = plan.folder / f"{plan.chapter.name}.ipynb"
    environment = {"SSLBOOK_RUN_FOLDER": str(plan.folder), "SSLBOOK_HEADLESS": "1"}
    worker = Worker(plan.chapter.path, output, plan.values, environment,
                    None if quiet else sys.stdout)
    handlers = {s: signal.signal(s, worker.interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.start()
        while worker.is_alive():
            worker.join(0.2)
    finally:
        for which, handler in handlers.items():
            signal.signal(which, handler)
        worker.end()
    return _outcome(plan, worker, output)


def _outcome(plan: Plan, worker: Worker, output: Path) -> Outcome:
    record = records.read(plan.folder / "record.json")
    error = worker.error
    if error is None and record is not None and record["status"] == "finished":
        return Outcome(0, plan.folder)
    if worker.signal:
        message = _how_to_continue(plan, record)
        return _ended(plan, record, "interrupted", 128 + worker.signal, message)
    name = getattr(error, "ename", type(error).__name__)
    if name == "DeadKernelError":
        message = ("The kernel died, probably out of memory.\n"
                   "What was finished is kept; the run can be resumed.\n"
                   "Try a smaller BATCH_SIZE.")
        return _ended(plan, record, "crashed", 4, message, name)
    if error is None:
        message = "The notebook ended without run.finish(): its record is not finished."
        return _ended(plan, record, "failed", 4, message, "unfinished")
    if isinstance(error, UserError):  # the executed notebook could not be written
        return _ended(plan, record, "failed", error.exit_code, str(error), name)
    value = str(getattr(error, "evalue", error)).strip() or "no message"
    if name in (*_CODES, "UserError"):
        return _ended(plan, record, "failed", _CODES.get(name, 4), value, name)
    place = _place(error)
    message = f"{place} failed: {name}: {value}"
    if output.is_file():
        message += f"\nThe executed notebook shows the place: {output}"
    return _ended(plan, record, "failed", 4, message, f"{name} in {place}")


def _place(error: BaseException | None) -> str:
    """The cell of an error: its number in the executed notebook and its first line."""
    if not hasattr(error, "exec_count"):
        return "The execution"
    lines = [line for line in error.source.splitlines() if line.strip()]
    return f"Cell In [{error.exec_count}] ({lines[0].strip()[:50] if lines else ''})"


def _how_to_continue(plan: Plan, record: dict | None) -> str:
    if record is None:
        return "Interrupted before the run began.\nNothing was computed.\nStart it again."
    command = f"sslbook run {plan.chapter.name} --resume {plan.folder.name}"
    if plan.values.get("OUT_DIR"):
        command += f" -p OUT_DIR={plan.values['OUT_DIR']}"
    return f"Interrupted.\nThe last checkpoint is kept.\nContinue with: {command}"


def _ended(
    plan: Plan, record: dict | None, status: str, code: int, message: str, why: str = ""
) -> Outcome:
    """Note in the record how the run ended; `why` names no path, for records hold none."""
    if record is not None:
        record["status"] = status
        record["error"] = why
        try:
            records.write(plan.folder, record)
        except (OSError, UserError):
            message += "\n(The record could not be updated.)"
    return Outcome(code, plan.folder, message)
