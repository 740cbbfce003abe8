"""sslbook: the support package of the workbook of self-supervised learning.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sslbook.errors import DataError, UsageError, UserError

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sslbook.encoders import embed as embed
    from sslbook.encoders import load_encoder as load_encoder
    from sslbook.run import start as start
    from sslbook.training import train as train

_LAZY = {
    "start": "sslbook.run",
    "train": "sslbook.training",
    "load_encoder": "sslbook.encoders",
    "embed": "sslbook.encoders",
}

__all__ = ["DataError", "UsageError", "UserError", "__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sslbook' has no attribute {name!r}")
