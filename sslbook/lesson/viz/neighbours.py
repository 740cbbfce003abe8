"""Nearest neighbours: the quickest honest look at what an encoder finds similar."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sslbook.errors import UsageError
from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import GUTTER, MARGIN, PixelPage, as_array, mosaic, to_rgb


def neighbour_grid(
    queries: object,
    neighbours: object,
    same_class: object = None,
    *,
    title: str = "",
    heading: str = "nearest neighbours, nearest first",
) -> Figure:
    """Queries at the left, their nearest neighbours at the right, nearest first.

    queries: (Q, 3, H, W). neighbours: (Q, K, 3, H, W), or {encoder: (Q, K, 3, H, W)} to show
    the same queries under several encoders. same_class: (Q, K) truth values, or a mapping with
    the same keys: a whole blue bar stands under a neighbour of the query's class, two short
    vermilion ends under one of another class. Raises UsageError for shapes that do not fit.
    """
    groups = dict(neighbours) if isinstance(neighbours, Mapping) else {heading: neighbours}
    marks = same_class if isinstance(same_class, Mapping) else {heading: same_class}
    rows = list(to_rgb(queries))
    blocks = {name: as_array(images) for name, images in groups.items()}
    for name, block in blocks.items():
        if block.ndim != 5 or len(block) != len(rows):
            raise UsageError(
                f"Neighbours {name!r} have shape {block.shape} for {len(rows)} queries.",
                "Nothing was drawn.", "Give (queries, neighbours, 3, height, width).")
    sizes = style.active()
    dpi, wide = sizes.dpi, round(sizes.strip[0] * sizes.dpi)
    gap, foot = round(0.145 * dpi), round(0.065 * dpi)
    count = 1 + sum(block.shape[1] for block in blocks.values())
    tile = min((wide - 2 * MARGIN - gap * len(blocks)) // count - GUTTER, round(0.084 * wide))
    line = sizes.base * dpi / 72
    top = round(MARGIN + (2.1 * line if title else 0) + 1.6 * line)
    parts = [("query", [[image] for image in rows], None)]
    parts += [(name, [list(to_rgb(block[q])) for q in range(len(rows))], marks.get(name))
              for name, block in blocks.items()]
    canvases = [mosaic(images, tile, foot) for _, images, _ in parts]
    page = PixelPage(wide, top + max(c.shape[0] for c in canvases) + MARGIN)
    left = MARGIN
    for (name, images, mark), canvas in zip(parts, canvases, strict=True):
        ax = page.picture(canvas, left, top, name)
        _mark(ax, mark, len(images), len(images[0]), canvas.shape[:2], foot)
        page.text(name, left, top - 0.4 * line, va="bottom", fontsize=sizes.base,
                  color=style.QUIET if name == "query" else style.INK)
        left += canvas.shape[1] + gap
    if title:
        page.text(title, MARGIN, MARGIN, va="top", fontsize=sizes.title)
    return page.figure


def _mark(ax: Axes, marks: object, rows: int, across: int, shape: tuple[int, ...],
          foot: int) -> None:
    """Draw the bars below the tiles: whole and blue, or two vermilion ends."""
    if marks is None:
        return
    flags = as_array(marks).astype(bool)
    if flags.shape != (rows, across):
        raise UsageError(f"Marks of shape {flags.shape} for {rows} x {across} neighbours.",
                         "Nothing was drawn.", "Give one truth value per neighbour.")
    down, step = (shape[0] + GUTTER) / rows, (shape[1] + GUTTER) / across
    thick, wide = max(2, foot - 4), step - GUTTER
    for (r, c), same in np.ndenumerate(flags):
        y = (r + 1) * down - GUTTER - foot + 2
        colour = style.COLOURS["positive" if same else "negative"]
        spans = [(0.0, wide)] if same else [(0.0, wide / 4), (3 * wide / 4, wide / 4)]
        for start, length in spans:
            ax.add_patch(Rectangle((c * step + start, y), length, thick, color=colour, lw=0))
