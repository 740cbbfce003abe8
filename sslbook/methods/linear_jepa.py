"""Deep linear networks: in which order an autoencoder and a JEPA learn the features of their data.

E. Littwin et al., "How JEPA Avoids Noisy Features: The Implicit Bias of Deep Linear Self
Distillation Networks", NeurIPS 2024, arXiv 2407.03475. The formulas here were derived anew.

Input x and target y have diagonal covariances: feature i has lambd_i = cov(x_i, y_i), and
rho_i = lambd_i / var(x_i), the slope of the regression of y_i on x_i. The encoder is a product of L
square matrices and the predictor (JEPA) or decoder (MAE) one more; all start balanced and aligned,
so that each feature goes its own way: w is its entry in the encoder's product. Time is that of
gradient flow on every layer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sslbook.errors import UsageError

OBJECTIVES = ("mae", "jepa")
Value = float | Tensor


def _checked(objective: str, depth: int, *values: Value) -> tuple[Tensor, ...]:
    if objective not in OBJECTIVES:
        raise UsageError(f"The objective is mae or jepa, not {objective!r}.")
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
        raise UsageError(f"The depth is a whole number of layers from 1, not {depth!r}.")
    made = tuple(torch.as_tensor(value, dtype=torch.float64) for value in values)
    if not all(bool((value > 0).all()) for value in made):
        raise UsageError("Sizes, covariances and slopes must be more than 0.",
                         todo="A feature with a negative slope is the one with its sign changed.")
    return made


def linear_loss(layers: list[Tensor], head: Tensor, sxx: Tensor, sxy: Tensor, syy: Tensor,
                objective: str) -> Tensor:
    """Expected loss (scalar) of the linear network, with its gradient.

    layers: W_1 .. W_L (d, d), the first one nearest to the input; head: V (d, d); sxx = E[x x'],
    sxy = E[x y'], syy = E[y y'], each (d, d). "mae": half of E||V W x - y||^2, where W is the
    product of the layers; "jepa": half of E||V W x - sg(W y)||^2, where sg stops the gradient.
    """
    _checked(objective, len(layers))
    encoder = layers[0]
    for layer in layers[1:]:
        encoder = layer @ encoder
    whole = head @ encoder
    goal = torch.eye(len(sxx), dtype=sxx.dtype, device=sxx.device)
    goal = encoder.detach() if objective == "jepa" else goal
    square = torch.trace(whole @ sxx @ whole.T) + torch.trace(goal @ syy @ goal.T)
    return square / 2 - torch.trace(whole @ sxy @ goal.T)


def speed(w: Value, lambd: Value, rho: Value, depth: int, objective: str) -> Tensor:
    """dw/dt of one feature under gradient flow, elementwise; w, lambd and rho are above 0.

    "mae":  L (lambd w^(2 - 1/L) - lambd/rho w^3)
    "jepa": L (lambd w^(3 - 1/L) - lambd/rho w^3)
    """
    w, lambd, rho = _checked(objective, depth, w, lambd, rho)
    power = (2 if objective == "mae" else 3) - 1 / depth
    return depth * lambd * (w**power - w**3 / rho)


def fixed_point(rho: Value, depth: int, objective: str) -> Tensor:
    """Where w comes to rest: rho^(L / (L + 1)) for "mae", rho^L for "jepa"."""
    (rho,) = _checked(objective, depth, rho)
    return rho ** (depth / (depth + 1) if objective == "mae" else depth)


def learning_time(lambd: Value, rho: Value, depth: int, objective: str, eps: float,
                  share: float = 0.5) -> Tensor:
    """Time from w = eps until w is `share` of its fixed point, elementwise.

    The integral of dw / speed in the variable log w, by Gauss and Legendre. Negative where a
    feature starts above its goal: eps must be far below share * fixed_point.
    """
    lambd, rho = _checked(objective, depth, lambd, rho)
    if not (eps > 0 and 0 < share < 1):
        raise UsageError(f"learning_time got eps={eps} and share={share}.",
                         todo="eps is more than 0, and share lies between 0 and 1.")
    node, weight = (torch.from_numpy(one) for one in np.polynomial.legendre.leggauss(160))
    low = torch.log(torch.tensor(eps, dtype=torch.float64))
    high = torch.log(share * fixed_point(rho, depth, objective))
    u = low + (high - low)[..., None] * (node + 1) / 2  # (..., 160)
    rate = speed(u.exp(), lambd[..., None], rho[..., None], depth, objective) / u.exp()
    return (weight / rate).sum(dim=-1) * (high - low) / 2


def divergent_part(lambd: Value, rho: Value, depth: int, eps: float) -> Tensor:
    """The part of the JEPA's learning time that grows without bound as eps goes to 0.

    1/(L lambd) sum over n from 1 to 2L - 1 of L / (n rho^(2L - n - 1) eps^(n/L)); what is left
    out grows like log(1/eps) at most.
    """
    lambd, rho = _checked("jepa", depth, lambd, rho)
    terms = [1 / (n * rho ** (2 * depth - n - 1) * eps ** (n / depth))
             for n in range(1, 2 * depth)]
    return sum(terms) / lambd
