"""What the campaign prints: the list of its runs, and the table of their results."""

from __future__ import annotations

import json

from campaign import plan
from campaign.plan import Entry
from sslbook.report import gpu


def plan_lines(entries: list[Entry]) -> list[str]:
    """One line per run: minutes, data, what it is, and whether it is done."""
    lines, left = [f"{'run':28}{'minutes':>8}  {'data':14}what"], 0.0
    for entry in entries:
        done, minutes = plan.done(entry), plan.minutes(entry)
        what = f"{entry.chapter} {entry.preset}".strip() or entry.kind
        what += "".join(f" {k}={v}" for k, v in entry.given.items())
        what += f" (until {entry.until})" if entry.until else ""
        end = "  done" if done else ""
        lines.append(f"{entry.name:28}{minutes:>8.0f}  {entry.data:14}{what}{end}")
        left += 0 if done else minutes
    return [*lines, f"{len(entries)} runs, about {left:.0f} minutes to do"]


def table(entries: list[Entry]) -> list[str]:
    """The results on this machine: accuracies, minutes, speed, memory, and published figures."""
    found = [json.loads(path.read_text(encoding="utf-8")) for entry in entries
             if (path := entry.folder / "result.json").is_file()]
    made = [result["record"] for result in found if "record" in result]
    return [*gpu.tables(made), *(f"{result['name']}: {len(result['bench']['rows'])} rows of speed"
                                 for result in found if "bench" in result)]
