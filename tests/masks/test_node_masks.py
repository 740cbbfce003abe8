"""Masks of nodes: counts as in the official code, visible sources, every node equally often."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbook.errors import UsageError
from sslbook.masks.nodes import node_masks


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(4, 300), st.floats(0.3, 0.9), st.floats(0, 0.5), st.integers(0, 2**31))
def test_masks_have_the_counts_of_the_official_code(nodes, share, replaced, seed):
    masked, sources = node_masks(nodes, share, replaced, torch.Generator().manual_seed(seed))
    assert len(masked) == int(share * nodes)
    assert len(sources) == int(replaced * len(masked))
    assert len(masked.unique()) == len(masked)
    assert 0 <= int(masked.min())
    assert int(masked.max()) < nodes
    assert not torch.isin(sources, masked).any(), "a masked node's features are in the input"
    again, _ = node_masks(nodes, share, replaced, torch.Generator().manual_seed(seed))
    assert torch.equal(masked, again)


def test_every_node_is_masked_equally_often():
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(20)
    for _ in range(2000):
        counts[node_masks(20, 0.5, 0.1, generator)[0]] += 1
    assert float((counts / 2000 - 0.5).abs().max()) < 0.05


@pytest.mark.parametrize(("share", "replaced"), [(0, 0), (1, 0), (0.5, -0.1), (0.5, 1.1)])
def test_impossible_masks(share, replaced):
    with pytest.raises(UsageError, match="Take shares between 0 and 1"):
        node_masks(10, share, replaced, torch.Generator())
