"""Scores beside their controls: the book's one table, and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.show import show_table
from sslbook.records.claims import interval
from sslbook.records.gains import Level

# key of a row: (column name, factor)
COLUMNS = {
    "knn20": ("kNN k=20 (%)", 100.0),
    "knn200": ("kNN k=200 (%)", 100.0),
    "linear": ("linear (%)", 100.0),
    "knn20_r2": ("kNN k=20, R² (%)", 100.0),
    "linear_r2": ("linear, R² (%)", 100.0),
    "linear_mae": ("linear, mean error", 1.0),
    "rank": ("effective rank of h", 1.0),
}


def scores_table(rows: Sequence[Mapping[str, object]],
                 seeds: Mapping[str, Sequence[Mapping[str, float]]] = MappingProxyType({}),
                 method: str = "") -> None:
    """Show the book's one table: every encoder beside the controls, on the same measures.

    rows: dicts with "name" (a role of the controls or any other) and any of knn20, knn200,
    linear (accuracies in 0-1), what `judging.regression_scores` gives, and rank (of the features
    h); columns that no row has are left out, a missing value is a dash, and rows with ours=True are
    set in bold. seeds: {name: measures of each seed}; where `method` has two or more, a row is
    their mean with its 95 % interval, and a last row is the method in this run. With a method, the
    last column is what its main measure gains over the untrained net (the row "random") of the
    same seed. In a notebook a table, elsewhere printed text.
    """
    keys = [key for key in COLUMNS if any(direct.is_number(row.get(key)) for row in rows)]
    if method:
        keys = [key for key in keys if key != "knn200"]  # a table that one can read
    many = len(seeds.get(method, ())) > 1
    gained = next((key for key in ("linear", "knn20") if key in keys), "") if method else ""
    own = {str(row["name"]): [row] for row in rows}
    over = {**own, **{name: seeds[name] for name in own if seeds.get(name)}} if many else own
    named = [(style.ROLE_NAMES.get(name, name), over, name) for name in own]
    if many and method in own:
        named.append((f"{method}, this run", own, method))
    lines = [[label, *(_mean(key, _numbers(found[name], key)) for key in keys)]
             for label, found, name in named]
    heading = ["encoder", *(COLUMNS[key][0] for key in keys)]
    if gained and "random" in own:
        heading.append(f"{COLUMNS[gained][0].partition(' (')[0]}, over the untrained net (points)")
        for (_, found, name), line in zip(named, lines, strict=True):
            differences = _paired(found[name], found["random"], gained)
            line.append("–" if name in ("random", "chance") else _mean("", differences, "+"))
    if many:
        print(f"Means over {len(seeds[method])} seeds with their 95 % intervals.")
    show_table(heading, lines, numbers=True, bold=[i for i, r in enumerate(rows) if r.get("ours")])


def _numbers(found: Sequence[Mapping[str, float]], key: str) -> list[float]:
    return [one[key] for one in found if direct.is_number(one.get(key))]


def _paired(ones: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]], key: str
            ) -> list[float]:
    """Differences of two rows, seed by seed."""
    if len(ones) != len(others):
        return []
    return [one[key] - other[key] for one, other in zip(ones, others, strict=True)
            if direct.is_number(one.get(key)) and direct.is_number(other.get(key))]


def _mean(key: str, values: Sequence[float], sign: str = "") -> str:
    """The mean in the unit of the column, with its interval where there are several."""
    values = [value for value in values if direct.is_number(value)]
    if not values:
        return "–"
    factor, digits = COLUMNS.get(key, ("", 100.0))[1], ".3g" if key == "linear_mae" else ".1f"
    numbers = [value * factor for value in values]
    low, high = interval(numbers)
    number, low, high = (f"{one:{sign}{digits}}" for one in (np.mean(numbers), low, high))
    return number if low == high else f"{number} [{low}, {high}]"  # of one value both are nan


def levels_table(worlds: Mapping[str, Mapping[str, Level]]) -> None:
    """Show data set by data set how far a method lies above its controls, over the seeds.

    worlds: data -> method -> its values beside those of its controls, as of `records.gains.levels`.
    The methods are named where there are several, the measure of each where they differ.
    """
    found = [(data, method, one) for data, methods in worlds.items()
             for method, one in methods.items()]
    if not found:
        print("The book has no record of this chapter on other data yet.")
        return
    methods, measures = {method for _, method, _ in found}, {one.measure for *_, one in found}
    labels = any(direct.is_number(value) for *_, one in found for value in one.supervised)
    rows = []
    for data, method, one in found:
        about = [_data_name(data), *([method] * (len(methods) > 1)),
                 *([_column(one.measure)] * (len(measures) > 1)), str(len(one.method))]
        values = [one.raw, one.untrained, one.method, *([one.supervised] if labels else [])]
        gained = [[points / 100 for points in one.over(role)] for role in ("untrained", "raw")]
        rows.append([*about, *(_mean(one.measure, v) for v in values),
                     *(_mean("", v, "+") for v in gained)])
    heading = ["data, samples", *(["method"] * (len(methods) > 1)),
               *(["measure"] * (len(measures) > 1)), "seeds", "raw input", "untrained net",
               methods.pop() if len(methods) == 1 else "trained", *(["supervised"] * labels),
               "over untrained", "over raw"]
    if len(measures) == 1:
        print(f"{_column(measures.pop())}; gains in points; means with their 95 % intervals.")
    show_table(heading, rows, numbers=True)


def _column(measure: str) -> str:
    return COLUMNS.get(measure, (measure,))[0]


def _data_name(world: str) -> str:
    """What a reader calls a data set: pack:cifar10.npz/10000 is cifar10, 10,000."""
    name, _, count = world.rpartition("/")
    name = name.partition(":")[2].rpartition(".")[0] or name
    return f"{name}, {int(count):,}" if count.isdigit() else world


def bars_with_controls(values: Mapping[str, object],
                       controls: Mapping[str, float] | None = None, *, title: str = "",
                       unit: str = "kNN accuracy (%)", scale: float = 100.0,
                       guess: float | None = None) -> Figure:
    """Horizontal bars, one per configuration, with the controls as dashed lines.

    values: {name: number or one number per seed}; seeds are dots on the bar of their mean.
    controls: role or name -> number. All numbers are multiplied by `scale`. guess: the reader's
    prediction for the first bar, drawn as a diamond; None draws nothing.
    """
    seeds = {name: np.atleast_1d(np.asarray(v, dtype=float)) * scale for name, v in values.items()}
    fig = style.figure(style.active().strip[0], 1.2 + 0.3 * len(seeds) + 0.15 * (guess is not None))
    style.headline(fig, title)
    ax = fig.subplots()
    for i, (name, numbers) in enumerate(seeds.items()):
        _bar(ax, i, numbers, style.COLOURS.get(name, style.COLOURS["ours"]))
    if guess is not None:
        ax.scatter([guess * scale], [0], marker="D", s=40, color=style.ORANGE, edgecolors="white",
                   zorder=5)
        _beside(ax, "your guess", guess * scale, 0, (0, 8.5), ha="center", va="bottom",
                color=style.ink(style.ORANGE))
    ax.set_yticks(range(len(seeds)), list(seeds))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(seeds) - 0.5, -0.55 if guess is None else -0.95)
    ax.set_xlabel(unit)
    lines = direct.control_lines(ax, controls or {}, scale=scale, upright=True)
    _names_on_top(ax, lines)
    return fig


def _bar(ax: Axes, i: int, numbers: np.ndarray, colour: str) -> None:
    """The bar of the mean at height i, its seeds as dots, its value at the end."""
    mean = numbers.mean()
    ax.barh(i, mean, height=0.58, color=style.tint(colour, 0.25), lw=0)
    if len(numbers) > 1:
        ax.scatter(numbers, np.full(len(numbers), i), s=14, color="white",
                   edgecolors=style.ink(colour), linewidths=0.9, zorder=4)
    _beside(ax, f"{mean:.3g}", max(mean, numbers.max()), i, (5, 0), va="center")


def _beside(ax: Axes, text: str, x: float, y: float, shift: tuple[float, float],
            **look: object) -> None:
    ax.annotate(text, (x, y), shift, textcoords="offset points", fontsize=style.SMALL,
                path_effects=direct.HALO, zorder=6, **look)


def _names_on_top(ax: Axes, lines: Sequence[tuple[float, str, str]]) -> None:
    """Names of upright lines (x, name, colour) above the axes, spread where they would touch."""
    if not lines:
        return
    low, high = ax.get_xlim()
    points = 72 * ax.get_position().width * ax.figure.get_size_inches()[0]
    widest = max(len(name) for _, name, _ in lines) * 0.62 * style.SMALL / points
    wanted = [(x - low) / (high - low) for x, _, _ in lines]
    placed = direct.spread(wanted, widest, widest / 2, 1.0)
    for (_, name, colour), at, place in zip(lines, wanted, placed, strict=True):
        ax.annotate(name, (at, 1.0), (place, 1.07), "axes fraction", "axes fraction", ha="center",
                    fontsize=style.SMALL, color=style.ink(colour), annotation_clip=False,
                    arrowprops=direct.LEADER)
