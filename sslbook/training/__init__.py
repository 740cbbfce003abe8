"""The one pretraining loop and its parts, the same for images, graphs, tables and series."""

from sslbook.training.acceleration import make_step
from sslbook.training.batches import Batches, FullBatch
from sslbook.training.cudagraph import Obstacles
from sslbook.training.history import History
from sslbook.training.loop import train
from sslbook.training.optim import OptimizerConfig
from sslbook.training.precision import autocast
from sslbook.training.run import Run

__all__ = ["Batches", "FullBatch", "History", "Obstacles", "OptimizerConfig", "Run", "autocast",
           "make_step", "train"]
