"""Controls do not depend on the method: computed once per data, net, budget and seed, then read.

The book ships those of its own presets (data/records/controls); others are kept in the cache of
the user's data folder. `judging.control_scores` makes them again where somebody doubts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslbook.core import files, paths
from sslbook.errors import UserError


def key_of(parts: dict[str, Any]) -> str:
    """16 hex digits for the plain values that a control depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path, parts: dict[str, Any]) -> dict[str, Any] | None:
    """The scores in a control's file, or None when it is missing, damaged or another's."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        same = stored["parts"] == json.loads(json.dumps(parts))
        rows = {row: dict(measures) for row, measures in stored["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return rows if same else None


def cached(parts: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The scores for `parts`: shipped, else cached, else computed and cached."""
    name = f"{key_of(parts)}.json"
    mine = paths.data() / "cache" / "controls" / name
    for path in (paths.records() / "controls" / name, mine):
        if (found := read(path, parts)) is not None:
            return found
    found = compute()
    with contextlib.suppress(UserError):  # only a cache: a full disk or read-only home is no error
        files.write_json(mine, {"parts": parts, "scores": found})
    return found
