"""A chapter's metadata: the file `<name>.yml` beside its notebook, all that the book says of it.

title, form (long, short, study, guide), idea (one sentence), paper (address); needs: chapters to
read before; parents: {chapter this method comes from: the one thing changed}; twin: modules of
`sslbook.methods` (left out in a long or short chapter: the one of its own name); data: modules of
`sslbook.datasets` whose change means that the chapter must run again; measure: what the chapter's
table is about, such as knn20; symbols: see `symbols.py`; notes: for the teacher, by section, see
`course/notes.py`; changes: see `changes.py`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from sslbook.errors import UsageError

TEXTS, LISTS = ("title", "form", "idea", "paper", "measure"), ("needs", "twin", "data")
_KEYS = {*TEXTS, *LISTS, "parents", "symbols", "notes", "changes"}
# libyaml's loader is ten times as fast; it is in every wheel of PyYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read once as long as the file stays as it is: do not change it.

    Raises UsageError that names the file where it is missing or no mapping.
    """
    try:
        status = path.stat()
        found = _parsed(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise wrong(path, f"it cannot be read ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise wrong(path, "it is not a mapping")
    return found


def of_chapter(path: Path) -> dict[str, Any]:
    """A chapter's metadata; raises UsageError for keys that there are not."""
    found = read(path)
    if extra := set(map(str, found)) - _KEYS:
        raise wrong(path, f"unknown keys: {', '.join(sorted(extra))}")
    return found


@lru_cache(maxsize=1024)
def _parsed(path: Path, _modified: int, _size: int) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # nosec B506 # a safe loader


def wrong(path: Path, what: str) -> UsageError:
    """The error of a file that describes the book."""
    name = path.name if path.name == "toc.yml" else f"{path.parent.name}/{path.name}"
    return UsageError(f"The book's contents are wrong at notebooks/{name}: {what}.",
                      "Nothing was done.", f"Mend notebooks/{name}.")
