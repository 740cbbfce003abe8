"""What the campaign prints: the list of its runs, and the table of their results."""

from __future__ import annotations

import json

from campaign import plan
from campaign.plan import Entry
from sslbook.judging import published
from sslbook.report import gpu


def plan_lines(entries: list[Entry]) -> list[str]:
    """One line per run: minutes, data, what it is, and whether it is done."""
    lines = [f"{'run':28}{'minutes':>8}  {'data':14}what"]
    for entry in entries:
        what = f"{entry.chapter} {entry.preset}".strip() or entry.kind
        what += "".join(f" {k}={v}" for k, v in entry.given.items())
        what += f" (until {entry.until})" if entry.until else ""
        end = "  done" if plan.done(entry) else ""
        lines.append(f"{entry.name:28}{plan.minutes(entry):>8.0f}  {entry.data:14}{what}{end}")
    left = sum(plan.minutes(entry) for entry in entries if not plan.done(entry))
    return [*lines, f"{len(entries)} runs, about {left:.0f} minutes to do"]


def table(entries: list[Entry]) -> list[str]:
    """The results on this machine: accuracies, minutes, speed, memory, and published figures."""
    found = [json.loads(path.read_text(encoding="utf-8")) for entry in entries
             if (path := entry.folder / "result.json").is_file()]
    lines = ["", f"{'run':28}{'encoder':20}{'kNN20':>7}{'kNN200':>7}{'linear':>7}{'highest':>8}"
             f"{'minutes':>8}{'a second':>9}{'MB':>7}"]
    for result in found:
        for row in gpu.of(result["record"]) if "record" in result else ():
            cells = [gpu.percent(row.get(key)) for key in (*gpu.MEASURES, "highest")]
            lines.append(
                f"{result['name']:28}{row['row'][:19]:20}{cells[0]:>7}{cells[1]:>7}{cells[2]:>7}"
                f"{cells[3]:>8}{result['minutes']:>8.1f}{gpu.number(row.get('speed')):>9}"
                f"{gpu.number(row.get('memory')):>7}")
    peers = [row for result in found if "record" in result
             for row in published.beside(result["record"])]
    return lines + ([""] if peers else []) + [
        f"{row['chapter']}, {row['row']}, {row['measure']}: {gpu.percent(row['ours'])}; published "
        f"{gpu.percent(row['published'])}, gap {row['gap']:+.1f} ({row['source']}, {row['about']})"
        for row in peers] + [""]

