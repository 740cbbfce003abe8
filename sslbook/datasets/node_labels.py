"""Which nodes of a reader's graph have a class, and which of them a probe learns from."""

from __future__ import annotations

import numpy as np

from sslbook.datasets.lookup import unusable
from sslbook.datasets.types import hold_out, permutation
from sslbook.errors import DataError

Arrays = dict[str, np.ndarray]
_LABELLED = 20  # nodes of each class whose label the probe may use, where no mask says which
_UNKNOWN = ("", "?", "na", "n/a", "nan", "null", "none", "<na>")


def wrong(name: str, what: str, todo: str) -> DataError:
    """The error for a graph that cannot be used."""
    return unusable(f"The graph {name}: {what}.", todo)


def classes_of(
    name: str, y: np.ndarray | None, n: int
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """int64 (n,), -1 where unknown, and the classes' names; (None, ()) where nothing is known."""
    if y is None:
        return None, ()
    y = y.ravel() if y.size == n else y
    if y.shape != (n,) or y.dtype.kind not in "biufUS":
        raise wrong(name, f"y is {y.dtype} {y.shape}, not one class for each of {n:,}",
                    "Give each one class, as a number or a text; -1 or an empty text is none.")
    if y.dtype.kind in "US":
        texts = y.astype(np.str_)
        known = ~np.isin(np.char.lower(texts), _UNKNOWN)
    else:
        known = np.isfinite(y) & (y >= 0)
        if (y[known] != np.floor(y[known].astype(np.float64))).any():
            raise wrong(name, "y holds measured values, not classes", "Leave y out, or name "
                        "classes: numpy.digitize makes some of numbers.")
        texts = np.where(known, y, 0).astype(np.int64).astype(np.str_)
    classes = sorted(set(texts[known].tolist()), key=_order)
    if not classes:
        return None, ()
    if not 1 < len(classes) <= max(2, known.sum() // 2):
        raise wrong(name, f"its labels hold {len(classes)} values in {known.sum():,} places",
                    "Leave the labels out, or give classes that occur several times.")
    number = {text: i for i, text in enumerate(classes)}
    labels = np.array([number.get(text, -1) for text in texts.tolist()], dtype=np.int64)
    return np.where(known, labels, -1), tuple(classes)


def _order(text: str) -> tuple[float, str]:
    """Numbers by their size, and before them texts."""
    try:
        return float(text), text
    except ValueError:
        return -np.inf, text


def parts_of(
    name: str, arrays: Arrays, labels: np.ndarray | None, n: int, few: bool, notes: list[str]
) -> np.ndarray:
    """int64 (n,): 0 training, 1 test, 2 neither, by the masks or by a fixed choice.

    few: without a training mask, 20 of each class (half of a class that has fewer than 40) are for
    training, and the rest of the labelled is the test; else, and without labels, a fixed fifth is.
    """
    if labels is None or not few:
        parts = hold_out(n)
        return parts if labels is None else _checked(name, np.where(labels < 0, 2, parts), labels)
    known, parts = labels >= 0, np.full(n, 2)
    train, val, test = (_mask(name, arrays, f"{key}_mask", n, notes)
                        for key in ("train", "val", "test"))
    free = known.copy()
    for mask in (val, test):
        free &= True if mask is None else ~mask
    if train is None:
        order = permutation(n, "labelled")
        train = np.zeros(n, dtype=bool)
        for label in np.unique(labels[known]):
            mine = order[(free & (labels == label))[order]]
            train[mine[: min(_LABELLED, (len(mine) + 1) // 2)]] = True
        notes.append(f"no train_mask: {int(train.sum()):,} nodes, at most {_LABELLED} of each "
                     "class, are those whose labels a probe learns from")
    test = free & ~train if test is None else test
    if both := int((train & test & known).sum()):
        raise wrong(name, f"{both} nodes are in train_mask and in test_mask",
                    "Keep them in one: what is tested must not be learned from.")
    if missing := n - int(known.sum()):
        notes.append(f"{missing:,} of {n:,} nodes have no label: they are neither learned from nor "
                     "tested")
    parts[known & test], parts[known & train] = 1, 0
    return _checked(name, parts, labels)


def _mask(
    name: str, arrays: Arrays, key: str, n: int, notes: list[str]
) -> np.ndarray | None:
    """Truth values (n,), the first of several splits; None where there is no such mask."""
    if key not in arrays:
        return None
    mask = arrays[key]
    if mask.ndim == 2 and len(mask) == n and mask.shape[1]:
        notes.append(f"{key} has {mask.shape[1]} splits, of which the first is taken")
        mask = mask[:, 0]
    if mask.shape != (n,) or mask.dtype.kind not in "biu" or not np.isin(mask, (0, 1)).all():
        raise wrong(name, f"{key} is {mask.dtype} {mask.shape}, not one truth value for each node",
                    "Row numbers become a mask by: mask = numpy.zeros(N, bool); mask[rows] = True")
    return mask.astype(bool)


def _checked(name: str, parts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if len(np.unique(labels[parts == 0])) < 2 or not (parts == 1).any():
        raise wrong(name, f"{int((parts == 0).sum())} labels to learn from and "
                    f"{int((parts == 1).sum())} to test are too few",
                    "Label more of each class, mend the masks, or leave the labels out.")
    return parts
