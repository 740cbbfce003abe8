"""Cora and CiteSeer as published: Planetoid's raw files, each compared with its checksum."""

from __future__ import annotations

import pickle  # nosec B403 # for these files alone, after their checksums
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sslbook.datasets import fetch, lookup
from sslbook.datasets.known import PLANETOID

_FOLDERS = {"cora": "Cora", "citeseer": "CiteSeer"}
_SOURCE = ("https://raw.githubusercontent.com/kimiyoung/planetoid/"
           "af6abf468a772cc055bec88c52e4d6f51b7c37e3/data")
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


def find(name: str) -> Path | None:
    """The folder of a set's raw files, or None where they are nowhere."""
    return lookup.find(_places(name), f"ind.{name}.graph")


def get(name: str) -> Path:
    """The folder of a set's raw files, all of them whole.

    Those that are missing or damaged in `data/` at home are downloaded. Raises DataError: nowhere
    and no network, or damaged where nothing may be written.
    """
    home = _places(name)[-1]
    folder = find(name) or home
    for part, sha256 in PLANETOID[name].items():
        path = folder / f"ind.{name}.{part}"
        if fetch.fits(path, sha256):
            continue
        if folder != home or (lookup.offline() and path.exists()):
            raise lookup.unusable(f"The data set {name} is damaged: {path} is missing or fails its "
                                  "checksum.", f"Delete {folder} and type: sslbook data get {name}")
        lookup.refuse_offline(name, _places(name))
        fetch.fetch(name, f"{_SOURCE}/{path.name}", path, sha256)
    return folder


def _places(name: str) -> list[Path]:
    inside = (f"planetoid/{_FOLDERS[name]}/raw", f"{_FOLDERS[name]}/raw", name)
    return [place / folder for place in lookup.places() for folder in inside]


def read(name: str) -> Arrays:
    """Features (N, F), pairs (E, 2), labels (N,), parts (N,), and what is said of the set.

    The public split: 20 nodes of each class come first, 1,000 are the test. 15 nodes of CiteSeer
    have neither features nor a class: zeros and -1.
    """
    folder = get(name)
    with warnings.catch_warnings():  # SciPy's classes have moved since the files were written
        warnings.simplefilter("ignore")
        raw = {part: pickle.loads((folder / f"ind.{name}.{part}").read_bytes(),
                                  encoding="latin1")  # nosec B301 # compared by its checksum in `get`
               for part in PLANETOID[name] if part != "test.index"}
    test = np.loadtxt(folder / f"ind.{name}.test.index", dtype=np.int64)
    nodes, kinds = test.max() + 1, raw["ally"].shape[1]
    features = np.zeros((nodes, raw["allx"].shape[1]), dtype=np.float32)
    labels, parts = np.full(nodes, -1), np.full(nodes, 2)
    for rows, x, y in ((slice(len(raw["ally"])), "allx", "ally"), (test, "tx", "ty")):
        features[rows], labels[rows] = raw[x].toarray(), raw[y].argmax(axis=1)
    pairs = np.array([(i, j) for i, ends in raw["graph"].items() for j in ends])
    parts[: 20 * kinds], parts[test] = 0, 1
    about = {"classes": tuple(f"subject {i}" for i in range(kinds)), "licence": "MIT (repository)",
             "source": "kimiyoung/planetoid, commit af6abf4"}
    return features, pairs, labels, parts, about
