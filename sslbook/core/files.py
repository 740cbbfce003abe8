"""Writing files so that a half-written one is never taken for a whole one."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sslbook.errors import UserError

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
# A file lies where a folder should be, or the other way round, or the name cannot be.
_IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full disk, a read-only folder or a wrong path into a UserError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            what, todo = f"No space left while writing {path.name}.", "Free some space, or give"
        elif error.errno in _READ_ONLY:
            what = f"Cannot write {path.name}: the folder {path.parent} is read-only."
            todo = "Give"
        elif error.errno in _IN_THE_WAY:
            what = f"Cannot write {path.name} in {path.parent}: {error.strerror}."
            todo = "A file lies where a folder should be, or the other way round: give"
        else:
            raise
        raise UserError(what, "Nothing half-written was kept; earlier files are whole.",
                        f"{todo} another folder with OUT_DIR or SSLBOOK_HOME.") from error


@contextlib.contextmanager
def publish(path: str | os.PathLike, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path` in one step.

    Whatever goes wrong, `path` is either the old file or the whole new one. sync: wait until the
    bytes are on the disk, so that this holds for a power cut too.
    Raises UserError when the disk is full or the folder read-only.
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            if sync:
                with open(temporary, "rb+") as file:
                    os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` (UTF-8) to `path` in one step."""
    with publish(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as indented JSON to `path` in one step; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


@functools.cache
def schema(path: Path) -> Callable[[Any], Any]:
    """A JSON Schema as a function that raises ValueError for what breaks it."""
    import fastjsonschema

    return fastjsonschema.compile(json.loads(path.read_text(encoding="utf-8")), use_default=False)


def drop_cut_line(path: str | os.PathLike) -> None:
    """Take a last line without its end away: a crash cut it, and the next would be glued to it."""
    path = Path(path)
    if path.is_file():
        with explained(path), open(path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def sha256(path: str | os.PathLike) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
