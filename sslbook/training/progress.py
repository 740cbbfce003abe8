"""A progress bar where somebody watches, and nothing in stored outputs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator


def watched() -> bool:
    """True in a live notebook or terminal; False when headless (SSLBOOK_HEADLESS=1, no screen)."""
    if os.environ.get("SSLBOOK_HEADLESS", "") == "1":
        return False
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr.isatty()


@contextlib.contextmanager
def bar(name: str, start: int, total: int) -> Iterator[Callable[[int], object]]:
    """Yield `advance(n)`; the bar is gone when the block ends."""
    if not watched():
        yield lambda n: None
        return
    from tqdm.auto import tqdm

    with tqdm(desc=name, initial=start, total=total, leave=False, unit="step") as shown:
        yield shown.update
