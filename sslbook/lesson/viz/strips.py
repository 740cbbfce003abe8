"""Pictures of image tiles: rows of images, and queries beside their nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb as channels
from matplotlib.figure import Figure

from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import GUTTER, MARGIN, as_array, mosaic, page, place, to_rgb, write

SIGNS = {True: "\N{CHECK MARK}", False: "\N{BALLOT X}"}  # of the query's class, or of another


def image_strip(groups: Sequence[tuple[str, object]], *, title: str = "",
                headings: Sequence[str] = ()) -> Figure:
    """Rows of images, one row per group, labelled at the left.

    groups: (label, images) with images uint8 or 0-1 float, (N, 3, H, W), N at most 24; a label
    may have line breaks. headings: one short text per column. Tiles are at most an eighth of
    the strip wide; small images are enlarged without smoothing. Raises UsageError for images
    that cannot be drawn.
    """
    rows = [(label, to_rgb(images)[:24]) for label, images in groups]
    sizes = style.active()
    point, wide = sizes.dpi / 72, round(sizes.strip[0] * sizes.dpi)
    longest = max(len(line) for label, _ in rows for line in label.split("\n"))
    left = MARGIN + round((0.6 * longest + 0.8) * style.BASE * point) * bool(longest)
    across = max(len(images) for _, images in rows)
    tile = min((wide - left - MARGIN) // across - GUTTER, wide // 8)
    canvas = mosaic([images for _, images in rows], tile)
    head = round(1.5 * style.BASE * point) if headings else 0
    fig, top = page(head + canvas.shape[0], title)
    place(fig, canvas, left, top + head)
    step, middle = tile + GUTTER, tile / 2
    for i, (label, _) in enumerate(rows):
        write(fig, label, left - 0.8 * style.BASE * point, top + head + i * step + middle,
              ha="right", va="center", fontsize=style.BASE)
    for i, heading in enumerate(headings[:across]):
        write(fig, heading, left + i * step + middle, top + 0.7 * head, ha="center",
              fontsize=style.SMALL, color=style.QUIET)
    return fig


def neighbour_grid(queries: object, neighbours: object, same_class: object = None, *,
                   title: str = "") -> Figure:
    """Queries at the left, their nearest neighbours at the right, nearest first.

    queries: (Q, 3, H, W). neighbours: (Q, K, 3, H, W), or {encoder: (Q, K, 3, H, W)} to show
    the same queries under several encoders. same_class: (Q, K) truth values, or a mapping with
    the same keys: a neighbour of the query's class has a blue frame with a tick below it, one of
    another class a vermilion frame with a cross.
    """
    heading = "nearest neighbours, nearest first"
    groups = neighbours if isinstance(neighbours, Mapping) else {heading: neighbours}
    marks = same_class if isinstance(same_class, Mapping) else {heading: same_class}
    blocks = {name: as_array(images) for name, images in groups.items()}
    dpi = style.active().dpi
    wide, gap, foot = (round(n * dpi) for n in (style.active().strip[0], 0.145, 0.14))
    count = 1 + sum(block.shape[1] for block in blocks.values())
    tile = min((wide - 2 * MARGIN - gap * len(blocks)) // count - GUTTER, round(0.084 * wide))
    canvases = {"query": mosaic([[image] for image in to_rgb(queries)], tile, foot)}
    for name, block in blocks.items():
        canvases[name] = mosaic([to_rgb(row) for row in block], tile, foot)
        if marks.get(name) is not None:
            _frame(canvases[name], as_array(marks[name]), tile, foot)
    head, left = round(1.6 * style.BASE * dpi / 72), MARGIN
    fig, top = page(head + canvases["query"].shape[0], title)
    for name, canvas in canvases.items():
        place(fig, canvas, left, top + head)
        write(fig, name, left, top + 0.7 * head, fontsize=style.BASE,
              color=style.QUIET if name == "query" else style.INK)
        if marks.get(name) is not None:
            for (r, c), same in np.ndenumerate(as_array(marks[name])):
                write(fig, SIGNS[bool(same)], left + c * (tile + GUTTER) + tile / 2,
                      top + head + r * (tile + foot + GUTTER) + tile + 0.45 * foot, ha="center",
                      va="center", fontsize=style.BASE, fontweight="bold", color=_tone(same))
        left += canvas.shape[1] + gap
    return fig


def _frame(canvas: np.ndarray, flags: np.ndarray, tile: int, foot: int) -> None:
    """A coloured frame around the tile of each flag (Q, K), whose inside stays as it is."""
    width = max(3, tile // 24)
    for (r, c), same in np.ndenumerate(flags):
        left, top = c * (tile + GUTTER), r * (tile + foot + GUTTER)
        whole = canvas[top : top + tile, left : left + tile]  # a view
        inside = whole[width:-width, width:-width].copy()
        whole[:] = [round(255 * channel) for channel in channels(_tone(same))]
        whole[width:-width, width:-width] = inside


def _tone(same: object) -> str:
    return style.COLOURS["positive" if same else "negative"]
