"""Results in a few archives of bounded size, and back again: plain zip, read by name."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

ARCHIVES, ARCHIVE_MB, TOTAL_MB = 8, 16, 64  # what may come back from the machine
_ROOM = 64 * 1024  # of an archive, for its directory
_LINE = 200  # of an item in it
_PLAIN = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*")
_PART = re.compile(r"(.+)\.part(\d+)of(\d+)")
Piece = tuple[str, Path, int, int]  # name in the archive, file, begin, length


def pack(items: Iterable[tuple[str, Path]], out: Path) -> list[str]:
    """Write items (name in the archive, file) into results-N.zip; the names that found no room.

    Items come in order of value. One that is larger than an archive is cut into parts. Archives of
    an earlier call are replaced or removed.
    """
    out.mkdir(parents=True, exist_ok=True)
    size = ARCHIVE_MB * 2**20 - _ROOM
    free = [size] * min(ARCHIVES, TOTAL_MB // ARCHIVE_MB)
    bins: dict[int, list[Piece]] = defaultdict(list)
    left = []
    for name, path in items:
        pieces = list(_pieces(name, path, size - _LINE))
        places = _places([length for *_, length in pieces], free)
        if len(places) < len(pieces):
            left.append(name)
            continue
        for piece, place in zip(pieces, places, strict=True):
            bins[place].append(piece)
            free[place] -= piece[3] + _LINE
    names = {_write(out / f"results-{place + 1}.zip", pieces) for place, pieces in bins.items()}
    for path in out.glob("results-*.zip"):
        if path.name not in names:
            path.unlink()
    return left


def unpack(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """(name -> content of all archives in a folder, parts put together; what was left out and why).

    Left out: an archive or item that is damaged or larger than `pack` makes it, a name that is no
    plain relative path, an item whose parts are not all there.
    """
    raw: dict[str, bytes] = {}
    said: list[str] = []
    for path in sorted(folder.rglob("results-*.zip")):
        try:
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    _read(archive, info, raw, said)
        except (OSError, zipfile.BadZipFile) as error:
            said.append(f"{path.name} is damaged, left out: {error}")
    whole, parts = {}, defaultdict(dict)
    for name, data in raw.items():
        if found := _PART.fullmatch(name):
            parts[found[1], int(found[3])][int(found[2])] = data
        else:
            whole[name] = data
    for (name, count), found in parts.items():
        if set(found) == set(range(count)):
            whole[name] = b"".join(found[number] for number in range(count))
        else:
            said.append(f"{name}: {len(found)} of {count} parts are there, left out")
    return whole, said


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, raw: dict[str, bytes], said: list[str]
          ) -> None:
    name = info.filename
    if not _PLAIN.fullmatch(name) or info.file_size > ARCHIVE_MB * 2**20:
        said.append(f"{name!r} is none of the campaign's items, left out")
        return
    try:
        raw[name] = archive.read(info)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        said.append(f"{name} is damaged, left out: {error}")


def _pieces(name: str, path: Path, size: int) -> Iterator[Piece]:
    """The parts of at most `size` bytes that an item is cut into."""
    total = path.stat().st_size
    count = max(1, -(-total // size))
    for number in range(count):
        part = f"{name}.part{number}of{count}" if count > 1 else name
        yield part, path, number * size, min(size, total - number * size)


def _places(lengths: list[int], free: list[int]) -> list[int]:
    """For each length the first archive with room for it; shorter where one finds none."""
    free, places = list(free), []
    for length in lengths:
        place = next((i for i, room in enumerate(free) if room >= length + _LINE), None)
        if place is None:
            break
        free[place] -= length + _LINE
        places.append(place)
    return places


def _write(path: Path, pieces: list[Piece]) -> str:
    """One archive, and its name; figures and weights are dense already, texts are packed."""
    part = path.with_suffix(".tmp")
    with zipfile.ZipFile(part, "w") as archive:
        for name, source, begin, length in pieces:
            with open(source, "rb") as file:
                file.seek(begin)
                how = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
                archive.writestr(name, file.read(length), how)
    part.replace(path)
    return path.name
