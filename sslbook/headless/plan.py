"""What a run will do, checked before a kernel starts: chapter, parameters, data, disk, device."""

from __future__ import annotations

import ast
import json
import shutil
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslbook import records
from sslbook.book import parameters, toc
from sslbook.core import device, files, paths
from sslbook.core.lock import is_locked
from sslbook.errors import UsageError, UserError
from sslbook.headless import torchrun
from sslbook.records import times
from sslbook.run import enough
from sslbook.run.folder import create_folder, find_unfinished, in_use
from sslbook.run.presets import (
    check_finite,
    check_kind,
    check_standard,
    choose_preset,
    closest,
    resolve,
    type_label,
)

_GIVEN = "parameters.json"  # in the run's folder: what it was started with, paths and all
_KINDS = {"str": str, "int": int, "float": float, "bool": bool}
_FREE_MB = 200  # of disk: executed notebook, checkpoint and weights of a small net


@dataclass
class Plan:
    """A run that passed all checks.

    values: the parameters given. folder: where it will lie (None in a dry run). settings: preset
    and parameters resolved, {} where the notebook's presets are no literal. device: "cpu", "cuda"
    or "mps". nproc: ranks that execute the notebook together.
    """

    chapter: toc.Chapter
    values: dict[str, Any]
    folder: Path | None
    settings: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    nproc: int = 1


def plan(
    name: str, assignments: list[str], preset: str = "", resume: str = "", dry: bool = False,
    nproc: int = 1,
) -> Plan:
    """Check everything that can be checked before a kernel starts.

    assignments: "NAME=VALUE" texts. resume: the id of an unfinished run. dry: make no folder and
    download nothing. nproc: ranks. Raises UsageError (chapter, preset, parameter, type, kind of
    data, device), DataError (data set) and UserError (disk); nothing is written before all is well.
    """
    chapter = toc.find(name)
    if preset:
        assignments = [*assignments, f"PRESET={preset}"]
    values = parse(assignments, parameters.accepted(chapter.path))
    check_standard(values)
    check_kind(name, values.get("DATASET", ""))
    base = paths.runs(values.get("OUT_DIR", "")) / name
    folder = None
    if resume:
        folder, values = _resumed(base, resume, values)
    where = device.choose()
    torchrun.check(nproc, where)
    found = Plan(chapter, values, folder, device=where.type, nproc=nproc)
    presets = parameters.read(chapter.path)
    preset, _ = choose_preset(presets, values, where)
    if presets:  # as the notebook's own `start` will
        found.settings = vars(resolve(presets, preset, values))
    _check_data(found, dry)
    _check_disk(base)
    if found.folder is None and not dry:
        found.folder = create_folder(base, preset, values.get("SEED", 0))
        given = {k: v for k, v in values.items() if k != "OUT_DIR"}
        files.write_json(found.folder / _GIVEN, given)
    return found


def _check_data(found: Plan, dry: bool) -> None:
    from sslbook import datasets

    name = found.values.get("DATASET") or found.settings.get("dataset", "")
    by_path = ":" in name and not name.startswith("pyg:")
    if name and (by_path or not dry or datasets.present(name)):
        enough.begin(datasets.load(name, "train", limit=2), found.settings.get("batch_size", 0))


def _check_disk(base: Path) -> None:
    free = shutil.disk_usage(paths.existing(base)).free / 2**20
    if free < _FREE_MB:
        raise UserError(
            f"Only {free:.0f} MB of disk are free where runs lie; {_FREE_MB} are asked for.",
            "Nothing was started.",
            "Free some space (sslbook runs prune), or give another folder with OUT_DIR.",
        )


def describe(found: Plan) -> dict[str, Any]:
    """What a run would do: preset, device, data, steps, and what earlier runs took.

    steps: of the main training; None where the data must be downloaded first. seconds, memory_mb:
    of a finished run of the same chapter, preset and kind of device, on the same data or else on
    those that `told_by` names; the seconds scaled by the samples. None where there is no record.
    """
    from sslbook import datasets

    about = found.settings
    name = about.get("dataset", "")
    here = bool(name) and datasets.present(name)
    count, steps = _length(about) if here else (0, None)
    told = _told(found.chapter.name, about.get("preset", ""), found.device, name, bool(count))
    return {
        "chapter": found.chapter.name, "preset": about.get("preset", ""), "device": found.device,
        "seed": about.get("seed", 0), "data": name, "data_is_here": here, "steps": steps,
        "batch_size": about.get("batch_size"),
        "seconds": told and round(times.scaled_seconds(told, about, count)),
        "memory_mb": told.get("memory_mb") if told else None,
        "told_by": times.data_of(told) if told else None,
    }


def _told(chapter: str, preset: str, device: str, data: str,
          scales: bool) -> records.Record | None:
    """The newest record of such a run; where it `scales`, of one on other data if need be."""
    return (records.latest_record(chapter, preset, device, data)
            or (records.latest_record(chapter, preset, device, "") if scales else None))


def _length(about: dict[str, Any]) -> tuple[int, int | None]:
    """Training samples, and steps of the main training; None where minutes decide."""
    from sslbook import datasets

    data = datasets.load(about["dataset"], "train", limit=about.get("images", 0))
    whole = isinstance(data, datasets.GraphSet)  # all nodes at once
    return len(data), times.planned_steps(about | {"batch_size": 0} if whole else about,
                                            len(data))


def _resumed(base: Path, run_id: str, values: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The folder of an unfinished run and the parameters it was started with."""
    folder, record = find_unfinished(base, run_id)
    if is_locked(folder):
        raise in_use(folder)
    given = read_given(folder) or {}  # {} where it was begun in JupyterLab
    given |= {"PRESET": record["preset"], "SEED": record["seed"]}
    for name, value in values.items():
        if value != given.get(name, value) and value != "auto":
            raise UsageError(f"The run {run_id} has {name}={given[name]}, not {value}.",
                             "Nothing was changed.", "Start a new one without --resume.")
    return folder, {**values, **given}


def read_given(folder: Path) -> dict[str, Any] | None:
    """What a headless run was started with; None where that is not known."""
    try:
        return dict(json.loads((folder / _GIVEN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def parse(assignments: list[str], known: dict[str, parameters.Parameter]) -> dict[str, Any]:
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
                f"Known: {', '.join(known)}.{closest(name, known)}",
            )
        values[name] = _typed(value, known[name])
    return values


def _typed(text: str, about: parameters.Parameter) -> Any:
    kind = _KINDS.get(about.kind, str)
    if kind is str:
        return text
    try:
        with warnings.catch_warnings(action="ignore"):  # of Python's, on odd literals
            value = ast.literal_eval(text)
        value = float(value) if kind is float and type(value) is int else value
    except (ValueError, TypeError, OverflowError, SyntaxError, MemoryError, RecursionError):
        value = text
    if type(value) is not kind:
        raise UsageError(
            f"{about.name} takes {type_label(kind)}, not {text!r}.", "Nothing was started.",
            f"It means: {about.help} (default {about.default!r})",
        )
    check_finite(about.name, value)
    return value
