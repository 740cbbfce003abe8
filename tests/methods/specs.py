"""A declared spec: a function of a method, and what must hold for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
import torch
from changes import floating
from torch import Tensor

Inputs = tuple[Any, ...]
Change = Callable[[Inputs, torch.Generator], Inputs]

PAIRS = [(6, 4), (2, 1), (2, 5), (3, 2), (9, 9), (12, 3)]  # (N, D); the first one is typical


@dataclass(frozen=True)
class Knob:
    """A parameter: its default, other values to run with, values that are refused by its name."""

    default: Any
    tried: tuple[Any, ...] = ()
    bad: tuple[Any, ...] = ()
    tensor: bool = True  # a tensor does as well, as a captured step gives it


def positive(default: float, *tried: float, tensor: bool = True) -> Knob:
    return Knob(default, tried, (0, -0.1, math.nan, math.inf), tensor)


def not_negative(default: float, *tried: float, tensor: bool = True) -> Knob:
    return Knob(default, tried, (-0.1, math.nan, math.inf), tensor)


def lightly(loss: str, **names: str) -> Callable[..., Tensor]:
    """lightly's loss of that class as an oracle; names: its argument -> the knob that it is."""
    def oracle(*inputs: Tensor, **knobs: float) -> Tensor:
        made = getattr(pytest.importorskip("lightly.loss"), loss)
        return made(**{theirs: knobs[mine] for theirs, mine in names.items()})(*inputs)

    return oracle


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A function of a method and what must hold for it.

    inputs(seed, *shape) makes random arguments in float64, for each of `shapes`. values: pairs of
    arguments and the value. loops, oracle: the same function written in another way, called with
    inputs and knobs by name. cases: arguments on which `right` answers agree and `mutants` do not.
    gradient: places of the arguments that get one, all floating-point ones if None; stopped: of
    those that must not. finite: changes after which value and gradient are finite, with the knobs
    of `extremes` too. descent: the learning rate of 20 steps that lower it. refused: pairs of
    arguments and what the error says.
    """

    function: Callable[..., Any]
    inputs: Callable[..., Inputs]
    shapes: Sequence[tuple[int, ...]] = tuple(PAIRS)
    knobs: Mapping[str, Knob] = field(default_factory=dict)
    values: Sequence[tuple[Inputs, Any]] = ()
    loops: Callable[..., Any] | None = None
    oracle: Callable[..., Any] | None = None
    oracle_within: float = 1e-6
    unchanged_by: Sequence[Change] = ()
    changed_by: Sequence[Change] = ()
    right: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    mutants: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    cases: Sequence[Inputs] = ()
    gradient: Sequence[int] | None = None
    stopped: Sequence[int] = ()
    gradcheck: bool = True
    half: bool = True
    finite: Sequence[Change] = ()
    extremes: Sequence[Mapping[str, float]] = ()
    descent: float | None = None
    refused: Sequence[tuple[Inputs, str]] = ()

    def settings(self) -> list[dict[str, Any]]:
        """The defaults, then each other value with the rest as by default."""
        plain = {name: knob.default for name, knob in self.knobs.items()}
        return [plain, *({**plain, name: value} for name, knob in self.knobs.items()
                         for value in knob.tried)]

    def examples(self) -> Iterator[tuple[str, Inputs, dict[str, Any]]]:
        """Inputs of every shape with every setting: (what they are, inputs, knobs)."""
        for seed, (shape, knobs) in enumerate(product(self.shapes, self.settings())):
            yield f"seed {seed}, shape {shape}, {knobs}", self.inputs(seed, *shape), knobs

    def needs(self, inputs: Inputs) -> list[int]:
        """The places of the arguments that get a gradient."""
        given = [i for i in floating(inputs) if i not in self.stopped]
        return given if self.gradient is None else list(self.gradient)

    def differentiated(self, inputs: Inputs, knobs: Mapping) -> tuple[Inputs, Tensor, Inputs]:
        """The inputs as leaves, the value, and its gradient by those that get one."""
        places = self.needs(inputs)
        leaves = tuple(one.detach().clone().requires_grad_() if i in places else one
                       for i, one in enumerate(inputs))
        value = self.function(*leaves, **knobs)
        return leaves, value, torch.autograd.grad(value.sum(), [leaves[i] for i in places])
