"""A transformer over the columns of a table: every column of a row is one token."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def row_blocks(width: int, depth: int, heads: int) -> nn.TransformerEncoder:
    """Pre-norm transformer blocks without dropout: (B, T, width) -> the same."""
    layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True,
                                       norm_first=True)
    return nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)


class RowEncoder(nn.Module):
    """x (B, F) -> (B, J * width): the codes of a row's J columns, side by side.

    groups: how many of the F values belong to each of the J columns: 1 for a number, k for a
    column with k categories (its token is then a looked-up vector). registers: learned tokens
    that are always there and dropped at the end. Source: Gorishniy et al. 2021 (FT-Transformer).
    """

    def __init__(self, groups: tuple[int, ...], width: int, depth: int, heads: int,
                 registers: int):
        super().__init__()
        owner = torch.arange(len(groups)).repeat_interleave(torch.tensor(groups))
        self.register_buffer("owner", owner)  # (F,): the column of each value
        self.weight = nn.Parameter(torch.empty(len(owner), width))
        self.bias = nn.Parameter(torch.empty(len(groups), width))
        self.body = row_blocks(width, depth, heads)
        self.registers = nn.Parameter(torch.empty(registers, width))
        for tokens in (self.weight, self.bias, self.registers):  # those last: they may be none
            nn.init.trunc_normal_(tokens, std=width**-0.5)
        self.columns, self.width, self.out_dim = len(groups), width, len(groups) * width

    def tokens(self, x: Tensor) -> Tensor:
        """(B, F) -> (B, J, width): x_j w_j + b_j, or the vector of x_j's category plus b_j."""
        parts = x[..., None] * self.weight  # (B, F, width)
        if self.columns < len(self.owner):
            zeros = parts.new_zeros(len(x), self.columns, self.width)
            parts = zeros.index_add(1, self.owner, parts)
        return parts + self.bias

    def codes(self, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Codes (B, T, width) of some tokens; nobody looks at `hidden` (B, T), whose codes are 0.

        On a CPU, where each row shows equally many, the hidden ones cost nothing.
        """
        count = len(self.registers)
        on_cpu = hidden is not None and hidden.device.type == "cpu"
        if on_cpu and len(set(hidden.sum(1).tolist())) == 1:
            index = (~hidden).nonzero()[:, 1].view(len(tokens), -1, 1).expand(-1, -1, self.width)
            seen = self.codes(tokens.gather(1, index))
            return torch.zeros_like(tokens).scatter(1, index, seen)
        tokens = torch.cat([self.registers.expand(len(tokens), -1, -1), tokens], dim=1)
        if hidden is None:
            return self.body(tokens)[:, count:]
        found = self.body(tokens, src_key_padding_mask=nn.functional.pad(hidden, (count, 0)))
        return found[:, count:].masked_fill(hidden[..., None], 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.codes(self.tokens(x)).flatten(1)


def row_encoder(groups: tuple[int, ...] | list[int], width: int = 32, depth: int = 2,
                heads: int = 2, registers: int = 1) -> RowEncoder:
    """Two blocks of width 32 at the defaults."""
    return RowEncoder(tuple(groups), width, depth, heads, registers)
