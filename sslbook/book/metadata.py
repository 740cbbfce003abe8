"""A chapter's metadata: the file `<name>.yml` beside its notebook, all that the book says of it.

title, form (long, short, study, guide), edition (1: a chapter of the first pattern, whose limits
still hold for it), idea (one sentence), paper (address); needs: chapters to read before; parents:
{chapter this method comes from: the one thing changed}; twin: modules of `sslbook.methods` (left
out in a long or short chapter: the one of its own name); data: modules of `sslbook.datasets` whose
change means that the chapter must run again; takes: the kinds of data that its DATASET may name
(image, table, graph; [] where it uses none); measure: what the chapter's table is about, such as
knn20; learns: "no: reason" where nothing is to beat the untrained net, as in a study of a failure;
symbols: see `symbols.py`; notes: for the teacher, by section, see `course/notes.py`; changes: see
`changelog.py`. metadata.schema.json says which kind each is of.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from sslbook.core import files
from sslbook.errors import UsageError

_OTHERS = ("toc.yml", "teaching.yml", "glossary.yml")
_SCHEMA = Path(__file__).with_name("metadata.schema.json")
# libyaml's loader is ten times as fast; it is in every wheel of PyYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> dict[str, Any]:
    """What is in toc.yml, teaching.yml, docs/glossary.yml or a chapter's file: do not change it.

    The file is read once as long as it stays as it is. Raises UsageError that names it where it is
    missing or not as metadata.schema.json has it.
    """
    try:
        status = path.stat()
        return _parsed(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise wrong(path, f"it cannot be read ({reason})") from error


@lru_cache(maxsize=1024)
def _parsed(path: Path, _modified: int, _size: int) -> dict[str, Any]:
    found = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # nosec B506 # a safe loader
    kind = path.stem if path.name in _OTHERS else "chapter"
    files.schema(_SCHEMA)({kind: found})
    return found


def wrong(path: Path, what: str) -> UsageError:
    """The error of a file that describes the book."""
    name = path.name if path.name == "toc.yml" else f"{path.parent.name}/{path.name}"
    name = name if path.name == "glossary.yml" else f"notebooks/{name}"
    return UsageError(f"The book's contents are wrong at {name}: {what}.",
                      "Nothing was done.", f"Mend {name}.")
