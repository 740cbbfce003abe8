"""A folder of the reader's own images: its sub-folders are classes, or splits that hold classes."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from sslbook.datasets import lookup, pixels
from sslbook.datasets.collection import Collection
from sslbook.datasets.types import ImageSet, hold_out
from sslbook.errors import printable

# What systems and network drives keep beside photographs; names with a dot are hidden anyway.
_SYSTEM = frozenset({
    "@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "$recycle.bin",
    "recycler", "system volume information", "lost+found", "__macosx",
})
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation", "dev")  # the first that is there
_SPLIT = re.compile(rf"(?<![a-z])({'|'.join(_TRAIN + _TEST)})(set)?(?![a-z])")


def load(path: Path, split: str, limit: int, size: int, skip_broken: bool) -> ImageSet:
    """The images of one split; for size 0 see `Collection.own_size`.

    skip_broken: leave out what cannot be read (the notes name it) instead of raising DataError.
    Raises DataError: no images, one class only, a broken image, a folder that may not be listed.
    """
    found = scan(path, skip_broken)
    side = size or found.own_size()

    def images(rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.stack(list(found.decode(rows, side))))

    return found.load(split, limit, images)


def scan(root: Path, skip_broken: bool = False) -> Collection:
    """List the images below `root`, with their classes and splits.

    Two folders whose names differ only in train or training here and test, val or dev there are
    the splits, and what lies beside them is left out; else a fixed fifth is the test split. Links
    are followed, each folder is read once. Images are opened for skip_broken alone. The notes say
    which splits were found, and all that was passed over.
    """
    if not os.path.isdir(root):
        raise lookup.unusable(f"{root} is not a folder.", "Give folder:PATH of a folder of images.")
    every, passed = _walk(root)
    without = f"folder:{root}?skip_broken=1"
    if (closed := passed["unreadable folder"]) and not skip_broken:
        raise lookup.unusable(f"You have no right to list {root / next(iter(closed))} "
                              f"({len(closed)} such folders).",
                              f"Ask for the right to read, or leave such folders out: {without}")
    broken = [path for path in every if skip_broken and not pixels.decodes(root / path)]
    found, parts, depth, notes = _splits(sorted(set(every) - set(broken), key=Path.as_posix))
    if broken:
        notes.append(f"left out: {_count(len(broken), 'unreadable image', broken)}")
    if any(passed.values()):
        counts = (_count(n.total(), what, [name for name, _ in n.most_common()])
                  for what, n in passed.items() if n)
        notes.append(f"passed over: {', '.join(counts)}")
    groups = [path.parts[depth] if len(path.parts) > depth + 1 else "" for path in found]
    classes = sorted(set(groups))
    if "" in classes and len(classes) > 1:
        raise lookup.unusable(
            f"{root} holds {groups.count('')} images beside class folders such as {classes[1]}.",
            "Move every image into a class folder, or all of them out to use them unlabelled.",
        )
    labelled = any(classes)
    number = {name: i for i, name in enumerate(classes)}
    return Collection(
        kind="folder", path=root, encoded=[root / path for path in found],
        names=[printable(path.as_posix()) for path in found], parts=parts,
        labels=np.array([number[group] for group in groups]) if labelled else None,
        classes=tuple(map(printable, classes)) if labelled else (), notes=tuple(notes),
        todo=f"Mend or add images, or leave broken ones out: {without}",
    )


def _count(n: int, what: str, names: Iterable[str | Path]) -> str:
    """Such as "2 broken links (a.png, b.png)", with at most five names."""
    shown = [str(name) for name in names if str(name)][:5]
    text = f"{n:,} {what}{'s' * (n > 1)}"
    return printable(f"{text} ({', '.join(shown)})" if shown else text)


def _walk(root: Path) -> tuple[list[Path], dict[str, Counter[str]]]:
    """The images below `root`, relative to it, and what was passed over: kind -> names."""
    found: list[Path] = []
    passed: dict[str, Counter[str]] = defaultdict(Counter)
    seen, starts = set(), [root]

    def closed(error: OSError) -> None:
        passed["unreadable folder"][os.path.relpath(error.filename, root)] += 1

    for start in starts:  # grows: what is linked comes after what lies there itself
        for place, folders, names in os.walk(start, onerror=closed):
            here = Path(place)
            if (real := os.path.realpath(here)) in seen:  # a link that leads back, or a second one
                passed["repeated folder"][os.path.relpath(here, root)] += 1
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            hidden = [name for name in folders if name[0] == "." or name.lower() in _SYSTEM]
            passed["hidden or system folder"].update(hidden)
            folders[:] = [name for name in folders if name not in hidden]
            starts += [here / name for name in folders if (here / name).is_symlink()]
            for name in sorted(names):
                kind = _kind(here / name)
                if kind == "image":
                    found.append(here.relative_to(root) / name)
                elif kind:
                    passed[kind][Path(name).suffix.lower() if kind == "other file" else name] += 1
    return found, passed


def _kind(path: Path) -> str:
    """What a file is to a set of images; "" for a hidden one that is no image, such as a cache."""
    image = path.suffix.lower() in pixels.SUFFIXES
    if path.name[0] == ".":
        return "hidden image" if image else ""
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError:  # opening it will say so
        regular = True
    except OSError:
        return "broken link"
    return "image" if image and regular else "other file"


def _splits(found: list[Path]) -> tuple[list[Path], np.ndarray, int, list[str]]:
    """The images of the splits, the part of each (n,), how deep in them classes begin, and notes"""
    tops = Counter(path.parts[0] for path in found if len(path.parts) > 1)
    names: dict[str, dict[str, str]] = defaultdict(dict)  # of one kind: word -> folder
    for top in sorted(tops):
        if word := _SPLIT.search(top.lower()):
            names[top.lower()[: word.start()] + "*" + top.lower()[word.end() :]][word[1]] = top
    pairs = [[next((words[word] for word in order if word in words), "")
              for order in (_TRAIN, _TEST)] for words in names.values()]
    pair = max((pair for pair in pairs if all(pair)), key=lambda pair: tops[pair[0]], default=None)
    if not pair:
        return found, hold_out(len(found)), 0, []
    chosen = [path for path in found if path.parts[0] in pair and len(path.parts) > 1]
    depth = 1  # seg_train/seg_train/forest: what some archives unpack to
    while all(len(p.parts) > depth + 1 and p.parts[depth] == p.parts[0] for p in chosen):
        depth += 1
    beside = [folder for folder in tops if folder not in pair]
    notes = [f"splits: {printable(', '.join(pair))}"]
    if len(chosen) < len(found):
        notes[0] += f"; left out: {_count(len(found) - len(chosen), 'image', beside)} beside them"
    return chosen, np.array([int(path.parts[0] == pair[1]) for path in chosen]), depth, notes
