"""Graphs whose nodes, or many graphs that themselves are classified; scikit-learn's digits as one.

A split of a graph is a set of its nodes; features and edges are those of the whole graph.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from sslbook.datasets import planetoid
from sslbook.datasets.known import GRAPHS
from sslbook.datasets.types import _Samples, first, mixed, permutation, rows_of

_NEIGHBOURS, _LABELLED, _TEST = 5, 20, 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphSet(_Samples):
    """A whole graph, with a split of its nodes; or many graphs, with a split of these.

    features: float32 (N, F). edges: int64 (2, E), each undirected edge in both directions, without
    self-loops. labels: int64 (N,), -1 where unknown, or None. parts: int64 (N,), 0 training (few:
    these labels may be used), 1 test, 2 neither. mean, std: empty, nothing is normalised.

    graph: int64 (N,), the graph that each node is of, where there are many: none of them is joined
    to another, and the first node of each stands for it; all further ones have part -1.
    """

    inputs: ClassVar[str] = "features"
    features: Tensor
    edges: Tensor
    parts: Tensor
    graph: Tensor | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def index(self) -> Tensor:
        """The nodes of this split, mixed by class, int64; of many graphs, the one for each."""
        rows = rows_of(self.parts.numpy(), self.split)
        return torch.from_numpy(mixed(rows, None if self.labels is None else
                                      self.labels.numpy()[rows]))

    def _arrays(self) -> tuple[Tensor | None, ...]:
        return self.features, self.edges, self.labels, self.parts, self.graph

    def pool(self, codes: Tensor) -> Tensor:
        """Codes (N, D) as they are judged: of many graphs, each node has the mean of its graph."""
        if self.graph is None:
            return codes
        sums = codes.new_zeros(int(self.graph.max()) + 1, codes.shape[1])
        counts = self.graph.bincount().to(codes)[:, None]
        return (sums.index_add(0, self.graph, codes) / counts)[self.graph]

    def smoothed(self, times: int = 1) -> Tensor:
        """Features (N, F), each the mean over a node and its neighbours, `times` in a row.

        What the edges give without any learning: the control of whatever learns on a graph.
        """
        values, (source, target) = self.features, self.edges
        count = 1 + target.bincount(minlength=len(self))[:, None]
        for _ in range(times):
            values = values.index_add(0, target, values[source]) / count
        return values

    def take(self, which: int | Tensor) -> Self:
        """The graph of the first `which` nodes, or of an index: edges between them stay."""
        every = torch.arange(len(self))
        index = every[:which] if isinstance(which, int) else every[which]
        place = torch.full_like(every, -1).index_copy(0, index, every[: len(index)])
        edges = place[self.edges]
        return dataclasses.replace(
            super().take(index), edges=edges[:, (edges >= 0).all(dim=0)], parts=self.parts[index],
            graph=None if self.graph is None else self.graph[index],
        )


def load(name: str, split: str, limit: int) -> GraphSet:
    """digits_knn, cora or citeseer."""
    features, pairs, labels, parts, about = (
        _digits() if name == "digits_knn" else planetoid.read(name))
    graph = GraphSet(
        name=name, split=split, description=GRAPHS[name], parts=torch.from_numpy(parts),
        features=torch.from_numpy(features.astype(np.float32)),
        edges=torch.from_numpy(undirected(pairs.T, len(features))),
        labels=torch.from_numpy(labels), **about,
    )
    return cut(graph, limit)


def undirected(edges: np.ndarray, nodes: int) -> np.ndarray:
    """Edges (2, E) in both directions, each once, without self-loops, in order; int64."""
    source, target = edges.astype(np.int64)[:, edges[0] != edges[1]]
    keys = np.unique(np.concatenate([source * nodes + target, target * nodes + source]))
    return np.stack([keys // nodes, keys % nodes])


def cut(graph: GraphSet, limit: int) -> GraphSet:
    """At most `limit` nodes and the edges between them; of many graphs, `limit` whole ones.

    A quarter of the nodes are training nodes, a quarter test nodes, of all classes; then come their
    neighbours, for nodes drawn at random are hardly joined. 0 keeps all.
    """
    graph = dataclasses.replace(graph, total=len(graph))
    if graph.graph is not None:
        count = int(graph.graph.max()) + 1
        kept = torch.from_numpy(np.arange(count)[first(count, limit)])
        return graph if len(kept) == count else graph.take(
            torch.isin(graph.graph, kept).nonzero()[:, 0])
    if not 0 < limit < len(graph):
        return graph
    parts, edges = graph.parts.numpy(), graph.edges.numpy()
    labels = None if graph.labels is None else graph.labels.numpy()
    chosen = [mixed(rows, None if labels is None else labels[rows])[: max(1, limit // 4)]
              for rows in (np.flatnonzero(parts == part) for part in (0, 1))]
    near = edges[1][np.isin(edges[0], np.concatenate(chosen))]
    order = np.concatenate([*chosen, near, edges.T.ravel(), np.arange(len(graph))])
    places = np.unique(order, return_index=True)[1]  # where each node comes first
    return graph.take(torch.from_numpy(order[np.sort(places)[:limit]]))


def _digits() -> planetoid.Arrays:
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
