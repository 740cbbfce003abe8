"""Keep finished runs among the book's reference records: `sslbook nb keep RUN_FOLDER ...`.

Each verdict that new records bring is appended to data/records/ledger.jsonl, so that what it was
before stays visible.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sslbook import records
from sslbook.core import files, paths
from sslbook.errors import UsageError
from sslbook.records import ledger, pools

LARGEST = 1_500_000  # bytes of a shipped encoder


def keep(run: Path, data: str = "", encoder: bool = False) -> Iterator[Path]:
    """Copy a finished run's record, and controls that are new, to data/records; the files written.

    The record goes to data/records/<chapter>/<preset>[-<data>]-<device>-s<seed>.json. data: names
    the data set where it is not the preset's own. encoder: it lies beside the record then, where
    `sslbook.load_encoder` finds it on a machine that has run nothing. Raises UsageError outside a
    checkout, for a run that is not finished or trained with a reference, and for an encoder that
    is missing or large; nothing was written then.
    """
    base, run = _records(), run.resolve()
    record = records.read(run / "record.json")
    why = pools.why_not(record) if record else "no record"
    if record is None or why:
        raise UsageError(f"{run.name}: not a finished run of the notebook's own code ({why}).",
                         "It is not kept.", "See: sslbook runs")
    weights = run / "encoder.safetensors"
    if encoder and not (weights.is_file() and weights.stat().st_size <= LARGEST):
        raise UsageError(f"{run.name}: no encoder of at most {LARGEST:,} bytes.",
                         "Nothing of it is kept.", "Leave --encoder out.")
    parts = filter(None, [record["preset"], data, record["device"]["kind"]])
    target = base / record["chapter"] / f"{'-'.join(parts)}-s{record['seed']}.json"
    files.write_json(target, record)
    yield target
    for name in ("encoder.json", "encoder.safetensors") if encoder else ():
        yield Path(shutil.copy(run / name, target.parent / name))
    measured = run.parents[2] / "data" / "cache" / "controls"
    (base / "controls").mkdir(exist_ok=True)
    for path in sorted(measured.glob("*.json")):
        if not (base / "controls" / path.name).exists():
            yield Path(shutil.copy(path, base / "controls" / path.name))


def update_ledger() -> int:
    """Append the verdicts of all reference records that are new to the ledger; how many."""
    return ledger.append(_records() / ledger.NAME, ledger.rows(records.shipped()))


def _records() -> Path:
    if paths.checkout() is None:
        raise UsageError("This is no checkout of the book.", "Nothing is kept.",
                         "Reference records are kept inside a checkout alone.")
    return paths.records()
