"""A graph from arrays that nobody has checked: every gap has an answer, a note or an error."""

from __future__ import annotations

import numpy as np
import torch

from sslbook.datasets.graphs import GraphSet, cut, undirected
from sslbook.datasets.node_labels import Arrays, classes_of, parts_of, wrong

_FEWEST = 10
_DEGREES = 32  # kinds of degree that stand in for features
_LARGEST = 2**30  # features of a graph: 4 GB


def assemble(
    name: str, arrays: Arrays, split: str, limit: int, *, source: str, licence: str
) -> GraphSet:
    """A GraphSet of arrays as `own_graphs.py` names them. Raises DataError that says what is wrong.

    Edges become undirected, each once, without self-loops. Without features the number of
    neighbours stands in; measured ones are standardised. Without masks, 20 nodes of each class (of
    many graphs, four fifths) are for training and the rest is the test; without labels, a fixed
    fifth. The notes say what was changed.
    """
    notes: list[str] = []
    given = _features(name, arrays)
    edges = _pairs(name, arrays, None if given is None else len(given))
    nodes = _count(name, arrays, edges) if given is None else len(given)
    if nodes < _FEWEST:
        raise wrong(name, f"it has {nodes} nodes", f"Take a graph of at least {_FEWEST}.")
    kept = undirected(edges, nodes)
    _note_edges(edges, kept, nodes, notes)
    if not kept.shape[1]:
        raise wrong(name, "no edge joins two of its nodes", "edge_index is (2, E): pairs of rows.")
    features = _scaled(given, kept, nodes, notes)
    graph = _graph_numbers(name, arrays, kept, nodes)
    samples = nodes if graph is None else int(graph.max()) + 1
    labels, classes = classes_of(name, arrays.get("y"), samples)
    parts = parts_of(name, arrays if graph is None else {}, labels, samples, graph is None, notes)
    if graph is None:
        train, test = (int((parts == part).sum()) for part in (0, 1))
        shape = f"{nodes:,} nodes, {train:,} + {test:,} of them to train and test a probe"
    else:
        shape = f"{samples:,} graphs of {nodes:,} nodes, 80 / 20 %"
        first, each = np.unique(graph, return_index=True)[1], parts
        parts = np.full(nodes, -1)
        parts[first] = each
        labels = None if labels is None else labels[graph]
    kinds = f"{len(classes)} classes" if classes else "no labels"
    ids = arrays.get("ids", np.array([]))
    if len(ids) not in (0, nodes):
        raise wrong(name, f"there are {len(ids)} ids for {nodes} nodes", "Give each node one.")
    return cut(GraphSet(
        name=name, split=split, classes=classes, licence=licence, source=source,
        description=f"{shape}; {features.shape[1]:,} features, {kinds}; licence {licence}",
        features=torch.from_numpy(features), edges=torch.from_numpy(kept),
        labels=None if labels is None else torch.from_numpy(labels),
        parts=torch.from_numpy(parts), graph=None if graph is None else torch.from_numpy(graph),
        ids=tuple(map(str, ids)), notes=tuple(notes),
    ), limit)


def _features(name: str, arrays: Arrays) -> np.ndarray | None:
    """float32 (N, F), or None where there are none."""
    from scipy import sparse

    todo = "x is (N, F), numbers without gaps: a row for each node."
    x = arrays.get("x")
    if x is None and "x_indptr" in arrays:
        indices, indptr = arrays["x_indices"], arrays["x_indptr"]
        shape = arrays.get("x_shape", (len(indptr) - 1, indices.max(initial=0) + 1))
        try:
            ones = np.ones(len(indices), np.float32)
            matrix = sparse.csr_matrix((arrays.get("x_data", ones), indices, indptr), tuple(shape))
            matrix.check_format()
        except (ValueError, TypeError) as error:
            raise wrong(name, f"its sparse features do not fit together ({error})", todo) from error
        _check_size(name, matrix.shape)
        x = matrix.toarray()
        x = x if "x_data" in arrays else np.minimum(x, 1)  # a word may be listed twice
    if x is None:
        return None
    if x.dtype.kind not in "biuf" or x.ndim != 2 or 0 in x.shape:
        raise wrong(name, f"x is {x.dtype} {x.shape}", todo)
    _check_size(name, x.shape)
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        row = np.flatnonzero(~np.isfinite(x).all(axis=1))[0]
        raise wrong(name, f"row {row} of x holds nan, infinity or what float32 cannot hold", todo)
    return x


def _check_size(name: str, shape: tuple[int, ...]) -> None:
    if shape[0] * shape[1] > _LARGEST:
        raise wrong(name, f"its {shape[0]:,} x {shape[1]:,} features would take "
                    f"{4 * shape[0] * shape[1] / 2**30:.0f} GB",
                    "Keep fewer columns: the most frequent words, or a TruncatedSVD of them.")


