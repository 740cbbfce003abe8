"""Sliders where someone can move them, silence everywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from sslbook.errors import UsageError


def explore(draw: Callable[..., Any], **sliders: tuple) -> None:
    """Show `draw(**values)` under sliders, one per keyword, where a reader can move them.

    draw: returns a matplotlib figure for the values. sliders: name=(min, max, step, value);
    whole numbers give whole-number sliders; the name is the slider's label ("_" becomes a
    space). The sliders take the arrow keys and show their value.

    Without a live front end (a script, a headless run, SSLBOOK_HEADLESS=1) nothing is shown and
    `draw` is not called: a chapter always prints a strip beside it. Raises UsageError for a
    range that is not one, before anything else, live or not.
    """
    for name, given in sliders.items():
        if len(given) != 4 or given[2] <= 0 or not given[0] <= given[3] <= given[1]:
            raise UsageError(
                f"The range of slider {name!r} is {given!r}.", "No slider was shown.",
                "Give (min, max, step, value) with min <= value <= max and a positive step.")
    if is_live():
        _show(draw, sliders)


def is_live() -> bool:
    """True where a front end is likely to show widgets and let the reader move them."""
    if os.environ.get("SSLBOOK_HEADLESS", "") == "1":
        return False
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    # A front end with a reader allows questions on standard input; nbclient, papermill and
    # nbval do not. Where a kernel has no such mark, someone is assumed to be there.
    return kernel is not None and getattr(kernel, "_allow_stdin", True) is not False


def _slider(name: str, low: float, high: float, step: float, value: float) -> Any:
    """One labelled slider; it redraws when let go, not at every pixel of the way."""
    import ipywidgets

    whole = all(isinstance(n, int) for n in (low, high, step, value))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=name.replace("_", " "),
        continuous_update=False, readout_format="d" if whole else ".3g",
        style={"description_width": "initial"}, layout={"width": "24em"},
    )


def _show(draw: Callable[..., Any], sliders: dict[str, tuple]) -> None:
    """Sliders above the figure, with what ipywidgets 7 and 8 share."""
    import ipywidgets
    from IPython.display import display

    from sslbook.lesson.viz.show import close, display_png

    def redraw(**values: float) -> None:
        figure = draw(**values)
        settings = ", ".join(f"{name.replace('_', ' ')} {value:g}"
                             for name, value in values.items())
        display_png(figure, f"The figure for {settings}.")
        close(figure)

    controls = {name: _slider(name, *given) for name, given in sliders.items()}
    picture = ipywidgets.interactive_output(redraw, controls)
    display(ipywidgets.VBox([*controls.values(), picture]))
