"""Where runs, data, notebooks and shipped records lie.

`SSLBOOK_HOME` wins; else the checkout found upward from the working folder; else the user's
own data folder. Nothing is created by looking.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sslbook.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]


def is_checkout(folder: Path) -> bool:
    """True where `folder` is the root of a copy of the book's repository."""
    # os.path says no where pathlib raises: of what may not be looked into, nothing is known.
    return (os.path.isfile(folder / "notebooks" / "toc.yml")
            and os.path.isdir(folder / "sslbook"))


def expanded(text: str | os.PathLike) -> Path:
    """A path as typed, ~ and ~name replaced. Raises UsageError where nobody has that home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text} is nowhere: that user is not known or has no home.",
                         "Nothing was read or written.",
                         "Write the path without ~, or set HOME or SSLBOOK_HOME.") from error


def checkout() -> Path | None:
    """The root of the book's checkout, found upward from the working folder."""
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if is_checkout(folder)), None)


def home() -> Path:
    """The folder under which `runs/` and `data/` lie."""
    return home_and_why()[0]


def home_and_why() -> tuple[Path, str]:
    """`home`, and in words why it is that folder."""
    if named := os.environ.get("SSLBOOK_HOME", ""):
        return expanded(named).resolve(), "SSLBOOK_HOME names it"
    if found := checkout():
        return found, "the checkout around the working folder"
    return _user_folder(), "the user's data folder: no checkout is around the working folder"


def shortened(path: Path) -> str:
    """A path as text, with "~" for the user's home folder."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # not below it, or there is none
        return str(path)


def _user_folder() -> Path:
    if sys.platform == "win32":
        base = expanded(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    elif sys.platform == "darwin":
        base = expanded("~/Library/Application Support")
    else:
        base = expanded(os.environ.get("XDG_DATA_HOME") or "~/.local/share")
    return base / "sslbook"


def existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there for this user."""
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))


def runs(out_dir: str = "") -> Path:
    """The folder of runs: `out_dir` when given, else `runs/` at home.

    Raises UsageError where this user may not look into it: it would seem empty.
    """
    folder = expanded(out_dir).resolve() if out_dir else home() / "runs"
    near = existing(folder)
    if os.path.isdir(near) and not os.access(near, os.X_OK | (os.R_OK if near == folder else 0)):
        raise UsageError(f"You have no right to look into {near}, where runs lie ({folder}).",
                         "Nothing was read or written.",
                         "Give another folder with SSLBOOK_HOME or OUT_DIR.")
    return folder


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
