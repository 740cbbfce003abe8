"""(5) What a book of more chapters costs: imports, reading the records, the contract.

The book is copied with every chapter and its records once, three and six times. Each figure is the
CPU seconds of a fresh process, its imports included.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from tools.bench.rows import Row
from tools.bench.timing import Options

ROOT = Path(__file__).resolve().parents[2]
JOBS = {
    "import torch": "import torch",
    "import sslbook": "from sslbook import start, train",  # what a chapter's first cell loads
    "records": "from sslbook import records; records.shipped()",
    "contract": "from sslbook.book import toc; from sslbook.nbtools import contract; "
                "[contract.check(chapter.path) for chapter in toc.chapters()]",
}  # fmt: skip


def run(options: Options) -> Iterator[Row]:
    """A row for each job and number of chapters."""
    for times in (2,) if options.quick else (1, 3, 6):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            case = f"{copy_book(ROOT, Path(folder), times)} chapters"
            for who in ("records",) if options.quick else JOBS:
                row = Row("growth", case, who, clock="process time")
                row.seconds = [seconds(JOBS[who], Path(folder)) for _ in range(options.rounds)]
                yield row


def copy_book(source: Path, target: Path, times: int) -> int:
    """Write a book with every chapter, and its records, `times` times. Returns the chapters."""
    for name in ("notebooks", "docs", "data/records"):
        shutil.copytree(source / name, target / name)
    (target / "sslbook").mkdir()  # which tells a checkout
    contents = yaml.safe_load((source / "notebooks/toc.yml").read_text(encoding="utf-8"))
    for part in contents["parts"]:
        folder = target / "notebooks" / part["part"]
        for entry in list(part["chapters"]):
            name = entry["name"] if isinstance(entry, dict) else entry
            for copy in (f"{name}_{number}" for number in range(1, times)):
                part["chapters"].append({**entry, "name": copy} if name != entry else copy)
                for file in list(folder.glob(f"{name}.*")):
                    shutil.copy(file, folder / f"{copy}{file.suffix}")
    (target / "notebooks/toc.yml").write_text(yaml.safe_dump(contents, sort_keys=False), "utf-8")
    for record in list((target / "data/records").rglob("*.json")):
        for number in range(1, times):
            shutil.copy(record, record.with_stem(f"{record.stem}_{number}"))
    return sum(len(part["chapters"]) for part in contents["parts"])


def seconds(code: str, folder: Path) -> float:
    """CPU seconds of a fresh process that runs the code. CalledProcessError where it fails."""
    kept = {key: value for key, value in os.environ.items() if key != "SSLBOOK_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import time; print(time.process_time())"], cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return float(done.stdout)
