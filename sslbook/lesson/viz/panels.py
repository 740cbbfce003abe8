"""The panels every chapter has: training at a glance, and "is it collapsing?"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.errors import UsageError
from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.maps import draw_spectra
from sslbook.lesson.viz.tiles import as_array


def training_strip(
    rows: Sequence[Mapping[str, object]],
    controls: Mapping[str, float] | None = None,
    *,
    title: str = "",
    note: str = "",
    score: str = "kNN accuracy (%)",
    loss_name: str = "loss (no unit)",
) -> Figure:
    """Training at a glance: loss, score, effective rank, alignment and uniformity by step.

    rows: dicts with "step" and any of loss, knn (0-1), rank, alignment, uniformity; a row may
    miss keys, a key nobody has gives an empty panel that says so. controls: the score's dashed
    lines, role or name -> value in 0-1. note: a warning above the title, such as
    `exercises.trained_with_note()`. score, loss_name: names of those axes, unit included.
    """
    if not rows:
        raise UsageError("training_strip() got no rows.", "Nothing was drawn.",
                         "Pass history.rows of a training that ran.")
    fig, (loss, knn, rank, geometry) = style.strip(4, widths=(1, 1.06, 1, 1.06))
    style.headline(fig, title, note)
    last = max(float(row["step"]) for row in rows)
    ours = style.COLOURS["ours"]
    for ax, key, name, scale in ((loss, "loss", loss_name, 1.0), (knn, "knn", score, 100.0),
                                 (rank, "rank", "effective rank (features)", 1.0)):
        style.name_axes(ax, "step", name)
        if not _line(ax, rows, key, scale, ours):
            direct.nothing_measured(ax)
            continue
        ax.set_xlim(0, last or 1)
        direct.few_ticks(ax, 3, 4, whole=True)
    if knn.lines:
        lines = direct.control_lines(knn, controls or {})
        knn.set_ylim(0, min(100, 1.12 * max([y for y, _, _ in lines]
                                            + list(knn.lines[0].get_ydata()) + [1])))
        direct.at_right(knn, lines)
    if rank.lines:
        rank.set_ylim(0, 1.1 * float(np.max(rank.lines[0].get_ydata())) or 1)
    _geometry(geometry, rows, last)
    return fig


def _series(rows: Sequence[Mapping], key: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(float(row["step"]), float(row[key])) for row in rows
             if direct.is_number(row.get(key))]
    return tuple(np.array(pairs, dtype=float).reshape(-1, 2).T)


def _line(ax: Axes, rows: Sequence[Mapping], key: str, scale: float, colour: str) -> bool:
    steps, values = _series(rows, key)
    if len(steps):
        # Few points are measurements: mark them. Many are a curve.
        ax.plot(steps, values * scale, color=colour, marker="o" if len(steps) <= 12 else "",
                markersize=style.active().line * 1.9, clip_on=False)
    return bool(len(steps))


def _geometry(ax: Axes, rows: Sequence[Mapping], last: float) -> None:
    """Alignment and uniformity: two label-free measures that share one scale."""
    style.name_axes(ax, "step", "on the unit sphere")
    parts = (("alignment", style.COLOURS["positive"], "alignment\n(distance²)"),
             ("uniformity", style.COLOURS["negative"], "uniformity\n(log mean)"))
    ends = []
    for key, colour, name in parts:
        if _line(ax, rows, key, 1.0, colour):
            ends.append((float(ax.lines[-1].get_ydata()[-1]), name, colour))
    if not ends:
        direct.nothing_measured(ax)
        return
    ax.axhline(0, color=style.FAINT, lw=0.8, zorder=0)
    ax.margins(y=0.16)  # room for two-line labels
    ax.set_xlim(0, last or 1)
    direct.few_ticks(ax, 3, 4, whole=True)
    direct.at_right(ax, ends)


def collapse_panel(
    groups: Mapping[str, object],
    *,
    title: str = "",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """The same diagnostic panel everywhere: does each feature still say something of its own?

    groups: {name: z (N, D)}, at most four, such as {"before": z0, "after": z1}. Four panels:
    effective rank (RankMe, of D), singular values (log), spread of each feature on the unit
    sphere (std times sqrt(D): 1 when spread evenly, 0 when constant) and cosine similarity of
    random pairs (all 1 when collapsed to a point). Raises UsageError for shapes that do not fit
    or NaN.
    """
    arrays = {name: _checked(name, value) for name, value in groups.items()}
    if not 1 <= len(arrays) <= 4:
        raise UsageError(f"collapse_panel() got {len(arrays)} groups.", "Nothing was drawn.",
                         "Pass one to four, such as {'before': z0, 'after': z1}.")
    tones = dict(zip(arrays, style.GROUPS, strict=False)) | dict(colours or {})
    fig, (bars, lines, spreads, cosines) = style.strip(4, widths=(1.1, 1, 1, 1), title=title)
    spectra = {name: np.linalg.svd(z, compute_uv=False) for name, z in arrays.items()}
    _rank_bars(bars, {name: (rank_of(s), arrays[name].shape[1]) for name, s in spectra.items()},
               tones)
    draw_spectra(lines, spectra, tones, 1e-6, label=False)
    unit = {name: z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
            for name, z in arrays.items()}
    evenness = {name: u.std(axis=0) * np.sqrt(u.shape[1]) for name, u in unit.items()}
    _histograms(spreads, evenness, tones, np.linspace(0, max(
        1.6, 1.05 * max(float(v.max()) for v in evenness.values())), 17))
    spreads.axvline(1, color=style.QUIET, lw=1, ls=(0, (4, 2.2)), zorder=0)
    style.name_axes(spreads, "std · √D  (1 = even)", "features (%)")
    _histograms(cosines, {name: _cosines(u) for name, u in unit.items()}, tones,
                np.linspace(-1, 1, 41))
    style.name_axes(cosines, "cosine of random pairs", "pairs (%)")
    for ax in (spreads, cosines):
        direct.few_ticks(ax, 4, 3)
        ax.set_ylim(bottom=0)
    return fig


def rank_of(singular_values: np.ndarray, eps: float = 1e-7) -> float:
    """RankMe (Garrido et al., ICML 2023): exp of the entropy of the normalised spectrum."""
    shares = singular_values / max(float(singular_values.sum()), 1e-300) + eps
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _checked(name: str, value: object) -> np.ndarray:
    z = as_array(value).astype(np.float64)
    if z.ndim != 2 or len(z) < 2 or not np.isfinite(z).all():
        raise UsageError(f"{name!r} has shape {z.shape} or holds NaN.", "Nothing was drawn.",
                         "Give finite projections (N, D) with at least two rows.")
    return z


def _rank_bars(ax: Axes, ranks: Mapping[str, tuple[float, int]], tones: Mapping[str, str]) -> None:
    """Bars with their names above them: also the key to the other panels' colours."""
    sizes = style.active()
    most = max(width for _, width in ranks.values())
    for i, (name, (rank, width)) in enumerate(ranks.items()):
        ax.barh(i, width, height=0.3, color="#EFEFEF")
        ax.barh(i, rank, height=0.3, color=tones[name])
        ax.text(0, i - 0.24, name, va="bottom", color=style.ink(tones[name]),
                fontsize=sizes.small)
        ax.text(most, i - 0.24, f"{rank:.3g}", va="bottom", ha="right",
                fontsize=sizes.small, path_effects=direct.halo())
    ax.set_ylim(max(len(ranks), 2) - 0.5, -0.75)
    ax.set_xlim(0, most)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    direct.few_ticks(ax, 3, 0, whole=True)
    style.name_axes(ax, "features", f"effective rank (of {most})")


def _histograms(ax: Axes, values: Mapping[str, np.ndarray], tones: Mapping[str, str],
                edges: np.ndarray) -> None:
    for name, sample in values.items():
        share = 100 * np.histogram(np.clip(sample, edges[0], edges[-1]), edges)[0] / sample.size
        ax.stairs(share, edges, fill=True, color=tones[name], alpha=0.22, lw=0)
        ax.stairs(share, edges, color=tones[name], lw=style.active().line * 0.75)
    ax.set_xlim(edges[0], edges[-1])


def _cosines(unit: np.ndarray, most: int = 400) -> np.ndarray:
    """Cosines of all pairs of at most `most` evenly spaced rows."""
    keep = unit[np.unique(np.linspace(0, len(unit) - 1, most).astype(int))]
    return (keep @ keep.T)[np.triu_indices(len(keep), 1)]
