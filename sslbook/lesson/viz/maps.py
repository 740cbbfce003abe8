"""Maps of what was learned: embeddings, matrices and spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.strips import colour_limits, draw_matrix, finish_bar
from sslbook.lesson.viz.tiles import as_array, as_matrix

MOST_POINTS = 1500


def embedding_map(features: object, labels: object = None, class_names: Sequence[str] = (), *,
                  method: str = "pca", title: str = "", seed: int = 0) -> Figure:
    """Features in two dimensions, each class named where its points lie.

    features: (N, D), or {name: (N, D)} for maps side by side (random encoder, trained ...).
    labels: (N,) integers or None. method: "pca" (axes show the share of variance) or "tsne"
    (scikit-learn; distances between clusters mean little). Classes differ by colour and by
    marker. At most 1,500 evenly spaced points are drawn. Raises UsageError for shapes that do
    not fit, NaN, or another method.
    """
    style.require(method in ("pca", "tsne"), f"There is no map method {method!r}.",
                  'Use "pca" or "tsne".')
    groups = features if isinstance(features, Mapping) else {"": features}
    wide = style.active().strip[0] if len(groups) > 1 else style.active().square
    fig = style.figure(wide, wide / len(groups) + 0.35 * bool(title))
    style.headline(fig, title)
    axes = fig.subplots(1, len(groups), squeeze=False).flat
    for ax, (name, value) in zip(axes, groups.items(), strict=True):
        array = as_matrix(value, f"the features {name!r}")
        classes = np.zeros(len(array), int) if labels is None else as_array(labels)
        style.require(len(classes) == len(array),
                      f"There are {len(array)} features and {len(classes)} labels.",
                      "Give one label per row of features.")
        keep = np.unique(np.linspace(0, len(array) - 1, MOST_POINTS).astype(int))
        points, names = _flatten(array[keep], method, seed)
        _scatter(ax, points, classes[keep], class_names, named=labels is not None)
        ax.set(xlabel=names[0], ylabel=names[1], xticks=[], yticks=[])
        ax.set_title(name, fontsize=style.BASE)
    return fig


def principal_components(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First two scores (N, 2) and the share of variance of each component, by size."""
    left, values, right = np.linalg.svd(array - array.mean(axis=0), full_matrices=False)
    # The largest weight of every component is positive: the same map on every machine.
    largest = right[np.arange(len(right)), np.abs(right).argmax(axis=1)]
    scores = left * values * np.where(largest < 0, -1, 1)
    return scores[:, :2], values**2 / max(float((values**2).sum()), 1e-300)


def _flatten(array: np.ndarray, method: str, seed: int) -> tuple[np.ndarray, list[str]]:
    """Points (N, 2) and the names of their two axes."""
    if method == "tsne":
        from sklearn.manifold import TSNE

        model = TSNE(2, perplexity=min(30.0, (len(array) - 1) / 3), init="pca", random_state=seed)
        return model.fit_transform(array), ["t-SNE 1 (no unit)", "t-SNE 2 (no unit)"]
    scores, shares = principal_components(array)
    return scores, [f"component {i + 1} ({100 * shares[i]:.0f} % of variance)" for i in (0, 1)]


def _scatter(ax: Axes, points: np.ndarray, classes: np.ndarray, class_names: Sequence[str], *,
             named: bool) -> None:
    """Draw points (N, 2) by class; class names stand at the medians, never at one height."""
    ax.margins(0.06)
    kinds = np.unique(classes)
    for k in kinds:
        ax.scatter(*points[classes == k].T, s=11 if len(points) > 400 else 18, alpha=0.55, lw=0,
                   color=_colour(k), marker=style.MARKERS[k % len(style.MARKERS)])
    if not named:
        return
    centres = np.array([np.median(points[classes == k], axis=0) for k in kinds])
    low, high = ax.get_ylim()
    line = (high - low) * style.BASE / (60 * ax.figure.get_size_inches()[1])
    heights = direct.spread(centres[:, 1], line, low + line / 2, high - line / 2)
    for k, (x, _), y in zip(kinds, centres, heights, strict=True):
        ax.text(x, y, class_names[k] if k < len(class_names) else f"class {k}", ha="center",
                va="center", fontsize=style.SMALL, color=style.ink(_colour(k)),
                path_effects=direct.HALO, zorder=5)


def _colour(k: int) -> str:
    return style.CYCLE[k % len(style.CYCLE)]


def matrix_map(matrix: object, title: str = "", centre: float | None = 0.0, *,
               unit: str = "correlation", rows: str = "feature $i$ of view 1",
               columns: str = "feature $j$ of view 2",
               limits: tuple[float, float] | None = None) -> Figure:
    """One matrix as a square heat map with a colour bar.

    matrix: (R, C). centre: the white middle of the signed scale (correlations), None for the
    sequential scale (similarities). limits: the scale's ends. unit: what the colour shows; rows,
    columns: what the axes count. Up to 6 x 6 the numbers are written into the cells.
    """
    array = as_matrix(matrix, "the matrix")
    fig, ax = style.square(title, extra=0.18 * style.active().square)
    shown = draw_matrix(ax, array, limits or colour_limits([array], centre), centre)
    ax.set(xlabel=columns, ylabel=rows)
    finish_bar(fig.colorbar(shown, ax=ax, fraction=0.046, pad=0.03), unit)
    if max(array.shape) <= 6:
        for (i, j), value in np.ndenumerate(array):
            dark = sum(shown.cmap(shown.norm(value))[:3]) < 1.35
            ax.text(j, i, f"{value:.2f}".replace("-", "−"), ha="center", va="center",
                    color="white" if dark else style.INK)
    return fig


def spectrum_plot(spectra: Mapping[str, object], title: str = "") -> Figure:
    """Singular values (any positive spectrum) on a log scale, largest first, largest = 1.

    spectra: {name: values (D,)}; at most 8. Values below 1e-6 are drawn there.
    """
    fig, ax = style.square(title, extra=0.3 * style.active().square)
    direct.at_right(ax, draw_spectra(ax, {name: as_array(v) for name, v in spectra.items()}))
    return fig


def draw_spectra(ax: Axes, spectra: Mapping[str, np.ndarray],
                 floor: float = 1e-6) -> list[tuple[float, str, str]]:
    """Draw spectra into given axes; returns (last value, name, colour) of each."""
    ends = []
    for (name, values), colour in zip(spectra.items(), style.GROUPS, strict=False):
        ordered = np.sort(np.abs(values))[::-1]
        shown = np.maximum(ordered / max(ordered[0], 1e-300), floor)
        ax.plot(np.arange(1, len(shown) + 1), shown, color=colour, clip_on=False)
        ends.append((shown[-1], name, colour))
    lowest = min(0.1, *(end for end, _, _ in ends))
    ax.set(yscale="log", ylim=(max(floor, 10.0 ** np.floor(np.log10(lowest))), 1.25),
           xlim=(1, max(2, *map(len, spectra.values()))))
    ax.minorticks_off()
    direct.few_ticks(ax, 3, 0, whole=True)
    style.name_axes(ax, "index, largest first", "singular value (largest = 1)")
    return ends
