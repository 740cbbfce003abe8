"""Maps of what was learned: embeddings, matrices and spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.errors import UsageError
from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.strips import draw_matrix, finish_bar, signed_limits
from sslbook.lesson.viz.tiles import as_array

MOST_POINTS = 1500


def embedding_map(
    features: object,
    labels: object = None,
    class_names: Sequence[str] = (),
    *,
    method: str = "pca",
    title: str = "",
    seed: int = 0,
) -> Figure:
    """Features in two dimensions, each class named where its points lie.

    features: (N, D), or {name: (N, D)} for maps side by side (random encoder, trained ...).
    labels: (N,) integers or None. method: "pca" (axes show the share of variance) or "tsne"
    (scikit-learn; distances between clusters mean little). Classes differ by colour and by
    marker. At most 1,500 evenly spaced points are drawn. Raises UsageError for shapes that do
    not fit, NaN, or another method.
    """
    groups = features if isinstance(features, Mapping) else {"": features}
    arrays = {name: _features(value) for name, value in groups.items()}
    if method not in ("pca", "tsne"):
        raise UsageError(f"There is no map method {method!r}.", "Nothing was drawn.",
                         'Use "pca" or "tsne".')
    classes = None if labels is None else as_array(labels).astype(np.int64)
    for name, array in arrays.items():
        if classes is not None and classes.shape != (len(array),):
            raise UsageError(
                f"There are {len(array)} features {name!r} but {classes.size} labels.",
                "Nothing was drawn.", "Give one label per row of features.")
    if len(arrays) == 1:
        fig, ax = style.square(title)
        axes = [ax]
    else:
        sizes = style.active()
        fig = style.figure(sizes.strip[0], sizes.strip[0] / len(arrays) + 0.35 * bool(title))
        style.headline(fig, title)
        axes = list(fig.subplots(1, len(arrays), squeeze=False)[0])
    for ax, (name, array) in zip(axes, arrays.items(), strict=True):
        keep = np.unique(np.linspace(0, len(array) - 1, MOST_POINTS).astype(int))
        points, names = _flatten(array[keep], method, seed)
        _scatter(ax, points, None if classes is None else classes[keep], class_names)
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        ax.set_title(name, fontsize=style.active().base)
    return fig


def _features(value: object) -> np.ndarray:
    array = as_array(value).astype(np.float64)
    if array.ndim != 2 or len(array) < 3 or not np.isfinite(array).all():
        raise UsageError(f"Features of shape {array.shape} cannot be mapped.",
                         "Nothing was drawn.",
                         "Give finite features (N, D) with at least three rows.")
    return array


def principal_components(array: np.ndarray, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, count) and the share of variance of each component (signs fixed)."""
    centred = array - array.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    # The largest weight of every component is positive: the same map on every machine.
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    scores = (left * values * np.where(signs == 0, 1, signs))[:, :count]
    if scores.shape[1] < count:
        scores = np.pad(scores, ((0, 0), (0, count - scores.shape[1])))
    shares = np.zeros(count)
    power = values**2 / max(float((values**2).sum()), 1e-300)
    shares[: min(count, len(power))] = power[:count]
    return scores, shares


def _flatten(array: np.ndarray, method: str, seed: int) -> tuple[np.ndarray, tuple[str, str]]:
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(array) - 1) / 3)
        model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        return model.fit_transform(array.astype(np.float32)), ("t-SNE 1 (no unit)",
                                                               "t-SNE 2 (no unit)")
    scores, shares = principal_components(array)
    names = [f"component {i + 1} ({100 * share:.0f} % of variance)"
             for i, share in enumerate(shares)]
    return scores, (names[0], names[1])


