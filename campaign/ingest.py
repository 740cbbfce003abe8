"""Bring results home: records of chapters to data/records, the rest to where its kind lies."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from campaign import packing, plan
from campaign.plan import Entry
from sslbook import files, paths
from sslbook.judging import control_records, records


def ingest(folder: Path, scratch: Path) -> list[str]:
    """Take the results in the archives of a folder into the repository; a line for each.

    scratch: where runs, figures and encoders are laid out. Kept is a finished run of the list, of
    its chapter and parameters, on a CUDA device; all else is named and left out. Nothing in an
    archive is executed.
    """
    found, said = packing.unpack(folder)
    entries = {entry.name: entry for entry in plan.entries()}
    for name in sorted(name for name in found if name.startswith("results/")):
        said.append(_result(name, found, entries, scratch))
    for name in sorted(name for name in found if name.startswith("controls/")):
        said += _control(Path(name).stem, found[name])
    _keeper().main([])  # the ledger's lines
    return said


def _result(name: str, found: dict[str, bytes], entries: dict[str, Entry], scratch: Path) -> str:
    """Keep one result; a line that says where, or why not."""
    try:
        result = json.loads(found[name])
        entry = entries[result["name"]]
        keep = {"chapter": _chapter, "bench": _speed}.get(entry.kind, _baseline)
        return f"{entry.name}: {keep(entry, result, found, scratch)}"
    except (ValueError, KeyError, TypeError) as error:
        return f"{name}: no result of the campaign, left out ({error})"


def _chapter(entry: Entry, result: dict[str, Any], found: dict[str, bytes], scratch: Path) -> str:
    """Lay the run out as `scripts/keep.py` wants it, and keep it."""
    run = scratch / "runs" / entry.chapter / entry.name
    run.mkdir(parents=True, exist_ok=True)
    for name, data in found.items():
        if name.startswith((f"figures/{entry.name}/", f"encoders/{entry.name}/")):
            with files.publish(run / Path(name).name) as path:
                path.write_bytes(data)
    if why := _foreign(entry, result["record"], run / "record.json"):
        return why
    keeper = _keeper()
    weights = run / "encoder.safetensors"
    small = weights.is_file() and weights.stat().st_size <= keeper.LARGEST
    shipped = small and entry.preset == "lesson" and not entry.seed
    code = keeper.keep(run, entry.label, encoder=shipped)
    return "refused" if code else f"kept, {result['minutes']:.1f} minutes"


def _baseline(entry: Entry, result: dict[str, Any], found: dict[str, bytes], scratch: Path) -> str:
    run = scratch / "runs" / entry.kind / entry.name
    run.mkdir(parents=True, exist_ok=True)
    if why := _foreign(entry, result["record"], run / "record.json"):
        return why
    target = plan.BASELINES / f"{entry.name}.json"
    files.write_json(target, result["record"])
    return str(target.relative_to(plan.ROOT))


def _speed(entry: Entry, result: dict[str, Any], found: dict[str, bytes], scratch: Path) -> str:
    about = result["bench"]
    if about["device"] != "cuda" or about["quick"]:
        return "not measured on a GPU, left out"
    digits = "".join(c for c in about["date"][:10] if c.isdigit())
    target = plan.SPEED / f"{entry.name}-{digits}.json"
    files.write_json(target, about)
    return str(target.relative_to(plan.ROOT))


def _foreign(entry: Entry, record: dict[str, Any], path: Path) -> str:
    """Why this is no record of that run; "" where it is. It is written to `path`."""
    files.write_json(path, record)
    if records.read(path) is None:
        return "not a record of this book, left out"
    if (record["device"]["kind"], record["status"]) != ("cuda", "finished"):
        return "not a finished run on a CUDA device, left out"
    given = entry.parameters if entry.kind == "chapter" else entry.given
    told = records.plain({key.lower(): value for key, value in given.items()})
    same = all(record["parameters"].get(key) == value for key, value in told.items())
    if not same or record["chapter"] != (entry.chapter or entry.name):
        return "of another chapter or other parameters, left out"
    return ""


def _control(name: str, data: bytes) -> list[str]:
    """Keep the controls of one data set, net and budget where the book has none."""
    target = paths.records() / "controls" / f"{name}.json"
    try:
        stored = json.loads(data)
        whole = control_records.key_of(stored["parts"]) == name and {
            f"{row} {key}": float(value) for row, found in stored["scores"].items()
            for key, value in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        return [f"control {name}: damaged, left out"]
    if target.exists():
        return []
    files.write_json(target, stored)
    return [f"control {name}"]


def _keeper() -> Any:
    """scripts/keep.py as a module."""
    spec = importlib.util.spec_from_file_location("keep", plan.ROOT / "scripts" / "keep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
