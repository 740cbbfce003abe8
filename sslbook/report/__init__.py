"""The ledger and the scoreboard as text, from records alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sslbook.judging import records


def ledger(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per claim and pool of records that differ in the seed alone.

    Keys: chapter, claim, text, measures, rule, verdict, n, mean, low, high, preset, data, tried.
    """
    pools: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in found:
        if record["status"] == "finished" and record.get("trained_with") == "notebook":
            pools[records.pool_key(record)].append(record)
    rows = []
    for pool in pools.values():
        pool = records.pooled(pool[-1], pool)
        last = pool[-1]
        for key, verdict in records.verdicts(pool).items():
            claim = last["claims"][key]["claim"]
            rows.append({
                "chapter": last["chapter"], "claim": key, "text": claim["text"],
                "measures": claim["measures"], "rule": _rule(claim["rule"]),
                "verdict": str(verdict), "n": verdict.n, "mean": verdict.mean,
                "low": verdict.low, "high": verdict.high, "preset": last["preset"],
                "data": _data(last), "device": last["device"]["kind"], "tried": last["tried"],
            })
    return rows


def scoreboard(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per finished run and row of its table; never ranked across data or presets."""
    return [
        {"chapter": r["chapter"], "preset": r["preset"], "data": _data(r), "seed": r["seed"],
         "row": row, **measures}
        for r in found if r["status"] == "finished"
        for row, measures in r["scores"].items()
    ]


def plain(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Ledger and scoreboard as JSON can hold them: what was not measured is null."""
    return {name: [{k: None if v != v else v for k, v in row.items()} for row in rows]
            for name, rows in (("ledger", ledger(found)), ("scoreboard", scoreboard(found)))}


def text(found: list[dict[str, Any]]) -> str:
    """Ledger and scoreboard as plain text."""
    if not found:
        return "No records yet. Make one with: sslbook run barlow_twins"
    claims, scores = ledger(found), scoreboard(found)
    lines = ["Claims (a verdict pools runs that differ in the seed alone)", ""] if claims else []
    for row in claims:
        place = f"{row['chapter']} ({row['claim']}), {row['preset']}, {row['data']}"
        value = "not measured" if not row["n"] else f"{row['mean']:.4g}"
        spread = "" if row["low"] != row["low"] else f" [{row['low']:.4g}, {row['high']:.4g}]"
        lines.append(f"{place}: {row['verdict']}")
        lines.append(f"    {row['text']}")
        lines.append(f"    {row['measures']}: {value}{spread}")
        lines.append(f"    rule {row['rule']}; n={row['n']}; configurations tried: {row['tried']}")
    lines += ["", "Scores (compare only within one data set and preset)", ""]
    for row in scores:
        measures = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if isinstance(v, float))
        place = f"{row['chapter']}, {row['preset']}, {row['data']}, seed {row['seed']}"
        lines.append(f"{place:<52}{row['row']:<14}{measures}")
    return "\n".join(lines)


def _rule(rule: dict[str, Any]) -> str:
    return f"{rule['op']} {rule['bound']:g}" + (" over seeds" if rule["seeds"] else "")


def _data(record: dict[str, Any]) -> str:
    train = record.get("data", {}).get("train", {})
    return f"{train.get('name', '?')}/{train.get('count', '?')}"
