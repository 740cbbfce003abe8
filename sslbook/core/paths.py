"""Where runs, data, notebooks and shipped records lie.

`SSLBOOK_HOME` wins; else the checkout found upward from the working folder; else the user's
own data folder. Nothing is created by looking.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def is_checkout(folder: Path) -> bool:
    """True where `folder` is the root of a copy of the book's repository."""
    return (folder / "notebooks" / "toc.yml").is_file() and (folder / "sslbook").is_dir()


def checkout() -> Path | None:
    """The root of the book's checkout, found upward from the working folder."""
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if is_checkout(folder)), None)


def home() -> Path:
    """The folder under which `runs/` and `data/` lie."""
    named = os.environ.get("SSLBOOK_HOME", "")
    if named:
        return Path(named).expanduser().resolve()
    found = checkout()
    return found if found is not None else _user_folder()


def _user_folder() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "sslbook"


def existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def runs(out_dir: str = "") -> Path:
    """The folder of runs: `out_dir` when given, else `runs/` at home."""
    return Path(out_dir).expanduser().resolve() if out_dir else home() / "runs"


def data() -> Path:
    """The folder that downloads and caches go to."""
    return home() / "data"


def _shipped(name: str, in_checkout: str) -> Path:
    """A folder that the wheel carries inside the package, and a checkout at its root."""
    inside = PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else PACKAGE.parent / in_checkout


def notebooks() -> Path:
    """The folder of the book's notebooks (`toc.yml` lies in it)."""
    found = checkout()
    return found / "notebooks" if found else _shipped("notebooks", "notebooks")


def records() -> Path:
    """The folder of the reference records that come with the book."""
    found = checkout()
    return found / "data" / "records" if found else _shipped("records", "data/records")
