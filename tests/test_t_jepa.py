"""T-JEPA: the loss, the masks of columns, the row encoder, and what cannot leak."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslbook import heads, nets
from sslbook.errors import UsageError
from sslbook.lesson.checks import compare
from sslbook.masks.columns import column_masks
from sslbook.methods import t_jepa
from sslbook.methods.t_jepa import context_codes, jepa_loss, predictor_input, residual

quick = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**31)
CONTEXT, TARGET = (0.136, 0.368), (0.156, 0.622)  # shares of the official launch script


def case(seed: int, blocks: int = 2, rows: int = 3, columns: int = 8, width: int = 4,
         dtype: torch.dtype = torch.float64):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(blocks, rows, columns, width, generator=generator, dtype=dtype)
    codes = torch.randn(rows, columns, width, generator=generator, dtype=dtype)
    _, wanted = column_masks(rows, columns, CONTEXT, TARGET, blocks, generator)
    return predicted, codes, wanted


def encoder(groups=(1,) * 8, registers: int = 1, width: int = 8):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nets.build("row_encoder", groups=tuple(groups), width=width, depth=2, heads=2,
                          registers=registers)


# -- the loss -------------------------------------------------------------------------------------


def test_matches_its_definition_with_loops():
    predicted, codes, wanted = case(1)
    total = []
    for i in range(2):
        for b in range(3):
            chosen = [j for j in range(8) if wanted[i, b, j]]
            total.append(sum(float((predicted[i, b, j] - codes[b, j]).square().mean())
                             for j in chosen) / len(chosen))
    assert float(jepa_loss(predicted, codes, wanted)) == pytest.approx(sum(total) / 6, rel=1e-12)


def test_by_hand():
    predicted = torch.zeros(1, 1, 3, 2)
    codes = torch.tensor([[[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]]])
    wanted = torch.tensor([[[True, True, False]]])
    assert float(jepa_loss(predicted, codes, wanted)) == 3.0  # (1 + 5) / 2


def test_collapse_is_a_global_minimum():
    _, codes, wanted = case(2)
    codes[:] = 0.3
    assert float(jepa_loss(codes.expand(2, -1, -1, -1), codes, wanted)) == 0.0


def test_no_gradient_flows_into_the_teacher_or_into_what_is_not_wanted():
    predicted, codes, wanted = case(3)
    predicted.requires_grad_()
    codes.requires_grad_()
    jepa_loss(predicted, codes, wanted).backward()
    assert codes.grad is None
    assert float(predicted.grad[~wanted].abs().max()) == 0.0
    assert float(predicted.grad[wanted].abs().min()) > 0.0


def test_gradcheck():
    predicted, codes, wanted = case(4, rows=2)
    assert torch.autograd.gradcheck(
        lambda p: jepa_loss(p, codes, wanted), (predicted.requires_grad_(),))


def test_an_empty_block_counts_nothing():
    predicted, codes, wanted = case(5)
    wanted[0, 0] = False
    assert jepa_loss(predicted, codes, wanted).isfinite()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(half):
    predicted, codes, wanted = case(6, dtype=torch.float32)
    predicted, codes = predicted.to(half), codes.to(half)
    exact = jepa_loss(predicted.float(), codes.float(), wanted)
    assert jepa_loss(predicted, codes, wanted).dtype == torch.float32
    assert float(jepa_loss(predicted, codes, wanted)) == float(exact)


def test_wrong_shapes_are_named():
    predicted, codes, wanted = case(0)
    for bad in [(predicted[0], codes, wanted), (predicted, codes[:1], wanted),
                (predicted, codes, wanted[:1]), (predicted, codes, wanted.float())]:
        with pytest.raises(UsageError, match="jepa_loss takes predictions"):
            jepa_loss(*bad)


# -- the masks ------------------------------------------------------------------------------------


@quick
@given(st.integers(8, 60), st.integers(1, 5), seeds)
def test_masks_are_disjoint_and_within_their_shares(columns, rows, seed):
    generator = torch.Generator().manual_seed(seed)
    seen, wanted = column_masks(rows, columns, CONTEXT, TARGET, 4, generator)
    assert seen.shape == (rows, columns)
    assert wanted.shape == (4, rows, columns)
    assert not (seen & wanted).any()
    sizes = seen.sum(dim=-1), wanted.sum(dim=-1)
    for size, (low, high) in zip(sizes, (CONTEXT, TARGET), strict=True):
        assert int(size.min()) >= max(1, math.ceil(low * columns))
        assert int(size.max()) <= max(1, math.floor(high * columns))


def test_every_column_is_seen_and_wanted_equally_often():
    generator = torch.Generator().manual_seed(0)
    seen, wanted = column_masks(4000, 10, CONTEXT, TARGET, 2, generator)
    for mask in (seen, wanted[0], wanted[1]):
        share = mask.float().mean(dim=0)
        assert float((share - share.mean()).abs().max()) < 0.03
    assert not torch.equal(wanted[0], wanted[1])
    assert len(seen.unique(dim=0)) > 20, "every row has its own context"


def test_all_sizes_of_a_range_occur():
    generator = torch.Generator().manual_seed(0)
    seen, _ = column_masks(400, 20, (0.2, 0.4), (0.2, 0.5), 1, generator)
    assert seen.sum(dim=-1).unique().tolist() == [4, 5, 6, 7, 8]


def test_few_columns_are_refused():
    with pytest.raises(UsageError, match="8 columns or more"):
        column_masks(4, 7, CONTEXT, TARGET, 4, torch.Generator())
    with pytest.raises(UsageError, match="smaller context"):
        column_masks(4, 10, (0.5, 1.0), TARGET, 4, torch.Generator())


# -- the encoder ----------------------------------------------------------------------------------


def test_hidden_columns_cannot_leak():
    """Bit for bit: codes of the context are the same whatever the other columns hold."""
    net = encoder().eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 8, generator=generator)
    seen, _ = column_masks(5, 8, (0.3, 0.6), TARGET, 1, generator)
    other = torch.where(seen, x, torch.full_like(x, 99.0))
    said = [context_codes(net, rows, seen) for rows in (x, other)]
    assert torch.equal(*said)
    assert float(said[0][~seen].abs().max()) == 0.0
    assert not torch.equal(net(x), net(other))


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


def test_predictor_input():
    codes, token = torch.ones(1, 3, 2), torch.tensor([5.0, 6.0])
    names = torch.arange(6.0).view(3, 2)
    seen = torch.tensor([[True, False, True]])
    made = predictor_input(codes, seen, token, names)
    assert made.tolist() == [[[1.0, 2.0], [7.0, 9.0], [5.0, 6.0]]]


def test_the_teacher_forgets_its_start_as_computed():
    teacher = heads.Teacher(nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        teacher.net.weight.fill_(1.0)
        student = nn.Linear(1, 1, bias=False)
        student.weight.zero_()
    for _ in range(100):
        teacher.update(student, t_jepa.MOMENTUM)
    assert float(teacher.net.weight) == pytest.approx(0.996**100, rel=1e-4)
    assert residual(100) == pytest.approx(0.996**100)


# -- wrong answers --------------------------------------------------------------------------------


def right(predicted, codes, wanted):
    square = (predicted - codes.detach()).square().mean(dim=-1)
    return ((square * wanted).sum(dim=-1) / wanted.sum(dim=-1)).mean()


def no_stop_gradient(predicted, codes, wanted):
    square = (predicted - codes).square().mean(dim=-1)
    return ((square * wanted).sum(dim=-1) / wanted.sum(dim=-1)).mean()


def pooled(predicted, codes, wanted):
    return (predicted - codes.detach())[wanted].square().mean()


def everything(predicted, codes, wanted):
    return (predicted - codes.detach()).square().mean()


def all_columns_below(predicted, codes, wanted):
    square = (predicted - codes.detach()).square().mean(dim=-1)
    return (square * wanted).mean()


@pytest.mark.parametrize("wrong", [no_stop_gradient, everything, all_columns_below])
def test_the_comparison_rejects_what_is_wrong(wrong):
    cases = [case(1), case(2, blocks=3)]
    assert compare(right, jepa_loss, cases)[0]
    assert not compare(wrong, jepa_loss, cases)[0]


def test_blocks_of_different_size_count_the_same():
    """Pooling all wanted columns is another loss, unless all blocks have one size."""
    predicted, codes, wanted = case(1)
    wanted[:] = False
    wanted[0, :, :2] = wanted[1, :, :5] = True
    assert not compare(pooled, jepa_loss, [(predicted, codes, wanted)])[0]
