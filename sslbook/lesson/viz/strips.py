"""Strips: rows of image tiles, and the same quantity at several moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import GUTTER, MARGIN, as_array, mosaic, page, place, to_rgb, write


def image_strip(groups: Sequence[tuple[str, object]], *, title: str = "",
                headings: Sequence[str] = ()) -> Figure:
    """Rows of images, one row per group, labelled at the left.

    groups: (label, images) with images uint8 or 0-1 float, (N, 3, H, W), N at most 24; a label
    may have line breaks. headings: one short text per column. Tiles are at most an eighth of
    the strip wide; small images are enlarged without smoothing. Raises UsageError for no images
    or images that cannot be drawn.
    """
    style.require(groups, "image_strip() got no images.", 'Pass [("label", images), ...].')
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


def filmstrip(snapshots: Sequence[object], labels: Sequence[str], *, title: str = "",
              centre: float | None = 0.0, limits: tuple[float, float] | None = None,
              unit: str = "correlation", axis: str = "feature") -> Figure:
    """One quantity at several moments, on one common colour scale.

    snapshots: matrices (R, C), or images as `image_strip` takes them (then without a scale);
    labels: one per snapshot ("step 0"). centre: the white middle of the signed scale, None for
    the sequential one. limits: the scale's ends, from the data where not given. unit: what the
    colour shows. axis: what rows and columns count. Raises UsageError for unequal lengths.
    """
    arrays = [as_array(snapshot) for snapshot in snapshots]
    style.require(arrays and len(arrays) == len(labels),
                  f"filmstrip() got {len(arrays)} snapshots and {len(labels)} labels.",
                  "Give one label per snapshot.")
    if arrays[0].ndim == 3:
        return image_strip([("", np.stack(arrays))], title=title, headings=labels)
    # High enough for square panels beside the names and the colour bar, and no higher.
    wide = style.active().strip[0]
    panel = min((wide - 1.5) / len(arrays) - 0.14, 2.2)
    wide = min(wide, (panel + 0.28) * len(arrays) + 1.4)
    fig = style.figure(wide, panel + 0.56 + 0.3 * bool(title))
    style.headline(fig, title)
    axes = fig.subplots(1, len(arrays), squeeze=False)[0]
    ends = limits or colour_limits(arrays, centre)
    for ax, array, label in zip(axes, arrays, labels, strict=True):
        shown = draw_matrix(ax, array, ends, centre)
        ax.set_title(label, fontsize=style.BASE, pad=4, loc="center")
    axes[0].set(xlabel=f"{axis} $j$", ylabel=f"{axis} $i$")
    finish_bar(fig.colorbar(shown, ax=list(axes), fraction=0.025, pad=0.012, aspect=24), unit)
    return fig


def colour_limits(arrays: Sequence[np.ndarray], centre: float | None) -> tuple[float, float]:
    """Ends of a common colour scale: symmetric about `centre`, or the data's own range."""
    values = np.concatenate([array.ravel() for array in arrays])
    if centre is None:
        return values.min(), values.max()
    reach = np.abs(values - centre).max() or 1.0
    return centre - reach, centre + reach


def draw_matrix(ax: Axes, array: np.ndarray, limits: tuple[float, float],
                centre: float | None) -> AxesImage:
    """Draw a matrix without tick marks but with its size at the corners; returns the image."""
    shown = ax.imshow(array, vmin=limits[0], vmax=limits[1],
                      cmap="cividis" if centre is None else style.SIGNED,
                      interpolation="nearest" if max(array.shape) <= 128 else "antialiased")
    for set_ticks, count in zip((ax.set_yticks, ax.set_xticks), array.shape, strict=True):
        at = range(count) if count <= 6 else (0, count - 1)
        set_ticks(at, [str(i + 1) for i in at])
    ax.tick_params(length=0)
    ax.spines[:].set(visible=True, color=style.FAINT)
    return shown


def finish_bar(bar: Colorbar, unit: str) -> None:
    """A slim colour bar with its unit and at most five ticks."""
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()
    bar.set_label(unit)
