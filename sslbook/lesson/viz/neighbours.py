"""Nearest neighbours: the quickest honest look at what an encoder finds similar."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import to_rgb as channels
from matplotlib.figure import Figure

from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import GUTTER, MARGIN, as_array, mosaic, page, place, to_rgb, write


def neighbour_grid(queries: object, neighbours: object, same_class: object = None, *,
                   title: str = "",
                   heading: str = "nearest neighbours, nearest first") -> Figure:
    """Queries at the left, their nearest neighbours at the right, nearest first.

    queries: (Q, 3, H, W). neighbours: (Q, K, 3, H, W), or {encoder: (Q, K, 3, H, W)} to show
    the same queries under several encoders. same_class: (Q, K) truth values, or a mapping with
    the same keys: a whole blue bar stands under a neighbour of the query's class, two short
    vermilion ends under one of another class. Raises UsageError for shapes that do not fit.
    """
    groups = neighbours if isinstance(neighbours, Mapping) else {heading: neighbours}
    marks = same_class if isinstance(same_class, Mapping) else {heading: same_class}
    blocks = {name: as_array(images) for name, images in groups.items()}
    for name, block in blocks.items():
        style.require(
            block.ndim == 5 and len(block) == len(queries),
            f"Neighbours {name!r} have shape {block.shape} for {len(queries)} queries.",
            "Give (queries, neighbours, 3, height, width).")
    dpi = style.active().dpi
    wide, gap, foot = (round(n * dpi) for n in (style.active().strip[0], 0.145, 0.065))
    count = 1 + sum(block.shape[1] for block in blocks.values())
    tile = min((wide - 2 * MARGIN - gap * len(blocks)) // count - GUTTER, round(0.084 * wide))
    canvases = {"query": mosaic([[image] for image in to_rgb(queries)], tile, foot)}
    for name, block in blocks.items():
        canvases[name] = mosaic([to_rgb(row) for row in block], tile, foot)
        if marks.get(name) is not None:
            _mark(canvases[name], as_array(marks[name]), tile, foot)
    head, left = round(1.6 * style.BASE * dpi / 72), MARGIN
    fig, top = page(head + canvases["query"].shape[0], title)
    for name, canvas in canvases.items():
        place(fig, canvas, left, top + head)
        write(fig, name, left, top + 0.7 * head, fontsize=style.BASE,
              color=style.QUIET if name == "query" else style.INK)
        left += canvas.shape[1] + gap
    return fig


def _mark(canvas: np.ndarray, flags: np.ndarray, tile: int, foot: int) -> None:
    """Colour bars below the tiles for flags (Q, K): whole and blue, or two vermilion ends."""
    for (r, c), same in np.ndenumerate(flags):
        left, top = c * (tile + GUTTER), r * (tile + foot + GUTTER) + tile
        bar = canvas[top + 2 : top + foot - 2, left : left + tile]  # a view
        colour = style.COLOURS["positive" if same else "negative"]
        bar[:] = [round(255 * channel) for channel in channels(colour)]
        if not same:
            bar[:, tile // 4 : -tile // 4] = 255
