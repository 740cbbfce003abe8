"""Embeddings of two numbers at several moments of a training: points on a circle, below the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import as_array, to_rgb

_RING = 0.3  # how far points are spread around the circle, of its radius


def circles(losses: Sequence[float], moments: Mapping[int, object], classes: object, *,
            filled: object = None, icons: Mapping[int, object] | None = None,
            level: tuple[float, str] | None = None, title: str = "") -> Figure:
    """The loss by step, and below it the embeddings on the circle at some of the steps.

    losses: one per step. moments: step -> points (N, 2) of length 1, at most four. classes: (N,),
    one colour each. filled: (N,) truth values, points without are hollow. icons: class -> image
    (3, H, W), the key to the colours. level: (a loss, its name), a dashed line. A point's direction
    is its embedding; its distance from the centre is spread evenly, so that none covers another.
    """
    kinds = as_array(classes)
    full = np.ones(len(kinds), bool) if filled is None else as_array(filled).astype(bool)
    fig = style.figure(style.active().strip[0], 4.1)
    style.headline(fig, title)
    grid = fig.add_gridspec(2, len(moments), height_ratios=(1, 1.25))
    curve = fig.add_subplot(grid[0, :])
    _curve(curve, losses, level)
    _key(curve, icons or {})
    for place, (step, points) in enumerate(moments.items()):
        letter, height = "ABCD"[place], losses[min(step, len(losses) - 1)]
        curve.plot([step], [height], "o", color=style.INK, ms=4.5, zorder=5)
        curve.annotate(letter, (step, height), (0, -13), textcoords="offset points", ha="center",
                       fontweight="bold")
        ax = fig.add_subplot(grid[1, place])
        _circle(ax, as_array(points), kinds, full)
        ax.set_title(f"{letter}: step {step}", fontsize=style.BASE, loc="center")
    return fig


def _curve(ax: Axes, losses: Sequence[float], level: tuple[float, str] | None) -> None:
    steps = len(losses)
    ax.plot(losses, lw=0.9, color=style.COLOURS["ours"])
    top = max(losses)
    if level:
        ax.axhline(level[0], color=style.QUIET, ls=style.DASHED, lw=1)
        ax.annotate(level[1], (steps, level[0]), (0, 3), textcoords="offset points", ha="right",
                    fontsize=style.SMALL, color=style.QUIET)
        top = max(top, level[0])
    ax.set(ylim=(0, 1.12 * top), xlim=(-0.02 * steps, 1.02 * steps))
    style.name_axes(ax, "step", "loss")


def _key(ax: Axes, icons: Mapping[int, object]) -> None:
    """One example of each class, framed in its colour, where the curve has left room."""
    for place, (kind, image) in enumerate(icons.items()):
        inset = ax.inset_axes((1 - 0.095 * (len(icons) - place), 0.5, 0.085, 0.34))
        inset.imshow(to_rgb(image)[0])
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color=style.CYCLE[kind % len(style.CYCLE)], lw=2.4)


def _circle(ax: Axes, points: np.ndarray, kinds: np.ndarray, full: np.ndarray) -> None:
    spread = np.random.default_rng(0).permutation(len(points)) / max(1, len(points))
    x, y = (points * (1 + _RING * (spread - 0.5))[:, None]).T
    for kind in np.unique(kinds):
        colour = style.CYCLE[kind % len(style.CYCLE)]
        for mask, face in ((full, colour), (~full, "white")):
            here = (kinds == kind) & mask
            ax.scatter(x[here], y[here], s=8, color=face, edgecolors=colour, linewidths=0.7)
    ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    ax.set_axis_off()
