"""What may be pooled, and what may stand side by side: decided here, for verdicts, scores, figures.

Runs that differ in the seed alone are one pool, each seed once. Pools of the same data, preset,
budget and version may be compared. A name is no data set: contents are compared by checksum.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sslbook.records import controls, store
from sslbook.records.claims import Claim, Verdict, decide
from sslbook.records.schema import Record, StoredClaim

Pool = list[Record]
# What must be equal, beside data and preset, for two scores to be compared.
_BUDGET = ("net", "width", "images", "labelled", "size", "epochs", "batch_size", "max_steps",
           "minutes")


def why_not(record: Record) -> str:
    """Why a run counts nowhere but on its own page; "" for one that counts."""
    if record["status"] != "finished":
        return "not finished"
    if record.get("trained_with") != "notebook":
        return "trained with the reference"
    return "of preset check" if record["preset"] == "check" else ""


def pools(found: Iterable[Record]) -> list[Pool]:
    """The runs that count, pooled: in each pool every seed once, the newest run last."""
    by_key: dict[str, Pool] = {}
    for record in found:
        if not why_not(record):
            by_key.setdefault(pool_key(record), []).append(record)
    made = [sorted(pool, key=lambda record: record["started"]) for pool in by_key.values()]
    return [pooled(pool[-1], pool) for pool in made]


def left_out(found: Iterable[Record]) -> str:
    """What `pools` leaves out of some runs, in words; "" where it is nothing."""
    found = list(found)
    why = Counter(filter(None, map(why_not, found)))
    again = len(found) - why.total() - sum(map(len, pools(found)))
    why |= {"of a seed that ran again": again} if again else {}
    return ", ".join(f"{count} {reason}" for reason, count in why.items())


def content(record: Record) -> str:
    """The checksum of each split that a run loaded, as one text."""
    return json.dumps({k: v.get("sha256") for k, v in record["data"].items()}, sort_keys=True)


def budget(record: Record) -> str:
    """Net and length of training, in words: two scores are compared only where it is equal."""
    given = record["parameters"]
    return ", ".join(f"{key} {given[key]}" for key in _BUDGET if given.get(key))


def place(record: Record) -> tuple[str, ...]:
    """Runs with equal places may stand in one table or figure."""
    return content(record), record["preset"], budget(record), _minor(record)


def pool_key(record: Record) -> str:
    """Records with equal keys differ in the seed alone, so a verdict may pool them.

    Equal code is an equal minor version (0.1 of 0.1.3): a change that moves results raises it. The
    digest, which any edit anywhere changes, tells single builds apart and decides nothing.
    """
    parts = [*place(record), record["chapter"], settings(record), record.get("trained_with")]
    return json.dumps(parts, sort_keys=True)


def settings(record: Record) -> dict[str, Any]:
    """What was given to a run, but its seed, and how many others were tried before it."""
    return {k: v for k, v in record["parameters"].items() if k not in ("seed", "tried")}


def pooled(record: Record, others: Iterable[Record]) -> Pool:
    """Those of `others` that may be pooled with `record`, one per seed, newest wins; it is last."""
    key, by_seed = pool_key(record), {}
    for other in others:
        if other["status"] == "finished" and pool_key(other) == key:
            by_seed[other["seed"]] = other
    by_seed.pop(record["seed"], None)
    return [*(by_seed[seed] for seed in sorted(by_seed)), record]


def pool_of(record: Record, runs: Path) -> Pool:
    """`pooled` with the book's records and those of the runs under the folder `runs`."""
    chapter = record["chapter"]
    mine = [found for _, found in store.iter_runs(runs, chapter) if found]
    return pooled(record, [*store.shipped(chapter), *mine])


def verdicts(pool: Pool) -> dict[str, Verdict]:
    """The verdict on each claim of the last record of a pool (they differ in the seed alone).

    A value counts only where it was measured under the very same rule.
    """
    found = {}
    newest = pool[-1]["claims"] if pool else {}
    for key, stored in newest.items():
        claim = Claim.from_dict(stored["claim"])
        rows = [row for r in pool if (row := r["claims"].get(key, {})).get("value") is not None
                and _decides(row["claim"]) == _decides(stored["claim"])]
        rows = rows if pool[-1]["preset"] in claim.presets else []
        found[key] = decide(claim, [r["value"] for r in rows],
                            [_number(r.get("precondition")) for r in rows])
    return found


def data_names(found: Iterable[Record]) -> Callable[[Record], str]:
    """A function that names the training data of each of these runs, as in shapes/2000.

    Where the name means several contents among them, six digits follow: shapes/2000 #a3f2c1.
    """
    contents: dict[str, set[str]] = {}
    for record in found:
        contents.setdefault(data_name(record), set()).add(_contents(record))

    def name(record: Record) -> str:
        plain = data_name(record)
        several = len(contents[plain]) > 1
        return plain + (f" #{_contents(record)[:6]}" if several else "")

    return name


def data_name(record: Record) -> str:
    """The training data and how many samples of them, as in shapes/2000."""
    train = record["data"].get("train", {})
    return f"{train.get('name', '?')}/{train.get('count', '?')}"


def _contents(record: Record) -> str:
    """16 hex digits that tell data of one name apart."""
    return controls.key_of({"content": content(record), "version": _minor(record)})


def _minor(record: Record) -> str:
    return store.minor(record["code"].get("version", ""))


def _decides(claim: StoredClaim) -> tuple[Any, ...]:
    """What must not change between the runs that a verdict pools; wording and presets may."""
    whole = Claim.from_dict(claim)
    return whole.measures, whole.rule, whole.precondition


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
