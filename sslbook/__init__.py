"""sslbook: the support package of the workbook of self-supervised learning.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslbook.core.lazy import lazy
from sslbook.core.version import __version__
from sslbook.errors import DataError, UsageError, UserError

if TYPE_CHECKING:
    from sslbook.records.claims import Rule as Rule
    from sslbook.run.encoders import embed as embed
    from sslbook.run.encoders import load_encoder as load_encoder
    from sslbook.run.run import start as start
    from sslbook.training import FullBatch as FullBatch
    from sslbook.training import train as train

__getattr__, _names = lazy(__name__, {
    "records.claims": ("Rule",),
    "run.encoders": ("embed", "load_encoder"),
    "run.run": ("start",),
    "training": ("FullBatch", "train"),
})
__all__ = ["DataError", "UsageError", "UserError", "__version__", *_names]
