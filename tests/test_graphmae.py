"""GraphMAE: values, identities, invariances, gradients, masks, and what cannot leak."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbook.errors import UsageError
from sslbook.lesson.checks import compare
from sslbook.masks.nodes import node_masks
from sslbook.methods import graphmae
from sslbook.methods.graphmae import corrupt, mean_feature_error, remask, scaled_cosine_error

quick = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**31)


def pair(seed: int, n: int = 6, d: int = 4, dtype: torch.dtype = torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=dtype) for _ in range(2)]


def at_cosine(value: float):
    """One pair of rows with this cosine, of other lengths than 1."""
    z = torch.tensor([[3 * value, 3 * math.sqrt(1 - value**2)]], dtype=torch.float64)
    return z, torch.tensor([[0.7, 0.0]], dtype=torch.float64)


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gamma", "value"), [(1, 0.5), (2, 0.25), (3, 0.125)])
def test_half_way(gamma, value):
    assert float(scaled_cosine_error(*at_cosine(0.5), gamma)) == pytest.approx(value, abs=1e-12)
    tensor = torch.tensor(float(gamma), dtype=torch.float64)
    assert float(scaled_cosine_error(*at_cosine(0.5), tensor)) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(("cosine", "slope"), [(0.9, -0.03), (0.0, -3.0)])
def test_easy_nodes_weigh_a_hundred_times_less(cosine, slope):
    c = torch.tensor(cosine, dtype=torch.float64, requires_grad=True)
    z = torch.stack([c, (1 - c.square()).sqrt()])[None]
    x = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    (found,) = torch.autograd.grad(scaled_cosine_error(z, x, 3), c)
    assert float(found) == pytest.approx(slope, abs=1e-9)


def test_matches_its_definition_with_loops():
    z, x = pair(3, 5, 3)
    total = 0.0
    for a, b in zip(z, x, strict=True):
        total += (1 - float(a @ b / (a.norm() * b.norm()))) ** 2.5
    assert float(scaled_cosine_error(z, x, 2.5)) == pytest.approx(total / 5, rel=1e-12)
    assert graphmae.GAMMA == 3.0
    assert scaled_cosine_error(z, x) == scaled_cosine_error(z, x, 3.0)


def test_mean_feature_error_is_the_best_constant_guess():
    x = (torch.rand(50, 8, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    best = float(mean_feature_error(x))
    guess = x.double().mean(dim=0)
    assert best == pytest.approx(float((x - guess).square().mean()), rel=1e-12)
    assert best == pytest.approx(float((guess * (1 - guess)).mean()), rel=1e-12)  # of 0 and 1
    for shift in (-0.05, 0.05):
        assert float((x - guess - shift).square().mean()) > best


# -- identities and invariances -------------------------------------------------------------------


@quick
@given(seeds, st.integers(1, 9), st.integers(1, 7))
def test_gamma_one_is_half_the_squared_distance_on_the_sphere(seed, n, d):
    z, x = pair(seed, n, d)
    unit = [rows / rows.norm(dim=1, keepdim=True) for rows in (z, x)]
    half = (unit[0] - unit[1]).square().sum(dim=1).mean() / 2
    assert float(scaled_cosine_error(z, x, 1)) == pytest.approx(float(half), abs=1e-12)


@quick
@given(seeds, st.sampled_from([1.0, 2.0, 3.0]))
def test_row_lengths_do_not_matter_and_signs_do(seed, gamma):
    z, x = pair(seed)
    scale = torch.rand(6, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    value = float(scaled_cosine_error(z, x, gamma))
    assert float(scaled_cosine_error(z * (scale + 0.1), x * 7, gamma)) == pytest.approx(value)
    assert 0 <= value <= 2**gamma
    assert float(scaled_cosine_error(z, z, gamma)) == pytest.approx(0, abs=1e-12)
    assert float(scaled_cosine_error(z, -z, gamma)) == pytest.approx(2**gamma)


# -- gradients, zeros, half precision -------------------------------------------------------------


@pytest.mark.parametrize("gamma", [1.0, 2.0, 3.0])
def test_gradcheck(gamma):
    z, x = (rows.requires_grad_() for rows in pair(7, 5, 3))
    assert torch.autograd.gradcheck(lambda a, b: scaled_cosine_error(a, b, gamma), (z, x))


def test_rows_of_zeros_cost_one_and_get_no_gradient():
    z, x = pair(2)
    z[1], x[2] = 0.0, 0.0
    z.requires_grad_()
    value = scaled_cosine_error(z, x, 2)
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()
    assert float(z.grad[1:3].abs().max()) == 0.0
    assert float(z.grad[0].abs().max()) > 0
    assert float(scaled_cosine_error(torch.zeros(3, 2), torch.ones(3, 2))) == 1.0


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_are_computed_in_float32(half):
    z, x = (rows.to(half) for rows in pair(6, 32, 8, torch.float32))
    exact = scaled_cosine_error(z.float(), x.float())
    assert scaled_cosine_error(z, x).dtype == torch.float32
    assert float(scaled_cosine_error(z, x)) == float(exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(scaled_cosine_error(z.float(), x.float())) == float(exact)


def test_descent_lowers_it():
    z, x = pair(1, 16, 4)
    z.requires_grad_()
    optimiser = torch.optim.SGD([z], lr=1.0)
    before = float(scaled_cosine_error(z, x).detach())
    for _ in range(20):
        optimiser.zero_grad()
        scaled_cosine_error(z, x).backward()
        optimiser.step()
    assert float(scaled_cosine_error(z, x).detach()) < before - 0.05


# -- the corruption -------------------------------------------------------------------------------


@quick
@given(st.integers(4, 300), st.floats(0.3, 0.9), st.floats(0, 0.5), seeds)
def test_masks_have_the_counts_of_the_official_code(nodes, share, replaced, seed):
    masked, sources = node_masks(nodes, share, replaced, torch.Generator().manual_seed(seed))
    assert len(masked) == int(share * nodes)
    assert len(sources) == int(replaced * len(masked))
    assert len(masked.unique()) == len(masked)
    assert 0 <= int(masked.min())
    assert int(masked.max()) < nodes
    again, _ = node_masks(nodes, share, replaced, torch.Generator().manual_seed(seed))
    assert torch.equal(masked, again)


def test_the_mask_of_cora_has_1354_nodes():
    masked, sources = node_masks(2708, 0.5, 0.05, torch.Generator().manual_seed(0))
    assert (len(masked), len(sources)) == (1354, 67)


def test_every_node_is_masked_equally_often():
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(20)
    for _ in range(2000):
        counts[node_masks(20, 0.5, 0.1, generator)[0]] += 1
    assert float((counts / 2000 - 0.5).abs().max()) < 0.05


@pytest.mark.parametrize(("share", "replaced"), [(0, 0), (1, 0), (0.5, -0.1), (0.5, 1.1)])
def test_impossible_masks(share, replaced):
    with pytest.raises(UsageError, match="Take shares between 0 and 1"):
        node_masks(10, share, replaced, torch.Generator())


def test_corrupt_and_remask():
    x = torch.arange(12.0).view(6, 2)
    token = torch.tensor([-1.0, -2.0], requires_grad=True)
    masked, sources = torch.tensor([4, 0, 2]), torch.tensor([5])
    made = corrupt(x, masked, sources, token)
    assert made[4].tolist() == x[5].tolist()
    assert made[[0, 2]].tolist() == [[-1.0, -2.0]] * 2
    assert torch.equal(made[[1, 3, 5]], x[[1, 3, 5]])
    assert x[0].tolist() == [0.0, 1.0], "the input was changed"
    made.sum().backward()
    assert token.grad.tolist() == [2.0, 2.0]
    with pytest.raises(UsageError, match="4 sources for 3 masked"):
        corrupt(x, masked, torch.arange(4), token)
    h = torch.ones(6, 3, requires_grad=True)
    z = remask(h, masked)
    assert z[masked].abs().sum() == 0
    assert z.sum() == 9
    z.sum().backward()
    assert h.grad[masked].abs().sum() == 0


def test_hidden_features_cannot_leak():
    """Bit for bit: what the decoder says is the same whatever the masked features are."""
    from sslbook.nets.graph import GraphLayer, GraphNet

    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(0, 30, (2, 120), generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, decoder = GraphNet(5, 8, 2, "gat", 2, 0.0), GraphLayer(8, 5, "gat")
    masked, none = node_masks(30, 0.5, 0.0, generator)
    x = torch.randn(30, 5, generator=generator)
    other = x.index_fill(0, masked, 123.0)
    said = [decoder(remask(encoder(corrupt(v, masked, none, torch.zeros(5)), edges), masked), edges)
            for v in (x, other)]
    assert torch.equal(*said)
    leaks = decoder(encoder(other, edges), edges)
    assert not torch.equal(said[0], leaks)


# -- bad input and wrong answers ------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [[(4, 3), (4, 2)], [(3,), (3,)], [(0, 3), (0, 3)]])
def test_wrong_shapes_are_named(shapes):
    with pytest.raises(UsageError, match="one shape"):
        scaled_cosine_error(*(torch.zeros(shape) for shape in shapes))


def test_integers_and_bad_gammas_are_refused():
    z, x = pair(0)
    with pytest.raises(UsageError, match="int64"):
        scaled_cosine_error(z, x.long())
    for gamma in (0.5, 0.0, -1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="gamma"):
            scaled_cosine_error(z, x, gamma)


def power_of_the_mean(z, x, gamma):
    return (1 - torch.cosine_similarity(z, x)).mean() ** gamma


def scaled_similarity(z, x, gamma):
    return (1 - torch.cosine_similarity(z, x) ** gamma).mean()


def summed(z, x, gamma):
    return ((1 - torch.cosine_similarity(z, x)) ** gamma).sum()


def columns(z, x, gamma):
    return ((1 - torch.cosine_similarity(z, x, dim=0)) ** gamma).mean()


def right(z, x, gamma):
    return ((1 - torch.cosine_similarity(z, x)) ** gamma).mean()


CASES = [(*pair(s, n, d), g) for s, (n, d, g) in enumerate([(8, 3, 1.0), (5, 6, 2.0), (4, 2, 3.0)])]


@pytest.mark.parametrize("wrong", [power_of_the_mean, scaled_similarity, summed, columns])
def test_the_comparison_rejects_what_is_wrong(wrong):
    assert compare(right, scaled_cosine_error, CASES)[0]
    assert not compare(wrong, scaled_cosine_error, CASES)[0]


def test_the_comparison_rejects_a_wrong_corruption():
    x, _ = pair(0, 6, 3)
    case = (x, torch.tensor([4, 0, 2]), torch.tensor([5]), torch.ones(3))

    def in_place(x, masked, sources, token):
        x[masked] = token
        x[masked[: len(sources)]] = x[sources]
        return x

    def no_noise(x, masked, sources, token):
        return x.index_copy(0, masked, token.expand(len(masked), -1))

    def last_ones(x, masked, sources, token):
        made = x.index_copy(0, masked, token.expand(len(masked), -1))
        return made.index_copy(0, masked[-len(sources):], x[sources])

    for wrong in (in_place, no_noise, last_ones):
        assert not compare(wrong, corrupt, [case])[0]
