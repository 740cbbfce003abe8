"""Direct labels: the name stands where the line ends, and labels never cover each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sslbook.lesson.viz import style


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near to `wanted` as a distance of `gap` and the range low..high allow."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [min(max(wanted[i], low), high) for i in order]
    for _ in range(200):
        moved = False
        for k in range(len(placed) - 1):
            short = gap - (placed[k + 1] - placed[k])
            if short > 1e-9:
                placed[k] -= short / 2
                placed[k + 1] += short / 2
                moved = True
        if not moved:
            break
        # Push back into the range, keeping the order.
        placed[0] = max(placed[0], low)
        placed[-1] = min(placed[-1], high)
    out = [0.0] * len(wanted)
    for position, i in zip(placed, order, strict=True):
        out[i] = position
    return out


def at_right(ax: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write (y in data units, text, colour) right of the axes, spread where they would touch.

    A thin leader joins a label that had to move.
    """
    sizes = style.active()
    low, high = sorted(_fraction(ax, y) for y in ax.get_ylim())
    height = ax.get_position().height * ax.figure.get_size_inches()[1] * 72
    wanted = [_fraction(ax, y) for y, _, _ in labels]
    line = 1.2 * sizes.small / max(height, 1)
    most = max((text.count("\n") + 1 for _, text, _ in labels), default=1)
    placed = spread(wanted, most * line, low + (most - 1) * line / 2, high - (most - 1) * line / 2)
    for (_, text, colour), y, place in zip(labels, wanted, placed, strict=True):
        moved = abs(place - y) > 0.25 * sizes.small / height
        ax.annotate(
            text, xy=(1.0, y), xytext=(0.85 * sizes.small, (place - y) * height),
            xycoords="axes fraction", textcoords="offset points", va="center", ha="left",
            fontsize=sizes.small, color=style.ink(colour), annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": style.tint(colour, 0.35), "lw": 0.6,
                        "shrinkA": 1.5, "shrinkB": 0} if moved else None,
        )


def _fraction(ax: Axes, y: float) -> float:
    """Height of a data value in the axes, 0 at the bottom; right before any layout too."""
    return float(ax.transLimits.transform(ax.transScale.transform((ax.get_xlim()[0], y)))[1])


def control_lines(ax: Axes, controls: Mapping[str, float], *, scale: float = 100.0) -> list:
    """Dashed horizontal lines for the controls; returns their labels for `at_right`.

    controls: role ("chance", "pixels", "random", "supervised") or any other name -> value,
    which is multiplied by `scale`. None and NaN are skipped.
    """
    labels = []
    for name, value in controls.items():
        if not is_number(value):
            continue
        colour = style.COLOURS.get(name, style.QUIET)
        dashes = (0, (1.2, 1.6)) if name == "chance" else (0, (4, 2.2))
        ax.axhline(value * scale, color=colour, lw=style.active().line * 0.65, ls=dashes, zorder=1)
        labels.append((value * scale, style.ROLE_NAMES.get(name, name), colour))
    return labels


def is_number(value: object) -> bool:
    """True for a finite number."""
    try:
        return value is not None and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def halo(width: float = 2.6) -> list:
    """A white outline that keeps type readable on a picture or a cloud of points."""
    return [withStroke(linewidth=width, foreground="white")]


def few_ticks(ax: Axes, x: int = 3, y: int = 4, *, whole: bool = False) -> None:
    """At most `x` and `y` intervals between ticks; thousands are written 10k."""
    if x:
        ax.xaxis.set_major_locator(MaxNLocator(x, integer=whole))
        ax.xaxis.set_major_formatter(FuncFormatter(short_number))
    if y:
        ax.yaxis.set_major_locator(MaxNLocator(y))


def short_number(value: float, _position: int | None = None) -> str:
    """12000 as 12k, 0.5 as 0.5, 300 as 300."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def nothing_measured(ax: Axes, text: str = "not measured") -> None:
    """Say in an empty panel that there is nothing to draw."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("")
    ax.spines[:].set_visible(False)
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center",
            color=style.QUIET, fontsize=style.active().small)
