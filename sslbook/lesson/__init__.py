"""What a lesson is made of: exercises, checks, sliders, figures and tables.

Names are loaded when first used: figures need matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "exercises": ("check_same", "fallbacks", "hint", "register", "reset", "solve",
                  "trained_with_note"),
    "viz.show": ("display_markdown", "show_table"),
    "widgets": ("explore",),
}
_LAZY = {name: module for module, names in _ROOMS.items() for name in names}
_MODULES = {"diagrams": "viz.diagrams", "viz": "viz"}

__all__ = sorted([*_LAZY, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"sslbook.lesson.{_LAZY[name]}"), name)
    if name in _MODULES:
        return import_module(f"sslbook.lesson.{_MODULES[name]}")
    raise AttributeError(f"module 'sslbook.lesson' has no attribute {name!r}")