def _pairs(name: str, arrays: Arrays, nodes: int | None) -> np.ndarray:
    """edge_index as int64 (2, E), every end a row of x."""
    if "edge_index" not in arrays:
        raise wrong(name, f"it holds {', '.join(arrays) or 'nothing'}, and no edge_index",
                    "edge_index is (2, E), the rows of x that each edge joins.")
    edges = arrays["edge_index"]
    edges = edges.T if edges.ndim == 2 and edges.shape[0] != 2 == edges.shape[1] else edges
    if edges.ndim != 2 or len(edges) != 2:
        raise wrong(name, f"edge_index is {edges.shape}, not (2, E)", "Give each edge two nodes.")
    if edges.dtype.kind in "US":
        if "ids" not in arrays:
            raise wrong(name, "edge_index holds texts, and there is no ids",
                        "Add ids (N,): what the node of each row of x is called.")
        place = {node: row for row, node in enumerate(arrays["ids"].astype(str).tolist())}
        for node in np.setdiff1d(edges.astype(str), list(place))[:1]:
            raise wrong(name, f"an edge names node {str(node)!r}, which is not among ids",
                        "Give the node features and an id, or take the edge out.")
        edges = np.array([[place[node] for node in ends] for ends in edges.astype(str).tolist()])
    whole = edges.dtype.kind in "iu" or (
        edges.dtype.kind == "f" and bool((edges == np.floor(edges)).all()))
    if not whole:
        raise wrong(name, f"edge_index is {edges.dtype} and holds more than whole numbers",
                    "Number the nodes from 0, in the order of the rows of x.")
    outside = (edges < 0) | (edges >= (np.inf if nodes is None else nodes))
    for column in np.flatnonzero(outside.any(axis=0))[:1]:
        ends = " and ".join(f"{end:.0f}" for end in edges[:, column])
        raise wrong(name, f"edge {column} joins nodes {ends}, and x has rows 0 to "
                    f"{(nodes or 0) - 1}" if nodes else f"edge {column} joins nodes {ends}",
                    "Number the nodes from 0, and give each of them features.")
    return edges.astype(np.int64)


def _count(name: str, arrays: Arrays, edges: np.ndarray) -> int:
    """The number of nodes of a graph without features."""
    told = [len(arrays[key]) for key in ("graph", "ids") if key in arrays]
    told += [len(arrays["y"])] if "y" in arrays and "graph" not in arrays else []
    most = int(edges.max(initial=-1)) + 1
    if told and max(told) < most:
        raise wrong(name, f"an edge names node {most - 1}, and there are {max(told)} nodes",
                    "Number the nodes from 0.")
    return max([most, *told])


def _note_edges(edges: np.ndarray, kept: np.ndarray, nodes: int, notes: list[str]) -> None:
    """What happened to the edges on their way to `undirected`."""
    source, target = edges[:, edges[0] != edges[1]]
    loops, there = edges.shape[1] - len(source), np.unique(source * nodes + target)
    back = there % nodes * nodes + there // nodes
    one_way = len(there) - int(np.isin(back, there).sum())
    alone = nodes - len(np.unique(kept))
    if loops:
        notes.append(f"{loops:,} edges that join a node to itself are left out")
    if len(there) < len(source):
        notes.append(f"{len(source) - len(there):,} edges that occur again count once")
    if one_way:
        notes.append(f"{one_way:,} of {len(there):,} edges are given in one direction; all are "
                     "taken in both")
    if alone:
        notes.append(f"{alone:,} of {nodes:,} nodes have no edge: nobody can tell their features")


def _scaled(
    features: np.ndarray | None, edges: np.ndarray, nodes: int, notes: list[str]
) -> np.ndarray:
    """Features on one scale: as they are between 0 and 1, else with mean 0 and std 1 per column."""
    if features is None:
        notes.append("there are no features: the number of neighbours (0, 1, ... as 0/1 columns, "
                     f"{_DEGREES - 1} for more) stands in for them")
        degree = np.bincount(edges[0], minlength=nodes)
        return np.eye(_DEGREES, dtype=np.float32)[np.minimum(degree, _DEGREES - 1)]
    if features.min() >= 0 and features.max() <= 1:
        return features
    notes.append("the features are standardised (mean 0, standard deviation 1 per column), for "
                 "they are not all between 0 and 1")
    wide = features.astype(np.float64)
    std = wide.std(axis=0)
    return ((wide - wide.mean(axis=0)) / np.where(std > 0, std, 1)).astype(np.float32)


def _graph_numbers(
    name: str, arrays: Arrays, edges: np.ndarray, nodes: int
) -> np.ndarray | None:
    """int64 (N,), 0, 1, ...: the graph of each node; None where there is one."""
    if "graph" not in arrays:
        return None
    given = arrays["graph"]
    if given.shape != (nodes,):
        raise wrong(name, f"graph is {given.shape}, not one number for each of {nodes} nodes",
                    "graph says for each node which graph it is of.")
    numbers = np.unique(given, return_inverse=True)[1].astype(np.int64)
    if (numbers[edges[0]] != numbers[edges[1]]).any() or numbers.max() < _FEWEST - 1:
        raise wrong(name, f"{numbers.max() + 1} graphs, or edges between them, are no set of "
                    "graphs", f"Take at least {_FEWEST} graphs that nothing joins.")
    return numbers
