"""What goes to the GPU machine beside the repository: the chapters' code and the data sets."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from campaign.plan import CHAPTERS, DATA, ROOT, TRAVELS, Entry, stored
from sslbook.errors import UsageError

LIMIT_MB = 62  # MiB in all: the repository without its notebooks, and what lies in TRAVELS


def prepare(entries: Iterable[Entry], source: Path | None) -> int:
    """Lay code, commit and data of these runs into TRAVELS; returns the bytes that will travel.

    source: the folder that holds the published data sets. Raises UsageError where a file is
    missing or where all of it is more than may travel.
    """
    entries = list(entries)
    shutil.rmtree(TRAVELS, ignore_errors=True)
    CHAPTERS.mkdir(parents=True)
    for chapter in sorted({entry.chapter for entry in entries} - {""}):
        (CHAPTERS / f"{chapter}.json").write_text(json.dumps(cells(chapter)), encoding="utf-8")
    commit = _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    (TRAVELS / "commit").write_text(commit, encoding="utf-8")
    for name in files(entries):
        if source is None or not (source / name).is_file():
            raise UsageError(f"{name} is not there.", "Not all was prepared.",
                             "Name the folder of the data sets in SSLBOOK_DATA.")
        (DATA / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, DATA / name)
    size = repository() + sum(f.stat().st_size for f in TRAVELS.rglob("*") if f.is_file())
    if size > LIMIT_MB * 2**20:
        raise UsageError(f"{size / 2**20:.1f} MiB would travel; {LIMIT_MB} may.",
                         "It lies ready all the same.", "Choose runs on fewer data with --only.")
    return size


def files(entries: Iterable[Entry]) -> dict[str, int]:
    """The files that the runs' data sets consist of, with their bytes."""
    sets = stored()["data"]
    return {name: size for data in {entry.data: None for entry in entries}
            for name, size in sets[data]["files"].items()}


def cells(chapter: str) -> list[dict[str, str]]:
    """A chapter's code cells, solved: [{"section", "source"}]; from its notebook where it is here.

    Raises UsageError where neither the notebook nor what `prepare` made of it is here.
    """
    from sslbook.nbtools import toc
    from sslbook.nbtools.source import read

    folder, made = ROOT / "notebooks", CHAPTERS / f"{chapter}.json"
    if (folder / "toc.yml").is_file():
        found = toc.find(chapter, folder)
        return [{"section": cell.section, "source": cell.source}
                for cell in read(found.path, found).cells if cell.kind == "code"]
    if not made.is_file():
        raise UsageError(f"The code of {chapter!r} is not here.", "Nothing was started.",
                         "On the machine with the notebooks: gpu_campaign.py --prepare")
    return json.loads(made.read_text(encoding="utf-8"))


def repository() -> int:
    """Bytes of the tracked files without the notebooks."""
    names = _git("ls-files", "-z", "--", ":!notebooks").split("\0")
    return sum((ROOT / name).stat().st_size for name in names if name and (ROOT / name).is_file())


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True,
                          check=True)  # nosec B607 # the user's own git, as in a shell
    return done.stdout.strip()
