"""Who sees what is printed: a reader at a live front end, a terminal, or whoever opens it later."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


def is_live() -> bool:
    """True where a front end is likely to show widgets and let the reader move them."""
    kernel = _kernel()
    # A front end with a reader allows questions on standard input; nbclient, papermill and
    # nbval do not. Where a kernel has no such mark, someone is assumed to be there.
    return (not _headless() and kernel is not None
            and getattr(kernel, "_allow_stdin", True) is not False)


def is_watched() -> bool:
    """True where a progress bar is seen moving; stored outputs would keep it as it began, at 0 %.

    That is at a live front end and in a terminal.
    """
    terminal = _kernel() is None and sys.stderr is not None and sys.stderr.isatty()
    return is_live() or (terminal and not _headless())


@contextlib.contextmanager
def bars_if_watched() -> Iterator[None]:
    """Inside the block a library's progress bars are drawn only where somebody watches them."""
    with contextlib.ExitStack() as stack:
        if not is_watched():
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


def _headless() -> bool:
    return os.environ.get("SSLBOOK_HEADLESS", "") == "1"


def _kernel() -> Any:
    """The Jupyter kernel that this process is, None outside of one."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython else None
