"""DCL: the card's values, softplus and coupling identities, gradients, bad input, mutants."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.lesson import check_same
from sslbook.methods import dcl
from sslbook.methods.dcl import (
    coupling,
    coupling_of,
    dcl_loss,
    dcl_terms,
    dclw_loss,
    sibling_weights,
)
from sslbook.methods.simclr import nt_xent_loss, similarity

K = torch.arange(12, dtype=torch.float64).view(4, 3)
A, B = torch.sin(1 + K), torch.cos(0.5 * (1 + K))  # the fixture of the method cards
EYE = torch.eye(4, dtype=torch.float64)
LOSSES = {"dcl": dcl_loss, "dclw": dclw_loss}
both = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
temperatures = pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5, 1.0])


def pair(seed: int, n: int = 6, d: int = 4, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=dtype) for _ in range(2)]


batches = st.builds(pair, st.integers(0, 2**31), n=st.integers(2, 9), d=st.integers(1, 9))
quick = settings(max_examples=40, deadline=None, derandomize=True)


def nt_xent_terms(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """NT-Xent of every view, from its definition."""
    n = len(z1)
    exponentials = (similarity(z1, z2) / temperature).exp()
    sibling = exponentials.diagonal(n)
    total = exponentials.sum(1) - exponentials.diagonal()
    return -(torch.cat([sibling, sibling]) / total).log()


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 2.654491), (0.1, 9.768156)])
def test_dcl_fixture(temperature: float, value: float) -> None:
    assert float(dcl_loss(A, B, temperature)) == pytest.approx(value, abs=6e-7)
    tensor = torch.tensor(temperature, dtype=torch.float64)  # as a captured step gives it
    assert float(dcl_loss(A, B, tensor)) == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 4.376092), (0.1, 18.376162)])
def test_dclw_fixture(temperature: float, value: float) -> None:
    assert float(dclw_loss(A, B, temperature, 0.5)) == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("temperature", "first"), [
    (0.1, [0.515473, 0.900808, 1, 1]), (0.5, [0.623079, 0.739290, 0.991506, 0.991455]),
])
def test_coupling_fixture(temperature: float, first: list[float]) -> None:
    factors = coupling(A, B, temperature)
    assert factors.shape == (8,)
    assert factors[:4].tolist() == pytest.approx(first, abs=6e-7)


@pytest.mark.parametrize(("samples", "temperature", "value"), [
    (32, 0.1, 0.002807), (256, 0.1, 0.022630), (32, 0.5, 0.893513), (256, 0.5, 0.985719),
])
def test_closed_form_of_the_coupling(samples: int, temperature: float, value: float) -> None:
    assert coupling_of(samples, temperature) == pytest.approx(value, abs=6e-7)
    eye = torch.eye(samples, dtype=torch.float64)
    found = coupling(eye, eye, temperature)
    assert found.tolist() == pytest.approx([coupling_of(samples, temperature)] * 2 * samples)


def test_closed_form_for_other_similarities() -> None:
    same = torch.ones(5, 3, dtype=torch.float64)
    expected = coupling_of(5, 0.3, sibling=1.0, negative=1.0)
    assert expected == pytest.approx(8 / 9)
    assert coupling(same, same, 0.3).tolist() == pytest.approx([expected] * 10)
    assert coupling_of(4, 1e-4) == 0.0  # no overflow
    assert coupling_of(4, 1e-4, sibling=0.0, negative=1.0) == 1.0


def test_identities() -> None:
    assert float(dcl_loss(EYE, EYE, 0.5)) == pytest.approx(-2 + math.log(6))
    for n in (2, 5):
        same = torch.ones(n, 3, dtype=torch.float64)
        assert float(dcl_loss(same, same, 0.1)) == pytest.approx(math.log(2 * n - 2))
    assert dcl.TEMPERATURE == 0.1


def test_definition_with_loops() -> None:
    a, b = pair(4, 5, 3)
    z, n = torch.cat([a, b]), len(a)
    for i in range(2 * n):
        sibling = (i + n) % (2 * n)
        cosine = [float(z[i] @ z[k] / (z[i].norm() * z[k].norm())) for k in range(2 * n)]
        negatives = sum(math.exp(cosine[k] / 0.2) for k in range(2 * n) if k not in (i, sibling))
        expected = -cosine[sibling] / 0.2 + math.log(negatives)
        assert float(dcl_terms(a, b, 0.2)[i]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_lightly_agrees_to_its_own_precision() -> None:
    losses = pytest.importorskip("lightly.loss")
    for seed, (n, d) in enumerate([(4, 3), (16, 8)]):
        a, b = (A, B) if seed == 0 else pair(seed, n, d)
        for temperature in (0.1, 0.5):
            theirs = losses.DCLLoss(temperature=temperature)(a, b)
            assert float(dcl_loss(a, b, temperature)) == pytest.approx(float(theirs), rel=1e-6)
            theirs = losses.DCLWLoss(temperature=temperature, sigma=0.5)(a, b)
            assert float(dclw_loss(a, b, temperature)) == pytest.approx(float(theirs), rel=1e-6)


# -- what ties it to NT-Xent ----------------------------------------------------------------------


@quick
@given(batches, st.sampled_from([0.1, 0.5, 1.0]))
def test_nt_xent_is_the_softplus_of_dcl(views: list[Tensor], temperature: float) -> None:
    terms = dcl_terms(*views, temperature)
    softened = torch.nn.functional.softplus(terms, threshold=1e9)
    assert torch.allclose(softened, nt_xent_terms(*views, temperature), rtol=1e-9, atol=1e-12)
    whole = float(nt_xent_loss(*views, temperature))
    assert float(softened.mean()) == pytest.approx(whole, rel=1e-9, abs=1e-12)
    gap = whole - float(dcl_loss(*views, temperature))
    assert gap == pytest.approx(float(-coupling(*views, temperature).log().mean()), abs=1e-9)


@temperatures
def test_each_views_gradient_is_q_times_that_of_dcl(temperature: float) -> None:
    a, b = (z.requires_grad_() for z in pair(3, 5, 4))
    factors = coupling(a, b, temperature).detach()
    for i in range(10):
        nce = torch.autograd.grad(nt_xent_terms(a, b, temperature)[i], (a, b))
        free = torch.autograd.grad(dcl_terms(a, b, temperature)[i], (a, b))
        for left, right in zip(nce, free, strict=True):
            assert torch.allclose(left, factors[i] * right, rtol=1e-8, atol=1e-12)
            assert float(right.abs().max()) > 1e-6


@temperatures
def test_more_negatives_couple_less(temperature: float) -> None:
    """Strictly between 0 and 1, growing with the batch."""
    found = [coupling_of(n, temperature) for n in (2, 8, 32, 128, 512)]
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 1


# -- invariances ----------------------------------------------------------------------------------


@both
@quick
@given(views=batches, seed=st.integers(0, 2**31))
def test_order_length_and_rotation_do_not_matter(loss, views, seed) -> None:
    a, b = views
    generator = torch.Generator().manual_seed(seed)
    d = a.shape[1]
    turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    length = torch.rand(len(a), 1, generator=generator, dtype=torch.float64) * 9 + 0.1
    order = torch.randperm(len(a), generator=generator)
    value = pytest.approx(float(loss(a, b)), rel=1e-9, abs=1e-9)
    assert float(loss(a @ turn * length, b @ turn)) == value
    assert float(loss(a[order], b[order])) == value
    assert float(loss(b, a)) == value


@both
def test_pairing_matters(loss) -> None:
    a, _ = pair(0, 8, 4)
    assert float(loss(a, a)) < float(loss(a, a.roll(1, 0))) - 0.1


@quick
@given(batches)
def test_weights_average_to_one(views: list[Tensor]) -> None:
    weights = sibling_weights(*views)
    assert float(weights.mean()) == pytest.approx(1.0)
    assert float(weights.max()) <= 2.0


def test_a_weight_can_be_negative() -> None:
    a = torch.eye(4, dtype=torch.float64)
    b = a.clone()
    b[1:] *= -1  # one pair agrees, three are opposite
    assert float(sibling_weights(a, b, 0.1)[0]) < 0


# -- gradients ------------------------------------------------------------------------------------


def test_gradcheck() -> None:
    a, b = (z.requires_grad_() for z in pair(7, 5, 3))
    assert torch.autograd.gradcheck(dcl_loss, (a, b))
    assert torch.autograd.gradcheck(lambda x, y: dcl_loss(x, y, 0.5), (a, b))
    assert torch.autograd.gradcheck(coupling, (a, b))


def test_no_gradient_through_the_weights_of_dclw() -> None:
    a, b = (z.requires_grad_() for z in pair(8, 5, 3))
    weights = sibling_weights(a, b).detach()
    cosine = similarity(a, b).diagonal(5)
    stopped = dcl_loss(a, b, 0.2) + ((1 - weights) * cosine).mean() / 0.2
    value = dclw_loss(a, b, 0.2)
    assert float(value.detach()) == pytest.approx(float(stopped.detach()))
    for left, right in zip(*(torch.autograd.grad(v, (a, b)) for v in (value, stopped)),
                           strict=True):
        assert torch.allclose(left, right)


@both
def test_twenty_steps_of_descent_lower_the_loss(loss) -> None:
    views = [z.requires_grad_() for z in pair(1, 16, 4)]
    optimiser = torch.optim.SGD(views, lr=0.1)
    before = float(loss(*views, 0.5).detach())
    for _ in range(20):
        optimiser.zero_grad()
        loss(*views, 0.5).backward()
        optimiser.step()
    assert float(loss(*views, 0.5).detach()) < before - 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@both
def test_rows_of_zeros_and_a_small_temperature_stay_finite(loss, dtype) -> None:
    a, b = pair(2, 7, 4, dtype)
    a[3], b[2] = 0.0, 0.0
    a.requires_grad_(), b.requires_grad_()
    for temperature in (0.5, 1e-3):
        value = loss(a, b, temperature)
        for tensor in (value, *torch.autograd.grad(value, (a, b))):
            assert tensor.isfinite().all()
    assert coupling(a, b, 1e-3).isfinite().all()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@both
def test_half_precision_and_autocast_are_computed_in_float32(loss, half) -> None:
    a, b = (z.to(half) for z in pair(6, 32, 8, torch.float32))
    exact = loss(a.float(), b.float())
    assert loss(a, b).dtype == torch.float32
    assert float(loss(a, b)) == float(exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(loss(a.float(), b.float())) == float(exact)


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [dcl_loss, dcl_terms, dclw_loss, coupling])
@pytest.mark.parametrize(("shapes", "says"), [
    ([(4, 3), (4, 2)], "one shape"), ([(3,), (3,)], "one shape"),
    ([(1, 3), (1, 3)], "this batch has 1"),
])
def test_wrong_shapes_are_named(function, shapes: list[tuple], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        function(*(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("value", [0, -0.1, math.nan, math.inf])
def test_bad_knobs(value: float) -> None:
    for function in (dcl_loss, dcl_terms, dclw_loss, coupling):
        with pytest.raises(UsageError, match="temperature"):
            function(A, B, value)
    with pytest.raises(UsageError, match="temperature"):
        coupling_of(4, value)
    with pytest.raises(UsageError, match="sigma"):
        dclw_loss(A, B, 0.1, value)


def test_a_batch_of_one_has_no_negatives() -> None:
    with pytest.raises(UsageError, match="batch of 1"):
        coupling_of(1, 0.1)


# -- mutants --------------------------------------------------------------------------------------


def keeps_itself(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    logits, n = similarity(z1, z2) / temperature, len(z1)
    sibling = torch.zeros_like(logits, dtype=torch.bool)
    sibling.diagonal(n).fill_(True), sibling.diagonal(-n).fill_(True)
    left = logits.masked_fill(sibling, -math.inf)
    return left.logsumexp(1).mean() - logits.diagonal(n).mean()


def not_normalised(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    z, n = torch.cat([z1, z2]), len(z1)
    logits = z @ z.T / temperature
    same = torch.eye(n, dtype=torch.bool).repeat(2, 2)
    return logits.masked_fill(same, -math.inf).logsumexp(1).mean() - logits.diagonal(n).mean()


def one_direction(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    return dcl_terms(z1, z2, temperature)[: len(z1)].mean()


def other_view_alone(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Negatives of the other view only: N - 1 terms."""
    n = len(z1)
    block = similarity(z1, z2)[:n, n:] / temperature
    left = block.masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    return (left.logsumexp(1) + left.logsumexp(0)).mean() / 2 - block.diagonal().mean()


def detached_negatives(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """The right value with the wrong gradient."""
    pulled = similarity(z1, z2).diagonal(len(z1)).mean() / temperature
    whole = dcl_loss(z1, z2, temperature)
    return (whole + pulled).detach() - pulled


MUTANTS = {
    "the sibling stays in the sum": nt_xent_loss, "the view itself stays": keeps_itself,
    "no normalisation": not_normalised, "one direction only": one_direction,
    "both directions added up": lambda a, b, t: 2 * dcl_loss(a, b, t),
    "negatives of the other view alone": other_view_alone,
    "no temperature": lambda a, b, t: dcl_loss(a, b, 1.0),
    "negatives without gradient": detached_negatives,
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_mutants_are_rejected(mutant) -> None:
    cases = [(*pair(seed, n, d), t) for seed, n, d, t in [(0, 6, 4, 0.1), (1, 3, 5, 0.5)]]
    assert check_same(dcl_loss, dcl_loss, *cases, show=False)
    assert not check_same(mutant, dcl_loss, *cases, show=False)
