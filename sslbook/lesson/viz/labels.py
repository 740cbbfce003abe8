"""Direct labels: the name stands where the line ends, and labels never cover each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, MaxNLocator

from sslbook.lesson.viz import style

LEADER = {"arrowstyle": "-", "color": "#C4C4C4", "lw": 0.6, "shrinkA": 0, "shrinkB": 0}
HALO = [withStroke(linewidth=2.6, foreground="white")]  # keeps type readable on a picture


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near `wanted`, in the same order, at least `gap` apart, within low..high."""
    order = np.argsort(wanted, kind="stable")
    upwards = np.clip(np.array(wanted, dtype=float)[order], low, high)
    downwards = upwards.copy()
    for k in range(1, len(order)):
        upwards[k] = max(upwards[k], upwards[k - 1] + gap)
        downwards[-1 - k] = min(downwards[-1 - k], downwards[-k] - gap)
    middle = (upwards + downwards) / 2
    count = np.arange(len(order))
    middle = np.clip(middle, low + gap * count, high - gap * count[::-1])
    return middle[np.argsort(order)].tolist()


def at_right(ax: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write (y in data units, text, colour) right of the axes, spread where they would touch.

    Call it when the axes have their limits. A thin leader joins a label and its height.
    """
    if not labels:
        return
    height = ax.get_position().height * ax.figure.get_size_inches()[1] * 72  # points
    ends = [(ax.get_xlim()[0], y) for y, _, _ in labels]
    wanted = (ax.transScale + ax.transLimits).transform(ends)[:, 1]
    lines = max(text.count("\n") + 1 for _, text, _ in labels)
    line = 1.25 * style.SMALL / height
    margin = (lines - 1) * line / 2
    placed = spread(wanted, lines * line, margin, 1 - margin)
    for (_, text, colour), y, place in zip(labels, wanted, placed, strict=True):
        ax.annotate(text, (1.0, y), (7.0, (place - y) * height), "axes fraction", "offset points",
                    va="center", fontsize=style.SMALL, color=style.ink(colour),
                    annotation_clip=False, arrowprops=LEADER)


def control_lines(ax: Axes, controls: Mapping[str, float], *, scale: float,
                  upright: bool = False) -> list[tuple[float, str, str]]:
    """Dashed lines for the controls, across the axes or `upright`; returns (place, name, colour).

    controls: role ("chance", "pixels", "random", "supervised") or any other name -> value,
    which is multiplied by `scale`. None and NaN are skipped.
    """
    labels = []
    for role, value in controls.items():
        if is_number(value):
            colour = style.COLOURS.get(role, style.QUIET)
            draw = ax.axvline if upright else ax.axhline
            draw(value * scale, color=colour, lw=1.1, zorder=3 if upright else 1,
                 ls=(0, (1.2, 1.6)) if role == "chance" else style.DASHED)
            labels.append((value * scale, style.ROLE_NAMES.get(role, role), colour))
    return labels


def is_number(value: object) -> bool:
    """True for a finite number."""
    return value is not None and math.isfinite(value)


def few_ticks(ax: Axes, x: int = 3, y: int = 4, *, whole: bool = False) -> None:
    """At most `x` and `y` intervals between ticks; whole ones in thousands are written 2k."""
    ax.xaxis.set_major_locator(MaxNLocator(x, integer=whole))
    if whole:
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    if y:
        ax.yaxis.set_major_locator(MaxNLocator(y))
