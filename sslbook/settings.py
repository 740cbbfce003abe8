"""Presets and parameters: what a run is told, what the preset fills in, what is refused."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sslbook.errors import UsageError

PRESETS = ("check", "smoke", "lesson", "full")
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
                f"{name} takes {said(kind)}, not {value!r}.", "Nothing was started.",
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


def _check_knob(name: str, value: Any, default: Any) -> None:
    """A number stays a number and text stays text; what else fits, the method itself knows."""
    check_finite(name, value)
    known = isinstance(default, (int, float, str))
    if known and isinstance(value, str) != isinstance(default, str):
        raise UsageError(f"{name} takes {said(type(default))}, not {value!r}.",
                         "Nothing was started.", f"Example: {name}={default!r}")


def said(kind: type) -> str:
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
    values["preset"], values["seed"] = preset, int(parameters.get("SEED", 0))
    values.pop("out_dir", None)
    return SimpleNamespace(**values)
