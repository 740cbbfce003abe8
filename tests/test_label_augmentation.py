"""SLA against loops and identities: joint labels, aggregation, distillation, mutants, bad input."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sslbook.errors import UsageError
from sslbook.lesson import check_same
from sslbook.methods import label_augmentation as sla

M, N, K = 4, 5, 3
LABELS = torch.tensor([2, 0, 1, 1, 0])


def scores(seed: int = 0, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (M, N, K, M), generator=generator, dtype=torch.float64).to(dtype)


def soft(row: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


# -- transformations ------------------------------------------------------------------------------


def test_rotations_turn_against_the_clock_and_close_the_circle() -> None:
    x = torch.tensor([[[[1, 2], [3, 4]]]])
    found = sla.rotations(x)[:, 0, 0].tolist()
    assert found == [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    images = torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    copies = sla.rotations(images)
    assert torch.equal(copies[0], images)
    for j in range(4):
        assert torch.equal(sla.rotations(copies[j])[(4 - j) % 4], images)
    assert torch.equal(copies.flatten(2).sort(2).values[1], images.flatten(1).sort(1).values)


@pytest.mark.parametrize("count", [3, 6])
def test_channel_orders_are_all_different_and_begin_with_the_given_one(count: int) -> None:
    x = torch.arange(3).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    orders = sla.channel_orders(x, count)[:, 0, :, 0, 0].tolist()
    assert orders[0] == [0, 1, 2]
    assert len({tuple(order) for order in orders}) == count
    assert all(sorted(order) == [0, 1, 2] for order in orders)


def test_the_joint_label_and_the_reading_of_the_head_match() -> None:
    """y * M + j is the entry (y, j) of K * M scores read as (K, M); a slice [j::M] is a column."""
    joint = sla.joint_labels(LABELS, M)
    assert joint[:, 0].tolist() == [8, 9, 10, 11]
    table = torch.arange(K * M).view(K, M)
    for j in range(M):
        assert joint[j].tolist() == table[LABELS, j].tolist()
        assert torch.arange(K * M)[j::M].tolist() == table[:, j].tolist()


# -- values ---------------------------------------------------------------------------------------


def test_the_losses_match_their_definitions_with_loops() -> None:
    u, a, b = scores(1), scores(2, M, N, K), scores(3, M, N, M)
    joint = plain = named = 0.0
    for j in range(M):
        for n in range(N):
            y = int(LABELS[n])
            flat = [float(u[j, n, i, m]) for i in range(K) for m in range(M)]
            joint -= math.log(soft(flat)[y * M + j]) / (M * N)
            plain -= math.log(soft(a[j, n].tolist())[y]) / (M * N)
            named -= math.log(soft(b[j, n].tolist())[j]) / (M * N)
    assert float(sla.label_augmentation_loss(u, LABELS)) == pytest.approx(joint, rel=1e-12)
    assert float(sla.class_loss(a, LABELS)) == pytest.approx(plain, rel=1e-12)
    assert float(sla.multi_task_loss(a, b, LABELS)) == pytest.approx(plain + named, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_matches_its_definition_with_loops(temperature: float) -> None:
    u, head = scores(4), scores(5, N, K)
    total = float(sla.label_augmentation_loss(u, LABELS))
    for n in range(N):
        mean = [sum(float(u[j, n, i, j]) for j in range(M)) / M for i in range(K)]
        theirs = soft([value / temperature for value in mean])
        mine = soft([value / temperature for value in head[n].tolist()])
        distance = sum(p * math.log(p / q) for p, q in zip(theirs, mine, strict=True))
        total += temperature**2 * distance / N
        total -= math.log(soft(head[n].tolist())[int(LABELS[n])]) / N
    found = sla.self_distillation_loss(u, head, LABELS, temperature)
    assert float(found) == pytest.approx(total, rel=1e-12)
    as_tensor = torch.tensor(temperature, dtype=torch.float64)  # as a captured step gives it
    assert float(sla.self_distillation_loss(u, head, LABELS, as_tensor)) == float(found)


def test_at_the_start_the_loss_is_the_log_of_the_number_of_joint_labels() -> None:
    """The card's value for ten classes and four rotations: log(40) = 3.689."""
    value = sla.label_augmentation_loss(torch.zeros(4, 7, 10, 4), torch.arange(7))
    assert float(value) == pytest.approx(3.689, abs=5e-4)
    assert float(value) == pytest.approx(math.log(40), rel=1e-6)


# -- identities -----------------------------------------------------------------------------------


