"""Graph data and graph networks: definitions with loops, invariances, the raw files of Cora."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from sslbook import datasets, nets
from sslbook.datasets import planetoid
from sslbook.datasets.known import PLANETOID
from sslbook.errors import DataError, UsageError
from sslbook.nets.graph import GraphLayer

REAL = os.environ.get("SSLBOOK_DATA", "")
HAS_CORA = bool(REAL) and planetoid.find("cora") is not None
needs_cora = pytest.mark.skipif(not HAS_CORA, reason="SSLBOOK_DATA has no planetoid/Cora/raw")


def layer(*arguments, **named):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = GraphLayer(*arguments, **named).double()
        torch.nn.init.normal_(made.bias)
    return made


def small(nodes: int = 7, features: int = 3, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(nodes, features, generator=generator, dtype=torch.float64)
    pairs = torch.randint(0, nodes, (2, 9), generator=generator)
    pairs = pairs[:, pairs[0] != pairs[1]]
    return x, torch.cat([pairs, pairs.flip(0)], dim=1).unique(dim=1)


# -- data -----------------------------------------------------------------------------------------


def test_the_graph_of_digits():
    graph, test = datasets.load("digits_knn"), datasets.load("digits_knn", "test")
    assert len(graph) == 1797
    assert graph.shape == (64,)
    assert len(graph.index) == 200
    assert graph.labels[graph.index].bincount().tolist() == [20] * 10
    assert len(test.index) == 1000
    assert not set(graph.index.tolist()) & set(test.index.tolist())
    assert graph.sha256 == test.sha256
    source, target = graph.edges
    assert not (source == target).any()
    both = {tuple(pair) for pair in graph.edges.T.tolist()}
    assert {(b, a) for a, b in both} == both
    assert len(both) == graph.edges.shape[1]
    assert int(torch.bincount(source).min()) >= 5
    same = (graph.labels[source] == graph.labels[target]).float().mean()
    assert same > 0.9, "neighbours mostly show the same digit"


def test_neighbours_are_the_nearest():
    graph = datasets.load("digits_knn", "all")
    assert len(graph.index) == 1797
    distance = torch.cdist(graph.features[:1], graph.features)[0]
    distance[0] = torch.inf
    nearest = set(distance.topk(5, largest=False).indices.tolist())
    source, target = graph.edges
    assert nearest <= set(target[source == 0].tolist())


def test_a_part_of_a_graph_keeps_the_edges_within():
    whole, part = datasets.load("digits_knn"), datasets.load("digits_knn", limit=300)
    assert len(part) == len(part.labels) == len(part.parts) == 300
    assert min(len(part.index), int((part.parts == 1).sum())) >= 75, "both splits have nodes"
    assert part.labels[part.index].bincount().min() >= 5, "of every class"
    assert part.edges.shape[1] > 600, "neighbours come first"
    assert int(part.edges.max()) < 300
    chosen = torch.tensor([5, 900, 17])
    few = whole.take(chosen)
    assert torch.equal(few.features, whole.features[chosen])
    edges = {tuple(pair) for pair in whole.edges.T.tolist()}
    found = {(int(chosen[a]), int(chosen[b])) for a, b in few.edges.T}
    wanted = {(a, b) for a in chosen.tolist() for b in chosen.tolist() if (a, b) in edges}
    assert found == wanted
    assert len(whole.take(10)) == 10


def test_cora_missing_and_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSLBOOK_DATA", str(tmp_path / "shared"))
    assert not datasets.present("cora")
    with pytest.raises(DataError, match="sslbook data get cora") as error:
        datasets.load("cora")
    assert error.value.exit_code == 3
    folder = tmp_path / "shared" / "planetoid" / "Cora" / "raw"
    folder.mkdir(parents=True)

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    for part in PLANETOID["cora"]:
        (folder / f"ind.cora.{part}").write_bytes(pickle.dumps(Bomb()))
    assert datasets.present("cora")
    with pytest.raises(DataError, match="fails its checksum"):
        datasets.load("cora")
    assert not (tmp_path / "exploded").exists(), "a file was read before it was checked"


@needs_cora
def test_cora():
    graph, test = datasets.load("cora"), datasets.load("cora", "test")
    assert graph.features.shape == (2708, 1433)
    assert graph.edges.shape == (2, 10556)
    assert graph.features.unique().tolist() == [0.0, 1.0]
    assert float(graph.features.mean()) == pytest.approx(0.0127, abs=5e-5)
    assert graph.index.tolist() == list(range(140))
    assert graph.labels[:140].bincount().tolist() == [20] * 7
    assert len(test.index) == 1000
    source, target = graph.edges
    assert float((graph.labels[source] == graph.labels[target]).float().mean()) > 0.8
    assert graph.sha256 == test.sha256


@pytest.mark.skipif(not REAL or planetoid.find("citeseer") is None, reason="no CiteSeer")
def test_citeseer_has_nodes_without_class():
    graph = datasets.load("pyg:Planetoid/CiteSeer")
    assert (graph.name, len(graph), graph.edges.shape[1]) == ("citeseer", 3327, 9104)
    assert graph.labels[graph.index].bincount().tolist() == [20] * 6
    assert (int((graph.labels < 0).sum()), int((graph.parts == 1).sum())) == (15, 1000)


# -- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 4), (3, 2)])
def test_gcn_matches_its_definition(inputs, outputs):
    x, edges = small(features=inputs)
    one = layer(inputs, outputs)
    n = len(x)
    a = torch.eye(n, dtype=torch.float64)
    a[edges[1], edges[0]] = 1
    d = a.sum(dim=1).rsqrt().diag()
    wanted = d @ a @ d @ x @ one.weight.T + one.bias
    assert torch.allclose(one(x, edges), wanted, atol=1e-12)


@pytest.mark.parametrize(("inputs", "outputs", "heads"), [(3, 4, 1), (3, 2, 1), (3, 4, 2)])
def test_gat_matches_its_definition(inputs, outputs, heads):
    x, edges = small(features=inputs)
    one = layer(inputs, outputs, kind="gat", heads=heads)
    n, d = len(x), outputs // heads
    found = torch.zeros(n, outputs, dtype=torch.float64)
    for k in range(heads):
        h = x @ one.weight[k * d : (k + 1) * d].T
        for i in range(n):
            from_ = [*edges[0][edges[1] == i].tolist(), i]
            scores = torch.stack([h[j] @ one.attend[0, k] + h[i] @ one.attend[1, k]
                                  for j in from_])
            share = torch.nn.functional.leaky_relu(scores, 0.2).softmax(dim=0)
            found[i, k * d : (k + 1) * d] = (share[:, None] * h[from_]).sum(dim=0)
    assert torch.allclose(one(x, edges), found + one.bias, atol=1e-12)


def test_against_torch_geometric():
    geometric = pytest.importorskip("torch_geometric.nn", reason="the extra graphs is missing")
    x, edges = small()
    ours = layer(3, 4)
    theirs = geometric.GCNConv(3, 4).double()
    theirs.lin.weight.data, theirs.bias.data = ours.weight.data, ours.bias.data
    assert torch.allclose(ours(x, edges), theirs(x, edges))


@pytest.mark.parametrize("kind", ["gcn", "gat"])
def test_numbering_of_nodes_does_not_matter_and_gradients_are_right(kind):
    x, edges = small()
    one = layer(3, 4, kind=kind)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    assert torch.allclose(one(x[order], place[edges]), one(x, edges)[order])
    assert torch.autograd.gradcheck(lambda v: one(v, edges), (x.requires_grad_(),))


def test_a_node_without_edges_keeps_its_own_word():
    x, _ = small()
    for kind in ("gcn", "gat"):
        one = layer(3, 4, kind=kind)
        alone = torch.zeros(2, 0, dtype=torch.int64)
        assert torch.allclose(one(x, alone), x @ one.weight.T + one.bias)


def test_build_and_refuse():
    net = nets.build("graph_net", features=5, width=8, depth=2, kind="gat", heads=2)
    x, edges = small(features=5)
    assert net(x.float(), edges).shape == (7, 8)
    assert net.out_dim == 8
    assert net.spec["net"] == "graph_net"
    with pytest.raises(UsageError, match="gat with heads that divide"):
        nets.build("graph_net", features=5, width=9, heads=4)
    with pytest.raises(UsageError, match="No graph layer 'sage'"):
        GraphLayer(3, 4, kind="sage")
