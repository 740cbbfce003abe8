"""The log of a headless run, and on a terminal one line of progress."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import IO, Any

_PAUSE = 1.0  # seconds between two looks at how far the training is
_CLEAR = "\r\x1b[K"


class Screen:
    """A stream that Papermill writes the log to.

    log: the stream that shows it, or None. copy: a file that keeps it, or None. The line of
    progress goes to stderr, and only where that is a terminal.
    """

    def __init__(self, log: IO[str] | None = sys.stdout, copy: IO[str] | None = None):
        self.streams = [stream for stream in (log, copy) if stream is not None]
        self.terminal = sys.stderr if sys.stderr.isatty() else None
        self.line, self.looked = "", 0.0

    def write(self, text: str) -> int:
        self._progress("")
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def follow(self, folder: Path, place: str) -> None:
        """Show how far the run in `folder` is; place: which cell it executes."""
        if self.terminal is None or time.monotonic() - self.looked < _PAUSE:
            return
        self.looked = time.monotonic()
        self._progress("  ".join(filter(None, [place, progress(folder)])))

    def end(self) -> None:
        self._progress("")
        self.flush()

    def _progress(self, line: str) -> None:
        if self.terminal is not None and line != self.line:
            self.terminal.write(_CLEAR + line)
            self.terminal.flush()
            self.line = line


def progress(folder: Path) -> str:
    """How far the newest training of a run is, such as "pretrain: step 120 of 400"; "" unknown."""
    row = _last(folder / "metrics.jsonl")
    if not {"training", "step", "steps"} <= set(row):
        return ""
    return f"{row['training']}: step {row['step']} of {row['steps']}"


def _last(path: Path) -> dict[str, Any]:
    """The last whole line of a file of JSON lines, {} where there is none."""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        file.seek(max(0, file.seek(0, 2) - 4096))
        for line in reversed(file.read().splitlines()):
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict) and "step" in found:
                    return found
    return {}
