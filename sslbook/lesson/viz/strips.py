"""Strips: rows of image tiles, and the same quantity at several moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sslbook.errors import UsageError
from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import GUTTER, MARGIN, PixelPage, as_array, mosaic, to_rgb


def image_strip(
    groups: Sequence[tuple[str, object]],
    *,
    title: str = "",
    headings: Sequence[str] = (),
    tile: int = 0,
) -> Figure:
    """Rows of images, one row per group, labelled at the left.

    groups: (label, images) with images uint8 or 0-1 float, (N, 3, H, W), N at most 24; a label
    may have line breaks. headings: one short text per column. tile: the largest tile in pixels
    (0: an eighth of the width, 96 on a page). Small images are enlarged without smoothing.
    Raises UsageError for no images or images that cannot be drawn.
    """
    rows = [(label, list(to_rgb(images)[:24])) for label, images in groups]
    if not rows or not all(images for _, images in rows):
        raise UsageError("image_strip() got no images.", "Nothing was drawn.",
                         'Pass [("label", images), ...] with at least one image each.')
    sizes = style.active()
    dpi, wide = sizes.dpi, round(sizes.strip[0] * sizes.dpi)
    gutter = round(max(style.text_width(line, sizes.base) for label, _ in rows
                       for line in label.split("\n")) * dpi)
    left = MARGIN + (gutter + round(0.1 * dpi) if gutter else 0)
    across = max(len(images) for _, images in rows)
    room = (wide - left - MARGIN) // across - GUTTER
    canvas = mosaic([images for _, images in rows], min(room, tile or wide // 8))
    line = sizes.base * dpi / 72
    top = MARGIN + (round(2.1 * line) if title else 0) + (round(1.5 * line) if headings else 0)
    page = PixelPage(wide, top + canvas.shape[0] + MARGIN)
    page.picture(canvas, left, top, "tiles")
    if title:
        page.text(title, MARGIN, MARGIN, va="top", fontsize=sizes.title)
    _label_rows(page, [label for label, _ in rows], left, top, canvas.shape[0])
    step = (canvas.shape[1] + GUTTER) / across
    for i, heading in enumerate(headings[:across]):
        page.text(heading, left + (i + 0.5) * step, top - 0.35 * line, ha="center", va="bottom",
                  fontsize=sizes.small, color=style.QUIET)
    return page.figure


def _label_rows(page: PixelPage, labels: Sequence[str], left: int, top: int, high: int) -> None:
    sizes = style.active()
    step = (high + GUTTER) / len(labels)
    for i, label in enumerate(labels):
        page.text(label, left - 0.1 * page.dpi, top + (i + 0.5) * step - GUTTER / 2, ha="right",
                  va="center", fontsize=sizes.base, linespacing=1.25)


def filmstrip(
    snapshots: Sequence[object],
    labels: Sequence[str],
    *,
    title: str = "",
    centre: float | None = 0.0,
    limits: tuple[float, float] | None = None,
    unit: str = "correlation",
    axis: str = "feature",
) -> Figure:
    """One quantity at several moments, on one common colour scale.

    snapshots: matrices (R, C), or images as `image_strip` takes them (then without a scale);
    labels: one per snapshot ("step 0"). centre: the white middle of the signed scale, None for
    the sequential one. limits: the scale's ends, from the data where not given. unit: what the
    colour shows. axis: what rows and columns count. Raises UsageError for unequal lengths.
    """
    arrays = [as_array(snapshot) for snapshot in snapshots]
    if not arrays or len(arrays) != len(labels):
        raise UsageError(f"filmstrip() got {len(arrays)} snapshots and {len(labels)} labels.",
                         "Nothing was drawn.", "Give one label per snapshot.")
    if arrays[0].ndim == 3:
        return image_strip([("", np.stack(arrays))], title=title, headings=labels)
    low, high = limits or signed_limits(arrays, centre)
    sizes = style.active()
    scale, wide = sizes.base / 8.5, sizes.strip[0]
    # High enough for square panels beside the names and the colour bar, and no higher.
    panel = min((wide - 1.5 * scale) / len(arrays) - 0.14 * scale, 2.2 * scale)
    wide = min(wide, (panel + 0.28 * scale) * len(arrays) + 1.4 * scale)
    fig = style.figure(wide, panel + 0.56 * scale + 0.3 * scale * bool(title))
    style.headline(fig, title)
    grid = fig.subplots(1, len(arrays), squeeze=False)[0]
    for i, (ax, array, label) in enumerate(zip(grid, arrays, labels, strict=True)):
        shown = draw_matrix(ax, array, low, high, centre)
        ax.set_title(label, fontsize=sizes.base, pad=4, loc="center")
        ax.set_xlabel(f"{axis} $j$" if i == 0 else "")
        ax.set_ylabel(f"{axis} $i$" if i == 0 else "")
    bar = fig.colorbar(shown, ax=list(grid), fraction=0.025, pad=0.012, aspect=24)
    finish_bar(bar, unit)
    return fig


def signed_limits(arrays: Sequence[np.ndarray], centre: float | None) -> tuple[float, float]:
    """Ends of a common colour scale: symmetric about `centre`, or the data's own range."""
    values = np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    if centre is None:
        low, high = float(values.min()), float(values.max())
        return (low, high) if high > low else (low - 0.5, high + 0.5)
    reach = float(np.abs(values - centre).max()) or 1.0
    return centre - reach, centre + reach


def draw_matrix(ax, array: np.ndarray, low: float, high: float, centre: float | None):
    """Draw a matrix without tick marks but with its size at the corners; returns the image."""
    shown = ax.imshow(np.asarray(array, dtype=np.float64), vmin=low, vmax=high,
                      cmap="cividis" if centre is None else style.SIGNED,
                      interpolation="nearest" if max(array.shape) <= 128 else "antialiased")
    rows, columns = array.shape
    for set_ticks, count in ((ax.set_xticks, columns), (ax.set_yticks, rows)):
        at = range(count) if count <= 6 else (0, count - 1)
        set_ticks(list(at), [str(i + 1) for i in at])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color(style.FAINT)
    return shown


def finish_bar(bar, unit: str) -> None:
    """A slim colour bar with its unit and at most five ticks."""
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()
    bar.set_label(unit)

