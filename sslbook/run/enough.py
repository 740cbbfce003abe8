"""Is there enough to train on? Said with the reader's own numbers, before the first step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sslbook.errors import DataError, UsageError

_FEW_TESTS = 20  # with fewer, one sample is worth more than five points of accuracy
_NAMES = {"images": "images", "values": "rows", "features": "nodes"}  # by the sets' `inputs`


def check(data: Any, settings: SimpleNamespace) -> None:
    """Hold a training split against the settings; a batch larger than it shrinks, and says so.

    Raises DataError for fewer than two samples or one class of several, UsageError for batches of
    one image.
    """
    size, count, unit = getattr(settings, "batch_size", 0), len(data), _NAMES[data.inputs]
    begin(data, size)
    labels = None if unit == "nodes" or data.labels is None else data.labels.unique()
    if labels is not None and len(labels) == 1 < len(data.classes):
        raise DataError(
            f"{data.name}: all {count} {unit} to train on are of one class, "
            f"{data.classes[int(labels[0])]}, of {len(data.classes)}.", "Nothing was trained.",
            f"Add {unit} of the other classes, or use the data without labels.",
        )
    if size > count:
        print(f"{data.name}: {count} {unit} to train on are fewer than a batch of {size}, "
              f"so every step takes all {count}; more {unit} would teach more")
        settings.batch_size = count


def say_coarse(test: Any) -> None:
    """Say what one sample is worth where there are few to test on."""
    count, unit = len(test), _NAMES[test.inputs]
    if count < _FEW_TESTS:
        print(f"{test.name}: {count} {unit if count > 1 else unit.removesuffix('s')} to test on, "
              f"so scores come in steps of {100 / count:.0f} points")


def begin(data: Any, batch_size: int) -> None:
    """What can be told before a kernel starts, of the first two samples that there are."""
    count, unit = len(data), _NAMES[data.inputs]
    if count < 2:
        raise DataError(
            f"{data.name} holds {count} of the {unit} that are to be trained on, and training "
            "compares two or more.", "Nothing was trained.",
            f"Add {unit}: one in five is kept to test on, and pretraining wants hundreds.",
        )
    if batch_size == 1 and unit == "images":  # rows and nodes may come one by one
        raise UsageError(
            "BATCH_SIZE=1: a batch of one image has nothing to be compared with, in a loss of two "
            "views or in BatchNorm.", "Nothing was trained.", "Give 2 or more, better 32 and more.")
