"""What this machine can run: versions, device, folders, memory and disk."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from sslbook.book import toc
from sslbook.core import paths
from sslbook.core.version import __version__
from sslbook.errors import UsageError


def examine() -> Iterator[tuple[str, str, bool]]:
    """(what, finding, fine) for each thing that a bug report or a newcomer needs."""
    yield "sslbook", __version__, True
    yield "python", f"{platform.python_version()} on {platform.system()}", True
    yield from _libraries()
    yield from _device()
    yield from _folders()
    yield "help", toc.address("docs/troubleshooting.md"), True


def _folders() -> Iterator[tuple[str, str, bool]]:
    try:
        named, why = paths.home_and_why()
    except UsageError as error:
        yield "home", f"{error.what} {error.todo}", False
        return
    yield "home", f"{paths.shortened(named)} ({why})", True
    home = paths.existing(named)
    free = shutil.disk_usage(home).free / 2**30
    yield "disk", f"{free:.0f} GB free where runs and data lie", free > 2
    writable = os.access(home, os.W_OK)
    yield "folder", "runs and data can be written" if writable else "read-only", writable
    named = os.environ.get("SSLBOOK_DATA", "")
    found = bool(named) and os.path.isdir(os.path.expanduser(named))
    yield "data", ("SSLBOOK_DATA is set" + ("" if found else ", but is no folder")) if named else (
        "SSLBOOK_DATA is not set; sets are downloaded when first used"), found or not named


def _libraries() -> Iterator[tuple[str, str, bool]]:
    for name in ("torch", "torchvision", "numpy", "scikit-learn", "matplotlib", "timm",
                 "papermill", "ipywidgets", "jupyterlab"):
        try:
            yield name, metadata.version(name), True
        except metadata.PackageNotFoundError:
            spare = name == "jupyterlab"  # Colab and Kaggle bring a front end of their own
            yield name, "missing, make lab alone needs it" if spare else (
                "missing: pip install sslbook"), spare


def _device() -> Iterator[tuple[str, str, bool]]:
    try:
        import torch

        # Importing all of torchvision takes as long as torch; its operators are what may not fit.
        (folder,) = importlib.util.find_spec("torchvision").submodule_search_locations
        torch.ops.load_library(next(Path(folder).glob("_C*")))
    except Exception as error:
        yield "torch", f"does not import with torchvision: {error}", False
        return
    from sslbook.core import device
    from sslbook.run.presets import automatic_preset

    where = device.choose()
    about = device.describe(where)
    preset, reason = automatic_preset(where, "cifar10")
    yield "device", f"{about['kind']} ({about['name']}), {about['threads']} threads", True
    yield "preset", f"auto means {preset}" + (f": {reason}" if reason else ""), True
    if where.type == "cuda":
        memory = torch.cuda.mem_get_info(where)
        yield "memory", f"{memory[0] / 2**30:.0f} of {memory[1] / 2**30:.0f} GB free", True
