"""Heads of two networks: what the student-teacher module hands to a loss, and the hook's update."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sslbook.methods.byol import byol_loss, ema_update
from sslbook.nets import heads
from sslbook.training import Obstacles


def test_the_hook_of_heads_is_the_moving_average_with_a_half_cosine() -> None:
    student, start = nn.Linear(3, 2), nn.Linear(3, 2)
    module = nn.Module()
    module.student, module.teacher = student, heads.Teacher(start)
    expected = [p.detach().clone() for p in start.parameters()]
    for step in (0, 2, 5, 9):
        ema_update(expected, student.parameters(), 1 - 0.1 * (math.cos(math.pi * step / 9) + 1) / 2)
        heads.follow("teacher", "student", 0.9)(module, step, 9)
    for one, other in zip(module.teacher.net.parameters(), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


VIEWS = tuple(torch.randn(2, 6, 3, 2, 2, generator=torch.Generator().manual_seed(1)))


def small(teacher: bool, predictor: bool = True) -> heads.StudentTeacher:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    return heads.StudentTeacher(
        encoder, heads.projector(5, 6, 4), heads.predictor(4, 8) if predictor else None,
        teacher=teacher)


def test_predictions_and_targets_are_handed_over_in_order() -> None:
    module = small(teacher=True)
    with torch.no_grad():  # a teacher that differs from its student
        for p in module.teacher.parameters():
            p.mul_(-0.5)
    seen = {}

    def loss(p1, p2, z1, z2):
        seen.update(p1=p1, p2=p2, z1=z1, z2=z2)
        return p1.sum()

    module.eval()
    out = module(VIEWS, loss)
    for i, view in enumerate(VIEWS, start=1):
        assert torch.allclose(seen[f"p{i}"], module.predictor(module.embed(view)), atol=1e-6)
        assert torch.allclose(seen[f"z{i}"], module.teacher(view), atol=1e-6)
        assert not torch.allclose(seen[f"z{i}"], module.embed(view), atol=1e-3)
    assert torch.allclose(out["z"], module.embed(VIEWS[0]), atol=1e-6)
    assert not out["z"].requires_grad
    assert not seen["z1"].requires_grad
    assert seen["p1"].requires_grad


def test_without_a_teacher_the_targets_carry_a_gradient_that_the_loss_may_stop() -> None:
    needs = []

    def free(p1, p2, z1, z2):
        needs.append(z2.requires_grad)
        return 4 - 2 * (F.cosine_similarity(p1, z2) + F.cosine_similarity(p2, z1)).mean()

    found = []
    for loss in (byol_loss, free):
        module = small(teacher=False)
        module(VIEWS, loss)["loss"].backward()
        found.append(module.encoder[1].weight.grad)
    assert needs == [True]
    assert not torch.allclose(*found, atol=1e-6)


def test_the_module_keeps_its_encoder_and_leaves_the_teacher_to_the_hook() -> None:
    module = small(teacher=True)
    assert module.encoder is module.student[0]
    x = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(module.eval().encode(x), module.encoder(x))
    names = {name.split(".")[0] for name, p in module.named_parameters() if p.requires_grad}
    assert names == {"student", "predictor"}
    bare = small(teacher=False, predictor=False)
    assert bare.teacher is None
    assert isinstance(bare.predictor, nn.Identity)


@pytest.mark.parametrize("teacher", [True, False])
def test_a_step_has_nothing_that_a_captured_graph_could_not_hold(teacher: bool) -> None:
    module = small(teacher)
    with Obstacles(module) as seen:
        module(VIEWS, byol_loss)["loss"].backward()
    assert seen.found == ""
    with Obstacles(module) as seen:  # a loss that reads a value back is noticed
        module(VIEWS, lambda *given: byol_loss(*given) * byol_loss(*given).item())
    assert "reads a value" in seen.found
