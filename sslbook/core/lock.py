"""A lock on a folder that ends with the process that holds it, however that ends."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from sslbook.core import files
from sslbook.errors import UserError


class FolderLock:
    """Held by one process at a time; the operating system frees it when that process dies."""

    def __init__(self, folder: Path):
        self.path = folder / ".lock"
        self._lock = FileLock(self.path, thread_local=False)

    def acquire(self) -> bool:
        """Take the lock; False when another process, or another object, holds it.

        Raises OSError where the folder cannot be written.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def hold(self, refusal: UserError) -> None:
        """Make the folder and take its lock; raises `refusal` where another process holds it."""
        folder = self.path.parent
        with files.explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            free = self.acquire()
        if not free:
            raise refusal

    def release(self) -> None:
        self._lock.release()


def is_locked(folder: Path) -> bool:
    """True while a living process holds the lock of `folder`."""
    lock = FolderLock(folder)
    try:
        if not lock.path.exists():
            return False
        free = lock.acquire()
    except OSError:  # a folder of somebody else, or on a read-only disk
        return False
    lock.release()
    return not free
