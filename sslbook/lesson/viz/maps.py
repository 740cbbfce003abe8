"""Maps of what was learned: embeddings, and matrices at several moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import as_array, as_matrix

MOST_POINTS = 1500
_FEWEST = 5  # points of a t-SNE map: its neighbourhoods hold a third of them


def embedding_map(features: Mapping[str, object], labels: object, class_names: Sequence[str], *,
                  method: str = "pca", title: str = "") -> Figure:
    """Features in two dimensions, each class named where its points lie.

    features: {name: (N, D)}, maps side by side (random encoder, trained ...). labels: (N,)
    integers, floats (points are coloured by their value) or None. method: "pca" (axes show the
    share of variance) or "tsne" (scikit-learn's, of five points or more; distances between clusters
    mean little). Classes differ by colour and by marker. At most 1,500 evenly spaced points are
    drawn. Raises UsageError for NaN.
    """
    wide = style.active().strip[0] if len(features) > 1 else style.active().square
    fig = style.figure(wide, wide / len(features) + 0.35 * bool(title))
    style.headline(fig, title)
    axes = list(fig.subplots(1, len(features), squeeze=False).flat)
    labels = None if labels is None else as_array(labels)
    for ax, (name, value) in zip(axes, features.items(), strict=True):
        array = as_matrix(value, f"the features {name!r}")
        keep = np.unique(np.linspace(0, len(array) - 1, MOST_POINTS).astype(int))
        points, names = _flatten(array[keep], method)
        if labels is None:
            ax.scatter(*points.T, s=18, alpha=0.55, lw=0, color=style.COLOURS["ours"])
        elif labels.dtype.kind == "f":
            shown = ax.scatter(*points.T, c=labels[keep], s=18, alpha=0.8, lw=0)
        else:
            _scatter(ax, points, labels[keep], class_names)
        ax.set(xlabel=names[0], ylabel=names[1], xticks=[], yticks=[])
        ax.set_title(name, fontsize=style.BASE)
    if labels is not None and labels.dtype.kind == "f":
        fig.colorbar(shown, ax=axes, fraction=0.025, pad=0.012, label="number to predict")
    return fig


def _flatten(array: np.ndarray, method: str) -> tuple[np.ndarray, list[str]]:
    """Points (N, 2) and the names of their two axes."""
    if method == "tsne" and len(array) >= _FEWEST:
        from sklearn.manifold import TSNE

        model = TSNE(2, perplexity=min(30.0, (len(array) - 1) / 3), init="pca", random_state=0)
        return model.fit_transform(array), ["t-SNE 1 (no unit)", "t-SNE 2 (no unit)"]
    if len(array) == 1:
        return np.zeros((1, 2)), ["one point alone", ""]
    from sklearn.decomposition import PCA

    model = PCA(2)
    points, shares = model.fit_transform(array), 100 * model.explained_variance_ratio_
    return points, [f"component {i + 1} ({shares[i]:.0f} % of variance)" for i in (0, 1)]


def _scatter(ax: Axes, points: np.ndarray, classes: np.ndarray,
             class_names: Sequence[str]) -> None:
    """Draw points (N, 2) by class; class names stand at the medians, never at one height."""
    ax.margins(0.06)
    kinds = np.unique(classes)
    for k in kinds:
        ax.scatter(*points[classes == k].T, s=11 if len(points) > 400 else 18, alpha=0.55, lw=0,
                   color=_colour(k), marker=style.MARKERS[k % len(style.MARKERS)])
    centres = np.array([np.median(points[classes == k], axis=0) for k in kinds])
    low, high = ax.get_ylim()
    line = (high - low) * style.BASE / (60 * ax.figure.get_size_inches()[1])
    heights = direct.spread(centres[:, 1], line, low + line / 2, high - line / 2)
    for k, (x, _), y in zip(kinds, centres, heights, strict=True):
        ax.text(x, y, class_names[k], ha="center", va="center", fontsize=style.SMALL,
                color=style.ink(_colour(k)), path_effects=direct.HALO, zorder=5)


def _colour(k: int) -> str:
    return style.CYCLE[k % len(style.CYCLE)]


def filmstrip(snapshots: Sequence[object], labels: Sequence[str], *, title: str = "",
              limits: tuple[float, float] = (-1, 1), unit: str = "correlation",
              axis: str = "feature") -> Figure:
    """One matrix at several moments, on one common signed colour scale.

    snapshots: matrices (R, C). labels: one per snapshot ("step 0"). limits: the scale's ends,
    white in the middle. unit: what the colour shows. axis: what rows and columns count.
    """
    # High enough for square panels beside the names and the colour bar, and no higher.
    wide = style.active().strip[0]
    panel = min((wide - 1.5) / len(snapshots) - 0.14, 2.2)
    wide = min(wide, (panel + 0.28) * len(snapshots) + 1.4)
    fig = style.figure(wide, panel + 0.56 + 0.3 * bool(title))
    style.headline(fig, title)
    axes = fig.subplots(1, len(snapshots), squeeze=False)[0]
    for ax, snapshot, label in zip(axes, snapshots, labels, strict=True):
        array = as_array(snapshot)
        shown = ax.imshow(array, clim=limits, cmap=style.SIGNED,
                          interpolation="nearest" if max(array.shape) <= 128 else "antialiased")
        # No tick marks, but the size of the matrix at its corners.
        for set_ticks, count in zip((ax.set_yticks, ax.set_xticks), array.shape, strict=True):
            at = range(count) if count <= 6 else (0, count - 1)
            set_ticks(at, [str(i + 1) for i in at])
        ax.tick_params(length=0)
        ax.spines[:].set(visible=True, color=style.FAINT)
        ax.set_title(label, fontsize=style.BASE, pad=4, loc="center")
    axes[0].set(xlabel=f"{axis} $j$", ylabel=f"{axis} $i$")
    bar = fig.colorbar(shown, ax=list(axes), fraction=0.025, pad=0.012, aspect=24, label=unit,
                       ticks=MaxNLocator(4))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    return fig
