"""Worlds: sets that the package draws, in which a method that works is seen to work.

Each module draws the set of its name; docs/worlds.md says what each is for.
"""

from __future__ import annotations

from importlib import import_module

from sslbook.datasets import graphs
from sslbook.datasets.graphs import GraphSet
from sslbook.datasets.known import WORLDS
from sslbook.datasets.types import ImageSet, TableSet

COUNTS = {"train": 6000, "test": 2000}  # images


def load(name: str, split: str, limit: int, size: int, seed: int) -> ImageSet | TableSet | GraphSet:
    """The first `limit` (0: all) samples of a split; of images no others are drawn."""
    draw = getattr(import_module(f"{__name__}.{name}"), name)
    if WORLDS[name][0] == "image":
        n = min(limit or COUNTS[split], COUNTS[split])
        return draw(n, seed, split=split, **({"size": size} if size else {}))
    if WORLDS[name][0] == "table":
        return draw(seed=seed, split=split, limit=limit)
    return graphs.cut(draw(seed=seed, split=split), limit)
