"""What does it know? Factors that can be read from features, and accuracy with few labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from sslbook.errors import UsageError
from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style

READ_OUTS = {"linear": "a linear read-out", "knn": "nearest neighbours"}
MARKS = {"random": "s", "pixels": "D", "scratch": "^", "fine-tuned": "p", "supervised": "v"}
Table = Mapping[str, Mapping[str, float]]  # factor -> read-out -> 0..1
Curve = Mapping[str, Mapping[str, Any]]  # labels per class in words -> labels, draws (0..1)


def factor_profile(profiles: Mapping[str, Table | Sequence[Table]], *, title: str = "") -> Figure:
    """What a method keeps and what it forgets: one row per factor, one mark per encoder.

    profiles: {name: `judging.factor_profile`, or a list of them, one per seed}; the first name
    that is no control is the method, whose best kept factors stand at the top. Left what a linear
    read-out explains, right what the nearest neighbours do, in percent: 0 is chance, or answering
    the mean. A bar joins the untrained net (role "random") to the method: blue to the right for a
    gain, vermilion and hatched to the left for a loss. Seeds are averaged; a thin line spans them.
    Raises UsageError without a factor.
    """
    tables = {name: _seeds(table) for name, table in profiles.items()}
    method = _method(tables)
    rows = _by_mean(tables[method])
    fig = style.figure(style.active().strip[0], 1.15 + 0.25 * len(rows))
    style.headline(fig, title)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, read_out in zip(axes, READ_OUTS, strict=True):
        values = {name: np.array([[table.get(row, {}).get(read_out, np.nan) for row in rows]
                                  for table in of_name]) * 100 for name, of_name in tables.items()}
        if "random" in values:
            _gains(ax, values["random"].mean(axis=0), values[method].mean(axis=0))
        # The method last, on top of its controls.
        for name in sorted(values, key=lambda one: one == method):
            _dots(ax, name, values[name], _look(name, list(tables), method))
        ax.set(xlim=(-2, 102), xlabel=f"explained by {READ_OUTS[read_out]} (%)")
        ax.grid(axis="y", color=style.FAINT, lw=0.6)
        ax.spines["left"].set_visible(False)
    axes[0].set_yticks(range(len(rows)), rows)
    for name in axes[0].get_yticklabels():
        name.set_fontweight("bold" if name.get_text() == "class" else "normal")
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    _key(axes[0])
    return fig


def factor_matrix(profiles: Mapping[str, Table | Sequence[Table]], *, title: str = "",
                  read_out: str = "linear") -> Figure:
    """Methods by factors: how much of each factor each method keeps, in percent, as numbers.

    profiles: as in `factor_profile`; controls ("random", "pixels") come last, below a gap.
    read_out: "linear" or "knn". Factors are sorted by what the methods keep on average. A factor
    that a method's world does not have is a dash. Raises UsageError without a factor.
    """
    tables = {name: _seeds(table) for name, table in profiles.items()}
    methods = [name for name in tables if name not in style.COLOURS]
    names = methods + [name for name in tables if name in style.COLOURS]
    columns = _by_mean([table for name in methods or names for table in tables[name]], read_out)
    values = np.array([[_mean(tables[name], column, read_out) for column in columns]
                       for name in names]).reshape(len(names), len(columns)) * 100
    heights = np.arange(len(names)) + 0.35 * (np.arange(len(names)) >= len(methods))
    fig = style.figure(style.active().strip[0], 1.05 + 0.28 * len(names))
    style.headline(fig, title)
    ax = fig.subplots()
    for (i, j), value in np.ndenumerate(values):
        known = direct.is_number(value)
        fill = style.tint(style.BLUE, 0.95 - 0.85 * value / 100) if known else "white"
        ax.barh(heights[i], 0.94, left=j - 0.47, height=0.92, color=fill, lw=0)
        ax.text(j, heights[i], f"{value:.0f}" if known else "–", ha="center", va="center",
                fontsize=style.SMALL, color="white" if style.contrast(fill) > 3.4 else style.INK)
    ax.set_yticks(heights, [style.ROLE_NAMES.get(name, name) for name in names])
    ax.set_xticks(range(len(columns)), columns)
    ax.set_ylim(heights[-1] + 0.55, -0.55)
    ax.set_xlim(-0.55, len(columns) - 0.45)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(f"explained by {READ_OUTS[read_out]} (%)")
    return fig


def label_curve(curves: Mapping[str, Curve | Sequence[Curve]], *, title: str = "",
                chance: float | None = None) -> Figure:
    """Accuracy by labels per class, on a logarithmic axis, one line per encoder.

    curves: {name: `judging.label_curve`, or a list of them, one per seed}. Lines are means over
    all draws, bands reach from the worst draw to the best. chance: accuracy in 0-1, a dotted
    line; None draws nothing.
    """
    sizes = style.active()
    fig = style.figure(sizes.strip[0], 1.35 * sizes.strip[1])
    style.headline(fig, title)
    ax = fig.subplots()
    method = _method(curves)
    ticks: dict[int, str] = {}
    ends = []
    for name, curve in curves.items():
        draws: dict[int, list[float]] = {}
        for word, point in (item for one in _seeds(curve) for item in one.items()):
            ticks[point["labels"]] = word
            draws.setdefault(point["labels"], []).extend(point["draws"])
        x = sorted(draws)
        low, mean, high = (np.array([part(draws[count]) for count in x]) * 100
                           for part in (min, np.mean, max))
        colour, mark = _look(name, list(curves), method)
        ax.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
        ax.plot(x, mean, color=colour, marker=mark, ms=5, mec="white", mew=0.7, clip_on=False,
                zorder=4 if name == method else 3)
        ends.append((x[-1], mean[-1], style.ROLE_NAMES.get(name, name), colour))
    ax.set_xscale("log")
    right = [end for x, *end in ends if x == max(ticks)]
    for x, y, text, colour in ends:
        if x < max(ticks):  # a line that ends early has its name where it ends
            ax.annotate(text, (x, y), (0, 7), textcoords="offset points", fontsize=style.SMALL,
                        color=style.ink(colour), path_effects=direct.HALO, zorder=6, ha="center")
    if chance is not None:
        right += direct.control_lines(ax, {"chance": chance}, scale=100.0)
    ax.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"all ({x:,})" if ticks[x] == "all" else str(x) for x in sorted(ticks)])
    ax.grid(axis="y", color=style.FAINT, lw=0.6)
    style.name_axes(ax, "labels per class", "test accuracy (%)")
    fig.draw_without_rendering()  # names at the right need the axes where they will be
    direct.at_right(ax, right)
    return fig


def _seeds(table: Table | Sequence[Table]) -> list[Table]:
    return [table] if isinstance(table, Mapping) else list(table)


def _method(names: Mapping[str, Any]) -> str:
    """The first name that is no control's role."""
    return next((name for name in names if name not in style.COLOURS), next(iter(names), ""))


