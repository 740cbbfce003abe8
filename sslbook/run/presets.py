"""Resolve presets and parameters; reject invalid ones."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch

from sslbook import datasets
from sslbook.book import toc
from sslbook.errors import UsageError

_LESSON_GB = 8
PRESETS = ("check", "smoke", "lesson", "full")
_HOLDS = {"image": "images", "table": "a table", "graph": "a graph"}
# The parameters of every chapter; "" and 0 mean "from the preset" (SEED 0 is a seed).
STANDARD: dict[str, Any] = {
    "PRESET": "auto", "DATASET": "", "EPOCHS": 0, "BATCH_SIZE": 0, "MINUTES": 0.0, "SEED": 0,
    "OUT_DIR": "",
}


def wanted_preset(value: str) -> str:
    """An explicit PRESET, else SSLBOOK_PRESET, else "auto". UsageError for an unknown one."""
    name = value if value and value != "auto" else os.environ.get("SSLBOOK_PRESET", "") or "auto"
    if name not in (*PRESETS, "auto"):
        raise UsageError(
            f"Unknown preset {name!r}.", "Nothing was started.",
            f"Known: {', '.join(PRESETS)} and auto.{closest(name, PRESETS)}",
        )
    return name


def choose_preset(
    presets: Mapping[str, Any], parameters: Mapping[str, Any], device: torch.device
) -> tuple[str, str]:
    """(preset, why) of a run; why is "" unless "auto" was resolved here.

    presets: the chapter's. parameters: of the parameters cell; PRESET and DATASET count.
    Raises UsageError for an unknown preset.
    """
    wanted = wanted_preset(parameters.get("PRESET", "auto"))
    if wanted != "auto":
        return wanted, ""
    dataset = parameters.get("DATASET") or presets.get("lesson", {}).get("dataset", "")
    wanted, why = automatic_preset(device, dataset)
    if wanted not in presets:
        return "smoke", f"this chapter has no preset {wanted!r}"
    return wanted, why


def automatic_preset(device: torch.device, dataset: str) -> tuple[str, str]:
    """("lesson" or "smoke", why): lesson needs CUDA, 8 GB of free memory and its data set."""
    if device.type != "cuda":
        return "smoke", "no CUDA GPU was found; on one, PRESET='lesson' trains longer"
    free = torch.cuda.mem_get_info(device)[0] / 2**30
    if free < _LESSON_GB:
        need = f"PRESET='lesson' needs {_LESSON_GB}"
        return "smoke", f"only {free:.1f} GB of GPU memory are free; {need}"
    if dataset and not datasets.present(dataset):
        return "smoke", f"{dataset} is not here; type: sslbook data get {dataset}"
    return "lesson", ""


def chapter_parameters(
    presets: Mapping[str, Mapping[str, Any]], names: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters among the names of a notebook (its `globals()`), or an explicit mapping.

    A parameter is a standard one, or the upper-case name of a setting of some preset; other
    upper-case names of the notebook are its own constants.
    """
    knobs = {key.upper() for values in presets.values() for key in values}
    return {name: names[name] for name in names if name in STANDARD or name in knobs}


def closest(name: str, known: Any) -> str:
    """" Did you mean X?" or nothing."""
    found = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]}?" if found else ""


def check_standard(parameters: Mapping[str, Any]) -> None:
    """Types and ranges of the standard parameters. Raises UsageError naming the parameter."""
    for name, default in STANDARD.items():
        value = parameters.get(name, default)
        kind = type(default)
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or isinstance(value, bool):
            raise UsageError(
                f"{name} takes {type_label(kind)}, not {value!r}.", "Nothing was started.",
                f"Example: {name}={default!r}",
            )
        if kind is not str and value < 0:
            raise UsageError(f"{name} cannot be negative ({value!r}).", "Nothing was started.",
                             f"Example: {name}={default!r}")
        check_finite(name, value)


def check_finite(name: str, value: Any) -> None:
    """Raise UsageError for nan and infinity, which no record can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name} takes a finite number, not {value!r}.", "Nothing was started.",
                         f"Example: {name}=1.0")


def check_kind(chapter: str, dataset: str) -> None:
    """Raise UsageError where the chapter takes data of another kind; dataset "" is the preset's.

    A notebook that is no chapter of the book may take any, as may one whose file does not say.
    """
    takes = next((one.takes for one in toc.chapters() if one.name == chapter), None)
    if not dataset or takes is None or (kind := datasets.kind(dataset)) in takes:
        return
    if not takes:
        raise UsageError(f"{chapter} takes no data set, so not {dataset} either.",
                         "Nothing was started.", "Leave DATASET out.")
    known = [name for name in datasets.names() if datasets.kind(name) in takes]
    wanted = " or ".join(_HOLDS[one] for one in takes)
    raise UsageError(f"{chapter} takes {wanted}, and {dataset} holds {_HOLDS[kind]}.",
                     "Nothing was started.", f"It takes: {', '.join(known)}")


def _check_knob(name: str, value: Any, default: Any) -> None:
    """A number stays a number and text stays text; what else fits, the method itself knows."""
    check_finite(name, value)
    known = isinstance(default, (int, float, str))
    if known and isinstance(value, str) != isinstance(default, str):
        raise UsageError(f"{name} takes {type_label(type(default))}, not {value!r}.",
                         "Nothing was started.", f"Example: {name}={default!r}")


def type_label(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "text", bool: "True or False"}[kind]


def resolve(
    presets: Mapping[str, Mapping[str, Any]], preset: str, parameters: Mapping[str, Any]
) -> SimpleNamespace:
    """The settings of a run: the preset's values, under what the parameters say.

    presets: name -> dict of lower-case settings. parameters: the cell's upper-case values. A
    parameter overrides the setting of its lower-case name unless it is "", 0 (standard ones) or
    -1 (the method's own knobs). Raises UsageError for a preset that the chapter lacks.
    """
    if preset not in presets:
        raise UsageError(
            f"This chapter has no preset {preset!r}.", "Nothing was started.",
            f"It has: {', '.join(presets)}."
        )
    check_standard(parameters)
    values = dict(presets[preset])
    for name, value in parameters.items():
        key = name.lower()
        unset = value in ("", 0) if name in STANDARD else value in ("", -1)
        if key not in values or not unset:
            _check_knob(name, value, values.get(key))
            values[key] = value
    if "tried" in values and values.get("dataset") != presets[preset].get("dataset"):
        values["tried"] = 1  # what was tuned was tuned on the preset's data
    values["preset"], values["seed"] = preset, int(parameters.get("SEED", 0))
    values.pop("out_dir", None)
    return SimpleNamespace(**values)
