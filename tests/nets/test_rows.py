"""The encoder of rows: a token per column, registers."""

from __future__ import annotations

import torch

from sslbook import nets


def encoder(groups=(1,) * 8, registers: int = 1, width: int = 8):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nets.build("row_encoder", groups=tuple(groups), width=width, depth=2, heads=2,
                          registers=registers)


def test_tokens_of_numbers_and_categories():
    net = encoder(groups=(1, 3, 1)).double()
    x = torch.tensor([[2.0, 0, 1, 0, -1.0]], dtype=torch.float64)
    tokens = net.tokens(x)
    assert tokens.shape == (1, 3, 8)
    wanted = torch.stack([2 * net.weight[0], net.weight[2], -net.weight[4]]) + net.bias
    assert torch.allclose(tokens[0], wanted)
    assert net(x).shape == (1, 24)
    assert net.out_dim == 24


def test_registers_change_codes_and_are_dropped():
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    with_one, without = encoder(registers=1), encoder(registers=0)
    assert with_one(x).shape == without(x).shape == (4, 64)
    state = {k: v for k, v in with_one.state_dict().items() if k != "registers"}
    without.load_state_dict(state, strict=False)
    assert not torch.allclose(with_one(x), without(x))


def test_hidden_tokens_are_left_out_or_masked_with_equal_codes():
    """Rows that hide equally many take the cheap way on a CPU, others the mask: one answer."""
    net = encoder(groups=(1,) * 6)
    tokens = net.tokens(torch.randn(3, 6, generator=torch.Generator().manual_seed(1)))
    equal = torch.tensor([[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1], [1, 1, 0, 0, 0, 0]]).bool()
    for hidden in (equal, equal & (torch.arange(3) < 2)[:, None]):  # the last row hides none
        all_tokens = torch.cat([net.registers.expand(3, -1, -1), tokens], dim=1)
        mask = torch.nn.functional.pad(hidden, (1, 0))
        expected = net.body(all_tokens, src_key_padding_mask=mask)[:, 1:]
        codes = net.codes(tokens, hidden=hidden)
        torch.testing.assert_close(codes[~hidden], expected[~hidden])
        assert not codes[hidden].any()
