"""Memory that a process holds itself: anonymous resident pages, files that are mapped left out."""

from __future__ import annotations

import re
import threading
from pathlib import Path

_STATUS = Path("/proc/self/status")
_EVERY = 0.02  # seconds between two looks


def anonymous_mb() -> float | None:
    """RssAnon of this process in MB (2**20 bytes); None where the system does not say."""
    try:
        text = _STATUS.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^RssAnon:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else None


class Peak:
    """The most memory that is held inside the block, over what was held at its beginning.

    A thread looks every 20 ms, so what comes and goes between two looks is missed. `mb` is None
    where the system does not say.
    """

    mb: float | None = None

    def __enter__(self) -> Peak:
        self._before, self._done = anonymous_mb(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self._before is not None:
            self.mb = 0.0
            self._thread.start()
        return self

    def _watch(self) -> None:
        self._look()
        while not self._done.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        now = anonymous_mb()
        if now is not None and self._before is not None:
            self.mb = max(self.mb or 0.0, now - self._before)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._before is not None:
            self._thread.join()
            self._look()
