"""Multilayer perceptrons."""

from __future__ import annotations

from torch import nn


class MLP(nn.Sequential):
    """Linear layers with ReLU between them: (B, sizes[0]) -> (B, sizes[-1])."""

    def __init__(self, *sizes: int):
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])
        self.out_dim = sizes[-1]


def mlp(sizes: tuple[int, ...] | list[int]) -> MLP:
    """A multilayer perceptron with the given layer widths, input first."""
    return MLP(*sizes)
