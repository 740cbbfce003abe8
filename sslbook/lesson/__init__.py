"""What a lesson is made of: exercises, checks, sliders, figures and tables.

Names are loaded when first used: figures need matplotlib.
"""

from __future__ import annotations

from sslbook.core.lazy import lazy

__getattr__, __all__ = lazy(__name__, {
    "exercises": ("check_same", "fallbacks", "hint", "register", "reset", "solve",
                  "trained_with_note"),
    "viz.show": ("display_markdown", "show_table"),
    "widgets": ("explore",),
}, modules=("viz", "viz.diagrams"))
