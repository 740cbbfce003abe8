"""SimCLR: the floor of NT-Xent, its gradient by hand, the temperature, and mutants.

Fixtures, invariances, half precision and bad input of NT-Xent are in test_losses.py.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sslbook.lesson import check_same
from sslbook.methods.simclr import nt_xent_loss, similarity


def pair(seed: int, n: int = 6, d: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2)]


def floor(n: int, temperature: float) -> float:
    """Siblings coincide, images stand at the corners of a simplex (needs D >= N - 1)."""
    return math.log1p(2 * (n - 1) * math.exp(-n / ((n - 1) * temperature)))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("n", [2, 4, 9])
def test_a_simplex_reaches_the_floor(n: int, temperature: float) -> None:
    corners = torch.eye(n, dtype=torch.float64) - 1 / n
    value = float(nt_xent_loss(corners, corners, temperature))
    assert value == pytest.approx(floor(n, temperature), rel=1e-9)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nothing_lies_below_the_floor(temperature: float) -> None:
    for seed in range(40):
        views = [z.requires_grad_() for z in pair(seed, 5, 4)]
        optimiser = torch.optim.SGD(views, lr=0.5)
        for _ in range(15):
            optimiser.zero_grad()
            value = nt_xent_loss(*views, temperature)
            assert float(value.detach()) >= floor(5, temperature) - 1e-12
            value.backward()
            optimiser.step()


def test_the_gradient_is_what_the_softmax_gives_less_what_is_true() -> None:
    """dL/ds_ik = (p_ik - [k is the sibling of i]) / (2N t), p without the view itself."""
    a, b = pair(3, 5, 3)
    n, t = len(a), 0.3
    matrix = similarity(a, b)
    itself = torch.eye(2 * n, dtype=torch.bool)
    p = (matrix / t).masked_fill(itself, -math.inf).softmax(1)
    target = torch.eye(n, dtype=torch.float64).repeat(2, 2) - itself.double()
    by_hand = (p - target) / (2 * n * t)
    z = [v.clone().requires_grad_() for v in (a, b)]
    got = torch.autograd.grad(nt_xent_loss(*z, t), z)
    through = torch.autograd.grad((similarity(*z) * by_hand).sum(), z)
    for left, right in zip(got, through, strict=True):
        assert torch.allclose(left, right, atol=1e-12)


def test_a_small_temperature_looks_at_the_hardest_alone() -> None:
    """t times the loss tends to the mean of (largest other similarity - sibling's)."""
    a, b = pair(5, 6, 3)
    matrix, n = similarity(a, b), 6
    hardest = matrix.masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf).amax(1).mean()
    limit = float(hardest - matrix.diagonal(n).mean())
    assert 1e-4 * float(nt_xent_loss(a, b, 1e-4)) == pytest.approx(limit, abs=1e-3)


def logits(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    return similarity(z1, z2) / temperature


def keeps_itself(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    scores = logits(z1, z2, t)
    return scores.logsumexp(1).mean() - scores.diagonal(len(z1)).mean()


def drops_the_sibling(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    scores, n = logits(z1, z2, t), len(z1)
    same = torch.eye(n, dtype=torch.bool).repeat(2, 2)
    return scores.masked_fill(same, -math.inf).logsumexp(1).mean() - scores.diagonal(n).mean()


def not_normalised(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    z, n = torch.cat([z1, z2]), len(z1)
    scores = (z @ z.T / t).fill_diagonal_(-math.inf)
    return scores.logsumexp(1).mean() - scores.diagonal(n).mean()


def other_view_alone(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    """InfoNCE between the views, as in CLIP: no negatives of the own view."""
    block = logits(z1, z2, t)[: len(z1), len(z1) :]
    return (block.logsumexp(1) + block.logsumexp(0)).mean() / 2 - block.diagonal().mean()


def interleaved(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    """Takes 2i and 2i + 1 for siblings in rows that stand as [z1; z2]."""
    scores = logits(z1, z2, t).fill_diagonal_(-math.inf)
    return scores.logsumexp(1).mean() - scores.diagonal(1)[::2].mean()


MUTANTS = {
    "the view itself stays": keeps_itself, "the sibling is left out": drops_the_sibling,
    "no normalisation": not_normalised, "negatives of the other view alone": other_view_alone,
    "interleaved": interleaved, "no temperature": lambda a, b, t: nt_xent_loss(a, b, 1.0),
    "multiplied by the temperature": lambda a, b, t: nt_xent_loss(a, b, 1 / t),
    "summed": lambda a, b, t: nt_xent_loss(a, b, t) * 2 * len(a),
    "one view detached": lambda a, b, t: nt_xent_loss(a, b.detach(), t),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_mutants_are_rejected(mutant) -> None:
    cases = [(*pair(seed, n, d), t) for seed, n, d, t in [(0, 6, 4, 0.1), (1, 3, 5, 0.5)]]
    assert check_same(nt_xent_loss, nt_xent_loss, *cases, show=False)
    assert not check_same(mutant, nt_xent_loss, *cases, show=False)
