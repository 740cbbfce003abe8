"""How often a step bothers the GPU's driver: on a fast GPU this, not the work, can be the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

_KERNELS = ("cudaLaunchKernel", "cuLaunchKernel")  # and what is named with these in front
_GRAPHS = ("cudaGraphLaunch", "cuGraphLaunch")
_STEPS = 16  # random numbers are drawn once in so many steps


class Launches(NamedTuple):
    """Per step, on average."""

    kernels: float
    graphs: float


def tally(events: Iterable[Any], steps: int) -> Launches:
    """Launches per step of a profile's averages: each has a `key` and a `count`."""
    found = [(str(event.key), int(event.count)) for event in events]
    kernels, graphs = (
        sum(count for key, count in found if key.startswith(names)) / steps
        for names in (_KERNELS, _GRAPHS)
    )
    return Launches(kernels, graphs)


def count(step: Callable[[], Any]) -> Launches:
    """Launches of a step, averaged over 16."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in range(_STEPS):
            step()
        torch.cuda.synchronize()
    return tally(seen.key_averages(), _STEPS)
