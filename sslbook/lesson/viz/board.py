"""Many methods at once: what each gains over its control, and what became of its claims."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.transforms import blended_transform_factory

from sslbook.errors import UsageError
from sslbook.lesson.viz import style
from sslbook.records.claims import interval

Gains = Mapping[str, Sequence[float]]  # row -> points, one per seed
UNSURE = "#7A7A7A"
RAW = style.COLOURS["pixels"]
# word: (sign, colour, what it says)
VERDICTS = {
    "supported": ("✓", style.GREEN, "yes, and by enough"),
    "too small": ("~", style.SKY, "less than what matters"),
    "refuted": ("✗", style.VERMILION, "no: it is the other way"),
    "open": ("?", style.ORANGE, "too close to call so far"),
    "not run": ("–", "#8A8A8A", "not tried often enough"),
    "not at this scale": ("∅", style.PURPLE, "too small a test to ask"),
}
CELL = 0.27  # inches, of a square of the map with its gap


def forest(gains: Gains, *, title: str = "",
           unit: str = "linear probe, points over the untrained net",
           raw: Gains | None = None) -> Figure:
    """Gains of many rows on one axis, the largest mean at the top: who is better than its control?

    gains: {row: points, one per seed}. A small dot is a seed, the large mark the mean, the line its
    95 % t-interval, and 0 the control. A row whose interval crosses 0, or that has a single seed,
    is grey and hollow; blue and round lies above 0, a vermilion triangle below. The numbers stand
    at the right. raw: the same over the raw input, an orange diamond below, hollow where 0 is not
    excluded. Raises UsageError without a number.
    """
    rows = {row: _numbers(values) for row, values in gains.items()}
    rows = dict(sorted(((row, values) for row, values in rows.items() if values),
                       key=lambda pair: -np.mean(pair[1])))
    if not rows:
        raise UsageError("There is no gain to draw.", "Nothing was drawn.",
                         "Give {row: one number per seed}.")
    beside = {row: values for row in rows if (values := _numbers((raw or {}).get(row, ())))}
    fig = style.figure(style.active().strip[0], 1.1 + (0.5 if beside else 0.36) * len(rows))
    style.headline(fig, title)
    ax = fig.subplots()
    ax.axvline(0, color=style.INK, lw=1.1, zorder=2)
    for place, (row, values) in enumerate(rows.items()):
        if place % 2:
            ax.axhspan(place - 0.5, place + 0.5, color="#F6F6F6", lw=0, zorder=0)
        _row(ax, place - (0.26 if row in beside else 0.09), values, *look(values))
        if row in beside:
            low, high = interval(beside[row])
            _row(ax, place + 0.19, beside[row], RAW, "D", low > 0 or high < 0)
    ax.set_yticks(range(len(rows)), [_label(row) for row in rows])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.margins(x=0.06)
    ax.grid(axis="x", color=style.FAINT, lw=0.6)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(unit)
    _key(ax, list(rows.values()), bool(beside))
    return fig


def look(values: Sequence[float]) -> tuple[str, str, bool]:
    """(colour, marker, filled) of a row: what its interval says of 0."""
    low, high = interval(list(values))
    if low > 0:
        return style.COLOURS["ours"], "o", True
    return (style.VERMILION, "v", True) if high < 0 else (UNSURE, "o", False)


def verdict_map(words: Mapping[str, Mapping[str, str]], *, title: str = "") -> Figure:
    """Every claim of every chapter as a square: its sign and colour are the verdict.

    words: {chapter: {letter: verdict}}; what follows in brackets, as in "open (5 seeds more)", is
    left out. The legend below says in words what each sign means, and how many there are. Raises
    UsageError for a word that is no verdict, or without a claim.
    """
    plain = {chapter: {letter: word.partition(" (")[0] for letter, word in claims.items()}
             for chapter, claims in words.items() if claims}
    counts = Counter(word for claims in plain.values() for word in claims.values())
    if not counts or (wrong := sorted(set(counts) - set(VERDICTS))):
        raise UsageError(f"{', '.join(wrong)} is no verdict." if counts else
                         "There is no claim to draw.", "Nothing was drawn.",
                         f"Verdicts are {', '.join(VERDICTS)}.")
    wide = max(style.active().strip[0], 6.8)  # what the legend needs
    names = 0.068 * max(map(len, plain)) + 0.15  # inches
    letters = sorted({letter for claims in plain.values() for letter in claims})
    block = names + CELL * len(letters) + 0.3
    blocks = max(1, min(int(wide / block), math.ceil(len(plain) / 4)))
    deep = math.ceil(len(plain) / blocks)
    high = CELL * (deep + 1) + 0.3 + 3 * 0.25
    # Inches with y downwards; what is not a panel needs no layout of its own.
    head = 0.34 * (1 + style.wrapped(title, wide).count("\n")) if title else 0.05
    fig = style.figure(wide, head + high, layout="none")
    style.headline(fig, title)
    ax = fig.add_axes((0, 0, 1, high / (head + high)))
    ax.set(xlim=(0, wide), ylim=(high, 0))
    ax.axis("off")
    for number, (chapter, claims) in enumerate(plain.items()):
        column, line = divmod(number, deep)
        left, y = column * wide / blocks + 0.08, CELL * (line + 1.3)
        ax.text(left + names, y, chapter.replace("$", r"\$"), ha="right", va="center",
                fontsize=style.BASE)
        for place, letter in enumerate(letters):
            x = left + names + CELL * (place + 0.8)
            if line == 0:
                ax.text(x, y - CELL, letter, ha="center", va="center", fontsize=style.SMALL,
                        color=style.QUIET)
            if letter in claims:
                _square(ax, x, y, claims[letter])
    _legend(ax, counts, high - 3 * 0.25 + 0.06)
    return fig


def _label(text: str) -> str:
    """A name on lines that fit; a dollar sign begins no formula."""
    text = text.replace(" (", "\n(") if len(text) > 26 else text
    lines = [textwrap.fill(line, 26) for line in text.split("\n")]
    return "\n".join(lines).replace("$", r"\$")


def _numbers(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _row(ax: Axes, y: float, values: list[float], colour: str, mark: str, filled: bool) -> None:
    """Mean and interval at y, the seeds below them, the numbers right of the axes."""
    low, high = interval(values)
    second = mark == "D"
    if len(values) > 1:
        ax.hlines(y, low, high, color=colour, lw=1.2 if second else 2, zorder=3)
    ax.scatter([np.mean(values)], [y], s=24 if second else 58, marker=mark, zorder=4,
               facecolors=colour if filled else "white", edgecolors=colour, linewidths=1.4)
    ax.scatter(values, [y + (0.17 if second else 0.26)] * len(values), s=7, color=colour,
               linewidths=0, alpha=0.8, zorder=3)
    ax.annotate(_said(values), (1.0, y + 0.09), (8, 0), ("axes fraction", "data"), "offset points",
                va="center", fontsize=style.SMALL, color=style.ink(colour), annotation_clip=False)


def _said(values: Sequence[float]) -> str:
    low, high = interval(list(values))
    mean = f"{round(np.mean(values), 1) + 0.0:+.1f}".replace("-", "−")  # never minus zero
    spread = f"[{low:.1f}, {high:.1f}]".replace("-", "−") if len(values) > 1 else "one seed"
    return f"{mean}  {spread}"


def _key(ax: Axes, rows: list[list[float]], raw: bool) -> None:
    """What the marks say, above the panel: only those that are drawn."""
    seen = sorted({look(values) for values in rows}, key=lambda one: (not one[2], one[1]))
    said = {("o", True): "above 0", ("v", True): "below 0", ("o", False): "may be 0"}
    marks = [Line2D([], [], marker=mark, ms=6.5, color=colour, lw=2, mew=1.4,
                    mfc=colour if filled else "white", label=said[mark, filled])
             for colour, mark, filled in seen]
    if raw:
        marks.append(Line2D([], [], marker="D", ms=4.2, color=RAW, lw=1.2,
                            label="over the raw input"))
    marks += [Line2D([], [], color=style.QUIET, lw=2, label="95 % interval"),
              Line2D([], [], ls="", marker="o", ms=2.6, color=style.QUIET, label="one seed")]
    place = blended_transform_factory(ax.figure.transFigure, ax.transAxes)
    key = ax.legend(handles=marks, ncols=len(marks), loc="lower left", bbox_to_anchor=(0.005, 1),
                    bbox_transform=place, borderaxespad=0, borderpad=0.2, handletextpad=0.5,
                    columnspacing=1.6)
    key.set_in_layout(False)  # else the panel would shrink to its width
    ax.set_title(" ", fontsize=style.SMALL)  # the height that it needs


def _square(ax: Axes, x: float, y: float, word: str) -> None:
    """One verdict at (x, y) inches."""
    sign, colour, _ = VERDICTS[word]
    half = 0.4 * CELL
    ax.add_patch(FancyBboxPatch((x - half, y - half), 2 * half, 2 * half, lw=1, ec=colour,
                                boxstyle="round,pad=0,rounding_size=0.04", fc=style.tint(colour)))
    ax.text(x, y, sign, ha="center", va="center_baseline", fontsize=style.TITLE,
            fontweight="bold", color=style.ink(colour))


def _legend(ax: Axes, counts: Counter[str], top: float) -> None:
    """Signs and words in two columns, with how many there are of each."""
    wide = ax.get_xlim()[1]
    ax.plot([0.1, wide - 0.1], [top - 0.17] * 2, color=style.FAINT, lw=0.8)
    for number, (word, (_, _, says)) in enumerate(VERDICTS.items()):
        column, line = divmod(number, 3)
        x, y = 0.25 + column * wide / 2, top + 0.25 * line
        _square(ax, x, y, word)
        ax.text(x + 0.2, y, f"{counts[word]}", va="center", fontsize=style.SMALL,
                fontweight="bold")
        ax.text(x + 0.45, y, word, va="center", fontsize=style.BASE, fontweight="bold")
        ax.text(x + 1.68, y, says, va="center", fontsize=style.BASE, color=style.QUIET)
