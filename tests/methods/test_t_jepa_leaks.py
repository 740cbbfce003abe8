"""T-JEPA: nothing about the hidden columns leaks into the codes of a context."""

from __future__ import annotations

import torch
from changes import generator, normal
from torch import nn

from sslbook import nets
from sslbook.masks.columns import column_masks

TARGET = (0.156, 0.622)  # share of the official launch script


def test_hidden_columns_cannot_leak():
    """Bit for bit: codes of the context are the same whatever the other columns hold."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nets.build("row_encoder", groups=(1,) * 8, width=8, depth=2, heads=2, registers=1)
    x, (seen, _) = normal(0, 5, 8).float(), column_masks(5, 8, (0.3, 0.6), TARGET, 1, generator())
    other = torch.where(seen, x, torch.full_like(x, 99.0))
    net.eval()
    said = [net.codes(net.tokens(rows), hidden=~seen)[seen] for rows in (x, other)]
    assert torch.equal(*said)
    assert not torch.equal(net(x), net(other))
    # Statistics of the whole row, taken before columns are hidden, would tell of them.
    x, other = (nn.functional.layer_norm(rows, (8,)) for rows in (x, other))
    said = [net.codes(net.tokens(rows), hidden=~seen)[seen] for rows in (x, other)]
    assert not torch.equal(*said)
