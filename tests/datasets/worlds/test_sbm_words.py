"""Words on a block model: blocks, words and styles are as its constants say."""

from __future__ import annotations

import pytest
import torch

from sslbook import datasets
from sslbook.datasets.worlds import sbm_words as world
from sslbook.datasets.worlds.sbm_words import sbm_words


@pytest.fixture(scope="module")
def graph():
    return datasets.load("sbm_words")


def test_both_splits_are_of_one_graph(graph):
    test = datasets.load("sbm_words", "test")
    assert graph.sha256 == test.sha256 != datasets.load("sbm_words", seed=1).sha256
    assert graph.labels[graph.index].bincount().tolist() == [20] * 6
    assert len(test.index) == 1000
    assert not set(graph.index.tolist()) & set(test.index.tolist())
    assert datasets.kind("sbm_words") == "graph"
    assert len(datasets.load("sbm_words", limit=300)) == 300


def test_the_first_nodes_of_a_larger_graph_are_the_smaller_graph(graph):
    small, cut = sbm_words(400), graph.take(400)
    for one, other in ((small.features, cut.features), (small.labels, cut.labels)):
        assert torch.equal(one, other)
    assert torch.equal(small.edges, cut.edges)
    assert torch.equal(small.factors["style"], cut.factors["style"])
    assert torch.equal(small.parts == 0, cut.parts == 0)


def test_draws_are_frozen(graph):
    assert graph.labels[:6].tolist() == [5, 2, 4, 0, 3, 1]
    assert graph.edges[:, :4].tolist() == [[0, 0, 1, 1], [249, 988, 68, 78]]
    assert graph.features[0].nonzero()[:, 0].tolist()[:6] == [38, 57, 66, 71, 76, 98]


def test_edges_are_those_of_a_block_model(graph):
    source, target = graph.edges
    assert {(b, a) for a, b in graph.edges.T.tolist()} == set(map(tuple, graph.edges.T.tolist()))
    assert not (source == target).any()
    assert torch.equal(graph.factors["degree"], source.bincount(minlength=1500))
    same = graph.labels[source] == graph.labels[target]
    pairs = 250 * 249 * 6  # ordered, within a class
    assert same.sum().item() / pairs == pytest.approx(world.WITHIN, rel=0.1)
    assert (~same).sum().item() / (1500 * 1499 - pairs) == pytest.approx(world.BETWEEN, rel=0.1)


def test_words_tell_class_and_style_and_no_edge_knows_the_style(graph):
    topic, style = graph.factors["topic"], graph.factors["style"]
    assert torch.equal(topic, graph.labels)
    own = graph.features[:, : 6 * world.OWN].view(1500, 6, world.OWN).mean(dim=2)
    mine = own.gather(1, topic[:, None])
    assert mine.mean().item() == pytest.approx(world.ON, abs=0.01)
    assert (own.sum() - mine.sum()).item() / 7500 == pytest.approx(world.OFF, abs=0.005)
    burst = graph.features[:, 6 * world.OWN :].view(1500, world.STYLES, -1).mean(dim=2)
    assert (burst.argmax(dim=1) == style).double().mean() > 0.9
    source, target = graph.edges
    assert (style[source] == style[target]).double().mean().item() == pytest.approx(
        1 / world.STYLES, abs=0.02)


def test_smoothing_is_the_mean_over_a_node_and_its_neighbours(graph):
    source, target = graph.edges
    once, twice = graph.smoothed(), graph.smoothed(2)
    around = torch.cat([torch.tensor([5]), source[target == 5]])
    assert torch.allclose(once[5], graph.features[around].mean(dim=0))
    assert torch.allclose(twice[5], once[around].mean(dim=0))
    assert torch.equal(graph.smoothed(0), graph.features)
