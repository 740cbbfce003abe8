"""The panels every chapter has: training at a glance, and "is it collapsing?"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.judging import rankme, spectrum
from sslbook.lesson.exercises import trained_with_note
from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.tiles import as_matrix


def training_strip(rows: Sequence[Mapping[str, object]],
                   controls: Mapping[str, float] | None = None, *, title: str = "",
                   loss_name: str = "loss (no unit)", of: str = "") -> Figure:
    """Training at a glance: loss, score, effective rank, alignment and uniformity by step.

    rows: dicts with "step" and any of loss, knn (0-1), rank, alignment, uniformity; a row may
    miss keys, a key nobody has gives an empty panel that says so. controls: the score's dashed
    lines, role or name -> value in 0-1; where rows have knn_pixels and knn_random, as of an
    OnlineProbe, these and chance are drawn instead: measured on the curve's own images. loss_name:
    the name of that axis, unit included. of: whose effective rank it is, "z" (embeddings) or "h"
    (features); "" takes what an OnlineProbe noted. When an exercise fell back, "trained
    with the reference, not with your code" stands above.
    """
    fig, (loss, knn, rank, geometry) = style.strip(
        4, widths=(1, 1.06, 1, 1.06), title=title, note=trained_with_note())
    ours = style.COLOURS["ours"]
    _curves(loss, loss_name, rows, {"loss": ours})
    if _curves(knn, "kNN accuracy (%)", rows, {"knn": ours}, scale=100.0):
        lines = direct.control_lines(knn, _controls(rows, controls or {}), scale=100.0)
        highest = max(1.0, *knn.lines[0].get_ydata(), *(y for y, _, _ in lines))
        knn.set_ylim(0, min(100, 1.12 * highest))
        direct.at_right(knn, lines)
    of = of or next((z for row in rows for z in ("z", "h") if f"rank_{z}" in row), "")
    if _curves(rank, "effective rank" + f" of {of}" * bool(of), rows, {"rank": ours}):
        rank.set_ylim(bottom=0)
    ends = _curves(geometry, "on the unit sphere", rows, {
        "alignment": style.COLOURS["positive"], "uniformity": style.COLOURS["negative"]})
    if ends:
        geometry.axhline(0, color=style.FAINT, lw=0.8, zorder=0)
        geometry.margins(y=0.16)  # room for two-line labels
        below = {"alignment": "(distance²)", "uniformity": "(log mean)"}
        direct.at_right(geometry, [(y, f"{key}\n{below[key]}", c) for y, key, c in ends])
    return fig


def _controls(rows: Sequence[Mapping[str, Any]], given: Mapping[str, float]) -> dict[str, float]:
    """The lines beside a curve: measured on the images of the curve, where they were."""
    own = {key.removeprefix("knn_"): value for row in rows for key, value in row.items()
           if key.startswith("knn_")}
    return {key: value for key, value in given.items() if not own or key == "chance"} | own


def _curves(ax: Axes, name: str, rows: Sequence[Mapping], colours: Mapping[str, str],
            scale: float = 1.0) -> list[tuple[float, str, str]]:
    """Draw the measures of `colours` by step; returns (last value, key, colour) of each."""
    style.name_axes(ax, "step", name)
    ends = []
    for key, colour in colours.items():
        points = np.array([(row["step"], scale * row[key]) for row in rows
                           if direct.is_number(row.get(key))], dtype=float)  # (P, 2)
        if len(points):
            # Few points are measurements: mark them. Many are a curve.
            ax.plot(*points.T, color=colour, marker="o" if len(points) <= 12 else "",
                    clip_on=False)
            ends.append((points[-1, 1], key, colour))
    if not ends:
        ax.set(xticks=[], yticks=[], xlabel="")
        ax.spines[:].set_visible(False)
        ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center",
                color=style.QUIET, fontsize=style.SMALL)
        return ends
    ax.set_xlim(0, max(float(row["step"]) for row in rows) or 1)
    direct.few_ticks(ax, whole=True)
    return ends


def collapse_panel(groups: Mapping[str, object], *, title: str = "", of: str = "") -> Figure:
    """The same diagnostic panel everywhere: does each feature still say something of its own?

    groups: {name: z (N, D)}, at most four, such as {"before": z0, "after": z1}. of: what they are,
    "z" (embeddings) or "h" (features), for the names of the axes; "" leaves it open. Four panels:
    effective rank (RankMe, of D), singular values (log), spread of each column on the unit sphere
    (std times sqrt(D): 1 when spread evenly, 0 when constant) and cosine similarity of random pairs
    (all 1 when collapsed to a point). Raises UsageError for another shape or NaN.
    """
    arrays = {name: as_matrix(value, f"the features {name!r}") for name, value in groups.items()}
    tones = dict(zip(arrays, style.GROUPS, strict=False))
    fig, (bars, lines, spreads, cosines) = style.strip(4, widths=(1.1, 1, 1, 1), title=title)
    ranks = {name: rankme(torch.tensor(z)) for name, z in arrays.items()}
    of = f" of {of}" * bool(of)
    _rank_bars(bars, ranks, max(z.shape[1] for z in arrays.values()), tones, of)
    _spectra(lines, {name: spectrum(torch.tensor(z)).numpy() for name, z in arrays.items()}, tones)
    unit = {name: z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
            for name, z in arrays.items()}
    evenness = {name: u.std(axis=0) * np.sqrt(u.shape[1]) for name, u in unit.items()}
    widest = max(1.6, 1.05 * max(float(values.max()) for values in evenness.values()))
    _histograms(spreads, evenness, tones, np.linspace(0, widest, 17))
    spreads.axvline(1, color=style.QUIET, lw=1, ls=style.DASHED, zorder=0)
    style.name_axes(spreads, "std · √D  (1 = even)", f"columns{of} (%)")
    pairs = {name: _cosines(u) for name, u in unit.items()}
    _histograms(cosines, pairs, tones, np.linspace(-1, 1, 41))
    style.name_axes(cosines, "cosine of random pairs", "pairs (%)")
    return fig


def _spectra(ax: Axes, spectra: Mapping[str, np.ndarray], tones: Mapping[str, str]) -> None:
    """Singular values on a log scale, those below 1e-6 of the largest drawn there."""
    lowest = 0.1
    for name, values in spectra.items():
        shown = np.maximum(values / max(values[0], 1e-300), 1e-6)
        ax.plot(np.arange(1, len(shown) + 1), shown, color=tones[name], clip_on=False)
        lowest = min(lowest, shown[-1])
    ax.set(yscale="log", ylim=(max(1e-6, 10.0 ** np.floor(np.log10(lowest))), 1.25),
           xlim=(1, max(2, *map(len, spectra.values()))))
    ax.minorticks_off()
    direct.few_ticks(ax, 3, 0, whole=True)
    style.name_axes(ax, "index, largest first", "singular value (largest = 1)")


def _rank_bars(ax: Axes, ranks: Mapping[str, float], most: int, tones: Mapping[str, str],
               of: str) -> None:
    """Bars with their names above them: also the key to the other panels' colours."""
    for i, (name, rank) in enumerate(ranks.items()):
        ax.barh(i, most, height=0.3, color="#EFEFEF")
        ax.barh(i, rank, height=0.3, color=tones[name])
        ax.text(0, i - 0.24, name, color=style.ink(tones[name]), fontsize=style.SMALL)
        ax.text(most, i - 0.24, f"{rank:.3g}", ha="right", fontsize=style.SMALL)
    ax.set(ylim=(max(len(ranks), 2) - 0.5, -0.75), xlim=(0, most), yticks=[])
    ax.spines["left"].set_visible(False)
    direct.few_ticks(ax, 3, 0, whole=True)
    style.name_axes(ax, f"columns{of}", f"effective rank{of} (D = {most})")


def _histograms(ax: Axes, values: Mapping[str, np.ndarray], tones: Mapping[str, str],
                edges: np.ndarray) -> None:
    for name, sample in values.items():
        counts = np.histogram(np.clip(sample, edges[0], edges[-1]), edges)[0]
        share = 100 * counts / max(1, sample.size)  # one sample makes no pair
        ax.stairs(share, edges, fill=True, color=tones[name], alpha=0.22, lw=0)
        ax.stairs(share, edges, color=tones[name], lw=1.3)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(bottom=0)
    direct.few_ticks(ax, 4, 3)


def _cosines(unit: np.ndarray, most: int = 400) -> np.ndarray:
    """Cosines of all pairs of at most `most` evenly spaced rows."""
    keep = unit[np.unique(np.linspace(0, len(unit) - 1, most).astype(int))]
    return (keep @ keep.T)[np.triu_indices(len(keep), 1)]
