"""Inputs of methods, and the changes to them that a loss must or must not notice.

A change takes the inputs and a generator and returns new inputs; it moves floating-point tensors
(N, D) alone, and all of them alike where that is what makes it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

K = torch.arange(12, dtype=torch.float64).view(4, 3)
A, B = torch.sin(1 + K), torch.cos(0.5 * (1 + K))  # the fixture of the method cards


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def two_views(seed: int, n: int = 6, d: int = 4) -> tuple[Tensor, Tensor]:
    return tuple(normal(seed, 2, n, d))


def floating(inputs: tuple[Any, ...]) -> list[int]:
    """The places of floating-point tensors."""
    return [i for i, one in enumerate(inputs)
            if isinstance(one, Tensor) and one.is_floating_point()]


def cast(inputs: tuple[Any, ...], dtype: torch.dtype) -> tuple[Any, ...]:
    """The inputs with every floating-point tensor in that type."""
    places = floating(inputs)
    return tuple(one.to(dtype) if i in places else one for i, one in enumerate(inputs))


# -- changes --------------------------------------------------------------------------------------


def rotation(inputs: tuple, by: torch.Generator) -> tuple:
    """All rows turned alike."""
    d = inputs[0].shape[-1]
    turn = torch.linalg.qr(torch.randn(d, d, generator=by, dtype=torch.float64)).Q
    return tuple(one @ turn for one in inputs)


def row_scale(inputs: tuple, by: torch.Generator) -> tuple:
    """Every row times a positive number of its own."""
    return tuple(one * _factors(len(one), 1, by) for one in inputs)


def column_maps(inputs: tuple, by: torch.Generator) -> tuple:
    """Every column times a positive number, plus another one."""
    return tuple(one * _factors(1, one.shape[1], by)
                 + torch.randn(one.shape[1], generator=by, dtype=torch.float64) for one in inputs)


def order(inputs: tuple, by: torch.Generator) -> tuple:
    """The batch in another order."""
    places = torch.randperm(len(inputs[0]), generator=by)
    return tuple(one[places] for one in inputs)


def swap(inputs: tuple, by: torch.Generator) -> tuple:
    """First view for second, and where there are two more, third for fourth."""
    return tuple(inputs[i ^ 1] for i in range(len(inputs)))


def pairing(inputs: tuple, by: torch.Generator) -> tuple:
    """Each row of the first view beside another row of the others."""
    return (inputs[0].roll(1, 0), *inputs[1:])


def sign(inputs: tuple, by: torch.Generator) -> tuple:
    return (-inputs[0], *inputs[1:])


def zero_rows(inputs: tuple, by: torch.Generator) -> tuple:
    """A row of zeros in the first view and another in the last."""
    first, last = inputs[0].clone(), inputs[-1].clone()
    first[3], last[2] = 0.0, 0.0
    return (first, *inputs[1:-1], last)


def constant_column(value: float):
    def change(inputs: tuple, by: torch.Generator) -> tuple:
        first, *rest = zero_rows(inputs, by)
        first[:, 1] = value
        return (first, *rest)

    change.__name__ = f"a column of {value}"
    return change


def _factors(rows: int, columns: int, by: torch.Generator) -> Tensor:
    return torch.rand(rows, columns, generator=by, dtype=torch.float64) * 9 + 0.1


# -- what is refused ------------------------------------------------------------------------------


def unlike_views(arrange=lambda one, other: (one, other)) -> list[tuple[tuple, str]]:
    """What no loss of two views takes, arranged as its arguments, and what the error says."""
    shapes = [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((3,), (3,)), ((2, 3, 4), (2, 3, 4)),
              ((4, 0), (4, 0))]
    bad = [(tuple(map(torch.zeros, pair)), "one shape") for pair in shapes]
    bad += [((torch.zeros(1, 3), torch.zeros(1, 3)), "this batch has 1"),
            ((torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.int64)), "int64"),
            (([[1.0]], [[1.0]]), "list")]
    return [(arrange(*pair), says) for pair, says in bad]
