"""Keep finished runs as reference records: `python scripts/keep.py RUN_FOLDER ...`.

The record goes to data/records/<chapter>/<preset>[-<data set>]-<device>-s<seed>.json; the data set
is named where it is not the preset's own. With `--encoder` the run's encoder goes to
the same folder, where `sslbook embed` finds it on a machine that has run nothing.
Controls that the run measured and the book does not hold yet are kept, too.

Then the verdicts that the new records bring are appended to data/records/ledger.jsonl, so that
what they were before stays visible. Without a folder only that is done.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LARGEST = 1_500_000  # bytes of a shipped encoder

from sslbook import files  # noqa: E402 (from this checkout)
from sslbook.judging import ledger, records  # noqa: E402

RECORDS = ROOT / "data" / "records"


def main(arguments: list[str] | None = None) -> int:
    """Copy what is asked for and print a line for each; exit code 1 where a run is refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs")
    parser.add_argument("--encoder", action="store_true", help="ship the encoder as well")
    parser.add_argument("--name", default="", help="a data set to name in the file")
    options = parser.parse_args(arguments)
    codes = [keep(run, options.name, options.encoder) for run in options.runs]
    kept = [record for path in sorted(RECORDS.glob("*/*-s*.json"))
            if (record := records.read(path))]
    print("ledger.jsonl:", ledger.append(RECORDS / ledger.NAME, ledger.rows(kept)), "new lines")
    return max(codes, default=0)


def keep(run: Path, data: str, encoder: bool) -> int:
    """Keep one run; 0, or 1 with a line that says why it is not kept."""
    record = records.read(run / "record.json")
    if record is None or record["status"] != "finished" or record["trained_with"] != "notebook":
        print(f"{run.name}: not a finished run of the notebook's own code")
        return 1
    weights = run / "encoder.safetensors"
    if encoder and not (weights.is_file() and weights.stat().st_size <= LARGEST):
        print(f"{run.name}: no encoder of at most {LARGEST:,} bytes")
        return 1
    parts = [record["preset"], data, record["device"]["kind"]]
    place = RECORDS / record["chapter"]
    target = place / f"{'-'.join(filter(None, parts))}-s{record['seed']}.json"
    files.write_json(target, record)
    print(target.relative_to(ROOT))
    if encoder:
        for name in ("encoder.json", "encoder.safetensors"):
            shutil.copy(run / name, place / name)
        print(place.relative_to(ROOT))
    keep_controls(run.parents[2] / "data" / "cache" / "controls")
    return 0


def keep_controls(measured: Path) -> None:
    """The controls that lie in the cache of the run's home and not among the records."""
    for path in sorted(measured.glob("*.json")):
        if not (RECORDS / "controls" / path.name).exists():
            shutil.copy(path, RECORDS / "controls" / path.name)
            print("controls", path.name)


if __name__ == "__main__":
    sys.exit(main())
