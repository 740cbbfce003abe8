"""Graphs whose nodes are classified: a kNN graph of scikit-learn's digits, and Cora.

A split of a graph is a set of its nodes; features and edges are those of the whole graph.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle  # nosec B403 # for Planetoid's published files alone, see _cora
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from sslbook.core import files
from sslbook.core.screen import bars_if_watched
from sslbook.datasets import lookup
from sslbook.datasets.known import GRAPHS
from sslbook.datasets.types import _Samples, first, permutation, rows_of

_NEIGHBOURS, _LABELLED, _TEST = 5, 20, 1000
_SOURCE = ("https://raw.githubusercontent.com/kimiyoung/planetoid/"
           "af6abf468a772cc055bec88c52e4d6f51b7c37e3/data")
# Pickles can run code when read, so every file is compared with these before the first is.
CORA = {
    "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
    "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
    "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
    "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
    "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
    "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphSet(_Samples):
    """A whole graph, with a split of its nodes.

    features: float32 (N, F). edges: int64 (2, E), each undirected edge in both directions, without
    self-loops. labels: int64 (N,). parts: int64 (N,), 0 training (few: these labels may be used), 1
    test, 2 neither. mean, std: empty, nothing is normalised.
    """

    inputs: ClassVar[str] = "features"
    features: Tensor
    edges: Tensor
    parts: Tensor
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def index(self) -> Tensor:
        """The nodes of this split, int64."""
        return torch.from_numpy(rows_of(self.parts.numpy(), self.split))

    def _arrays(self) -> tuple[Tensor, ...]:
        return self.features, self.edges, self.labels, self.parts

    def take(self, which: int | Tensor) -> Self:
        """The graph of the first `which` nodes, or of an index: edges between them stay."""
        every = torch.arange(len(self))
        index = every[:which] if isinstance(which, int) else every[which]
        place = torch.full_like(every, -1).index_copy(0, index, every[: len(index)])
        edges = place[self.edges]
        return dataclasses.replace(
            super().take(index), edges=edges[:, (edges >= 0).all(dim=0)], parts=self.parts[index]
        )


def load(name: str, split: str, limit: int) -> GraphSet:
    """digits_knn or cora; `limit` keeps a part of the nodes and the edges between them."""
    features, pairs, labels, parts, about = (_cora if name == "cora" else _digits)()
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    edges = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T
    graph = GraphSet(
        name=name, split=split, description=GRAPHS[name], parts=torch.from_numpy(parts),
        features=torch.from_numpy(features.astype(np.float32)),
        edges=torch.from_numpy(edges.astype(np.int64)), labels=torch.from_numpy(labels), **about,
    )
    chosen = first(len(graph), limit)
    return graph if isinstance(chosen, slice) else graph.take(torch.from_numpy(chosen))


def find() -> Path | None:
    """The folder of Cora's raw files, or None where they are nowhere."""
    return lookup.find(_places(), "ind.cora.graph")


def get() -> Path:
    """The folder of Cora's raw files, which are downloaded into `data/` where they are nowhere."""
    if folder := find():
        return folder
    lookup.refuse_offline("cora", _places())
    from torchvision.datasets.utils import download_url

    folder = _places()[-1]
    try:
        for part in sorted(CORA, reverse=True):  # the graph, which `find` looks for, not first
            with bars_if_watched(), files.publish(folder / f"ind.cora.{part}") as path:
                download_url(f"{_SOURCE}/ind.cora.{part}", str(path.parent), path.name)
    except (OSError, RuntimeError) as error:
        raise lookup.not_fetched("cora", error) from error
    return folder


def _places() -> list[Path]:
    inside = ("planetoid/Cora/raw", "Cora/raw", "cora")
    return [place / folder for place in lookup.places() for folder in inside]


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    from sklearn.datasets import load_digits
    from sklearn.neighbors import kneighbors_graph

    digits = load_digits()
    pairs = np.stack(kneighbors_graph(digits.data, _NEIGHBOURS).nonzero(), axis=1)
    order = permutation(len(digits.target), "labelled")
    parts = np.full(len(order), 2, dtype=np.int64)
    for label in range(10):
        parts[order[digits.target[order] == label][:_LABELLED]] = 0
    parts[order[parts[order] == 2][:_TEST]] = 1
    about = {"classes": tuple("0123456789"), "licence": "CC BY 4.0",
             "source": "scikit-learn load_digits (UCI), kneighbors_graph"}
    centred = (digits.data - digits.data.mean(axis=0)) / 16
    return centred, pairs, digits.target.astype(np.int64), parts, about


def _cora() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Planetoid's public split: the first 140 nodes are labelled, the last 1,000 are the test."""
    folder, content = get(), {}
    for part, expected in CORA.items():
        path = folder / f"ind.cora.{part}"
        content[part] = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content[part]).hexdigest() != expected:
            raise lookup.unusable(f"The data set cora is damaged: {path} is missing or fails its "
                                  "checksum.", "Delete it and type: sslbook data get cora")
    with warnings.catch_warnings():  # SciPy's classes have moved since the files were written
        warnings.simplefilter("ignore")
        raw = {part: pickle.loads(content[part], encoding="latin1")  # nosec B301 # sha256 fits
               for part in CORA if part != "test.index"}
    order = np.array(content["test.index"].split(), dtype=np.int64)
    features = np.concatenate([raw["allx"].toarray(), raw["tx"].toarray()])
    labels = np.concatenate([raw["ally"], raw["ty"]]).argmax(axis=1)
    features[order], labels[order] = features[-len(order):].copy(), labels[-len(order):].copy()
    pairs = np.array([(i, j) for i, ends in raw["graph"].items() for j in ends])
    parts = np.full(len(labels), 2, dtype=np.int64)
    parts[:140], parts[order] = 0, 1
    classes = tuple(f"subject {i}" for i in range(labels.max() + 1))
    about = {"classes": classes, "licence": "MIT (repository)",
             "source": "kimiyoung/planetoid, commit af6abf4"}
    return features, pairs, labels.astype(np.int64), parts, about
