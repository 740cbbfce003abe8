"""Multinomial logistic regression for the linear probe: L-BFGS in well-scaled coordinates.

The features of an encoder are strongly correlated, which costs plain L-BFGS hundreds of steps.
Along the principal axes, each scaled by its expected curvature, it needs some tens, and the
objective is the same: a rotation keeps ||W||^2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sslbook.core.streams import Streams

_COARSE = 1e-4  # to here with the bound on the curvature, further with the curvature itself


def standardised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x (N, D) with columns of mean 0 and variance 1, the means (D,) and the factors (D,).

    The factor is 1 / standard deviation (divided by N), and 0 for a constant column, which is
    also one that shows nothing but the rounding of float32.
    """
    mean = x.mean(dim=0)
    centred = x - mean
    std = centred.square().mean(dim=0).sqrt()
    varies = std > 4 * torch.finfo(torch.float32).eps * x.abs().amax(dim=0)
    factor = varies / std.where(varies, 1.0)
    return centred * factor, mean, factor


def principal_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal axes (D, R) that span the rows of x (N, D), and the variances (R,) along them.

    R is D, or for more columns than rows at most N: the solution lies in the span of the rows,
    because anything outside it only adds to the penalty.
    """
    count, width = x.shape
    if width <= count:
        variances, axes = torch.linalg.eigh(x.T @ x / count)
        return axes, variances.clamp_min(0)
    variances, left = torch.linalg.eigh(x @ x.T / count)
    # Axes with less than 1e-6 of the largest spread cannot move a penalised solution.
    kept = variances > 1e-12 * variances[-1].clamp_min(1e-200)
    variances = variances[kept]
    return x.T @ (left[:, kept] / (variances * count).sqrt()), variances


def fit_path(
    x: Tensor,
    target: Tensor,
    classes: int,
    variances: Tensor,
    strengths: Sequence[float],
    start: Tensor | None = None,
    tolerance: float = 1e-6,
) -> Iterator[tuple[Tensor, bool]]:
    """Yield the solution (R + 1, C) for each strength in turn, started from the one before.

    Minimises mean cross-entropy + l2/2 ||W||^2; the last row is the bias, which is not penalised.
    x (N, R) lies along principal axes with `variances` (R,); target (N,) is 0..C-1. The flag says
    whether the gradient, in scaled coordinates, came down to about `tolerance`.
    With two classes the penalty counts twice: the columns are then +-w/2, and l2 means what it
    means for the single vector w of binary regression.
    """
    truth = functional.one_hot(target, classes).to(x.dtype)
    turned = x.T.contiguous()  # a second copy halves the time of the products with thin matrices
    solution = x.new_zeros(x.shape[1] + 1, classes) if start is None else start
    # Boehning's bound: curvature along an axis is at most half its variance.
    bound = torch.cat([variances, variances.new_ones(1)])[:, None] / 2
    for l2 in strengths:
        penalty = torch.full_like(solution, l2 * (2 if classes == 2 else 1))
        penalty[-1] = 0
        problem = x, turned, truth, penalty
        coarse = max(tolerance, _COARSE)
        solution, converged = _minimise(*problem, (bound + penalty).rsqrt(), solution, coarse)
        if tolerance < coarse:
            # Near the solution the true curvature, far below the bound where the fit is confident,
            # scales better: fewer steps, and the tolerance then bounds the error of W.
            p = (x @ solution[:-1] + solution[-1]).softmax(dim=1)
            spread = p * (1 - p) / len(x)
            curvature = torch.cat([turned.square() @ spread, spread.sum(dim=0, keepdim=True)])
            scale = (curvature + penalty).clamp_min(1e-12).rsqrt()
            solution, converged = _minimise(*problem, scale, solution, tolerance)
        yield solution, converged


def _minimise(
    x: Tensor,
    turned: Tensor,
    truth: Tensor,
    penalty: Tensor,
    scale: Tensor,
    start: Tensor,
    tolerance: float,
) -> tuple[Tensor, bool]:
    free = torch.nn.Parameter(start / scale)

    def closure() -> Tensor:
        weight = free.detach() * scale
        log_p = (x @ weight[:-1] + weight[-1]).log_softmax(dim=1)
        slope = (log_p.exp() - truth) / len(x)  # (N, C)
        gradient = torch.cat([turned @ slope, slope.sum(dim=0, keepdim=True)])
        free.grad = (gradient + penalty * weight) * scale
        return (penalty * weight.square()).sum() / 2 - (truth * log_p).sum() / len(x)

    solver = torch.optim.LBFGS(
        [free],
        max_iter=1000,
        max_eval=2000,
        history_size=20,
        tolerance_grad=tolerance,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )
    solver.step(closure)
    closure()  # the line search may have left the gradient of another point
    return free.detach() * scale, bool(free.grad.abs().max() <= 10 * tolerance)


def held_out(target: Tensor, classes: int, seed: int) -> Tensor:
    """A mask (N,) of the held-out fifth, class by class; one at least of every class with two."""
    order = torch.randperm(len(target), generator=Streams(seed, "linear-probe").torch("held-out"))
    shuffled = target.cpu()[order]
    mask = torch.zeros(len(target), dtype=torch.bool)
    for label in range(classes):
        members = order[shuffled == label]
        share = max(1, round(len(members) / 5)) if len(members) > 1 else 0
        mask[members[:share]] = True
    return mask.to(target.device)
