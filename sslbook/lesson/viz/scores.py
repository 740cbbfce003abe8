"""Scores beside their controls: the book's one table, and bars."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from sslbook.errors import UsageError
from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style
from sslbook.lesson.viz.show import display_markdown, in_ipython

# key of a row: (column name, its break is the one of the printed table; factor; decimals)
COLUMNS = {
    "knn20": ("kNN\nk=20 (%)", 100.0, 1),
    "knn200": ("kNN\nk=200 (%)", 100.0, 1),
    "linear": ("linear\nprobe (%)", 100.0, 1),
    "few": ("1 %\nlabels (%)", 100.0, 1),
    "finetune": ("fine-\ntuned (%)", 100.0, 1),
    "rank": ("effective\nrank", 1.0, 1),
}


def scores_text(rows: Sequence[Mapping[str, object]]) -> str:
    """The table as monospaced text of at most 80 columns; see `scores_table`."""
    keys, lines = _cells(rows)
    split = [[cell.split("\n") for cell in line] for line in lines]
    split[0][0] = ["", "encoder"]
    widths = [max(len(part) for line in split for part in line[i]) for i in range(len(keys) + 1)]
    widths[0] = min(widths[0], 79 - sum(width + 2 for width in widths[1:]))
    text = []
    for number, line in enumerate(split):
        name = line[0] if number == 0 else textwrap.wrap(line[0][0], widths[0])
        cells = [name, *line[1:]]
        for i in range(max(map(len, cells))):
            parts = [cell[i] if i < len(cell) else "" for cell in cells]
            padded = [parts[0].ljust(widths[0]),
                      *(part.rjust(w) for part, w in zip(parts[1:], widths[1:], strict=True))]
            text.append("  ".join(padded).rstrip())
    return "\n".join([*text[:2], "-" * max(map(len, text)), *text[2:]])


def scores_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Show the book's one table: every encoder beside the controls, on the same measures.

    rows: dicts with "name" and any of knn, knn200, linear, few, finetune (accuracies in 0-1) and
    rank; columns that no row has are left out, a missing value is a dash, and a row with
    ours=True is set in bold. In a notebook a table, elsewhere printed text of at most 80 columns.
    """
    keys, lines = _cells(rows)
    if not in_ipython():
        print(scores_text(rows))
        return
    names = (name.replace("-\n", "-").replace("\n", " ") for name in lines[0])
    table = ["| " + " | ".join(names) + " |", "|:--|" + "--:|" * len(keys)]
    for row, line in zip(rows, lines[1:], strict=True):
        cells = [f"**{c}**" if row.get("ours") else c for c in (_plain(c) for c in line)]
        table.append("| " + " | ".join(cells) + " |")
    display_markdown("\n".join(table), scores_text(rows))


def _plain(cell: str) -> str:
    """A cell that cannot break the markdown table."""
    return cell.replace("|", "\\|").replace("\n", " ").replace("*", "\\*")


def _cells(rows: Sequence[Mapping[str, object]]) -> tuple[list[str], list[list[str]]]:
    if not rows or not all(str(row.get("name", "")).strip() for row in rows):
        raise UsageError("scores_table() needs rows that each have a name.", "Nothing was shown.",
                         "Pass [{'name': 'chance', 'knn': 0.125}, ...].")
    unknown = {key for row in rows for key in row} - {"name", "ours", *COLUMNS}
    if unknown:
        raise UsageError(f"The book's table has no column {sorted(unknown)[0]!r}.",
                         "Nothing was shown.", f"Columns: {', '.join(COLUMNS)}.")
    keys = [key for key in COLUMNS if any(direct.is_number(row.get(key)) for row in rows)]
    lines = [["encoder", *(COLUMNS[key][0] for key in keys)]]
    for row in rows:
        cells = [_number(row.get(key), *COLUMNS[key][1:]) for key in keys]
        lines.append([str(row["name"]), *cells])
    return keys, lines


def _number(value: object, factor: float, decimals: int) -> str:
    return f"{float(value) * factor:.{decimals}f}" if direct.is_number(value) else "–"


