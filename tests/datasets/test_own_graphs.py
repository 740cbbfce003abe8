"""A reader's own graph: three forms give one graph, and every gap has a note or an error."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import loopback
import numpy as np
import pytest
import torch
from scipy import sparse

from sslbook import datasets
from sslbook.datasets import pyg
from sslbook.errors import DataError, UsageError

N = 60
RING = np.array([range(N), [(i + 1) % N for i in range(N)]])
WORDS = [[i % 5, 5 + i % 3] for i in range(N)]
X = np.array([[float(j in words) for j in range(8)] for words in WORDS])
Y = np.arange(N) % 3
TEXTS = [f"n{i}" for i in range(N)]


def npz(folder, **arrays):
    np.savez(folder / "g.npz", **{"edge_index": RING, "x": X, "y": Y} | arrays)
    return datasets.load(f"graph:{folder / 'g.npz'}", "all")


def csv(rows, head=""):
    return head + "".join(",".join(map(str, row)) + "\n" for row in rows)


def folder(path, **texts):
    """A folder with the ring's files, or others in their place (None: without)."""
    given = {"edges.csv": csv(RING.T), "features.csv": csv((i, *x) for i, x in enumerate(X)),
             "labels.csv": csv(enumerate(Y))} | {
        key.replace("_", "."): text for key, text in texts.items()}
    for name, text in given.items():
        if text is not None:
            (path / name).write_text(text)
    return datasets.load(f"graph:{path}", "all")


def same(one, other):
    return (torch.equal(one.features, other.features) and torch.equal(one.edges, other.edges)
            and torch.equal(one.labels, other.labels) and torch.equal(one.parts, other.parts))


def test_every_form_gives_the_same_graph(tmp_path):
    graph = npz(tmp_path)
    assert graph.edges.shape == (2, 2 * N)
    assert (graph.classes, graph.shape) == (("0", "1", "2"), (8,))
    assert graph.labels[graph.parts == 0].bincount().tolist() == [10, 10, 10]  # half of each
    matrix = sparse.csr_matrix(X)
    parts = {f"x_{key}": getattr(matrix, key) for key in ("data", "indices", "indptr", "shape")}
    bare = {key.removeprefix("x_"): value for key, value in parts.items()}
    for number, arrays in enumerate([parts, bare, {"edge_index": RING.T.astype(float), "x": X}]):
        np.savez(tmp_path / f"{number}.npz", **{"edge_index": RING, "y": Y} | arrays)
        assert same(graph, datasets.load(f"graph:{tmp_path / f'{number}.npz'}", "all"))
    forms = [{}, {"features_csv": None, "features_json": json.dumps(WORDS)},
             {"edges_csv": csv(RING.T.astype(float), "source,target\n")},  # ids such as 3.0
             {"edges_csv": "# a list\n" + csv(RING.T).replace(",", " ")},
             {"features_csv": csv(((i, *x) for i, x in enumerate(X)), "id,a,b,c,d,e,f,g,h\n")}]
    for number, texts in enumerate(forms):
        place = tmp_path / f"folder{number}"
        place.mkdir()
        assert same(graph, folder(place, **texts)), texts


def test_nodes_may_have_names(tmp_path):
    named = [[TEXTS[i] for i in ends] for ends in RING]
    graph = npz(tmp_path, edge_index=named, ids=TEXTS, y=[f"class {k}" for k in Y])
    assert graph.classes == ("class 0", "class 1", "class 2")
    assert graph.ids == tuple(TEXTS)
    (tmp_path / "f").mkdir()
    other = folder(tmp_path / "f", edges_csv=csv(np.array(named).T),
                   features_csv=csv((n, *x) for n, x in zip(TEXTS, X, strict=True)),
                   labels_csv=csv(((n, f"class {k}") for n, k in zip(TEXTS, Y, strict=True))))
    assert same(graph, other)
    assert other.ids == tuple(TEXTS)
    assert graph.take(torch.tensor([3, 1])).ids == ("n3", "n1")


MASK = np.arange(N) < 30
LOOPS = np.concatenate([RING, RING[:, :5], [[7, 8], [7, 8]]], axis=1)


