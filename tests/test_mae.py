"""Masked autoencoder: masks, patches, positions, the loss, and that nothing hidden leaks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sslbook import nets
from sslbook.errors import UsageError
from sslbook.lesson.checks import compare
from sslbook.masks.patches import RandomPatches, hidden_count
from sslbook.methods.mae import (
    MaskedAutoencoder,
    baseline,
    mae_loss,
    normalise_patches,
    place_tokens,
)
from sslbook.nets import PatchDecoder, patchify, sincos_positions, take, unpatchify
from sslbook.streams import Streams
from sslbook.training import Batches
from sslbook.views import Augment, Recipe

quick = settings(max_examples=30, deadline=None, derandomize=True)
RECIPE = Recipe(size=16, crop=(0.5, 1.0), jitter_p=0.0, gray=0.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def masker(ratio: float = 0.75) -> RandomPatches:
    return RandomPatches(Augment(RECIPE, (0.5,) * 3, (0.25,) * 3, 1), 16, ratio)


def images(count: int = 6) -> Tensor:
    return torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=generator(1))


def model() -> MaskedAutoencoder:
    with Streams(0, "test").seeded("init"):
        encoder = nets.build("vit_patches", size=16, patch=4, width=16, depth=2, heads=2)
        decoder = PatchDecoder(16, 48, 16, width=8, depth=1, heads=2)
        return MaskedAutoencoder(encoder, decoder)


# -- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patches", "ratio", "hidden"), [
    (64, 0.75, 48), (64, 0.985, 63), (64, 0.9, 58), (100, 0.9, 90), (10, 0.9, 9), (196, 0.985, 193),
    (16, 0.01, 1),
])
def test_counts_are_rounded_and_never_empty(patches: int, ratio: float, hidden: int) -> None:
    assert hidden_count(patches, ratio) == hidden


@pytest.mark.parametrize(("patches", "ratio"), [(16, 0.0), (16, 1.0), (1, 0.5), (16, math.nan)])
def test_a_mask_hides_some_and_not_all(patches: int, ratio: float) -> None:
    with pytest.raises(UsageError, match="hides all or nothing"):
        hidden_count(patches, ratio)


@quick
@given(st.integers(0, 2**31), st.sampled_from([0.1, 0.5, 0.75, 0.9]))
def test_visible_and_hidden_are_a_partition(seed: int, ratio: float) -> None:
    x, visible, hidden = masker(ratio)(images(), generator(seed))
    assert x.shape == (6, 3, 16, 16)
    assert x.dtype == torch.float32
    assert hidden.shape[1] == hidden_count(16, ratio)
    both = torch.cat((visible, hidden), 1).sort(dim=1).values
    assert torch.equal(both, torch.arange(16).expand(6, -1))


def test_the_permutation_is_the_argsort_of_uniform_noise() -> None:
    """The card's values: row 0 and 1 of MAE's masks under torch.manual_seed(0)."""
    order = torch.rand(2, 64, generator=generator()).argsort(dim=1)[:, :16]
    assert order[0].tolist() == [12, 35, 43, 27, 2, 57, 3, 44, 34, 58, 18, 13, 32, 28, 62, 55]
    assert order[1].tolist() == [19, 30, 60, 40, 16, 13, 51, 34, 43, 6, 42, 31, 15, 48, 61, 25]
    mask, own = masker(), generator(5)
    mask.augment.draws((2, 3, 16, 16), [own])  # the view is drawn first
    expected = torch.rand(2, 16, generator=own).argsort(dim=1)
    _, visible, hidden = mask(images(2), generator(5))
    assert torch.equal(torch.cat((visible, hidden), 1), expected)


def test_each_image_has_a_mask_of_its_own_and_all_places_are_hidden_equally_often() -> None:
    _, visible, hidden = masker()(images(1).expand(4000, -1, -1, -1), generator())
    assert len({tuple(sorted(row)) for row in visible[:50].tolist()}) > 40
    share = torch.bincount(hidden.flatten(), minlength=16) / 4000
    assert float((share - 0.75).abs().max()) < 4 * math.sqrt(0.75 * 0.25 / 4000)


def test_a_step_does_not_depend_on_what_is_drawn_beside_it() -> None:
    mask, shape = masker(), images().shape
    alone = mask.draws(shape, [generator(3)])[0]
    beside = mask.draws(shape, [generator(2), generator(3)])[1]
    assert torch.equal(alone, beside)
    for one, other in zip(mask.apply(images(), alone), mask(images(), generator(3)), strict=True):
        assert torch.equal(one, other)
    still = mask.apply(images(), alone, static=True)
    assert torch.allclose(still[0], mask.apply(images(), alone)[0], atol=1e-5)
    assert torch.equal(still[1], mask.apply(images(), alone)[1])


def test_batches_use_both_halves() -> None:
    streams, mask = Streams(3, "x"), masker()
    batches = Batches(images(12), 4, streams, mask)
    rows, numbers = batches.inputs(5)
    assert numbers.shape == (4, 14 + 16)
    by_hand = mask(rows, streams.torch("views", 5))
    for one, other in zip(batches(5), by_hand, strict=True):
        assert torch.equal(one, other)


def test_two_views_or_no_ratio_are_refused() -> None:
    with pytest.raises(UsageError, match="views=1"):
        RandomPatches(Augment(RECIPE, (0.5,) * 3, (0.25,) * 3, 2), 16, 0.75)
    with pytest.raises(UsageError, match="hides all"):
        masker(1.0)


# -- patches and positions ------------------------------------------------------------------------


def test_patches_are_row_by_row_with_the_channel_last() -> None:
    """The card's value, from the official function's order of values."""
    x = torch.randn(4, 3, 32, 32, generator=generator())
    patches = patchify(x, 4)
    assert patches.shape == (4, 64, 48)
    assert float(patches[0, 9, 7]) == pytest.approx(-0.907159, abs=1e-6)
    # place 9 is row 1, column 1 of the grid; value 7 is pixel (0, 2), green
    assert float(patches[0, 9, 7]) == float(x[0, 1, 4, 6])
    assert torch.equal(unpatchify(patches, 4), x)


def test_whole_patches_only() -> None:
    with pytest.raises(UsageError, match="no whole patches"):
        patchify(torch.zeros(1, 3, 30, 32), 4)


def test_positions_have_the_official_values() -> None:
    place = sincos_positions(8, 192)
    assert place.shape == (64, 192)
    assert float(place.double().sum()) == pytest.approx(5979.796474, abs=1e-3)
    assert float(place.norm()) == pytest.approx(78.383672, abs=1e-4)
    assert torch.allclose(place.square().sum(dim=1), torch.tensor(96.0))
    row = place[9]  # the card's row 10 counts a class token in front
    assert row[:3].tolist() == pytest.approx([0.841471, 0.734822, 0.629797], abs=1e-6)
    assert torch.equal(row[96:99], row[:3])
    assert torch.equal(place[1, 96:], place[0, 96:])  # the second half tells the row alone
    assert not torch.equal(place[1, :96], place[0, :96])
    with pytest.raises(UsageError, match="4 divides"):
        sincos_positions(8, 90)


def test_vit_tiny_for_patches_has_the_blocks_parameters() -> None:
    encoder = nets.build("vit_patches")
    # 12 blocks of 12 D^2 + 13 D, the patches' 9,408 and the last norm: no class token's 192
    assert nets.parameter_count(encoder) == 5_348_352 - 192
    assert encoder.spec == {"net": "vit_patches"}
    assert "place" not in encoder.state_dict()  # it is fixed, so it is made again


def test_taking_rows() -> None:
    tokens = torch.arange(24.0).reshape(2, 4, 3)
    index = torch.tensor([[2, 0], [3, 3]])
    assert torch.equal(take(tokens, index), torch.stack([tokens[0, [2, 0]], tokens[1, [3, 3]]]))


def test_all_patches_in_any_order_give_the_same_features() -> None:
    encoder = model().encoder.double()
    x = torch.randn(2, 3, 16, 16, generator=generator(), dtype=torch.float64)
    order = torch.rand(2, 16, generator=generator()).argsort(dim=1)
    mixed = encoder.tokens(x, order)
    assert torch.allclose(take(encoder.tokens(x), order), mixed, atol=1e-12)
    assert torch.allclose(encoder(x), mixed.mean(dim=1), atol=1e-12)


# -- nothing leaks --------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", [0.0, 1e6, math.nan])
def test_predictions_do_not_depend_on_hidden_pixels_bit_for_bit(fill: float) -> None:
    net = model().eval()
    x, visible, hidden = masker()(images(), generator())
    changed = patchify(x, 4).scatter(1, hidden[:, :, None].expand(-1, -1, 48), fill)
    changed = unpatchify(changed, 4)
    assert not torch.equal(changed, x)
    assert torch.equal(net.predict(x, visible), net.predict(changed, visible))


def test_predictions_depend_on_every_visible_patch() -> None:
    net = model().eval()
    x, visible, _ = masker()(images(1), generator())
    for place in visible[0].tolist():
        patches = patchify(x, 4)
        patches[0, place] += 1
        other = net.predict(unpatchify(patches, 4), visible)
        assert not torch.equal(other, net.predict(x, visible))


def test_no_gradient_reaches_hidden_pixels_or_visible_predictions() -> None:
    net = model()
    x, visible, hidden = masker()(images(), generator())
    x.requires_grad_()
    net.predict(x, visible).square().sum().backward()
    moved = patchify(x.grad, 4).abs().sum(dim=2) > 0
    assert not bool(moved.gather(1, hidden).any())
    assert bool(moved.gather(1, visible).all())


def test_the_module_trains_on_its_loss() -> None:
    net = model()
    batch = masker()(images(), generator())
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        out = net(batch, mae_loss)
        optimiser.zero_grad()
        out["loss"].backward()
        optimiser.step()
        losses.append(float(out["loss"].detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert all(p.grad is not None for p in net.parameters())


# -- the loss -------------------------------------------------------------------------------------


def case(seed: int = 0, b: int = 3, count: int = 5, pixels: int = 12) -> tuple[Tensor, ...]:
    one = generator(seed)
    prediction, patches = torch.randn(2, b, count, pixels, generator=one, dtype=torch.float64)
    mask = (torch.rand(b, count, generator=one) < 0.6).double()
    mask[0, 0] = 1.0
    return prediction, patches, mask


def test_loss_matches_its_definition_with_loops() -> None:
    prediction, patches, mask = case()
    total = count = 0.0
    for b in range(3):
        for place in range(5):
            if mask[b, place]:
                values = patches[b, place].tolist()
                mean = sum(values) / 12
                variance = sum((v - mean) ** 2 for v in values) / 11
                target = [(v - mean) / math.sqrt(variance + 1e-6) for v in values]
                guess = prediction[b, place].tolist()
                total += sum((g - t) ** 2 for g, t in zip(guess, target, strict=True)) / 12
                count += 1
    assert float(mae_loss(prediction, patches, mask)) == pytest.approx(total / count, rel=1e-12)
    plain = ((prediction - patches).square().mean(2) * mask).sum() / mask.sum()
    assert float(mae_loss(prediction, patches, mask, normalise=False)) == pytest.approx(
        float(plain), rel=1e-12)


@pytest.mark.parametrize(("pixels", "value"), [(48, 0.979167), (192, 0.994792)])
def test_predicting_nothing_costs_p_minus_one_over_p(pixels: int, value: float) -> None:
    patches = torch.randn(2, 7, pixels, generator=generator(), dtype=torch.float64)
    loss = mae_loss(torch.zeros_like(patches), patches, torch.ones(2, 7))
    assert float(loss) == pytest.approx(value, abs=3e-6)
    assert baseline(pixels) == pytest.approx(value, abs=1e-6)
    exact = mae_loss(torch.zeros_like(patches), patches, torch.ones(2, 7), eps=0.0)
    assert float(exact) == pytest.approx(baseline(pixels), rel=1e-12)


@quick
@given(st.integers(0, 2**31))
def test_only_hidden_predictions_and_no_brightness_or_contrast_count(seed: int) -> None:
    prediction, patches, mask = case(seed)
    value = float(mae_loss(prediction, patches, mask, eps=0.0))
    elsewhere = prediction + 100 * (1 - mask)[:, :, None]
    assert float(mae_loss(elsewhere, patches, mask, eps=0.0)) == pytest.approx(value, rel=1e-12)
    moved = 3.0 * patches + 0.7
    assert float(mae_loss(prediction, moved, mask, eps=0.0)) == pytest.approx(value, rel=1e-9)
    assert float(mae_loss(normalise_patches(patches), patches, mask)) == pytest.approx(0, abs=1e-20)


def test_gradients() -> None:
    prediction, patches, mask = case()
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: mae_loss(p, patches, mask), (prediction,))
    mae_loss(prediction, patches, mask).backward()
    assert not bool(prediction.grad[mask == 0].any())
    expected = 2 * (prediction - normalise_patches(patches)) / 12 / mask.sum()
    assert torch.allclose(prediction.grad, (expected * mask[:, :, None]).detach())


def test_half_precision_and_flat_patches() -> None:
    prediction, patches, mask = case()
    half = mae_loss(prediction.half(), patches.half(), mask)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(mae_loss(prediction, patches, mask)), rel=2e-3)
    flat = torch.full_like(patches, 0.3)
    assert float(normalise_patches(flat).abs().max()) < 1e-9
    assert math.isfinite(float(mae_loss(prediction, flat, mask)))
    assert float(mae_loss(prediction, patches, torch.zeros(3, 5))) == 0.0


def test_what_the_loss_refuses() -> None:
    prediction, patches, mask = case()
    with pytest.raises(UsageError, match="a mask"):
        mae_loss(prediction, patches, mask[:, :4])
    with pytest.raises(UsageError, match="a mask"):
        mae_loss(prediction[:, :4], patches, mask)
    with pytest.raises(UsageError, match="floating"):
        mae_loss(prediction, (255 * patches).to(torch.uint8), mask)
    with pytest.raises(UsageError, match="one value"):
        mae_loss(prediction[:, :, :1], patches[:, :, :1], mask)
    with pytest.raises(UsageError, match="eps"):
        mae_loss(prediction, patches, mask, eps=-1.0)


# -- filling the places ---------------------------------------------------------------------------


def official(tokens: Tensor, visible: Tensor, mask_token: Tensor, count: int) -> Tensor:
    """The other way to write it: append mask tokens, then undo the shuffle by two argsorts."""
    b, k, width = tokens.shape
    rest = torch.ones(b, count).scatter(1, visible, 0.0).argsort(1, descending=True)[:, : count - k]
    back = torch.cat((visible, rest), 1).argsort(dim=1)
    full = torch.cat((tokens, mask_token.expand(b, count - k, width)), 1)
    return take(full, back)


def places(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, int]:
    one = generator(seed)
    tokens = torch.randn(2, 3, 4, generator=one, dtype=torch.float64)
    visible = torch.rand(2, 7, generator=one).argsort(dim=1)[:, :3]
    return tokens, visible, torch.randn(4, generator=one, dtype=torch.float64), 7


def test_tokens_come_to_their_places() -> None:
    tokens, visible, token, count = places()
    full = place_tokens(tokens, visible, token, count)
    assert torch.equal(take(full, visible), tokens)
    for b in range(2):
        others = [i for i in range(count) if i not in visible[b].tolist()]
        assert torch.equal(full[b, others], token.expand(4, -1))
    with pytest.raises(UsageError, match="one place per token"):
        place_tokens(tokens, visible[:, :2], token, count)


def test_the_official_way_agrees() -> None:
    assert compare(official, place_tokens, [places(0), places(1)])[0]


WRONG_PLACES = {
    "the shuffle is not undone": lambda t, v, m, n: torch.cat(
        (t, m.expand(len(t), n - t.shape[1], -1)), 1),
    "the shuffle is done twice": lambda t, v, m, n: take(
        torch.cat((t, m.expand(len(t), n - t.shape[1], -1)), 1),
        torch.cat((v, torch.ones(len(t), n).scatter(1, v, 0.0).argsort(
            1, descending=True)[:, : n - t.shape[1]]), 1)),
    "zeros instead of the mask token": lambda t, v, m, n: place_tokens(t, v, 0 * m, n),
    "the mask token gets no gradient": lambda t, v, m, n: place_tokens(t, v, m.detach(), n),
}


@pytest.mark.parametrize("name", WRONG_PLACES)
def test_wrong_places_are_rejected(name: str) -> None:
    assert not compare(WRONG_PLACES[name], place_tokens, [places(0), places(1)])[0]


# -- wrong losses are told apart ------------------------------------------------------------------


def loss(p, t, m, *, variance=None, over=None, target=None, error=lambda d: d.square()):
    mean = t.mean(dim=2, keepdim=True)
    spread = t.var(dim=2, keepdim=True) if variance is None else variance(t)
    goal = (t - mean) / (spread + 1e-6).sqrt() if target is None else target(t)
    each = error(p - goal).mean(dim=2)
    return (each * m).sum() / m.sum() if over is None else over(each, m)


def twin(p, t, m):
    return mae_loss(p, t, m)


def changed(**parts):
    return lambda p, t, m: loss(p, t, m, **parts)


CASES = [case(0), case(1, 2, 4, 6)]
WRONG = {
    "the variance divides by P": changed(variance=lambda t: t.var(2, correction=0, keepdim=True)),
    "all patches count": changed(over=lambda e, m: e.mean()),
    "visible patches count": changed(over=lambda e, m: (e * (1 - m)).sum() / (1 - m).sum()),
    "divided by all patches": changed(over=lambda e, m: (e * m).mean()),
    "averaged per image first": changed(
        over=lambda e, m: ((e * m).sum(1) / m.sum(1).clamp_min(1)).mean()),
    "targets are not normalised": changed(target=lambda t: t),
    "targets are centred only": changed(target=lambda t: t - t.mean(2, keepdim=True)),
    "normalised over the image": changed(
        target=lambda t: (t - t.mean((1, 2), keepdim=True)) / t.std((1, 2), keepdim=True)),
    "absolute error": changed(error=torch.abs),
    "a sum over the pixels": changed(error=lambda d: d.square() * d.shape[2]),
    "no gradient": lambda p, t, m: loss(p, t, m).detach(),
    "the prediction is normalised": lambda p, t, m: loss(normalise_patches(p), t, m),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_loss_is_rejected(name: str) -> None:
    same, line = compare(WRONG[name], twin, CASES)
    assert not same, line


def test_the_right_loss_is_accepted() -> None:
    assert compare(loss, twin, CASES)[0]
