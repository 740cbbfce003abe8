"""The device of a run: which one, and what a record says of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import torch

from sslbook.errors import UsageError


def choose() -> torch.device:
    """SSLBOOK_DEVICE, else CUDA, else Apple's MPS, else the CPU.

    Raises UsageError where SSLBOOK_DEVICE names what this machine does not have.
    """
    named = os.environ.get("SSLBOOK_DEVICE", "")
    if named:
        return _named(named)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _named(name: str) -> torch.device:
    try:
        found = torch.device(name)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"SSLBOOK_DEVICE={name} cannot be used here.", "Nothing was started.",
            "Set it to cpu, cuda, cuda:1 or mps, or leave it empty.",
        ) from error
    return found


def describe(device: torch.device) -> Mapping[str, Any]:
    """Kind, name, threads and the number of ranks, as they go into a record."""
    import platform

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"kind": device.type, "name": name, "threads": torch.get_num_threads(),
            "ranks": int(os.environ.get("WORLD_SIZE") or 1)}


def peak_memory_mb() -> int | None:
    """The most memory that this process held so far, in MB; None where the system cannot say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
