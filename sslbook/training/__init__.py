"""The one pretraining loop and its parts, the same for images, graphs, tables and series."""

from sslbook.training.batches import Batches, FullBatch
from sslbook.training.history import History
from sslbook.training.loop import train
from sslbook.training.optim import Recipe

__all__ = ["Batches", "FullBatch", "History", "Recipe", "train"]
