"""Is there enough to train on? Said with the reader's own numbers, before the first step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sslbook.errors import DataError, UsageError

_NAMES = {"images": "images", "values": "rows", "features": "nodes"}  # by the sets' `inputs`


def check(data: Any, settings: SimpleNamespace) -> None:
    """Hold a training split against the settings; a batch larger than it shrinks, and says so.

    Raises DataError for fewer than two samples or one class of several, UsageError as `batch`.
    """
    count, unit = len(data), _NAMES[data.inputs]
    if count < 2:
        raise DataError(
            f"{data.name} has {count} of its {unit} to train on; training compares two or more.",
            "Nothing was trained.",
            f"Add {unit}: a fifth is kept to test on, and pretraining wants hundreds at least.",
        )
    labels = None if unit == "nodes" or data.labels is None else data.labels.unique()
    if labels is not None and len(labels) == 1 < len(data.classes):
        raise DataError(
            f"{data.name}: all {count} {unit} to train on are of one class, "
            f"{data.classes[int(labels[0])]}, of {len(data.classes)}.", "Nothing was trained.",
            f"Add {unit} of the other classes, or use the data without labels.",
        )
    size = getattr(settings, "batch_size", 0)
    batch(size, data)
    if size > count:
        print(f"{data.name}: {count} {unit} to train on are fewer than a batch of {size}, "
              f"so every step takes all {count}; more {unit} would teach more")
        settings.batch_size = count


def batch(size: int, data: Any) -> None:
    """Refuse batches of one image. Rows and nodes may come one by one."""
    if size == 1 and data.inputs == "images":
        raise UsageError(
            "BATCH_SIZE=1: a batch of one image has nothing to be compared with, in a loss of two "
            "views or in BatchNorm.", "Nothing was trained.", "Give 2 or more, better 32 and more.")