@pytest.mark.parametrize(
    ("arrays", "notes"),
    [
        ({"edge_index": LOOPS}, ["2 edges that join a node to itself", "5 edges that occur again",
                                 "60 of 60 edges are given in one direction"]),
        ({"edge_index": np.concatenate([RING, RING[::-1]], axis=1)}, []),
        ({"edge_index": RING[:, :40]}, ["19 of 60 nodes have no edge"]),
        ({"x": 100 * X}, ["features are standardised"]),
        ({"y": np.where(np.arange(N) < 50, Y, -1)}, ["10 of 60 nodes have no label"]),
        ({"train_mask": np.stack([MASK] * 10, axis=1)}, ["train_mask has 10 splits"]),
    ],
)
def test_what_is_changed_or_guessed_is_said(tmp_path, arrays, notes):
    said = "\n".join(npz(tmp_path, **arrays).notes)
    for note in notes:
        assert note in said
    assert notes or "edge" not in said


def test_masks_are_kept_and_labels_may_be_missing(tmp_path):
    graph = npz(tmp_path, train_mask=MASK, val_mask=(np.arange(N) >= 50))
    assert graph.parts.tolist() == [0] * 30 + [1] * 20 + [2] * 10
    for y in ({}, {"y": np.full(N, -1)}):
        np.savez(tmp_path / "bare.npz", edge_index=RING, **y)
        graph = datasets.load(f"graph:{tmp_path / 'bare.npz'}")
        assert (graph.labels, graph.classes, len(graph.index)) == (None, (), 48)
        assert graph.features.sum(dim=0)[2] == N, "each has two neighbours"


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"edge_index": RING + 1}, "edge 58 joins nodes 59 and 60, and x has rows 0 to 59"),
        ({"edge_index": RING + 0.5}, "holds more than whole numbers"),
        ({"edge_index": [["a"], ["b"]]}, "there is no ids"),
        ({"edge_index": [["n0"], ["z"]], "ids": TEXTS}, "names node 'z'"),
        ({"edge_index": [[1], [1]]}, "no edge joins two"),
        ({"edge_index": RING[0]}, "not (2, E)"),
        ({"x": np.where(X > 0, np.nan, 0)}, "row 0 of x holds nan"),
        ({"x": X[:, 0]}, "x is float64 (60,)"),
        ({"x": X.astype(object)}, "cannot be read"),
        ({"x": X[:4], "edge_index": RING[:, :3]}, "it has 4 nodes"),
        ({"y": Y[:5]}, "not one class for each of 60"),
        ({"y": Y * 0.37}, "measured values"),
        ({"y": np.arange(N)}, "60 values in 60 places"),
        ({"y": Y * 0}, "1 values"),
        ({"train_mask": MASK, "test_mask": MASK}, "30 nodes are in train_mask and in test_mask"),
        ({"train_mask": np.arange(20)}, "not one truth value for each node"),
        ({"train_mask": np.arange(N) < 1}, "1 labels to learn from"),
        ({"graph": Y, "y": Y[:3]}, "edges between them"),
        ({"ids": TEXTS[:3]}, "3 ids for 60 nodes"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, arrays, says):
    with pytest.raises(DataError) as caught:
        npz(tmp_path, **arrays)
    assert says in caught.value.what
    assert caught.value.todo


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"edges_csv": None}, "it has no edges.csv"),
        ({"edges_csv": csv([*RING.T, (3, "z")])}, "edges.csv: line 61 names node 'z'"),
        ({"labels_csv": csv([("id", "k"), (0, 1), (99, 1)])}, "labels.csv: line 3 names node '99'"),
        ({"features_csv": csv([*enumerate(Y), (3, 1)])}, "node '3' has features twice"),
        ({"features_csv": csv([(0, 1), (1, "red")])}, "line 2 has 'red' in column 2"),
        ({"features_csv": "0\n1\n"}, "its lines have one cell"),
        ({"features_csv": None, "features_json": "[[0.5]]"}, "no lists of whole numbers"),
        ({"features_csv": None, "features_json": "{"}, "cannot be read"),
    ],
)
def test_the_file_and_the_line_are_named(tmp_path, texts, says):
    with pytest.raises(DataError) as caught:
        folder(tmp_path, **texts)
    assert says in caught.value.what