def _mean(tables: Sequence[Table], factor: str, read_out: str) -> float:
    """The mean of a factor over those tables that have it, nan for none."""
    found = [table[factor][read_out] for table in tables if factor in table]
    return float(np.mean(found)) if found else np.nan


def _by_mean(tables: Sequence[Table], read_out: str = "linear") -> list[str]:
    """All factors of the tables, the best read one first. Raises UsageError for none."""
    every = dict.fromkeys(factor for table in tables for factor in table)
    if not every:
        raise UsageError("There is no factor to draw.", "Nothing was drawn.",
                         "Take a world that says what it was drawn from, such as shapes.")
    return sorted(every, key=lambda factor: -_mean(tables, factor, read_out))


def _look(name: str, names: list[str], method: str) -> tuple[str, str]:
    """Colour and marker of an encoder."""
    if name in MARKS:
        return style.COLOURS[name], MARKS[name]
    if name == method:
        return style.COLOURS["ours"], "o"
    others = [one for one in names if one not in MARKS and one != method]
    place = others.index(name)
    return style.GROUPS[2:][place % 6], ("P", "X", "<", ">", "p", "^")[place % 6]


def _gains(ax: Axes, before: np.ndarray, after: np.ndarray) -> None:
    """Bars from the untrained net to the method."""
    for i, (low, high) in enumerate(zip(before, after, strict=True)):
        lost = high < low
        ax.barh(i, high - low, left=low, height=0.3, lw=0, zorder=2,
                color=style.tint(style.VERMILION if lost else style.BLUE, 0.66),
                hatch="////" if lost else None, edgecolor="white")


def _dots(ax: Axes, name: str, values: np.ndarray, look: tuple[str, str]) -> None:
    """The mean of each column of values (seeds, factors), and a line over the seeds."""
    colour, mark = look
    rows = np.arange(values.shape[1])
    if len(values) > 1:
        ax.hlines(rows, values.min(axis=0), values.max(axis=0), color=colour, lw=1, zorder=3)
    ax.scatter(values.mean(axis=0), rows, s=34 if mark == "o" else 22, marker=mark, color=colour,
               edgecolors="white", linewidths=0.7, zorder=4, clip_on=False,
               label=style.ROLE_NAMES.get(name, name))


def _key(ax: Axes) -> None:
    """Which mark is which, above the panels, the method first; it may reach over both."""
    marks, names = ax.get_legend_handles_labels()
    key = ax.legend(marks[-1:] + marks[:-1], names[-1:] + names[:-1], ncols=len(names),
                    loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0, borderpad=0.2,
                    handletextpad=0.2, columnspacing=1.4)
    key.set_in_layout(False)  # else the panel would shrink to its width
    ax.set_title(" ", fontsize=style.SMALL)  # the height that it needs
