"""Judging a representation: probes with labels, diagnostics without, and the controls.

Names are loaded when first used: `claims` and `records` need no torch, so listing runs is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "controls": ("chance", "control_scores", "encoder_scores", "random_encoder", "scores",
                 "supervised_control", "supervised_encoder"),
    "diagnostics": ("alignment", "collapse_level", "rankme", "spectrum", "spread", "uniformity"),
    "encoding": ("calibrate_batchnorm", "features"),
    "online": ("OnlineProbe", "embeddings"),
    "probes": ("LinearProbe", "knn", "knn_table", "linear_probe", "neighbours"),
}
_LAZY = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"sslbook.judging.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'sslbook.judging' has no attribute {name!r}")