def test_with_one_transformation_it_is_ordinary_training() -> None:
    u = scores(6, 1, N, K, 1)
    plain = functional.cross_entropy(u[0, :, :, 0], LABELS)
    assert float(sla.label_augmentation_loss(u, LABELS)) == pytest.approx(float(plain), rel=1e-12)
    assert float(sla.class_loss(u[..., 0], LABELS)) == pytest.approx(float(plain), rel=1e-12)
    assert torch.equal(sla.aggregate(u), sla.single(u))


def test_two_heads_are_joint_scores_that_are_sums() -> None:
    a, b = scores(7, M, N, K), scores(8, M, N, M)
    joint = sla.label_augmentation_loss(a[..., None] + b[:, :, None], LABELS)
    assert float(joint) == pytest.approx(float(sla.multi_task_loss(a, b, LABELS)), rel=1e-12)


def test_scores_of_the_class_alone_give_plain_augmentation_and_the_log_of_m() -> None:
    a = scores(9, M, N, K)
    joint = sla.label_augmentation_loss(a[..., None].expand(M, N, K, M), LABELS)
    assert float(joint) == pytest.approx(float(sla.class_loss(a, LABELS)) + math.log(M))


def test_aggregation_reads_each_copy_in_its_own_column() -> None:
    u = scores(10)
    for n in range(N):
        for i in range(K):
            mean = sum(float(u[j, n, i, j]) for j in range(M)) / M
            assert float(sla.aggregate(u)[n, i]) == pytest.approx(mean, rel=1e-12)
            assert float(sla.single(u)[n, i]) == float(u[0, n, i, 0])
    blind = scores(11, 1, N, K, 1).expand(M, N, K, M)
    assert torch.allclose(sla.aggregate(blind), sla.single(blind))


def test_the_mean_score_is_never_worse_than_the_copies_on_average() -> None:
    """log-sum-exp is convex, so this holds for every image."""
    for seed in range(20):
        u = 3 * scores(seed)
        own = u.diagonal(dim1=0, dim2=3)  # (N, K, M)
        each = torch.stack([functional.cross_entropy(own[..., j], LABELS, reduction="none")
                            for j in range(M)])
        together = functional.cross_entropy(sla.aggregate(u), LABELS, reduction="none")
        assert (together <= each.mean(0) + 1e-12).all()


def test_a_head_that_says_the_aggregate_has_nothing_to_learn_from_it() -> None:
    u = scores(12)
    head = sla.aggregate(u) + 5.0  # a constant changes no probability
    rest = sla.label_augmentation_loss(u, LABELS) + functional.cross_entropy(head, LABELS)
    assert float(sla.self_distillation_loss(u, head, LABELS)) == pytest.approx(float(rest))


# -- gradients and precision ----------------------------------------------------------------------


def test_gradcheck() -> None:
    u, a, b = (z.requires_grad_() for z in (scores(13), scores(14, M, N, K), scores(15, M, N, M)))
    assert torch.autograd.gradcheck(lambda z: sla.label_augmentation_loss(z, LABELS), u)
    assert torch.autograd.gradcheck(lambda x, y: sla.multi_task_loss(x, y, LABELS), (a, b))
    assert torch.autograd.gradcheck(sla.aggregate, u)
    head = scores(26, N, K).requires_grad_()
    fixed = scores(13)
    assert torch.autograd.gradcheck(
        lambda z: sla.self_distillation_loss(fixed, z, LABELS, 2.0), head
    )


def test_the_aggregated_prediction_gets_no_gradient() -> None:
    u, head = scores(16).requires_grad_(), scores(17, N, K)
    [with_head] = torch.autograd.grad(sla.self_distillation_loss(u, head, LABELS), u)
    [alone] = torch.autograd.grad(sla.label_augmentation_loss(u, LABELS), u)
    assert torch.equal(with_head, alone)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(half: torch.dtype) -> None:
    u, head = scores(18, dtype=half), scores(19, N, K, dtype=half)
    for found, exact in (
        (sla.label_augmentation_loss(u, LABELS), sla.label_augmentation_loss(u.float(), LABELS)),
        (sla.class_loss(u[..., 0], LABELS), sla.class_loss(u[..., 0].float(), LABELS)),
        (sla.self_distillation_loss(u, head, LABELS),
         sla.self_distillation_loss(u.float(), head.float(), LABELS)),
    ):
        assert found.dtype == torch.float32
        assert float(found) == float(exact)
    assert sla.aggregate(u).dtype == torch.float32


