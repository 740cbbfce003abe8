"""Ctrl-C between two steps: an update is never torn in half."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interrupts:
    """`asked` becomes True at the first Ctrl-C; the second one stops at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def deferred() -> Iterator[Interrupts]:
    """Hold SIGINT back inside the block (only the main thread can; elsewhere nothing changes)."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
