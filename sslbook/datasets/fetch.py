"""One way to fetch a file: whole and with its checksum, or not at all."""

from __future__ import annotations

import hashlib
import urllib.request
from http.client import HTTPException
from pathlib import Path

from sslbook.core import files
from sslbook.datasets import lookup

PATIENCE = 30.0  # seconds that a server may be silent


def fits(path: Path, sha256: str) -> bool:
    """True where the file is there and has this checksum."""
    return path.is_file() and files.sha256(path) == sha256


def fetch(name: str, url: str, path: Path, sha256: str) -> None:
    """Download one file of the set `name` to `path`, through memory.

    Raises DataError: no network, no such file, a server that falls silent or hangs up, another
    content than the checksum's. `path` is then as it was.
    """
    try:
        # The addresses are the book's own, and urllib follows no redirect to a file.
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # nosec B310 # see above
            content = answer.read()
    except (OSError, HTTPException) as error:
        raise lookup.not_fetched(name, f"{url}: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise lookup.not_fetched(name, f"{url} sent {len(content):,} bytes, not those expected")
    with files.publish(path) as temporary:
        temporary.write_bytes(content)
