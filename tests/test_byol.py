"""BYOL and SimSiam: values, identities, stop-gradients, the moving average, the shared module."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sslbook import heads
from sslbook.errors import UsageError
from sslbook.lesson.checks import compare
from sslbook.methods.byol import byol_loss, cosines, ema_update, momentum_at, simsiam_loss
from sslbook.training import Obstacles

LOSSES = {"byol": byol_loss, "simsiam": simsiam_loss}
K = torch.arange(12, dtype=torch.float64).view(4, 3)
A, B = torch.sin(1 + K), torch.cos(0.5 * (1 + K))
both = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
quick = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**31)


def four(seed: int, n: int = 6, d: int = 4, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(4, n, d, generator=generator, dtype=dtype))


# -- values ---------------------------------------------------------------------------------------


def test_fixture() -> None:
    """mean(2 - 2 cos(A, B)) = 2.022149 and SimSiam's D = +0.011075: the card's computed values."""
    assert float((2 - 2 * cosines(A, B)).mean()) == pytest.approx(2.022149, abs=6e-7)
    assert float(byol_loss(A, B, A, B)) == pytest.approx(2 * 2.022149, abs=2e-6)
    assert float(simsiam_loss(A, B, A, B)) == pytest.approx(0.011075, abs=6e-7)


def test_loss_matches_its_definition_with_loops() -> None:
    p1, p2, z1, z2 = four(3, 5, 3)
    total = 0.0
    for p, z in ((p1, z2), (p2, z1)):
        for one, other in zip(p, z, strict=True):
            distance = one / one.norm() - other / other.norm()
            total += float(distance @ distance) / len(p)
    assert float(byol_loss(p1, p2, z1, z2)) == pytest.approx(total, rel=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_lightly_agrees() -> None:
    theirs = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    p1, p2, z1, z2 = four(4, 16, 8)
    value = (theirs(p1, z2) + theirs(p2, z1)) / 2
    assert float(simsiam_loss(p1, p2, z1, z2)) == pytest.approx(float(value), rel=1e-9)


@quick
@given(seeds)
def test_the_two_losses_are_one(seed: int) -> None:
    tensors = four(seed)
    byol, simsiam = float(byol_loss(*tensors)), float(simsiam_loss(*tensors))
    assert byol == pytest.approx(4 + 4 * simsiam, rel=1e-12)
    assert 0 <= byol <= 8


def test_ends_of_the_scale() -> None:
    assert float(byol_loss(A, B, B, A)) == pytest.approx(0, abs=1e-12)
    assert float(simsiam_loss(A, B, B, A)) == pytest.approx(-1)
    assert float(byol_loss(A, B, -B, -A)) == pytest.approx(8)


# -- invariances ----------------------------------------------------------------------------------


@both
@quick
@given(seed=seeds)
def test_rotation_length_order_and_exchange_do_not_matter(loss, seed: int) -> None:
    p1, p2, z1, z2 = tensors = four(seed)
    generator = torch.Generator().manual_seed(seed)
    value = float(loss(*tensors))
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q
    assert float(loss(*(t @ turn for t in tensors))) == pytest.approx(value, rel=1e-9, abs=1e-12)
    length = torch.rand(4, 6, 1, generator=generator, dtype=torch.float64) * 9 + 0.1
    scaled = [t * one for t, one in zip(tensors, length, strict=True)]
    assert float(loss(*scaled)) == pytest.approx(value, rel=1e-9, abs=1e-12)
    order = torch.randperm(6, generator=generator)
    assert float(loss(*(t[order] for t in tensors))) == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert float(loss(p2, p1, z2, z1)) == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert abs(float(loss(p1, p2, z2, z1)) - value) > 1e-6  # which target belongs to which does


# -- gradients ------------------------------------------------------------------------------------


@both
def test_gradcheck_of_the_predictions(loss) -> None:
    p1, p2, z1, z2 = four(7, 5, 3)
    p1.requires_grad_()
    p2.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, z1, z2), (p1, p2))


@both
def test_the_targets_get_no_gradient(loss) -> None:
    tensors = [t.requires_grad_() for t in four(8)]
    found = torch.autograd.grad(loss(*tensors), tensors, allow_unused=True)
    assert found[0].abs().max() > 0
    assert found[1].abs().max() > 0
    assert found[2] is None
    assert found[3] is None


def test_without_a_predictor_the_stop_gradient_only_halves_the_gradient() -> None:
    z1, z2, *_ = (t.requires_grad_() for t in four(9))
    stopped = torch.autograd.grad(byol_loss(z1, z2, z1, z2), (z1, z2))
    free = 2 * (2 - 2 * F.cosine_similarity(z1, z2, dim=1)).mean()
    for one, other in zip(stopped, torch.autograd.grad(free, (z1, z2)), strict=True):
        assert torch.allclose(2 * one, other, atol=1e-14)
        assert other.abs().max() > 1e-3


@both
def test_twenty_steps_of_descent_lower_the_loss(loss) -> None:
    p1, p2, z1, z2 = four(1, 16)
    views = [p1.requires_grad_(), p2.requires_grad_()]
    optimiser = torch.optim.SGD(views, lr=1.0)
    before = float(loss(*views, z1, z2).detach())
    for _ in range(20):
        optimiser.zero_grad()
        loss(*views, z1, z2).backward()
        optimiser.step()
    assert float(loss(*views, z1, z2).detach()) < before - 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@both
def test_rows_of_zeros_are_finite(loss, dtype) -> None:
    tensors = four(2, 7, 4, dtype)
    tensors[0][3], tensors[3][2] = 0.0, 0.0
    tensors[0].requires_grad_()
    value = loss(*tensors)
    value.backward()
    assert value.isfinite()
    assert tensors[0].grad.isfinite().all()
    assert float(tensors[0].grad[3].abs().max()) == 0.0
    assert float(tensors[0].grad[0].abs().max()) > 0.0


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@both
def test_half_precision_and_autocast_are_computed_in_float32(loss, half) -> None:
    tensors = [t.to(half) for t in four(6, 32, 8, torch.float32)]
    exact = loss(*(t.float() for t in tensors))
    assert loss(*tensors).dtype == torch.float32
    assert float(loss(*tensors)) == float(exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(loss(*(t.float() for t in tensors))) == float(exact)


# -- the moving average ---------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.99, 1.0])
def test_ema_of_a_constant_student_has_its_closed_form(momentum: float) -> None:
    start, student = torch.tensor([2.0, -1.0]).double(), torch.tensor([0.5, 3.0]).double()
    teacher = start.clone()
    for _ in range(7):
        ema_update([teacher], [student], momentum)
    closed = momentum**7 * start + (1 - momentum**7) * student
    assert torch.allclose(teacher, closed, rtol=1e-13)


def test_ema_moves_in_place_and_takes_a_tensor() -> None:
    module = nn.Linear(2, 2)
    place = module.weight.data_ptr()
    ema_update(module.parameters(), [torch.ones(2, 2), torch.ones(2)], torch.tensor(0.0))
    assert module.weight.data_ptr() == place
    assert bool((module.weight == 1).all())
    assert module.weight.requires_grad


def test_momentum_runs_along_a_half_cosine() -> None:
    assert momentum_at(0, 100, 0.996) == pytest.approx(0.996)
    assert momentum_at(50, 100, 0.996) == pytest.approx(0.998)
    assert momentum_at(100, 100, 0.996) == 1.0
    values = [momentum_at(step, 10, 0.9) for step in range(11)]
    assert values == sorted(values)
    assert momentum_at(3, 10, 0.99, 0.99) == pytest.approx(0.99)
    assert momentum_at(0, 0) == pytest.approx(0.99)


def test_the_hook_of_heads_is_the_same_update() -> None:
    student, start = nn.Linear(3, 2), nn.Linear(3, 2)
    module = nn.Module()
    module.student, module.teacher = student, heads.Teacher(start)
    expected = [p.detach().clone() for p in start.parameters()]
    ema_update(expected, student.parameters(), momentum_at(2, 9, 0.9))
    heads.follow("teacher", "student", 0.9)(module, 2, 9)
    for one, other in zip(module.teacher.net.parameters(), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


# -- the shared module ----------------------------------------------------------------------------


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
    views = tuple(torch.randn(2, 6, 3, 2, 2, generator=torch.Generator().manual_seed(1)))
    seen = {}

    def loss(p1, p2, z1, z2):
        seen.update(p1=p1, p2=p2, z1=z1, z2=z2)
        return p1.sum()

    module.eval()
    out = module(views, loss)
    for i, view in enumerate(views, start=1):
        assert torch.allclose(seen[f"p{i}"], module.predictor(module.embed(view)), atol=1e-6)
        assert torch.allclose(seen[f"z{i}"], module.teacher(view), atol=1e-6)
        assert not torch.allclose(seen[f"z{i}"], module.embed(view), atol=1e-3)
    assert torch.allclose(out["z"], module.embed(views[0]), atol=1e-6)
    assert not out["z"].requires_grad
    assert not seen["z1"].requires_grad
    assert seen["p1"].requires_grad


def test_without_a_teacher_the_targets_carry_a_gradient_that_the_loss_may_stop() -> None:
    views = tuple(torch.randn(2, 6, 3, 2, 2, generator=torch.Generator().manual_seed(1)))
    needs = []

    def free(p1, p2, z1, z2):
        needs.append(z2.requires_grad)
        return 4 - 2 * (F.cosine_similarity(p1, z2) + F.cosine_similarity(p2, z1)).mean()

    found = []
    for loss in (byol_loss, free):
        module = small(teacher=False)
        module(views, loss)["loss"].backward()
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
    views = tuple(torch.randn(2, 6, 3, 2, 2, generator=torch.Generator().manual_seed(1)))
    module = small(teacher)
    with Obstacles(module) as seen:
        module(views, byol_loss)["loss"].backward()
    assert seen.found == ""
    with Obstacles(module) as seen:  # a loss that reads a value back is noticed
        module(views, lambda *given: byol_loss(*given) * byol_loss(*given).item())
    assert "reads a value" in seen.found


# -- the chapter's check --------------------------------------------------------------------------


def distance(p: Tensor, z: Tensor) -> Tensor:
    return (F.normalize(p, dim=1) - F.normalize(z, dim=1)).square().sum(dim=1)


def loss_of(first, second, term=distance, over=torch.mean):
    return over(term(*first)) + over(term(*second))


WRONG = {
    "no stop-gradient": lambda p1, p2, z1, z2: loss_of((p1, z2), (p2, z1)),
    "the gradient of the prediction is stopped":
        lambda p1, p2, z1, z2: loss_of((p1.detach(), z2), (p2.detach(), z1)),
    "each view is compared with itself":
        lambda p1, p2, z1, z2: loss_of((p1, z1.detach()), (p2, z2.detach())),
    "one view alone":
        lambda p1, p2, z1, z2: 2 * distance(p1, z2.detach()).mean(),
    "vectors are not normalised":
        lambda p1, p2, z1, z2: loss_of(
            (p1, z2.detach()), (p2, z1.detach()), lambda p, z: (p - z).square().sum(dim=1)),
    "a sum over the batch": lambda p1, p2, z1, z2: loss_of(
        (p1, z2.detach()), (p2, z1.detach()), over=torch.sum),
    "columns are normalised": lambda p1, p2, z1, z2: loss_of(
        (p1.T, z2.T.detach()), (p2.T, z1.T.detach())),
    "the sign": lambda p1, p2, z1, z2: -loss_of((p1, z2.detach()), (p2, z1.detach())),
}
CASES = [tuple(four(1, 8, 3)), tuple(four(2, 5, 6))]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_loss_is_rejected(name: str) -> None:
    same, line = compare(WRONG[name], byol_loss, CASES)
    assert not same
    assert line.startswith("not the same")
    if name == "no stop-gradient":
        assert "stop-gradient" in line


def test_a_right_loss_is_accepted() -> None:
    right = [
        lambda p1, p2, z1, z2: loss_of((p1, z2.detach()), (p2, z1.detach())),
        lambda p1, p2, z1, z2: 4 + 4 * simsiam_loss(p1, p2, z1, z2),
    ]
    assert all(compare(one, byol_loss, CASES)[0] for one in right)


def moved(rule):
    @torch.no_grad()
    def update(teacher, student, m):
        for t, s in zip(teacher, student, strict=True):
            rule(t, s, m)

    return update


UPDATES = {
    "m and 1 - m are exchanged": moved(lambda t, s, m: t.copy_((1 - m) * t + m * s)),
    "a new tensor": moved(lambda t, s, m: m * t + (1 - m) * s),
    "the student is moved": moved(lambda t, s, m: s.copy_(m * s + (1 - m) * t)),
    "only added": moved(lambda t, s, m: t.add_((1 - m) * s)),
    "the first tensor alone": lambda teacher, student, m: moved(
        lambda t, s, m: t.copy_(m * t + (1 - m) * s))(teacher[:1], student[:1], m),
}
LISTS = [([A.clone(), A[0].clone()], [B.clone(), B[0].clone()], 0.9)]


@pytest.mark.parametrize("name", UPDATES)
def test_a_wrong_update_is_rejected(name: str) -> None:
    assert not compare(UPDATES[name], ema_update, LISTS)[0]


def test_a_right_update_is_accepted() -> None:
    assert compare(moved(lambda t, s, m: t.lerp_(s, 1 - m)), ema_update, LISTS)[0]


# -- bad input ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("shapes", [[(4, 3), (4, 2)], [(4, 3), (5, 3)], [(3,), (3,)]])
def test_wrong_shapes_are_named(loss, shapes) -> None:
    p, z = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(UsageError, match="one shape"):
        loss(p, p, z, z)


def test_integers_and_batches_of_one_are_refused() -> None:
    with pytest.raises(UsageError, match="int64"):
        byol_loss(*[torch.zeros(4, 3, dtype=torch.int64)] * 4)
    with pytest.raises(UsageError, match="this batch has 1"):
        byol_loss(*[torch.zeros(1, 3)] * 4)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, math.nan])
def test_bad_momenta_move_nothing(momentum: float) -> None:
    teacher = torch.zeros(3)
    with pytest.raises(UsageError, match="momentum"):
        ema_update([teacher], [torch.ones(3)], momentum)
    assert float(teacher.abs().sum()) == 0.0


def test_unequal_lists_move_nothing() -> None:
    teacher = torch.zeros(3)
    with pytest.raises(UsageError, match="2 of a student"):
        ema_update([teacher], [torch.ones(3)] * 2, 0.5)
    assert float(teacher.abs().sum()) == 0.0
