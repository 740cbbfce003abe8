"""Results in a few archives of bounded size, and back again: plain zip, read by name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ARCHIVES, ARCHIVE_MB, TOTAL_MB = 8, 16, 64  # what may come back from the machine
_ROOM = 64 * 1024  # of an archive, for its directory
_PART = ".part"


def pack(items: Iterable[tuple[str, Path]], out: Path) -> list[str]:
    """Write items (name in the archive, file) into results-N.zip; the names that found no room.

    Items come in order of value. One that is larger than an archive is cut into parts. Archives of
    an earlier call are replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    most = min(ARCHIVES, TOTAL_MB // ARCHIVE_MB)
    size = ARCHIVE_MB * 2**20 - _ROOM
    bins: list[list[tuple[str, Path, int, int]]] = []
    free: list[int] = []
    left = []
    for name, path in items:
        pieces = list(_pieces(name, path, size))
        trial = free + [size] * (most - len(free))
        places = _place([length for *_, length in pieces], trial)
        if places is None:
            left.append(name)
            continue
        for piece, place in zip(pieces, places, strict=True):
            while len(bins) <= place:
                bins.append([])
                free.append(size)
            bins[place].append(piece)
            free[place] -= piece[3] + 200  # and its line in the directory
    for number, pieces in enumerate(bins, start=1):
        _write(out / f"results-{number}.zip", pieces)
    return left


def unpack(folder: Path) -> dict[str, bytes]:
    """Name -> content of all archives in a folder, parts put together.

    Raises ValueError where a part is missing; a name that is no plain relative path is refused.
    """
    raw: dict[str, bytes] = {}
    for path in sorted(folder.rglob("results-*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.startswith("/") or ".." in name.split("/") or "\\" in name:
                    raise ValueError(f"{path.name} holds a name that leaves its folder: {name!r}")
                raw[name] = archive.read(name)
    whole = {name: data for name, data in raw.items() if _PART not in name}
    for base in sorted({name.partition(_PART)[0] for name in raw if _PART in name}):
        parts = {tuple(map(int, name.partition(_PART)[2].split("of"))): data
                 for name, data in raw.items() if name.partition(_PART)[:2] == (base, _PART)}
        count = next(iter(parts))[1]
        if sorted(number for number, _ in parts) != list(range(count)):
            raise ValueError(f"{base}: {len(parts)} of {count} parts are there")
        whole[base] = b"".join(parts[key] for key in sorted(parts))
    return whole


def _pieces(name: str, path: Path, size: int) -> Iterator[tuple[str, Path, int, int]]:
    """(name, file, begin, length) of the parts that an item is cut into."""
    total = path.stat().st_size
    size -= 200
    count = max(1, -(-total // size))
    for number in range(count):
        part = f"{name}{_PART}{number}of{count}" if count > 1 else name
        yield part, path, number * size, min(size, total - number * size)


def _place(lengths: list[int], free: list[int]) -> list[int] | None:
    """For each length the first bin with room for it; None where one finds none."""
    free, places = list(free), []
    for length in lengths:
        place = next((i for i, room in enumerate(free) if room >= length + 200), None)
        if place is None:
            return None
        free[place] -= length + 200
        places.append(place)
    return places


def _write(path: Path, pieces: list[tuple[str, Path, int, int]]) -> None:
    """One archive; figures and weights are dense already, texts are packed."""
    part = path.with_suffix(".tmp")
    with zipfile.ZipFile(part, "w") as archive:
        for name, source, begin, length in pieces:
            with open(source, "rb") as file:
                file.seek(begin)
                how = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
                archive.writestr(name, file.read(length), how)
    part.replace(path)
