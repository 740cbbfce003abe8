"""sslbook: the support package of the workbook of self-supervised learning.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sslbook.core.version import __version__
from sslbook.errors import DataError, UsageError, UserError

if TYPE_CHECKING:
    from sslbook.records.claims import Rule as Rule
    from sslbook.run.encoders import embed as embed
    from sslbook.run.encoders import load_encoder as load_encoder
    from sslbook.run.run import start as start
    from sslbook.training import FullBatch as FullBatch
    from sslbook.training import train as train

_LAZY = {
    "start": "sslbook.run.run",
    "train": "sslbook.training",
    "load_encoder": "sslbook.run.encoders",
    "embed": "sslbook.run.encoders",
    "FullBatch": "sslbook.training",
    "Rule": "sslbook.records.claims",
}

__all__ = ["DataError", "UsageError", "UserError", "__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sslbook' has no attribute {name!r}")
