"""How many steps a training takes: epochs, a limit, or what fits into the given minutes."""

from __future__ import annotations

import time
from typing import Any


def planned_steps(trainer: Any) -> int:
    """Steps from the settings: epochs, or what fits into `minutes`; at most `max_steps`."""
    settings = trainer.run.settings
    steps = max(1, round(getattr(settings, "epochs", 1) * len(trainer.batches)))
    if minutes := getattr(settings, "minutes", 0.0):
        steps = max(1, int(minutes * 60 / _seconds_per_step(trainer)))
    limit = getattr(settings, "max_steps", 0)
    return min(steps, limit) if limit else steps


def _seconds_per_step(trainer: Any) -> float:
    """Five timed steps; weights and optimiser are then put back to where they began."""
    state = {key: value.clone() for key, value in trainer.module.state_dict().items()}
    with trainer.streams.seeded("timing"):
        for step in range(5):  # a capture takes the first few
            trainer.update(step, 10**6)
        float(trainer.recent[-1])
        began = time.perf_counter()
        for step in range(5):
            trainer.update(step, 10**6)
        float(trainer.recent[-1])  # waits for the device
    seconds = (time.perf_counter() - began) / 5
    trainer.recent.clear()
    trainer.module.load_state_dict(state)
    trainer.new_step()
    return seconds
