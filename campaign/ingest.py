"""Bring results home: records of chapters to data/records, the rest to where its kind lies."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from campaign import packing, plan
from sslbook import files
from sslbook.judging import records


def ingest(folder: Path, scratch: Path) -> list[str]:
    """Take the results in the archives of a folder into the repository; a line for each.

    scratch: where runs, figures and encoders are laid out. A miniature, a run that did not finish
    or a record that breaks the schema is named and left out. Nothing in an archive is executed.
    """
    found, said = packing.unpack(folder), []
    entries = {entry.name: entry for entry in plan.entries()}
    for name in sorted(name for name in found if name.startswith("results/")):
        result = json.loads(found[name])
        entry = entries.get(result.get("name", ""))
        if entry is None:
            said.append(f"{result.get('name', name)}: no run of the campaign, left out")
        elif entry.kind == "chapter":
            said.append(_chapter(entry, result, found, scratch))
        else:
            said.append(_other(entry, result))
    for name in sorted(name for name in found if name.startswith("controls/")):
        target = records.paths.records() / "controls" / Path(name).name
        if not target.exists():
            files.write_text(target, found[name].decode())
            said.append(f"control {target.stem}")
    return said


def _chapter(entry: plan.Entry, result: dict[str, Any], found: dict[str, bytes], scratch: Path
             ) -> str:
    """Lay the run out as `scripts/keep.py` wants it, and keep it."""
    run = scratch / "runs" / entry.chapter / entry.name
    run.mkdir(parents=True, exist_ok=True)
    record = {**result["record"], "executed": result["executed"]}
    files.write_json(run / "record.json", record)
    for name, data in found.items():
        for kind in ("figures", "encoders"):
            if name.startswith(f"{kind}/{entry.name}/"):
                with files.publish(run / Path(name).name) as path:
                    path.write_bytes(data)
    if records.read(run / "record.json") is None:
        return f"{entry.name}: not a record of this book, left out"
    keep = _keeper()
    weights = run / "encoder.safetensors"
    small = weights.is_file() and weights.stat().st_size <= keep.LARGEST
    shipped = small and entry.preset == "lesson" and not entry.seed
    code = keep.keep(run, entry.label, encoder=shipped)
    return f"{entry.name}: " + ("refused" if code else f"kept, {result['minutes']:.1f} minutes")


def _other(entry: plan.Entry, result: dict[str, Any]) -> str:
    """A baseline or the speed tables, as JSON beside its like."""
    if entry.kind == "bench":
        about = result["bench"]
        target = plan.SPEED / f"{entry.name}-{about['device']}-{about['date'][:10]}.json"
        files.write_json(target, about)
    else:
        record = result["record"]
        target = plan.BASELINES / f"{entry.name}-{record['device']['kind']}.json"
        files.write_json(target, record)
        if records.read(target) is None:
            target.unlink()
            return f"{entry.name}: not a record of this book, left out"
    return f"{entry.name}: {target.relative_to(plan.ROOT)}"


def _keeper() -> Any:
    """scripts/keep.py as a module."""
    spec = importlib.util.spec_from_file_location("keep", plan.ROOT / "scripts" / "keep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