def bars_with_controls(
    values: Mapping[str, object],
    controls: Mapping[str, float] | None = None,
    *,
    title: str = "",
    unit: str = "kNN accuracy (%)",
    scale: float = 100.0,
    guess: float | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Horizontal bars, one per configuration, with the controls as dashed lines.

    values: {name: number or one number per seed}; seeds are dots on the bar of their mean.
    controls: role or name -> number. All numbers are multiplied by `scale`. guess: the reader's
    prediction for the first bar, drawn as a diamond; None draws nothing.
    """
    sizes, tones = style.active(), dict(colours or {})
    scaled = sizes.base / 8.5
    seeds = {name: np.atleast_1d(np.asarray(v, dtype=float)) * scale for name, v in values.items()}
    if not seeds or not all(np.isfinite(v).any() for v in seeds.values()):
        raise UsageError("bars_with_controls() got a bar without a number.", "Nothing was drawn.",
                         "Pass {name: number} or {name: [one number per seed]}.")
    slots = len(seeds) + 0.5 * (guess is not None)
    fig = style.figure(sizes.strip[0], (1.2 + 0.3 * slots) * scaled)
    style.headline(fig, title)
    ax = fig.subplots()
    for i, (name, numbers) in enumerate(seeds.items()):
        mean = float(np.nanmean(numbers))
        colour = tones.get(name, style.COLOURS.get(name, style.COLOURS["ours"]))
        ax.barh(i, mean, height=0.58, color=style.tint(colour, 0.25), lw=0)
        if numbers.size > 1:
            ax.scatter(numbers, np.full(numbers.size, i), s=14 * scaled**2,
                       color="white", edgecolors=style.ink(colour), linewidths=0.9, zorder=4)
        ax.annotate(f"{mean:.3g}", (max(mean, float(np.nanmax(numbers))), i),
                    xytext=(5 * scaled, 0), textcoords="offset points", va="center",
                    fontsize=sizes.small, path_effects=direct.halo(), zorder=6)
    if guess is not None:
        ax.scatter([guess * scale], [0], marker="D", s=40 * scaled**2, color=style.ORANGE,
                   edgecolors="white", zorder=5)
        ax.annotate("your guess", (guess * scale, 0), xytext=(0, 8.5 * scaled), va="bottom",
                    textcoords="offset points", ha="center", fontsize=sizes.small,
                    color=style.ink(style.ORANGE), path_effects=direct.halo(), zorder=6)
    ax.set_yticks(range(len(seeds)), list(seeds))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(seeds) - 0.5, -0.55 if guess is None else -0.95)
    _controls_on_top(ax, controls or {}, scale, seeds, guess)
    ax.set_xlabel(unit)
    return fig


def _controls_on_top(ax, controls: Mapping[str, float], scale: float, seeds: Mapping,
                     guess: float | None) -> None:
    """Vertical control lines, their names above the axes and spread where they would touch."""
    sizes = style.active()
    known = {name: float(v) * scale for name, v in controls.items() if direct.is_number(v)}
    highest = max([float(np.nanmax(v)) for v in seeds.values()] + list(known.values())
                  + ([guess * scale] if direct.is_number(guess) else []))
    lowest = min([0.0] + [float(np.nanmin(v)) for v in seeds.values()])
    ax.set_xlim(1.05 * lowest, 1.08 * highest or 1)
    wide = ax.get_position().width * ax.figure.get_size_inches()[0] * 72
    left, right = ax.get_xlim()
    wanted = [(x - left) / (right - left) for x in known.values()]
    names = [style.ROLE_NAMES.get(name, name) for name in known]
    gap = 0.62 * sizes.small * (max(map(len, names), default=0) + 1) / wide
    placed = direct.spread(wanted, gap, 0.04, 1.0)
    for (role, x), name, place, at in zip(known.items(), names, placed, wanted, strict=True):
        colour = style.COLOURS.get(role, style.QUIET)
        ax.axvline(x, color=colour, lw=sizes.line * 0.65, ls=(0, (4, 2.2)), zorder=3)
        ax.annotate(name, (at, 1.0), (place, 1.07), "axes fraction", "axes fraction",
                    ha="center", va="bottom", fontsize=sizes.small, color=style.ink(colour),
                    annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": style.tint(colour, 0.35), "lw": 0.6,
                                "shrinkA": 0, "shrinkB": 0})
