"""SLA: the transformed copies, their joint labels, and what joint scores have in common."""

from __future__ import annotations

import math

import pytest
import torch
from changes import generator, normal
from test_label_augmentation import LABELS, K, M, N
from torch.nn import functional

from sslbook.errors import UsageError
from sslbook.methods import label_augmentation as sla


def test_rotations_turn_counter_clockwise_and_close_the_circle() -> None:
    x = torch.tensor([[[[1, 2], [3, 4]]]])
    found = sla.rotations(x)[:, 0, 0].tolist()
    assert found == [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    images = torch.randint(0, 256, (3, 3, 8, 8), generator=generator())
    copies = sla.rotations(images)
    assert torch.equal(copies[0], images)
    for j in range(4):
        assert torch.equal(sla.rotations(copies[j])[(4 - j) % 4], images)
    assert torch.equal(copies.flatten(2).sort(2).values[1], images.flatten(1).sort(1).values)
    with pytest.raises(UsageError, match="takes square"):
        sla.rotations(torch.zeros(2, 3, 4, 5))


def test_the_joint_label_and_the_reading_of_the_head_match() -> None:
    """y * M + j is the entry (y, j) of K * M scores read as (K, M); a slice [j::M] is a column."""
    joint = sla.joint_labels(LABELS, M)
    assert joint[:, 0].tolist() == [8, 9, 10, 11]
    table = torch.arange(K * M).view(K, M)
    for j in range(M):
        assert joint[j].tolist() == table[LABELS, j].tolist()
        assert torch.arange(K * M)[j::M].tolist() == table[:, j].tolist()


def test_with_one_transformation_it_is_ordinary_training() -> None:
    u = normal(6, 1, N, K, 1)
    plain = functional.cross_entropy(u[0, :, :, 0], LABELS)
    assert float(sla.label_augmentation_loss(u, LABELS)) == pytest.approx(float(plain), rel=1e-12)
    assert float(sla.class_loss(u[..., 0], LABELS)) == pytest.approx(float(plain), rel=1e-12)
    assert torch.equal(sla.aggregate(u), sla.single(u))


def test_scores_of_the_class_alone_give_plain_augmentation_and_the_log_of_m() -> None:
    a = normal(9, M, N, K)
    joint = sla.label_augmentation_loss(a[..., None].expand(M, N, K, M), LABELS)
    assert float(joint) == pytest.approx(float(sla.class_loss(a, LABELS)) + math.log(M))
    blind = normal(11, 1, N, K, 1).expand(M, N, K, M)
    assert torch.allclose(sla.aggregate(blind), sla.single(blind))


def test_the_mean_score_is_never_worse_than_the_copies_on_average() -> None:
    """log-sum-exp is convex, so this holds for every image."""
    for seed in range(20):
        u = 3 * normal(seed, M, N, K, M)
        own = u.diagonal(dim1=0, dim2=3)  # (N, K, M)
        each = torch.stack([functional.cross_entropy(own[..., j], LABELS, reduction="none")
                            for j in range(M)])
        together = functional.cross_entropy(sla.aggregate(u), LABELS, reduction="none")
        assert (together <= each.mean(0) + 1e-12).all()


def test_the_aggregate_is_a_target_without_a_gradient_and_with_nothing_to_learn_from() -> None:
    u, head = normal(16, M, N, K, M).requires_grad_(), normal(17, N, K)
    [with_head] = torch.autograd.grad(sla.self_distillation_loss(u, head, LABELS), u)
    [alone] = torch.autograd.grad(sla.label_augmentation_loss(u, LABELS), u)
    assert torch.equal(with_head, alone)
    head = sla.aggregate(u) + 5.0  # a constant changes no probability
    rest = sla.label_augmentation_loss(u, LABELS) + functional.cross_entropy(head, LABELS)
    found = sla.self_distillation_loss(u, head, LABELS)
    assert float(found.detach()) == pytest.approx(float(rest.detach()))


def test_of_a_6_and_a_9_that_are_one_picture_only_the_joint_head_holds_the_answer() -> None:
    """The chapter's example: pictures "6" and "9", two turns; the best answers and their losses.

    Images: an upright 6, an upright 9. Copy 1 of each is the other one's picture.
    """
    labels = torch.tensor([0, 1])
    low = -60.0  # the logarithm of nothing
    of_6, of_9 = torch.tensor([[[0.0, low], [low, 0.0]], [[low, 0.0], [0.0, low]]])  # (K, M) each
    joint = torch.stack([torch.stack([of_6, of_9]), torch.stack([of_9, of_6])]).double()
    found = float(sla.label_augmentation_loss(joint, labels))
    assert found == pytest.approx(math.log(2))
    even = torch.zeros(2, 2, 2, dtype=torch.float64)
    assert float(sla.class_loss(even, labels)) == pytest.approx(math.log(2))
    assert float(sla.multi_task_loss(even, even, labels)) == pytest.approx(2 * math.log(2))
    assert sla.single(joint).argmax(1).tolist() == sla.aggregate(joint).argmax(1).tolist() == [0, 1]
    lied = joint.roll(1, dims=3)  # read as if turned the other way
    assert sla.aggregate(lied).argmax(1).tolist() == [1, 0]
