"""A lock on a folder that ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


class FolderLock:
    """Held by one process at a time; the operating system frees it when that process dies."""

    def __init__(self, folder: Path):
        self.path = folder / ".lock"
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another process, or another object, holds it.

        Raises OSError where the folder cannot be written.
        """
        file = open(self.path, "ab")  # noqa: SIM115 (it stays open as long as it is held)
        try:
            _lock(file)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def held(folder: Path) -> bool:
    """True while a living process holds the lock of `folder`."""
    if not (folder / ".lock").exists():
        return False
    probe = FolderLock(folder)
    try:
        free = probe.acquire()
    except OSError:  # a folder of somebody else, or on a read-only disk
        return False
    probe.release()
    return not free


if os.name == "nt":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