def test_large_scores_stay_finite() -> None:
    u = (1e4 * scores(20, dtype=torch.float32)).requires_grad_()
    value = sla.self_distillation_loss(u, 1e4 * scores(21, N, K, dtype=torch.float32), LABELS)
    value.backward()
    assert value.isfinite()
    assert u.grad.isfinite().all()


# -- known-wrong mutants --------------------------------------------------------------------------


def wrong_order(u: Tensor, y: Tensor) -> Tensor:
    """The label is j * K + y while the head is read class first."""
    target = torch.arange(len(u))[:, None] * u.shape[2] + y
    return functional.cross_entropy(u.flatten(2).flatten(0, 1), target.flatten())


MUTANTS = {
    "the label counts transformations first": wrong_order,
    "a sum over the copies": lambda u, y: len(u) * sla.label_augmentation_loss(u, y),
    "the columns are classes of the wrong copy": lambda u, y: sla.label_augmentation_loss(
        u.flip(0), y),
    "two heads instead of one": lambda u, y: sla.multi_task_loss(
        u.logsumexp(3), u.logsumexp(2), y),
    "the untransformed copy alone": lambda u, y: functional.cross_entropy(
        u[0].flatten(1), y * u.shape[3]),
}
AGGREGATES = {
    "probabilities are averaged": lambda u: u.diagonal(dim1=0, dim2=3).softmax(1).mean(-1).log(),
    "all columns are averaged": lambda u: u.mean(dim=(0, 3)),
    "the first column of every copy": lambda u: u[..., 0].mean(0),
    "a sum": lambda u: u.diagonal(dim1=0, dim2=3).sum(-1),
}
DISTILLED = {
    "the target gets a gradient": lambda u, v, y: (
        sla.label_augmentation_loss(u, y) + functional.cross_entropy(v, y)
        + functional.kl_div(v.log_softmax(1), sla.aggregate(u).softmax(1), reduction="batchmean")),
    "the divergence the other way round": lambda u, v, y: (
        sla.label_augmentation_loss(u, y) + functional.cross_entropy(v, y)
        + functional.kl_div(sla.aggregate(u).detach().log_softmax(1), v.softmax(1),
                            reduction="batchmean")),
    "the labels are forgotten": lambda u, v, y: (
        sla.self_distillation_loss(u, v, y) - functional.cross_entropy(v, y)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_loss_is_told_apart(name: str) -> None:
    case = (scores(22), LABELS)
    right = sla.label_augmentation_loss
    assert check_same(right, right, case)
    assert not check_same(MUTANTS[name], right, case)


@pytest.mark.parametrize("name", AGGREGATES)
def test_a_wrong_aggregation_is_told_apart(name: str) -> None:
    assert not check_same(AGGREGATES[name], sla.aggregate, (scores(23),))


@pytest.mark.parametrize("name", DISTILLED)
def test_a_wrong_distillation_is_told_apart(name: str) -> None:
    case = (scores(24), scores(25, N, K), LABELS)
    assert not check_same(DISTILLED[name], sla.self_distillation_loss, case)


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [
    lambda: sla.rotations(torch.zeros(2, 3, 4, 5)),
    lambda: sla.channel_orders(torch.zeros(2, 1, 4, 4)),
    lambda: sla.channel_orders(torch.zeros(2, 3, 4, 4), 4),
    lambda: sla.label_augmentation_loss(torch.zeros(M, N, K), LABELS),
    lambda: sla.label_augmentation_loss(torch.zeros(M, N, K, M - 1), LABELS),
    lambda: sla.label_augmentation_loss(torch.zeros(M, N, K, M, dtype=torch.int64), LABELS),
    lambda: sla.label_augmentation_loss(scores(), LABELS[:-1]),
    lambda: sla.label_augmentation_loss(scores(), LABELS.float()),
    lambda: sla.label_augmentation_loss(scores()[:, :0], LABELS[:0]),
    lambda: sla.class_loss(scores(), LABELS),
    lambda: sla.multi_task_loss(scores(0, M, N, K), scores(0, M, N, M + 1), LABELS),
    lambda: sla.multi_task_loss(scores(0, M - 1, N, K), scores(0, M, N, M), LABELS),
    lambda: sla.aggregate(scores(0, M, N, K)),
    lambda: sla.self_distillation_loss(scores(), scores(0, N, K + 1), LABELS),
])
def test_what_does_not_fit_is_refused(call) -> None:
    with pytest.raises(UsageError, match="takes"):
        call()


@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_a_bad_temperature_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="temperature"):
        sla.self_distillation_loss(scores(), scores(0, N, K), LABELS, value)