def test_nothing_is_unpickled(tmp_path):
    (tmp_path / "g.npz").write_bytes(pickle.dumps({"edge_index": RING}))
    with pytest.raises(DataError, match="cannot be read"):
        datasets.load(f"graph:{tmp_path / 'g.npz'}")


def many(count=20, size=4):
    """Rings as a set of graphs, with one label each."""
    starts = size * np.arange(count)[:, None]
    ring = starts + np.arange(size), starts + (np.arange(size) + 1) % size
    number = np.repeat(np.arange(count), size)
    x = np.eye(size)[np.arange(count * size) % size] * (1 + number % 2)[:, None] / 2
    return {"edge_index": np.stack([ends.ravel() for ends in ring]), "x": x, "graph": number,
            "y": np.arange(count) % 2}


def test_many_graphs_are_judged_by_their_means(tmp_path):
    np.savez(tmp_path / "g.npz", **many())
    name = f"graph:{tmp_path / 'g.npz'}"
    train, test, whole = (datasets.load(name, split) for split in ("train", "test", "all"))
    assert [len(one.index) for one in (train, test, whole)] == [16, 4, 20]
    assert whole.index.tolist() == list(range(0, 80, 4)), "the first node stands for each graph"
    means = whole.pool(whole.features)
    for number in range(20):
        assert torch.allclose(means[4 * number], whole.features[whole.graph == number].mean(dim=0))
    assert whole.labels[whole.index].tolist() == [i % 2 for i in range(20)]
    few = datasets.load(name, limit=3)
    assert (len(few), few.edges.shape[1]) == (12, 24), "graphs stay whole"


# -- torch_geometric ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Nothing/Cora", "TUDataset/../x", "Planetoid/PubMed"])
def test_sets_that_may_be_pickles_are_refused(name):
    with pytest.raises(UsageError, match="There is no set pyg:"):
        datasets.load(f"pyg:{name}")


def test_a_set_is_made_once_kept_as_arrays_and_made_again_when_damaged(monkeypatch):
    made = []

    def make(text, geometric, place):
        made.append(text)
        return many()

    with pytest.raises(DataError, match="SSLBOOK_OFFLINE"):
        datasets.load("pyg:TUDataset/RINGS")
    monkeypatch.delenv("SSLBOOK_OFFLINE")
    monkeypatch.setattr(pyg, "_module", lambda: None)
    monkeypatch.setattr(pyg, "_made", make)
    assert not datasets.present("pyg:TUDataset/RINGS")
    path = datasets.get("pyg:TUDataset/RINGS")
    assert len(datasets.load("pyg:TUDataset/RINGS").index) == 16
    assert len(made) == 1
    path.write_bytes(path.read_bytes()[:100])
    assert datasets.get("pyg:TUDataset/RINGS") == path
    assert len(made) == 2


def test_without_the_extra_the_error_says_what_to_type(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch_geometric", None)
    with pytest.raises(DataError, match=r"sslbook\[graphs\]"):
        datasets.load("pyg:KarateClub")


def test_a_set_of_torch_geometric_is_fetched_whole_or_not_at_all(monkeypatch):
    kinds = pytest.importorskip("torch_geometric.datasets", reason="the extra graphs is missing")
    texts = {"A": csv((a + 1, b + 1) for a, b in many()["edge_index"].T.tolist()),
             "graph_indicator": csv((i // 4 + 1,) for i in range(80)),
             "graph_labels": csv((i % 2,) for i in range(20)),
             "node_labels": csv((i % 4,) for i in range(80))}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"RINGS/RINGS_{name}.txt", text)
    whole, name = packed.getvalue(), "pyg:TUDataset/RINGS"
    monkeypatch.delenv("SSLBOOK_OFFLINE")
    with loopback.Server({}) as server:
        monkeypatch.setattr(kinds.TUDataset, "url", server.url)
        for answer in (loopback.status(404), b"", loopback.cut(whole), whole[:200]):
            server.files["/RINGS.zip"] = answer
            with pytest.raises(DataError, match="could not be downloaded"):
                datasets.get(name)
            assert not datasets.present(name)
        server.files["/RINGS.zip"] = whole
        graph = datasets.load(name)
    assert (len(graph), graph.shape, graph.edges.shape[1]) == (80, (4,), 160)
    assert (graph.graph == torch.arange(80) // 4).all()
