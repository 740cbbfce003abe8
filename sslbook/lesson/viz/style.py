"""The book's one look: sizes, colours and axes; the style sheet beside it has the rest.

The colours are Okabe and Ito's ("Color Universal Design", 2008), eight that readers with any
colour vision can tell apart, given to fixed roles and families. Text takes `ink(colour)`, dark
enough for small type.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure

from sslbook.errors import UsageError

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
INK, QUIET, FAINT = "#1A1A1A", "#5F5F5F", "#D9D9D9"

COLOURS = {
    "positive": BLUE,
    "negative": VERMILION,
    "student": GREEN,
    "teacher": "#00543E",  # the student's hue, darker
    "ours": BLUE,
    "random": "#7A7A7A",
    "pixels": ORANGE,
    "supervised": PURPLE,
    "scratch": PURPLE,  # it, too, was given labels
    "fine-tuned": "#003A5C",  # the method's hue, darker
    "chance": "#A6A6A6",
}
FAMILIES = {
    "contrast": VERMILION,
    "decorrelate": BLUE,
    "distil": GREEN,
    "cluster": PURPLE,
    "mask": ORANGE,
    "predict": SKY,
    "disentangle": BLACK,
}
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, "#8C6D00")
# Compared groups in order: before (or random), after (or ours), then what was broken.
GROUPS = (COLOURS["random"], COLOURS["ours"], VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
# Names that readers see for the roles of the book's controls.
ROLE_NAMES = {"pixels": "raw input", "random": "untrained net", "scratch": "from scratch"}
# Vermilion, white, blue: the book's negative and positive, darker at the ends.
SIGNED = LinearSegmentedColormap.from_list("sslbook_signed", [
    "#7F3300", VERMILION, "#F6C9A8", "#FFFFFF", "#A9D2EA", BLUE, "#003A5C"], N=65)

SMALL, BASE, TITLE, LINE = 7.5, 8.5, 10.0, 1.7  # points, as in the style sheet
DASHED = (0, (4, 2.2))


@dataclass(frozen=True)
class Context:
    """Sizes of one context in inches. Type has the same points in each, so a small page at a
    high dpi makes it large. screen: CSS pixels that an inch takes on a page; with more dots than
    these a figure is sharp on fine screens and in print."""

    strip: tuple[float, float]
    square: float
    dpi: int
    screen: int


CONTEXTS = {"page": Context((7.0, 2.2), 3.2, dpi=150, screen=110),
            "talk": Context((6.0, 2.5), 3.0, dpi=184, screen=184)}
_active: list[Context] = []


def use(context: str = "") -> Context:
    """Set matplotlib's parameters to the book's look and return the sizes in use.

    context: "page" for notebooks or "talk" for slides (larger type and thicker lines in roomier
    panels); "" takes the one that SSLBOOK_FIGURES names, else "page". Raises UsageError for
    another name.
    """
    context = context or os.environ.get("SSLBOOK_FIGURES", "") or "page"
    if context not in CONTEXTS:
        raise UsageError(f"There is no figure context {context!r}.",
                         "The look was left as it is.", f"Use one of {', '.join(CONTEXTS)}.")
    sizes = CONTEXTS[context]
    mpl.rc_file(Path(__file__).with_name("book.mplstyle"), use_default_template=False)
    mpl.rcParams.update({"figure.figsize": sizes.strip, "figure.dpi": sizes.dpi,
                         "axes.prop_cycle": mpl.cycler(color=CYCLE)})
    _active[:] = [sizes]
    return sizes


def active() -> Context:
    """The sizes in use; sets the page look when none was chosen yet."""
    return _active[0] if _active else use()


def figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """A figure of width x height inches that pyplot does not know, so it is never shown twice."""
    made = Figure(figsize=(width, height), dpi=active().dpi, layout=layout)
    if layout == "constrained":
        made.get_layout_engine().set(w_pad=0.05, h_pad=0.07, wspace=0.06, hspace=0.08)
    return made


def strip(columns: int = 1, *, widths: Sequence[float] | None = None, title: str = "",
          note: str = "") -> tuple[Figure, list[Axes]]:
    """A strip (7 x 2.2 in on a page) of `columns` axes side by side, in a talk in two rows.

    widths: relative widths of the columns. title, note: as in `headline`.
    """
    sizes = active()
    wide, high = sizes.strip
    if columns > 3 and sizes is CONTEXTS["talk"]:
        made = figure(wide, 1.25 * high)
        axes = made.subplots(2, (columns + 1) // 2).flat
    else:
        made = figure(wide, high)
        axes = made.subplots(1, columns, squeeze=False, width_ratios=widths).flat
    headline(made, title, note)
    return made, list(axes)


def square(title: str = "", *, extra: float = 0.0) -> tuple[Figure, Axes]:
    """A square (3.2 in on a page), `extra` inches wider for labels at its right."""
    sizes = active()
    made = figure(sizes.square + extra, sizes.square)
    headline(made, title)
    return made, made.subplots()


def headline(fig: Figure, title: str, note: str = "") -> None:
    """Write the figure's title at the top left, on as many lines as it needs.

    note: a line above it for what must not be missed, such as "trained with the reference, not
    with your code"; it turns both vermilion.
    """
    wide = fig.get_size_inches()[0]
    text = "\n".join(wrapped(part, wide) for part in (note, title) if part)
    if text:
        fig.suptitle(text, x=0.06 / wide, ha="left", color=ink(VERMILION) if note else INK)


def wrapped(text: str, inches: float) -> str:
    """A title broken between words into lines that fit into `inches`."""
    return textwrap.fill(text, max(8, int(inches * 72 / (0.55 * TITLE))))


def name_axes(ax: Axes, x: str, y: str) -> None:
    """Name both axes, units included; the y name stands flat above the axis, easier to read."""
    ax.set_xlabel(x)
    ax.set_ylabel(y, rotation=0, ha="left", va="bottom")
    ax.yaxis.set_label_coords(0.0, 1.03)


def blend(colour: str, other: str, amount: float) -> str:
    """`colour` moved towards `other` by `amount` in 0-1."""
    pairs = zip(to_rgb(colour), to_rgb(other), strict=True)
    return to_hex([(1 - amount) * a + amount * b for a, b in pairs])


def tint(colour: str, amount: float = 0.82) -> str:
    """A light fill of the same hue."""
    return blend(colour, "#FFFFFF", amount)


def contrast(colour: str) -> float:
    """Contrast ratio of `colour` on white, as WCAG 2 defines it (1 to 21)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def ink(colour: str) -> str:
    """`colour` darkened until small type in it is readable on white (contrast 4.5)."""
    while contrast(colour) < 4.5:
        colour = blend(colour, "#000000", 0.04)
    return colour
