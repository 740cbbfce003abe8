"""A chapter on other data: what its shipped runs there say, beside the same controls."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sslbook import records
from sslbook.lesson.viz.show import show_table
from sslbook.records.claims import interval


def show(chapter: str, here: str, row: str, measure: str) -> None:
    """One line per data set (but `here`) and preset: `row`, raw input, untrained net, the gain.

    Accuracies in percent, means over seeds with their 95 % intervals. A sentence where no such run
    is shipped.
    """
    lines = []
    for pool in records.pools.pools(records.shipped(chapter)):
        data = pool[-1]["data"].get("train", {}).get("name", "")
        seeds = {name: [100 * one["scores"].get(name, {}).get(measure, math.nan) for one in pool]
                 for name in ("pixels", "random", row)}
        if data != here and not any(math.isnan(n) for found in seeds.values() for n in found):
            gains = [a - b for a, b in zip(seeds[row], seeds["random"], strict=True)]
            lines.append((data, pool[-1]["preset"], str(len(pool)),
                          *map(_mean, seeds.values()), _mean(gains, "+")))
    if lines:
        show_table(("data", "preset", "seeds", "raw pixels (%)", "untrained net (%)",
                    f"{row} (%)", "gain over untrained (points)"), sorted(lines), numbers=True)
    else:
        print(f"No run of {chapter} on other data is shipped.")


def _mean(values: Sequence[float], sign: str = "") -> str:
    low, high = interval(list(values))
    spread = "" if math.isnan(low) else f" [{low:{sign}.1f}, {high:{sign}.1f}]"
    return f"{sum(values) / len(values):{sign}.1f}{spread}"
