"""A small box-and-arrow toolkit: pictures of methods drawn by code, offline.

Coordinates are inches on a page 7 inches wide, from the bottom left corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import to_rgb

WIDTH = 7.0
Point = tuple[float, float]
# The way of an arrow: straight, first across and then up or down, or the other way round.
STRAIGHT = "arc3"
ACROSS, UPRIGHT = "angle,angleA=0,angleB=90,rad=9", "angle,angleA=90,angleB=0,rad=9"


def canvas(height: float = 2.2, title: str = "") -> tuple[Figure, Axes]:
    """An empty drawing area, 7 x `height` inches."""
    fig = style.figure(WIDTH, height, "none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(0, height))
    ax.set_axis_off()
    ax.text(0.06, height - 0.06, title, va="top", fontsize=style.TITLE)
    return fig, ax


@dataclass(frozen=True)
class Box:
    """A box around its centre (x, y); shape "box", "goal" (white) or "funnel" (narrows to the
    right)."""

    x: float
    y: float
    width: float
    height: float
    text: str = ""
    colour: str = style.BLUE
    shape: str = "box"
    size: float = 8.2

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y - self.height / 2

    def draw(self, ax: Axes) -> Box:
        """Draw the box and its text; returns itself."""
        fill = "white" if self.shape == "goal" else style.tint(self.colour, 0.86)
        look = {"fc": fill, "ec": self.colour, "lw": 1.0, "zorder": 3}
        if self.shape == "funnel":
            slope = 0.2 * self.height
            corners = [(self.left, self.bottom), (self.left, self.top),
                       (self.right, self.top - slope), (self.right, self.bottom + slope)]
            ax.add_patch(Polygon(corners, joinstyle="round", **look))
        else:
            ax.add_patch(FancyBboxPatch((self.left + 0.05, self.bottom + 0.05), self.width - 0.1,
                                        self.height - 0.1, "round,pad=0.05,rounding_size=0.06",
                                        **look))
        note(ax, self.x, self.y, self.text, size=self.size)
        return self


def arrow(ax: Axes, start: Point, end: Point, *, way: str = STRAIGHT, text: str = "",
          colour: str = style.QUIET, dashed: bool = False) -> None:
    """An arrow from `start` to `end`; way: STRAIGHT, ACROSS or UPRIGHT; text: above its middle."""
    ax.add_patch(FancyArrowPatch(
        start, end, connectionstyle=way, arrowstyle="-|>,head_length=3.6,head_width=1.9",
        shrinkA=0, shrinkB=0, mutation_scale=1.0, lw=1.0, color=colour, zorder=2,
        capstyle="butt", joinstyle="round", linestyle=(0, (3, 2)) if dashed else "-"))
    note(ax, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.07, text, va="bottom")


def note(ax: Axes, x: float, y: float, text: str, *, size: float = 7.6, ha: str = "center",
         va: str = "center", colour: str = style.INK) -> None:
    """A short text; centred unless told otherwise."""
    ax.text(x, y, text, ha=ha, va=va, color=colour, fontsize=size, linespacing=1.2, zorder=5)


def picture(ax: Axes, image: object, x: float, y: float, size: float) -> Box:
    """An image (3, H, W), centred at (x, y), its longer side `size`; returns its frame."""
    tile = to_rgb(image)[0]
    high, wide = tile.shape[:2]
    frame = Box(x, y, size * wide / max(high, wide), size * high / max(high, wide))
    return _framed(ax, tile, frame, style.FAINT)


def matrix(ax: Axes, values: object, x: float, y: float, size: float) -> Box:
    """A small signed matrix (R, C) in -1..1 as coloured cells; returns its frame."""
    return _framed(ax, np.asarray(values, dtype=float), Box(x, y, size, size), style.QUIET)


def _framed(ax: Axes, values: np.ndarray, frame: Box, edge: str) -> Box:
    limits = ax.axis()
    ax.imshow(values, extent=(frame.left, frame.right, frame.bottom, frame.top), aspect="auto",
              cmap=style.SIGNED, vmin=-1, vmax=1, interpolation="nearest", zorder=3)
    ax.add_patch(Rectangle((frame.left, frame.bottom), frame.width, frame.height, fill=False,
                           ec=edge, lw=0.8, zorder=4))
    ax.axis(limits)  # imshow moved them
    return frame


def vector(ax: Axes, x: float, y: float, *, cells: int = 6, colour: str = style.BLUE,
           phase: float = 0.0) -> Box:
    """A column of cells: one vector, such as the features of one image; returns its frame."""
    size = 0.095
    frame = Box(x, y, size, cells * size)
    for i in range(cells):
        shade = 0.25 + 0.55 * (0.5 + 0.5 * np.sin(2.4 * i + phase))
        ax.add_patch(Rectangle((frame.left, frame.top - (i + 1) * size), size, size,
                               fc=style.tint(colour, shade), ec="white", lw=0.7, zorder=3))
    return frame


def brace(ax: Axes, left: float, right: float, y: float, text: str,
          colour: str = style.QUIET) -> None:
    """A flat bracket from `left` to `right` at height y, with a text below it."""
    ax.plot([left, left, right, right], [y + 0.06, y, y, y + 0.06], color=colour, lw=0.9)
    note(ax, (left + right) / 2, y - 0.06, text, va="top", colour=style.ink(colour))
