"""GraphMAE: how features are hidden, and that nothing hidden leaks."""

from __future__ import annotations

import torch
from changes import generator, two_views
from harness import checks
from specs import Spec

from sslbook.masks.nodes import node_masks
from sslbook.methods.graphmae import corrupt, remask
from sslbook.nets.graph import GraphLayer, GraphNet

CORRUPTED = (two_views(0, 6, 3)[0], torch.tensor([4, 0, 2]), torch.tensor([5]),
             torch.ones(3).double())


A_MASKED_SOURCE = (*CORRUPTED[:2], torch.tensor([0]), CORRUPTED[3])


def in_place(x, masked, sources, token):
    x[masked] = token
    x[masked[: len(sources)]] = x[sources]
    return x


def no_noise(x, masked, sources, token):
    return x.index_copy(0, masked, token.expand(len(masked), -1))


def last_ones(x, masked, sources, token):
    return no_noise(x, masked, sources, token).index_copy(0, masked[-len(sources):], x[sources])


def read_too_late(x, masked, sources, token):
    """The sources are read after some of them got the token."""
    hidden = no_noise(x, masked, sources, token)
    return hidden.index_copy(0, masked[: len(sources)], hidden[sources])


def uniform_noise(x, masked, sources, token):
    """Between the least and the largest value of each column: none that a node has."""
    share = torch.rand(len(sources), x.shape[1], generator=generator(), dtype=x.dtype)
    noise = x.amin(0) + share * (x.amax(0) - x.amin(0))
    return no_noise(x, masked, sources, token).index_copy(0, masked[: len(sources)], noise)


test_spec = checks(
    Spec(function=corrupt, inputs=lambda seed: CORRUPTED, shapes=[()], half=False,
         refused=[((CORRUPTED[0], CORRUPTED[1], torch.arange(4), torch.ones(3)),
                   "4 sources for 3 masked")],
         cases=[CORRUPTED, A_MASKED_SOURCE],
         mutants={"in place": in_place, "no noise": no_noise, "the last ones": last_ones,
                  "uniform noise": uniform_noise, "read too late": read_too_late}))


def test_corrupt_and_remask():
    x = torch.arange(12.0).view(6, 2)
    token = torch.tensor([-1.0, -2.0], requires_grad=True)
    masked, sources = torch.tensor([4, 0, 2]), torch.tensor([5])
    made = corrupt(x, masked, sources, token)
    assert made[4].tolist() == x[5].tolist()
    assert made[[0, 2]].tolist() == [[-1.0, -2.0]] * 2
    assert torch.equal(made[[1, 3, 5]], x[[1, 3, 5]])
    assert x[0].tolist() == [0.0, 1.0], "the input was changed"
    made.sum().backward()
    assert token.grad.tolist() == [2.0, 2.0]
    h = torch.ones(6, 3, requires_grad=True)
    z = remask(h, masked)
    assert z[masked].abs().sum() == 0
    assert z.sum() == 9
    z.sum().backward()
    assert h.grad[masked].abs().sum() == 0


def test_hidden_features_cannot_leak():
    """Bit for bit: what the decoder says is the same whatever the masked features are."""
    edges = torch.randint(0, 30, (2, 120), generator=generator())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, decoder = GraphNet(5, 8, 2, "gat", 2, 0.0), GraphLayer(8, 5, "gat")
    masked, none = node_masks(30, 0.5, 0.0, generator())
    x = torch.randn(30, 5, generator=generator())
    other = x.index_fill(0, masked, 123.0)
    said = [decoder(remask(encoder(corrupt(v, masked, none, torch.zeros(5)), edges), masked), edges)
            for v in (x, other)]
    assert torch.equal(*said)
    assert not torch.equal(said[0], decoder(encoder(other, edges), edges))
