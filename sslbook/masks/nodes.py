"""Masks of nodes: whose features a graph network must guess."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.errors import UsageError


def node_masks(
    nodes: int, share: float, replaced: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(masked, sources): which nodes are masked, and whose features some of them get instead.

    nodes: N. share: of the nodes that are masked, |M| = int(share * N). replaced: of the masked
    ones that get another node's features, int(replaced * |M|); the rest gets the token.
    masked: int64 (|M|,), in random order, the replaced ones first; sources: int64, one per
    replaced node. All counts are fixed, so every step has the same shapes.

    Sources are visible nodes, so what is masked is nowhere in the input (Hou et al. 2022, arXiv
    2205.10803, section 3.2: rebuilt "given the partially observed node signals"). The authors' code
    (THUDM/GraphMAE, graphmae/models/edcoder.py) draws them from all nodes, masked ones included,
    whose features can then come back through a neighbour.
    """
    count = int(share * nodes)
    if not 0 < count < nodes or not 0 <= replaced <= 1:
        raise UsageError(f"A share of {share!r} masks {count} of {nodes} nodes, of which "
                         f"{replaced!r} get noise.", "", "Take shares between 0 and 1.")
    masked, visible = torch.randperm(nodes, generator=generator).split([count, nodes - count])
    drawn = torch.randint(len(visible), (int(replaced * count),), generator=generator)
    return masked, visible[drawn]