def _scatter(ax: Axes, points: np.ndarray, classes: np.ndarray | None,
             class_names: Sequence[str]) -> None:
    sizes = style.active()
    area = (11 if len(points) > 400 else 18) * (sizes.base / 8.5) ** 2
    ax.set_xticks([])
    ax.set_yticks([])
    ax.margins(0.06)
    if classes is None:
        ax.scatter(*points.T, s=area, color=style.BLUE, alpha=0.6, linewidths=0)
        return
    centres, names, colours = [], [], []
    for k in np.unique(classes):
        mine = points[classes == k]
        colour = style.CYCLE[k % len(style.CYCLE)]
        marker = style.MARKERS[(k + k // len(style.CYCLE)) % len(style.MARKERS)]
        ax.scatter(*mine.T, s=area, color=colour, marker=marker, alpha=0.55, linewidths=0)
        centres.append(np.median(mine, axis=0))
        names.append(class_names[k] if k < len(class_names) else f"class {k}")
        colours.append(colour)
    _name_clusters(ax, np.array(centres), names, colours)


def _name_clusters(ax: Axes, centres: np.ndarray, names: list[str], colours: list[str]) -> None:
    """Class names at the medians, moved apart vertically where they would cover each other."""
    sizes = style.active()
    size = sizes.small if len(names) <= 10 else 0.8 * sizes.small
    wide, high = (s * 72 * 0.8 for s in ax.figure.get_size_inches())
    wide /= max(1, len(ax.figure.axes))
    ax.get_xlim(), ax.get_ylim()  # makes the limits final
    at = ax.transLimits.transform(centres) * [wide, high]  # in points
    half = np.array([style.text_width(name, size) * 36 + 2 for name in names])
    line = 1.12 * size
    for _ in range(120):
        moved = False
        for i in range(len(names)):
            for j in range(i):
                dx, dy = at[i] - at[j]
                if abs(dx) < half[i] + half[j] and abs(dy) < line - 1e-6:
                    push = (line - abs(dy)) / 2 * (1 if dy >= 0 else -1)
                    at[i, 1] += push
                    at[j, 1] -= push
                    moved = True
        at[:, 0] = np.clip(at[:, 0], half, np.maximum(wide - half, half))
        at[:, 1] = np.clip(at[:, 1], line / 2, high - line / 2)
        if not moved:
            break
    for (x, y), name, colour in zip(at / [wide, high], names, colours, strict=True):
        ax.text(x, y, name, transform=ax.transAxes, ha="center", va="center", fontsize=size,
                color=style.ink(colour), path_effects=direct.halo(), zorder=5)


def matrix_map(
    matrix: object,
    title: str = "",
    centre: float | None = 0.0,
    *,
    unit: str = "correlation",
    rows: str = "feature $i$ of view 1",
    columns: str = "feature $j$ of view 2",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """One matrix as a square heat map with a colour bar.

    matrix: (R, C). centre: the white middle of the signed scale (correlations), None for the
    sequential scale (similarities). limits: the scale's ends. unit: what the colour shows; rows,
    columns: what the axes count. Up to 6 x 6 the numbers are written into the cells.
    """
    array = as_array(matrix).astype(np.float64)
    if array.ndim != 2 or not array.size:
        raise UsageError(f"A matrix map needs a matrix, not shape {array.shape}.",
                         "Nothing was drawn.", "Pass a (rows, columns) tensor.")
    low, high = limits or signed_limits([array], centre)
    fig, ax = style.square(title, extra=0.18 * style.active().square)
    shown = draw_matrix(ax, array, low, high, centre)
    ax.set_xlabel(columns)
    ax.set_ylabel(rows)
    finish_bar(fig.colorbar(shown, ax=ax, fraction=0.046, pad=0.03), unit)
    if max(array.shape) <= 6:
        for (i, j), value in np.ndenumerate(array):
            red, green, blue, _ = shown.cmap(shown.norm(value))
            dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45
            ax.text(j, i, f"{value:.2f}".replace("-", "−"), ha="center", va="center",
                    color="white" if dark else style.INK)
    return fig


def spectrum_plot(spectra: Mapping[str, object], title: str = "", *,
                  colours: Mapping[str, str] | None = None, floor: float = 1e-6) -> Figure:
    """Singular values (any positive spectrum) on a log scale, largest first, largest = 1.

    spectra: {name: values (D,)}; at most 8. Values below `floor` are drawn at the floor.
    """
    fig, ax = style.square(title, extra=0.3 * style.active().square)
    draw_spectra(ax, {name: as_array(v) for name, v in spectra.items()}, dict(colours or {}),
                 floor, label=True)
    return fig


def draw_spectra(ax: Axes, spectra: Mapping[str, np.ndarray], colours: Mapping[str, str],
                 floor: float, *, label: bool) -> None:
    """Draw spectra into given axes; `label` writes the names at the line ends."""
    ends, longest = [], max(len(values) for values in spectra.values())
    for i, (name, values) in enumerate(spectra.items()):
        ordered = np.sort(np.abs(np.asarray(values, dtype=np.float64)))[::-1]
        shown = np.maximum(ordered / max(ordered[0], 1e-300), floor)
        colour = colours.get(name, style.GROUPS[i % len(style.GROUPS)])
        ax.plot(np.arange(1, len(shown) + 1), shown, color=colour, clip_on=False)
        ends.append((shown[-1], name, colour))
    ax.set_yscale("log")
    ax.minorticks_off()
    lowest = min(end[0] for end in ends)
    ax.set_ylim(max(floor, 10.0 ** np.floor(np.log10(min(lowest, 0.1)))), 1.25)
    ax.set_xlim(1, max(longest, 2))
    direct.few_ticks(ax, 3, 0, whole=True)
    style.name_axes(ax, "index, largest first", "singular value (largest = 1)")
    if label:
        direct.at_right(ax, ends)
