"""The book's one look: sizes, colours and axes.

Two contexts: "page" for notebooks, "talk" for slides (larger type, thicker lines, roomier
panels). The colours come from `colours` and can be reached from here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from sslbook.errors import UsageError
from sslbook.lesson.viz.colours import (  # noqa: F401  (reached as style.BLUE, style.ink ...)
    BLACK,
    BLUE,
    COLOURS,
    CYCLE,
    FAINT,
    FAMILIES,
    GREEN,
    GROUPS,
    INK,
    LABEL,
    MARKERS,
    ORANGE,
    PURPLE,
    QUIET,
    ROLE_NAMES,
    SIGNED,
    SKY,
    VERMILION,
    YELLOW,
    blend,
    contrast,
    ink,
    tint,
)


@dataclass(frozen=True)
class Context:
    """Sizes of one context: type in points, figures in inches."""

    name: str
    base: float
    small: float
    title: float
    line: float
    strip: tuple[float, float]
    square: float
    dpi: int = 110


CONTEXTS = {
    "page": Context("page", 8.5, 7.5, 10.0, 1.7, (7.0, 2.2), 3.2),
    "talk": Context("talk", 14.0, 12.5, 17.0, 2.8, (10.0, 4.0), 5.4),
}
_active: list[Context] = []


def use(context: str = "page") -> Context:
    """Set matplotlib's parameters to the book's look and return the sizes in use.

    context: "page" or "talk". Raises UsageError for another name.
    """
    if context not in CONTEXTS:
        near = difflib.get_close_matches(str(context), CONTEXTS, n=1)
        raise UsageError(
            f"There is no figure context {context!r}.",
            "The look was left as it is.",
            f'Use "{near[0]}".' if near else f"Use one of: {', '.join(CONTEXTS)}.",
        )
    sizes = CONTEXTS[context]
    mpl.rcParams.update(_parameters(sizes))
    _active[:] = [sizes]
    return sizes


def _parameters(sizes: Context) -> dict:
    scale = sizes.base / 8.5
    return {
        "font.family": ["DejaVu Sans"],
        "text.hinting": "none",  # even letter spacing at screen sizes
        "mathtext.fontset": "dejavusans",
        "font.size": sizes.base,
        "axes.labelsize": sizes.base,
        "axes.titlesize": sizes.title,
        "figure.titlesize": sizes.title,
        "xtick.labelsize": sizes.small,
        "ytick.labelsize": sizes.small,
        "legend.fontsize": sizes.small,
        "text.color": INK,
        "axes.labelcolor": LABEL,
        "axes.titlecolor": INK,
        "axes.titlelocation": "left",
        "axes.titleweight": "normal",
        "axes.titlepad": 7 * scale,
        "axes.labelpad": 3 * scale,
        "axes.edgecolor": QUIET,
        "axes.linewidth": 0.8 * scale,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": False,
        "axes.prop_cycle": mpl.cycler(color=CYCLE),
        "axes.formatter.useoffset": False,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelcolor": LABEL,
        "ytick.labelcolor": LABEL,
        "xtick.major.size": 3 * scale,
        "ytick.major.size": 3 * scale,
        "xtick.major.width": 0.8 * scale,
        "ytick.major.width": 0.8 * scale,
        "xtick.minor.visible": False,
        "ytick.minor.size": 0,
        "lines.linewidth": sizes.line,
        "lines.markersize": 4 * scale,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "image.cmap": "cividis",
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "savefig.facecolor": "white",
        "figure.figsize": sizes.strip,
        "figure.dpi": sizes.dpi,
        "savefig.dpi": "figure",
        "figure.constrained_layout.use": True,
    }


def active() -> Context:
    """The sizes in use; sets the page look when none was chosen yet."""
    return _active[0] if _active else use()


def figure(width: float, height: float, *, layout: str = "constrained") -> Figure:
    """A figure of width x height inches that pyplot does not know, so it is never shown twice."""
    sizes = active()
    made = Figure(figsize=(width, height), dpi=sizes.dpi, layout=layout)
    if layout == "constrained":
        pad = 0.05 * sizes.base / 8.5
        made.get_layout_engine().set(w_pad=pad, h_pad=pad, wspace=0.06, hspace=0.08)
    return made


def strip(
    columns: int = 1,
    *,
    widths: Sequence[float] | None = None,
    height: float = 0.0,
    title: str = "",
) -> tuple[Figure, list[Axes]]:
    """A strip (7 x 2.2 in on a page) of `columns` axes side by side.

    widths: relative widths. height: inches, 0 for the context's. In a talk, four or more axes
    go into two rows so that each stays readable.
    """
    sizes = active()
    rows = 2 if sizes.name == "talk" and columns > 3 else 1
    across = -(-columns // rows)
    wide, high = sizes.strip
    made = figure(wide, height or high * (1.45 if rows == 2 else 1))
    ratios = widths if rows == 1 else None
    grid = made.subplots(rows, across, squeeze=False, width_ratios=ratios).ravel()
    for extra in grid[columns:]:
        extra.remove()
    headline(made, title)
    return made, list(grid[:columns])


def square(title: str = "", *, extra: float = 0.0) -> tuple[Figure, Axes]:
    """A square (3.2 in on a page), `extra` inches wider for labels at its right."""
    sizes = active()
    made = figure(sizes.square + extra, sizes.square)
    headline(made, title)
    return made, made.subplots()


def headline(fig: Figure, title: str, note: str = "") -> None:
    """Write the figure's title at the top left, on as many lines as it needs, and keep room.

    note: a vermilion line above it for what must not be missed, such as "trained with the
    reference, not with your code". Call it once, before or after drawing.
    """
    sizes = active()
    wide, high = fig.get_size_inches()
    top = 0.07
    for text, points, colour in ((note, sizes.base, ink(VERMILION)), (title, sizes.title, INK)):
        lines = wrapped(text, points, wide - 0.14)
        if lines:
            fig.text(0.06 / wide, 1 - top / high, "\n".join(lines), va="top", fontsize=points,
                     color=colour, linespacing=1.25)
            top += (1.3 * points * len(lines) + 0.5 * points) / 72
    if note or title:
        fig.get_layout_engine().set(rect=(0, 0, 1, 1 - top / high))


def wrapped(text: str, points: float, inches: float) -> list[str]:
    """The text as lines of at most `inches`, broken between words; its own breaks stay."""
    lines: list[str] = []
    for paragraph in text.split("\n") if text.strip() else ():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and text_width(longer, points) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def text_width(text: str, points: float) -> float:
    """Width of one line of text in inches (formulas are measured as they are typed)."""
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, prop=FontProperties(family="DejaVu Sans", size=points))
    return path.get_extents().width / 72


def name_axes(ax: Axes, x: str, y: str, title: str = "") -> None:
    """Name both axes, units included; the y name stands flat above the axis, easier to read."""
    sizes = active()
    ax.set_xlabel(x)
    ax.set_ylabel(y, rotation=0, ha="left", va="bottom")
    ax.yaxis.set_label_coords(0.0, 1.03)
    if title:
        ax.set_title(title, pad=sizes.base * (2.1 if y else 0.8))
