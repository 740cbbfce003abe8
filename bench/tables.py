"""The records as tables of at most 100 columns: medians, in brackets the quartiles."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bench.records import Row
from bench.timing import summary

WIDTH = 100
EPOCH = 50_000  # images, as in CIFAR-10
Line = tuple[str, list[str]]  # the line that a row stands under, and its cells


class Table(NamedTuple):
    """cells(row): the group of a row and its cells, one for each name in the header."""

    title: str
    header: list[str]
    cells: Callable[[Row], Line]


def render(title: str, header: list[str], lines: list[Line], notes: Iterable[str] = ()) -> str:
    """Columns as wide as their widest cell, numbers to the right; empty columns are left out."""
    text = [title]
    kept = [i for i in range(len(header)) if any(cells[i] != "-" for _, cells in lines)]
    lines = [(group, [cells[i] for i in kept]) for group, cells in lines]
    columns = list(zip([header[i] for i in kept], *(cells for _, cells in lines), strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() or cell == "-" for cell in column[1:]) for column in columns]

    def line(cells: Iterable[str]) -> str:
        parts = (c.rjust(w) if r else c.ljust(w)
                 for c, w, r in zip(cells, widths, right, strict=True))  # fmt: skip
        return "  " + "   ".join(parts).rstrip()

    if lines:
        text.append(line(column[0] for column in columns))
    above = ""
    for group, cells in lines:
        text += [group] if group != above else []
        text.append(line(cells))
        above = group
    for note in dict.fromkeys(notes):
        text += textwrap.wrap(note, WIDTH, initial_indent="! ", subsequent_indent="  ")
    return "\n".join(text)


def tell(part: str, rows: list[Row]) -> str:
    """The table of a part, with a line below it for everybody who could not be measured."""
    table = _TABLES[part]
    lines = [table.cells(row) for row in rows if row.seconds and row.name != "bare"]
    notes = [f"{row.name}: {row.error}" for row in rows if row.error]
    notes += [f"{row.case['method']}, {row.name}: eager, because {row.extra['reason']}"
              for row in rows if row.extra.get("reason")]  # fmt: skip
    return render(table.title, table.header, lines, notes)


def heading(about: dict[str, Any]) -> str:
    """What the figures were measured on, in two lines."""
    commit = about["commit"] or "no commit"
    code = f"sslbook {about['sslbook']} ({commit}{' and changes' if about['changed'] else ''})"
    where = f"{about['device_name']}, {about['cores']} cores"
    quick = "; QUICK: sizes that mean nothing" if about["quick"] else ""
    return f"{about['date']}  {code}, torch {about['torch']}, {about['precision']}\n{where}{quick}"


def number(value: float | None) -> str:
    """Three digits or more, thousands with commas; a dash where there is none."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def spread(values: Iterable[float], form: Callable[[float], str] = number) -> str:
    """median (lower quartile-upper quartile); of one value that value alone."""
    values = list(values)
    if len(values) < 2:
        return form(values[0]) if values else "-"
    middle, low, high = map(form, summary(values))
    return f"{middle} ({low}-{high})"


def fine(value: float) -> str:
    """A ratio of which the per cents matter."""
    return f"{value:.3f}"


def _threads(row: Row) -> str:
    count = row.case["threads"]
    return f"{count} thread{'s' if count > 1 else ''}, {row.clock}"


def _augmentation(row: Row) -> Line:
    blur = f"blur p={row.case['blur']:g}" if row.case["blur"] else "no blur"
    over = [spread(row.ratios.get(name, [])) for name in ("lightly", "torchvision on PIL")]
    group = f"{row.case['size']} px, {blur}, batch {row.case['batch']}, {_threads(row)}"
    return group, [row.name, spread(row.rates), *over]


def _step(row: Row) -> Line:
    case, over = row.case, row.ratios.get("bare", [])
    bare = spread((1e3 * a / b for a, b in zip(row.seconds, over, strict=False)))
    launches = [row.extra.get(name) for name in ("launches", "graphs")]
    said = ["-" if one is None else f"{one:.0f}" for one in launches]
    group = f"{case['net']}, batch {case['batch']}, {_threads(row)}: bare {bare} ms"
    ms = spread(1e3 * one for one in row.seconds)
    return group, [case["method"], row.name, ms, spread(over, fine), *said]


def _loop(row: Row) -> Line:
    case, extra = row.case, row.extra
    group = f"{case['method']}, {case['net']}, batch {case['batch']}, {_threads(row)}"
    epoch = number(EPOCH / summary(row.rates).median)
    memory = number(extra.get("memory_mb"))
    over = spread(row.ratios.get("ours", []))
    return group, [row.name, extra["precision"], spread(row.rates), over, epoch, memory]


def _probes(row: Row) -> Line:
    case, accuracy = row.case, row.extra.get("accuracy")
    said = "-" if accuracy is None else f"{100 * accuracy:.2f}"
    ahead = row.extra.get("ahead")
    points = "-" if ahead is None else f"{100 * ahead:.2f}"
    group = f"{case['probe']}, {case['features']:,} x {case['width']}, {_threads(row)}"
    over = spread(row.ratios.get("ours", []))
    return group, [row.name, spread(row.seconds), over, said, points]


def _growth(row: Row) -> Line:
    case, extra = row.case, row.extra
    memory = [number(extra.get(name)) for name in ("memory_mb", "gpu_memory_mb")]
    ms = spread(1e3 * one for one in row.seconds)
    key = [case["kind"], str(case["batch"]), f"{case['images']:,}"]
    return _threads(row), [*key, spread(row.rates), ms, *memory]


_TABLES = {
    "augmentation": Table(
        "(a) Augmentation, pairs per second. A pair is one image with its two views.",
        ["who", "pairs/s", "x lightly", "x torchvision on PIL"],
        _augmentation,
    ),
    "step": Table(
        "(b) The whole step over the bare backbone (its forward and backward on two views).",
        ["method", "step", "ms", "step / bare", "launches", "graphs"],
        _step,
    ),
    "loop": Table(
        "(c) The whole pretraining loop, images per second.",
        ["who", "format", "images/s", "time / ours", "s/epoch", "GPU MB"],
        _loop,
    ),
    "probes": Table(
        "(d) Probes: seconds to fit and score; a tenth of the features is the test.",
        ["who", "seconds", "time / ours", "accuracy %", "apart"],
        _probes,
    ),
    "growth": Table(
        "(e) Cost as the work grows: SimCLR on a ResNet-8; memory beyond that of the imports.",
        ["what grows", "batch", "images", "images/s", "ms/step", "MB", "GPU MB"],
        _growth,
    ),
}
