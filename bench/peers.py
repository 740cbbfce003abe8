"""Other libraries: there or not, and kept quiet while they are measured."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import warnings
from collections.abc import Iterator
from types import ModuleType

from sslbook.errors import UserError

# What pip installs each of them by; the extra `bench` of the package has all.
PIP = {
    "lightly": "lightly>=1.6",
    "kornia": "kornia>=0.8",
    "stable_pretraining": "stable-pretraining>=0.1.8",
}
# No peer starts a logging service or asks a hub.
_SILENT = {
    "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}  # fmt: skip


def need(name: str) -> ModuleType:
    """The library of that name. Raises UserError, which names pip's command, where it is not."""
    if importlib.util.find_spec(name) is None:
        raise UserError(f'not installed: pip install "{PIP[name]}"')
    for key, value in _SILENT.items():
        os.environ.setdefault(key, value)
    with quiet():
        return importlib.import_module(name)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that Python code prints, warns or logs inside the block is seen."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    silence = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(silence):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(silence):
                yield
    finally:
        logging.disable(before)
