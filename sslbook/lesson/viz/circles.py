"""Embeddings of two numbers at moments of a training: points on a circle, below the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import as_array, to_rgb

_RING = 0.3  # how far points are spread around the circle, of its radius
_ROUND = np.linspace(0, 2 * np.pi, 200)


def circles(losses: Sequence[float], moments: Mapping[int, object], classes: object, *,
            filled: object = None, icons: Mapping[int, object] | None = None,
            levels: Mapping[str, float] | None = None, title: str = "") -> Figure:
    """The loss by step, and below it the embeddings on the circle at some of the steps.

    losses: one per step. moments: step -> points (N, 2) of length 1, at most four. classes: (N,),
    one colour each; those of class -1 are grey and behind. filled: (N,) truth values, points
    without are hollow. icons: class -> image (3, H, W), the key to the colours. levels: name -> a
    loss, dashed lines. A point's direction is its embedding; its distance from the centre is spread
    evenly, so that none covers another.
    """
    kinds = as_array(classes)
    full = np.ones(len(kinds), bool) if filled is None else as_array(filled).astype(bool)
    fig = style.figure(style.active().strip[0], 4.1)
    style.headline(fig, title)
    widths = [1.0] * len(moments) + [0.24] * bool(icons)
    grid = fig.add_gridspec(2, len(widths), height_ratios=(1, 1.25), width_ratios=widths)
    curve = fig.add_subplot(grid[0, :])
    _curve(curve, losses, levels or {})
    for place, (step, points) in enumerate(moments.items()):
        letter, height = "ABCD"[place], losses[min(step, len(losses) - 1)]
        curve.plot([step], [height], "o", color=style.INK, ms=4.5, zorder=5)
        curve.annotate(letter, (step, height), (0, -13), textcoords="offset points", ha="center",
                       fontweight="bold")
        ax = fig.add_subplot(grid[1, place])
        _circle(ax, as_array(points), kinds, full)
        ax.set_title(f"{letter}: step {step}", fontsize=style.BASE, loc="center")
    if icons:
        _key(fig.add_subplot(grid[1, -1]), icons)
    return fig


def _curve(ax: Axes, losses: Sequence[float], levels: Mapping[str, float]) -> None:
    steps = len(losses)
    ax.plot(losses, lw=0.9, color=style.COLOURS["ours"])
    for name, level in levels.items():
        ax.axhline(level, color=style.QUIET, ls=style.DASHED, lw=1)
        ax.annotate(name, (steps, level), (0, 3), textcoords="offset points", ha="right",
                    fontsize=style.SMALL, color=style.QUIET, path_effects=direct.HALO)
    ax.set(ylim=(0, 1.12 * max(*losses, *levels.values(), 0)), xlim=(-0.02 * steps, 1.02 * steps))
    style.name_axes(ax, "step", "loss")


def _key(ax: Axes, icons: Mapping[int, object]) -> None:
    """One example of each class, framed in its colour."""
    ax.set_axis_off()
    for place, (kind, image) in enumerate(icons.items()):
        inset = ax.inset_axes((0, 1 - 0.25 * (place + 1), 1, 0.21))
        inset.imshow(to_rgb(image)[0])
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color=style.CYCLE[kind % len(style.CYCLE)], lw=2.2)


def _circle(ax: Axes, points: np.ndarray, kinds: np.ndarray, full: np.ndarray) -> None:
    ax.plot(np.cos(_ROUND), np.sin(_ROUND), color=style.FAINT, lw=0.8, zorder=0)
    spread = np.random.default_rng(0).permutation(len(points)) / max(1, len(points))
    x, y = (points * (1 + _RING * (spread - 0.5))[:, None]).T
    rest = kinds < 0
    ax.scatter(x[rest], y[rest], s=3, color=style.FAINT, linewidths=0, zorder=1)
    for kind in np.unique(kinds[~rest]):
        colour = style.CYCLE[kind % len(style.CYCLE)]
        for mask, face in ((full, colour), (~full, "white")):
            here = (kinds == kind) & mask
            ax.scatter(x[here], y[here], s=7, color=face, edgecolors=colour, linewidths=0.7,
                       zorder=2)
    ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    ax.set_axis_off()
