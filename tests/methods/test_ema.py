"""The teacher's moving average: in place, its closed form, wrong updates."""

from __future__ import annotations

import math

import pytest
import torch
from changes import A, B, normal
from harness import checks
from specs import Spec
from torch import nn

from sslbook.errors import UsageError
from sslbook.methods.byol import ema_update


def moved(rule):
    @torch.no_grad()
    def update(teacher, student, momentum):
        for t, s in zip(teacher, student, strict=True):
            rule(t, s, momentum)

    return update


test_update = checks(Spec(
    function=ema_update, gradcheck=False, half=False, shapes=[(4, 3)],
    inputs=lambda seed, *shape: ([normal(seed, *shape), normal(seed + 1, 3)],
                                 [normal(seed + 2, *shape), normal(seed + 3, 3)], 0.9),
    refused=[(([A], [B], bad), "momentum") for bad in (-0.1, 1.1, math.nan)],
    right={"lerp": moved(lambda t, s, m: t.lerp_(s, 1 - m))},
    mutants={
        "m and 1 - m are exchanged": moved(lambda t, s, m: t.copy_((1 - m) * t + m * s)),
        "a new tensor": moved(lambda t, s, m: m * t + (1 - m) * s),
        "the student is moved": moved(lambda t, s, m: s.copy_(m * s + (1 - m) * t)),
        "only added": moved(lambda t, s, m: t.add_((1 - m) * s)),
        "the first tensor alone": lambda teacher, student, m: moved(
            lambda t, s, m: t.copy_(m * t + (1 - m) * s))(teacher[:1], student[:1], m)}))


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.99, 1.0])
def test_ema_of_a_constant_student_has_its_closed_form(momentum: float) -> None:
    start, student = torch.tensor([2.0, -1.0]).double(), torch.tensor([0.5, 3.0]).double()
    teacher = start.clone()
    for _ in range(7):
        ema_update([teacher], [student], momentum)
    closed = momentum**7 * start + (1 - momentum**7) * student
    assert torch.allclose(teacher, closed, rtol=1e-13)


def test_ema_moves_in_place_takes_a_tensor_and_moves_nothing_when_it_refuses() -> None:
    module = nn.Linear(2, 2)
    place = module.weight.data_ptr()
    ema_update(module.parameters(), [torch.ones(2, 2), torch.ones(2)], torch.tensor(0.0))
    assert module.weight.data_ptr() == place
    assert bool((module.weight == 1).all())
    assert module.weight.requires_grad
    teacher = torch.zeros(3)
    for student, momentum, says in (([torch.ones(3)], 1.1, "momentum"),
                                    ([torch.ones(3)] * 2, 0.5, "2 of a student")):
        with pytest.raises(UsageError, match=says):
            ema_update([teacher], student, momentum)
    assert float(teacher.abs().sum()) == 0.0
