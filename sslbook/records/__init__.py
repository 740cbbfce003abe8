"""Records of runs, and what is computed from them: claims, ledger, report, pairs of methods.

Names are loaded when first used, so that listing runs imports neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "schema": ("SCHEMA", "Record"),
    "store": (
        "alike",
        "code",
        "dataset_label",
        "examine",
        "expected_minutes",
        "iter_runs",
        "latest_record",
        "minor",
        "own",
        "pool_key",
        "pooled",
        "printable",
        "read",
        "reference",
        "run_files",
        "run_seconds",
        "shipped",
        "shipped_files",
        "to_json",
        "typical_seconds",
        "verdicts",
        "versions",
        "write",
    ),
}
_LAZY = {name: module for module, names in _ROOMS.items() for name in names}
_MODULES = ("claims", "ledger", "pairs", "published", "report")

__all__ = sorted([*_LAZY, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"sslbook.records.{_LAZY[name]}"), name)
    if name in _MODULES:
        return import_module(f"sslbook.records.{name}")
    raise AttributeError(f"module 'sslbook.records' has no attribute {name!r}")
