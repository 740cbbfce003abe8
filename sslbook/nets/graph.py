"""Graph networks in plain torch: a node's new vector is a weighted sum over its neighbours.

Two gathers and one `index_add` are all that a layer needs, so no further package is asked for.
`edges` is int64 (2, E), source above target; every layer adds the self-loops itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbook.errors import UsageError


class GraphLayer(nn.Module):
    """x (N, inputs), edges (2, E) -> (N, outputs): sum over neighbours j of a_ij W x_j, plus bias.

    kind "gcn": a_ij = 1 / sqrt(degree_i * degree_j), with the self-loop (Kipf and Welling 2017).
    kind "gat": per head, the softmax over j of LeakyReLU(u . W x_j + v . W x_i), slope 0.2; the
    heads stand side by side (Velickovic et al. 2018).
    """

    def __init__(self, inputs: int, outputs: int, kind: str = "gcn", heads: int = 1):
        super().__init__()
        if kind not in ("gcn", "gat") or outputs % heads or (kind == "gcn" and heads != 1):
            raise UsageError(f"No graph layer {kind!r} with {heads} heads, {outputs} outputs.", "",
                             "Use gcn with 1 head, or gat with heads that divide the outputs.")
        self.heads = heads
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)
        self.attend = None
        if kind == "gat":
            self.attend = nn.Parameter(torch.empty(2, heads, outputs // heads))
            nn.init.xavier_uniform_(self.attend)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        loops = torch.arange(len(x), device=x.device)
        source, target = (torch.cat([ends, loops]) for ends in edges)
        shape = (self.heads, -1, x.shape[1])
        split = self.weight.view(shape)  # (heads, outputs / heads, inputs)
        if self.attend is None:
            share = _sum(x.new_ones(len(target)), target, x).rsqrt()  # of the degrees
            share = (_at(share, source) * _at(share, target))[:, None]  # (E, 1)
        else:
            # u . W x_j is x_j . (W^T u): no wide vector is needed for the attention.
            sent, seen = torch.einsum("khd,hdf,nf->knh", self.attend, split, x)
            score = nn.functional.leaky_relu(_at(sent, source) + _at(seen, target), 0.2)
            share = _softmax(score, target, x)
        if self.heads == 1 and x.shape[1] < len(self.weight):  # sum the narrower side
            sums = _sum(_at(x, source) * share, target, x)
            return nn.functional.linear(sums, self.weight, self.bias)
        h = nn.functional.linear(x, self.weight).view(len(x), self.heads, -1)
        sums = _sum(_at(h, source) * share[..., None], target, x)
        return sums.flatten(1) + self.bias


def _at(values: Tensor, nodes: Tensor) -> Tensor:
    return values.index_select(0, nodes)  # several times faster than values[nodes]


def _sum(messages: Tensor, target: Tensor, x: Tensor) -> Tensor:
    """Sum of the messages that arrive at each node: (E, ...) -> (N, ...)."""
    zeros = messages.new_zeros(len(x), *messages.shape[1:])
    return zeros.index_add(0, target, messages)


def _softmax(score: Tensor, target: Tensor, x: Tensor) -> Tensor:
    """Softmax of the scores (E, heads) over the edges that arrive at one node."""
    place = target[:, None].expand_as(score)
    top = score.new_zeros(len(x), score.shape[1]).scatter_reduce(
        0, place, score.detach(), "amax", include_self=False)
    weight = (score - _at(top, target)).exp()
    return weight / _at(_sum(weight, target, x), target)


class GraphNet(nn.Module):
    """Graph layers with PReLU after each: x (N, features), edges (2, E) -> (N, width)."""

    def __init__(self, features: int, width: int, depth: int, kind: str, heads: int,
                 dropout: float):
        super().__init__()
        sizes = [features] + [width] * depth
        self.layers = nn.ModuleList(
            GraphLayer(a, b, kind, heads) for a, b in zip(sizes, sizes[1:], strict=False))
        self.bends = nn.ModuleList(nn.PReLU() for _ in self.layers)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = width

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        for layer, bend in zip(self.layers, self.bends, strict=True):
            x = bend(layer(self.dropout(x), edges))
        return x


def graph_net(features: int, width: int = 256, depth: int = 2, kind: str = "gat", heads: int = 4,
              dropout: float = 0.0) -> GraphNet:
    """Two graph attention layers of four heads at the defaults."""
    return GraphNet(features, width, depth, kind, heads, dropout)
