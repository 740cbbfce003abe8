"""Sliders where someone can move them, silence everywhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from sslbook.core.screen import is_live
from sslbook.errors import UsageError


def explore(draw: Callable[..., Any], **sliders: tuple | list) -> None:
    """Show `draw(**values)` under sliders, one per keyword, where a reader can move them.

    draw: returns a matplotlib figure for the values. sliders: name=(min, max, step, value), or a
    list of choices, the first of them chosen; whole numbers give whole-number sliders; the name
    is the slider's label ("_" becomes a space). All take the arrow keys and show their value.

    Without a live front end (a script, a headless run, SSLBOOK_HEADLESS=1) nothing is shown and
    `draw` is not called: a chapter always prints a strip beside it. With SSLBOOK_TRY_SLIDERS=1,
    as in the checks, nothing is shown either, but every slider is moved to both its ends.
    Then a slider that changes nothing raises UsageError.
    """
    sliders = {name: given if isinstance(given, list) or all(isinstance(n, int) for n in given)
               else tuple(map(float, given)) for name, given in sliders.items()}
    if os.environ.get("SSLBOOK_TRY_SLIDERS", "") == "1":
        _try(draw, sliders)
    elif is_live():
        _show(draw, sliders)


def _try(draw: Callable[..., Any], sliders: dict[str, tuple | list]) -> None:
    """Draw with each slider at both ends, the others where they start; the two must differ."""
    from sslbook.lesson.viz.show import close, pixels

    def picture(values: dict[str, Any]) -> bytes:
        try:
            figure = draw(**values)
            drawn = pixels(figure).tobytes()
        except Exception as error:
            error.add_note(f"drawn with {values}")
            raise
        close(figure)
        return drawn

    start = {name: given[0] if isinstance(given, list) else given[3]
             for name, given in sliders.items()}
    picture(start)
    for name, given in sliders.items():
        ends = (given[0], given[-1]) if isinstance(given, list) else given[:2]
        low, high = (picture({**start, name: end}) for end in ends)
        if low == high and ends[0] != ends[1]:
            raise UsageError(f"Slider {name!r} changes nothing between {ends[0]} and {ends[1]}.",
                             "The figure is the same at both ends.",
                             "Let `draw` use it, or leave it out.")


def _slider(name: str, given: tuple | list) -> Any:
    """One labelled slider; it redraws when let go, not at every pixel of the way."""
    import ipywidgets

    look = {"description": name.replace("_", " "), "layout": {"width": "24em"},
            "style": {"description_width": "initial"}}
    if isinstance(given, list):
        return ipywidgets.Dropdown(options=given, value=given[0], **look)
    low, high, step, value = given
    high = max(low, high)  # of few samples there may be nothing to choose from
    whole = isinstance(value, int)
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, continuous_update=False,
                readout_format="d" if whole else ".3g", **look)


def _show(draw: Callable[..., Any], sliders: dict[str, tuple | list]) -> None:
    """Sliders above the figure, with what ipywidgets 7 and 8 share."""
    import ipywidgets
    from IPython.display import display

    from sslbook.lesson.viz.show import close, display_png

    def redraw(**values: float | str) -> None:
        figure = draw(**values)
        told = (value if isinstance(value, str) else f"{value:g}" for value in values.values())
        settings = ", ".join(f"{name.replace('_', ' ')} {value}"
                             for name, value in zip(values, told, strict=True))
        display_png(figure, f"The figure for {settings}.")
        close(figure)

    controls = {name: _slider(name, given) for name, given in sliders.items()}
    picture = ipywidgets.interactive_output(redraw, controls)
    display(ipywidgets.VBox([*controls.values(), picture]))
