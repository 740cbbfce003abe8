"""A small box-and-arrow toolkit: pictures of methods drawn by code, offline.

Coordinates are inches on a page 7 inches wide, from the bottom left corner; in a talk the same
picture is drawn larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import to_rgb

WIDTH = 7.0
Point = tuple[float, float]


def canvas(height: float = 2.2, title: str = "") -> tuple[Figure, Axes]:
    """An empty drawing area, 7 x `height` inches (larger in a talk)."""
    scale = style.active().strip[0] / WIDTH
    fig = style.figure(WIDTH * scale, height * scale, layout="none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(0, height)
    ax.set_axis_off()
    if title:
        ax.text(0.06, height - 0.06, title, va="top", fontsize=points(ax, 9.5))
    return fig, ax


def points(ax: Axes, size: float) -> float:
    """A size in points on the page, scaled with the drawing."""
    return size * ax.figure.get_size_inches()[0] / WIDTH


@dataclass(frozen=True)
class Box:
    """A box around its centre (x, y); shape "box", "goal" (white), "funnel" (narrows to the
    right) or "plain" (text alone)."""

    x: float
    y: float
    width: float
    height: float
    text: str = ""
    colour: str = style.BLUE
    shape: str = "box"
    size: float = 8.2

    @property
    def left(self) -> Point:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> Point:
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> Point:
        return self.x, self.y + self.height / 2

    @property
    def bottom(self) -> Point:
        return self.x, self.y - self.height / 2

    def draw(self, ax: Axes) -> Box:
        """Draw the box and its text; returns itself."""
        look = {"fc": style.tint(self.colour, 0.86), "ec": self.colour, "lw": points(ax, 1.0),
                "zorder": 3}
        x0, y0 = self.x - self.width / 2, self.y - self.height / 2
        if self.shape == "funnel":
            slope = 0.2 * self.height
            corners = [(x0, y0), (x0, y0 + self.height),
                       (x0 + self.width, y0 + self.height - slope), (x0 + self.width, y0 + slope)]
            ax.add_patch(Polygon(corners, joinstyle="round", **look))
        elif self.shape in ("box", "goal"):
            if self.shape == "goal":
                look |= {"fc": "white"}
            ax.add_patch(FancyBboxPatch((x0 + 0.05, y0 + 0.05), self.width - 0.1,
                                        self.height - 0.1, "round,pad=0.05,rounding_size=0.06",
                                        **look))
        ax.text(self.x, self.y, self.text, ha="center", va="center", linespacing=1.2, zorder=4,
                fontsize=points(ax, self.size))
        return self


def arrow(ax: Axes, start: Point, end: Point, *, text: str = "", via: Sequence[Point] = (),
          colour: str = style.QUIET, dashed: bool = False, above: float = 0.07) -> None:
    """An arrow from `start` to `end`, with rounded corners at the points of `via`.

    text: stands `above` inches over the middle of the first piece (below it when negative).
    """
    stops = [start, *via, end]
    ax.add_patch(FancyArrowPatch(
        path=_rounded(stops), arrowstyle="-|>,head_length=3.6,head_width=1.9", shrinkA=0,
        shrinkB=0, mutation_scale=points(ax, 1.0), lw=points(ax, 1.0), color=colour, zorder=2,
        capstyle="butt", joinstyle="round", linestyle=(0, (3, 2)) if dashed else "-"))
    if text:
        (x0, y0), (x1, y1) = stops[0], stops[1]
        note(ax, (x0 + x1) / 2, (y0 + y1) / 2 + above, text, va="bottom" if above > 0 else "top")


def _rounded(stops: Sequence[Point], radius: float = 0.09) -> Path:
    """A path through `stops` whose inner corners are rounded."""
    vertices, codes = [stops[0]], [Path.MOVETO]
    for before, corner, after in zip(stops, stops[1:], stops[2:], strict=False):
        for other in (before, after):
            step = np.subtract(other, corner)
            length = float(np.hypot(*step)) or 1.0
            near = tuple(np.add(corner, step * min(radius, length / 2) / length))
            if other is before:
                vertices += [near, corner]
                codes += [Path.LINETO, Path.CURVE3]
            else:
                vertices.append(near)
                codes.append(Path.CURVE3)
    return Path([*vertices, stops[-1]], [*codes, Path.LINETO])


def note(ax: Axes, x: float, y: float, text: str, *, size: float = 7.6,
         colour: str = style.INK, **more: object) -> None:
    """A short text; centred unless told otherwise."""
    ax.text(x, y, text, **{"ha": "center", "va": "center", "color": colour, "linespacing": 1.2,
                           "fontsize": points(ax, size), "zorder": 5, **more})


def picture(ax: Axes, image: object, x: float, y: float, size: float, *,
            edge: str = style.FAINT) -> Box:
    """An image (3, H, W), centred at (x, y), its longer side `size`; returns its frame."""
    tile = to_rgb(image)[0]
    high, wide = tile.shape[:2]
    frame = Box(x, y, size * wide / max(high, wide), size * high / max(high, wide))
    (x0, _), (x1, _), (_, y0), (_, y1) = frame.left, frame.right, frame.bottom, frame.top
    ax.imshow(tile, extent=(x0, x1, y0, y1), interpolation="nearest", aspect="auto", zorder=3)
    _frame(ax, frame, edge)
    return frame


def matrix(ax: Axes, values: object, x: float, y: float, size: float) -> Box:
    """A small signed matrix (R, C) in -1..1 as coloured cells; returns its frame."""
    ax.imshow(np.asarray(values, dtype=float), extent=(x - size / 2, x + size / 2, y - size / 2,
                                                       y + size / 2),
              cmap=style.SIGNED, vmin=-1, vmax=1, interpolation="nearest", aspect="auto", zorder=3)
    frame = Box(x, y, size, size)
    _frame(ax, frame, style.QUIET)
    return frame


def _frame(ax: Axes, frame: Box, edge: str) -> None:
    ax.add_patch(Rectangle((frame.left[0], frame.bottom[1]), frame.width, frame.height,
                           fill=False, ec=edge, lw=points(ax, 0.8), zorder=4))
    # imshow moves the limits: put the drawing area back.
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(0, WIDTH * ax.figure.get_size_inches()[1] / ax.figure.get_size_inches()[0])


def vector(ax: Axes, x: float, y: float, *, cells: int = 6, size: float = 0.095,
           colour: str = style.BLUE, phase: float = 0.0) -> Box:
    """A column of cells: one vector, such as the features of one image; returns its frame."""
    for i in range(cells):
        shade = 0.25 + 0.55 * (0.5 + 0.5 * np.sin(2.4 * i + phase))
        ax.add_patch(Rectangle((x - size / 2, y + (cells / 2 - 1 - i) * size), size, size,
                               fc=style.tint(colour, shade), ec="white", lw=points(ax, 0.7),
                               zorder=3))
    return Box(x, y, size, cells * size, colour=colour)


def brace(ax: Axes, left: float, right: float, y: float, text: str,
          colour: str = style.QUIET) -> None:
    """A flat bracket from `left` to `right` at height y, with a text below it."""
    path = Path([(left, y + 0.06), (left, y), (right, y), (right, y + 0.06)])
    ax.add_patch(PathPatch(path, fill=False, ec=colour, lw=points(ax, 0.9), zorder=2))
    note(ax, (left + right) / 2, y - 0.06, text, va="top", colour=style.ink(colour))


def stack(parts: Sequence[tuple[str, str]], *, title: str = "",
          colours: Sequence[str] = (), captions: Sequence[str] = ()) -> Figure:
    """Boxes from left to right joined by arrows: a network and what flows through it.

    parts: (text in the box, text on the arrow that leaves it: a shape such as "B x 512"), the
    last arrow's text is dropped when empty. captions: a small text below each box.
    """
    height = 1.0 + 0.3 * bool(title) + 0.25 * bool(captions)
    fig, ax = canvas(height, title)
    boxes = [max(style.text_width(line, 8.2) for line in text.split("\n")) + 0.3
             for text, _ in parts]
    gaps = [max(style.text_width(text, 7.6) + 0.16, 0.34) for _, text in parts]
    if not parts[-1][1]:
        gaps.pop()
    # What is left over goes half into the boxes, half between them; too much is squeezed.
    spare = WIDTH - 0.24 - sum(boxes) - sum(gaps)
    boxes = [wide + min(0.5 * spare / len(boxes), 0.3) for wide in boxes]
    gaps = [gap + min(0.5 * spare / max(len(gaps), 1), 0.3) for gap in gaps]
    size = 8.2 if spare > -0.5 else 7.0
    y, left = (0.95 if captions else 0.7) - 0.2, 0.12
    for i, (text, leaving) in enumerate(parts):
        tone = colours[i] if i < len(colours) else style.BLUE
        box = Box(left + boxes[i] / 2, y, boxes[i], 0.58, text, tone, size=size).draw(ax)
        if i < len(captions):
            note(ax, box.x, y - 0.38, captions[i], va="top", colour=style.QUIET)
        left += boxes[i]
        if i < len(gaps):
            arrow(ax, (left + 0.04, y), (left + gaps[i] - 0.04, y), text=leaving, above=0.05)
            left += gaps[i]
    return fig
