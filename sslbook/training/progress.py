"""A progress bar where somebody watches, and nothing in stored outputs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any


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


def say_how_it_goes(trainer: Any, done: int) -> None:
    """Once, what is left at the speed of the steps done; once, why they are not faster."""
    minutes = trainer.history.seconds / done * (trainer.total - trainer.step) / 60
    lines = {"time": f"about {minutes:.0f} minutes to go, as measured over {done} steps"
             if minutes > 1.5 and not trainer.quiet else "",
             "speed": trainer.stepper.reason and
             f"steps are not accelerated: {trainer.stepper.reason}"}
    for key, line in lines.items():
        if line and key not in trainer.said:
            print(f"{trainer.name}: {line}")
            trainer.said.add(key)
    trainer.said.add("time")
