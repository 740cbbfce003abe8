"""Views against torchvision's functional operations, their laws of chance, and bad input."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision.transforms.functional as T
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop

from sslbook import views
from sslbook.errors import UsageError
from sslbook.views import Augment, Recipe, augment
from sslbook.views.recipe import NUMBERS

BOUND = 1e-5
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
WILD = {"jitter": (0.8, 0.8, 0.8, 0.5), "blur": 0.5, "solarize": 0.3}  # every branch is taken


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 64, height: int = 32, width: int = 32, seed: int = 0) -> torch.Tensor:
    """Noise at several scales and saturations, with black, white, gray and pure pixels."""
    g = dice(seed)
    x = torch.rand(n, 3, height, width, generator=g)
    x[n // 2 :] = T.resize(x[n // 2 :, :, :4, :4], [height, width]).clamp(0, 1)  # smooth ones
    x[: n // 4] = x[: n // 4].mean(1, keepdim=True) + 0.1 * x[: n // 4]  # pale ones
    x[:, :, 0, :4] = torch.tensor([[0.0, 1, 0.5, 1], [0, 1, 0.5, 0], [0, 1, 0.5, 1]])
    return x.clamp(0, 1)


def numbers(n: int, low: float, high: float, seed: int = 1) -> torch.Tensor:
    return low + (high - low) * torch.rand(n, generator=dice(seed))


def farthest(mine: torch.Tensor, oracle: list[torch.Tensor]) -> float:
    return (mine - torch.stack(oracle)).abs().max().item()


def changed(x, recipe: Recipe, static: bool, **columns) -> torch.Tensor:
    """Views of x (n, 3, H, W) by a draw that does nothing but what `columns` say."""
    table = torch.zeros(len(x), 14)
    table[:, 2:4] = torch.tensor(x.shape[2:])
    table[:, 5:9] = 1
    places = {"boxes": slice(0, 4), "flip": 4, "brightness": 6, "contrast": 7, "saturation": 8,
              "hue": 9, "gray": 11, "sigma": 12, "solarize": 13}  # fmt: skip
    for name, values in columns.items():
        table[:, places[name]] = values if isinstance(values, torch.Tensor) else float(values)
    augment = Augment(recipe, MEAN, STD, views=1)
    return augment.apply(x, [views.Draw(table)], normalised=False, static=static)[0]


ways = pytest.mark.parametrize(
    ("hue", "static"), [(hue, static) for hue in ("hsv", "chroma") for static in (False, True)]
)
OPERATIONS = [
    ("brightness", T.adjust_brightness, 0.0, 2.5),
    ("contrast", T.adjust_contrast, 0.0, 2.5),
    ("saturation", T.adjust_saturation, 0.0, 2.5),
    ("hue", T.adjust_hue, -0.5, 0.5),
    ("gray", lambda x, _: T.rgb_to_grayscale(x, 3), 1, 1),
    ("sigma", lambda x, sigma: T.gaussian_blur(x, 9 if x.shape[1] == 96 else 3, sigma), 0.1, 2.0),
]


@ways
@pytest.mark.parametrize("size", [17, 96])
@pytest.mark.parametrize(("name", "oracle", "low", "high"), OPERATIONS)
def test_each_operation_equals_torchvision(name, oracle, low, high, size, hue, static):
    x, values = images(40, size, size), numbers(40, low, high)
    values[:2] = torch.tensor((low, high))
    recipe = Recipe(size=size, hue=hue, **WILD)
    if (name, hue) == ("hue", "chroma"):
        def oracle(x, turns):
            return torch.einsum("ij,jhw->ihw", chroma_turn(turns), x.double()).clamp(0, 1).float()
    expected = [oracle(one, value) for one, value in zip(x, values.tolist(), strict=True)]
    assert farthest(changed(x, recipe, static, **{name: values}), expected) <= BOUND
    strided = x.to(memory_format=torch.channels_last)
    assert farthest(changed(strided, recipe, static, **{name: values}), expected) <= BOUND


@ways
@pytest.mark.parametrize(
    ("height", "width", "size", "ratio"),
    [
        (32, 32, 32, (3 / 4, 4 / 3)),
        (64, 64, 32, (3 / 4, 4 / 3)),
        (96, 96, 32, (3 / 4, 4 / 3)),
        (96, 48, 32, (1 / 4, 4)),  # one axis may shrink while the other grows
        (20, 33, 64, (1 / 4, 4)),
        (64, 80, 24, (3 / 4, 4 / 3)),
    ],
)
def test_crop_resize_and_flip_equal_torchvision(height, width, size, ratio, hue, static):
    x = images(64, height, width)
    boxes = drawn_boxes(64, height, width, (0.02, 1.0), ratio, seed=2)
    boxes[0] = torch.tensor((0, 0, height, width))
    boxes[1] = torch.tensor((height - 1, width - 1, 1, 1))
    flip = numbers(64, 0, 1) < 0.5
    expected = []
    for one, box, mirrored in zip(x, boxes.int().tolist(), flip, strict=True):
        view = T.resized_crop(one, *box, [size, size], antialias=True)
        expected.append(T.hflip(view) if mirrored else view)
    views_ = changed(x, Recipe(size=size, hue=hue), static, boxes=boxes, flip=flip)
    assert farthest(views_, expected) <= BOUND


def chroma_turn(turns: float) -> torch.Tensor:
    """The explicit product: to YIQ, rotate I and Q, and back."""
    yiq = torch.tensor(
        [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
    ).double()
    c, s = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    turn = torch.tensor([[1, 0, 0], [0, c, s], [0, -s, c]]).double()
    return torch.linalg.inv(yiq) @ turn @ yiq


def test_chroma_rotation_keeps_luma_and_turns_as_the_hue_does():
    pale = 0.5 + 0.1 * (images() - 0.5)  # pale enough not to be clamped
    weights = torch.tensor((0.299, 0.587, 0.114))[:, None, None]
    turned = changed(pale, Recipe(hue="chroma"), False, hue=numbers(64, -0.5, 0.5))
    luma = (pale * weights).sum(1)
    torch.testing.assert_close((turned * weights).sum(1), luma, atol=2e-6, rtol=0)
    red = torch.tensor((0.6, 0.4, 0.4))[None, :, None, None].expand(1, 3, 8, 8)
    for hue in ("hsv", "chroma"):
        turned = changed(red, Recipe(size=8, hue=hue), False, hue=1 / 3)
        assert turned[0, :, 4, 4].argmax() == 1, "a third of a turn leads from red to green"


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31), side=st.integers(4, 24), static=st.booleans(),
       hue=st.sampled_from(["hsv", "chroma"]))
def test_identities_and_range(seed, side, static, hue):
    x, recipe = images(8, side, side, seed), Recipe(size=side, hue=hue)
    for columns in ({}, {"hue": 1.0}, {"sigma": 0.0}):
        torch.testing.assert_close(changed(x, recipe, static, **columns), x, atol=1e-5, rtol=0)
    mirrored = changed(changed(x, recipe, static, flip=True), recipe, static, flip=True)
    torch.testing.assert_close(mirrored, x, atol=1e-5, rtol=0)
    augment = Augment(Recipe(size=12, hue=hue, **WILD), MEAN, STD)
    for view in augment.pictures((x * 255).to(torch.uint8), dice(seed)):
        assert view.shape == (8, 3, 12, 12)
        assert view.min() >= -1e-6, "below 0"
        assert view.max() <= 1 + 1e-6, "above 1"


# --- boxes -------------------------------------------------------------------------------------


def drawn_boxes(n, height, width, scale, ratio, seed) -> torch.Tensor:
    u = torch.rand(n, NUMBERS, generator=dice(seed))
    return Recipe(crop=scale, ratio=ratio).draw(u, height, width).boxes


def torchvision_boxes(n, height, width, scale, ratio, seed) -> torch.Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blank = torch.empty(3, height, width)
        return torch.tensor(
            [RandomResizedCrop.get_params(blank, scale, ratio) for _ in range(n)]
        ).float()


def features(boxes: torch.Tensor) -> dict[str, torch.Tensor]:
    top, left, height, width = boxes.unbind(1)
    return {"area": height * width, "log ratio": (width / height).log(), "top": top, "left": left}


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [
        (32, 32, (0.08, 1.0), (3 / 4, 4 / 3)),
        (96, 96, (0.2, 1.0), (3 / 4, 4 / 3)),
        (64, 20, (0.08, 1.0), (3 / 4, 4 / 3)),  # most throws do not fit
        (48, 64, (0.3, 0.9), (1 / 3, 3.0)),
    ],
)
def test_boxes_follow_the_law_of_random_resized_crop(height, width, scale, ratio):
    n = 2500
    boxes = drawn_boxes(n, height, width, scale, ratio, seed=11)
    mine = features(boxes)
    oracle = features(torchvision_boxes(n, height, width, scale, ratio, seed=12))
    for name in mine:
        assert ks_2samp(mine[name].numpy(), oracle[name].numpy()).pvalue > 0.01, name
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= torch.tensor((height, width))).all()
    assert torch.equal(boxes, boxes.round())


def test_the_test_of_the_law_can_fail():
    oracle = features(torchvision_boxes(2500, 32, 32, (0.08, 1.0), (3 / 4, 4 / 3), seed=12))
    for scale, ratio, name in (
        ((0.15, 1.0), (3 / 4, 4 / 3), "area"),
        ((0.08, 1.0), (3 / 4, 3 / 2), "log ratio"),
    ):
        wrong = features(drawn_boxes(2500, 32, 32, scale, ratio, seed=11))
        assert ks_2samp(wrong[name].numpy(), oracle[name].numpy()).pvalue < 1e-4, name


@pytest.mark.parametrize(
    ("height", "width", "ratio"), [(64, 8, (3.0, 4.0)), (8, 64, (0.2, 0.3)), (9, 30, (0.5, 0.7))]
)
def test_boxes_that_never_fit_fall_back_to_the_centre(height, width, ratio):
    mine = drawn_boxes(2000, height, width, (0.9, 1.0), ratio, seed=0)
    oracle = torchvision_boxes(5, height, width, (0.9, 1.0), ratio, seed=0)
    assert torch.equal(mine, oracle[:1].expand(2000, 4))


# --- Augment -----------------------------------------------------------------------------------


def jittered(x: torch.Tensor, draw: views.Draw, i: int) -> torch.Tensor:
    """torchvision's operations with the drawn parameters, in the drawn order."""
    bright, contrast, saturation = draw.factors[i].tolist()
    steps = (
        lambda x: T.adjust_brightness(x, bright),
        lambda x: T.adjust_contrast(x, contrast),
        lambda x: T.adjust_saturation(x, saturation),
        lambda x: T.adjust_hue(x, draw.hue[i].item()),
    )
    for step in draw.order[i].tolist() if draw.jitter[i] else ():
        x = steps[step](x)
    return T.rgb_to_grayscale(x, 3) if draw.gray[i] else x


def mapped(x: torch.Tensor, draw: views.Draw, i: int) -> torch.Tensor:
    """The affine jitter, written out: the same operations, unclamped, with the chroma turned."""
    x = x.double()

    def gray(x):
        return (x * torch.tensor((0.2989, 0.587, 0.114)).double()[:, None, None]).sum(0)

    bright, contrast, saturation = draw.factors[i].tolist()
    turn = chroma_turn(draw.hue[i].item())
    steps = (
        lambda x: bright * x,
        lambda x: contrast * x + (1 - contrast) * gray(x).mean(),
        lambda x: saturation * x + (1 - saturation) * gray(x),
        lambda x: torch.einsum("ij,jhw->ihw", turn, x),
    )
    for step in draw.order[i].tolist() if draw.jitter[i] else ():
        x = steps[step](x)
    return gray(x).expand_as(x) if draw.gray[i] else x


def oracle_view(image: torch.Tensor, draw: views.Draw, i: int, recipe: Recipe) -> torch.Tensor:
    x = image.float() / 255
    x = T.resized_crop(x, *draw.boxes[i].int().tolist(), [recipe.size] * 2, antialias=True)
    x = T.hflip(x) if draw.flip[i] else x
    x = jittered(x, draw, i) if recipe.hue == "hsv" else mapped(x, draw, i)
    if draw.sigma[i] > 0:
        x = T.gaussian_blur(x, recipe.kernel_size, draw.sigma[i].item())
    return x.clamp(0, 1).float()


@pytest.mark.parametrize("hue", ["hsv", "chroma"])
@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (96, 96, 32), (48, 64, 40)])
def test_augment_equals_torchvision_step_by_step(height, width, size, hue):
    recipe = Recipe(size=size, hue=hue, **WILD)
    byte = (images(64, height, width) * 255).to(torch.uint8)
    augment = Augment(recipe, MEAN, STD)
    draws = augment.draw(byte, dice(5))
    pictures, normal = augment.apply(byte, draws, normalised=False), augment.apply(byte, draws)
    for view, draw in enumerate(draws):
        for i in range(64):
            x = oracle_view(byte[i], draw, i, recipe)
            clear = (x - 0.5).abs() > BOUND  # solarize jumps there: rounding decides
            if draw.solarize[i]:
                x = T.solarize(x, 0.5)
                assert clear.float().mean() > 0.99
            else:
                clear[:] = True
            assert (pictures[view][i] - x).abs()[clear].max() <= BOUND
        torch.testing.assert_close(
            normal[view], T.normalize(pictures[view], MEAN, STD), atol=1e-5, rtol=0
        )
    plain = Augment(Recipe(**{**vars(recipe), "solarize": 0.0}), MEAN, STD)
    folded, apart = plain.apply(byte, draws), plain.apply(byte, draws, normalised=False)
    torch.testing.assert_close(folded[0], T.normalize(apart[0], MEAN, STD), atol=1e-5, rtol=0)


@pytest.mark.parametrize("hue", ["hsv", "chroma"])
def test_chunk_size_and_state_of_the_world_change_nothing(monkeypatch, hue):
    recipe = Recipe(size=24, hue=hue, jitter=(0.8, 0.8, 0.8, 0.5), blur=0.5)
    byte = (images(70, 40, 40) * 255).to(torch.uint8)
    expected = Augment(recipe, MEAN, STD)(byte, dice(3))
    before = torch.get_rng_state()
    for chunk in (1, 7, 64, 1000):
        with monkeypatch.context() as patched:
            patched.setattr(augment, "_chunk", lambda images, size, chunk=chunk: chunk)
            made = Augment(recipe, MEAN, STD)(byte, dice(3))
        for mine, view in zip(made, expected, strict=True):
            torch.testing.assert_close(mine, view, atol=1e-6, rtol=0)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            again = Augment(recipe, MEAN, STD)(byte, dice(3))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(precision)
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))
    assert torch.equal(torch.get_rng_state(), state), "the global generator was used"
    torch.set_rng_state(before)
    as_float = Augment(recipe, MEAN, STD)(byte.float() / 255, dice(3))
    torch.testing.assert_close(as_float[1], expected[1], atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("hue", ["hsv", "chroma"])
def test_cuda_agrees_with_cpu(hue):
    recipe = Recipe(size=24, hue=hue, jitter=(0.8, 0.8, 0.8, 0.5), blur=0.5)
    byte = (images(70, 40, 40) * 255).to(torch.uint8)
    augment = Augment(recipe, MEAN, STD)
    for here, there in zip(augment(byte, dice()), augment(byte.cuda(), dice()), strict=True):
        torch.testing.assert_close(there.cpu(), here, atol=5e-5, rtol=0)


def test_seeds():
    byte = (images(16) * 255).to(torch.uint8)
    augment = Augment(Recipe(), MEAN, STD)
    first, second = augment(byte, dice(0))
    assert first.dtype == torch.float32
    assert torch.equal(augment(byte, dice(0))[0], first), "same seed, same views"
    assert not torch.equal(augment(byte, dice(1))[0], first), "another seed, other views"
    assert not torch.equal(second, first), "the two views differ"
    generator = dice(0)
    augment(byte, generator)
    assert not torch.equal(augment(byte, generator)[0], first), "the generator moves on"


@pytest.mark.parametrize("hue", ["hsv", "chroma"])
def test_a_view_depends_on_its_own_image_only(hue):
    byte = (images(20) * 255).to(torch.uint8)
    augment = Augment(Recipe(hue=hue, **WILD), MEAN, STD)
    other = byte.flip(0).clone()
    other[7] = byte[7]
    for mine, changed in zip(augment(byte, dice(4)), augment(other, dice(4)), strict=True):
        torch.testing.assert_close(mine[7], changed[7], atol=1e-6, rtol=0)
        assert not torch.allclose(mine[3], changed[3])
    assert torch.equal(byte, (images(20) * 255).to(torch.uint8)), "the input is left alone"


def test_a_draw_can_be_sliced():
    byte = (images(20) * 255).to(torch.uint8)
    augment = Augment(Recipe(**WILD), MEAN, STD)
    draws = augment.draw(byte, dice(4))
    part = augment.apply(byte[5:12], [draw[5:12] for draw in draws])
    torch.testing.assert_close(part[1], augment.apply(byte, draws)[1][5:12], atol=1e-6, rtol=0)


@pytest.mark.parametrize("hue", ["hsv", "chroma"])
@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (48, 64, 24), (20, 20, 40)])
def test_the_way_for_devices_gives_the_same_views(height, width, size, hue):
    byte = (images(40, height, width) * 255).to(torch.uint8)
    wild = Recipe(size=size, hue=hue, **{**WILD, "solarize": 0.0})  # which jumps at 0.5
    for recipe in (wild, Recipe(size=size, hue=hue), Recipe.simclr(size, hue=hue)):
        augment = Augment((recipe, wild), MEAN, STD)
        draws = augment.draw(byte, dice(6))
        for normalised in (True, False):
            one = augment.apply(byte, draws, normalised=normalised)
            other = augment.apply(byte, draws, normalised=normalised, static=True)
            for mine, theirs in zip(one, other, strict=True):
                torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=0)
    flipping = Augment(Recipe(size=size, hue=hue, solarize=0.5, jitter_p=0.0, gray=0.0), MEAN, STD)
    draws = flipping.draw(byte, dice(7))
    one, other = (flipping.apply(byte, draws, static=static)[0] for static in (False, True))
    assert ((one - other).abs() > 1e-4).float().mean() < 0.01


def test_draws_of_several_steps_are_those_of_each():
    augment = Augment((Recipe(**WILD), Recipe.simclr(16, blur=0.5)), MEAN, STD)
    byte = torch.zeros(11, 3, 20, 30, dtype=torch.uint8)
    together = augment.draws(byte.shape, [dice(seed) for seed in range(5)])
    assert together.shape == (5, 2, 11, 14)
    for seed in range(5):
        for table, draw in zip(together[seed], augment.draw(byte, dice(seed)), strict=True):
            assert torch.equal(table, draw.table)


def test_each_image_has_its_own_dice():
    n = 4000
    recipe = Recipe(
        flip=0.5, jitter=(0.4, 1.5, 0.2, 0.3), jitter_p=0.8, gray=0.2, blur=0.3, solarize=0.1
    )
    draw = Augment(recipe, MEAN, STD).draw(torch.zeros(n, 3, 8, 8), dice())[0]
    for name, chance in (("flip", 0.5), ("jitter", 0.8), ("gray", 0.2), ("solarize", 0.1)):
        share = getattr(draw, name).float().mean().item()
        assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / n), name
    busy = draw.jitter
    for column, (low, high) in enumerate(((0.6, 1.4), (0.0, 2.5), (0.8, 1.2))):
        factor = draw.factors[busy, column]
        assert ks_2samp(factor.numpy(), numbers(n, low, high).numpy()).pvalue > 0.01
    assert ks_2samp(draw.hue[busy].numpy(), numbers(n, -0.3, 0.3).numpy()).pvalue > 0.01
    assert (draw.factors[~busy] == 1).all()
    assert (draw.hue[~busy] == 0).all()
    orders, counts = draw.order.unique(dim=0, return_counts=True)
    assert len(orders) == 24
    assert ((counts - n / 24) ** 2 / (n / 24)).sum() < 49.7  # chi square, 23 degrees, p = 0.001
    blurred = draw.sigma > 0
    assert abs(blurred.float().mean() - 0.3) < 0.03
    assert ks_2samp(draw.sigma[blurred].numpy(), numbers(n, 0.1, 2.0).numpy()).pvalue > 0.01
    area = draw.boxes[:, 2] * draw.boxes[:, 3]
    flags = (draw.flip, busy, draw.gray, blurred, draw.solarize, draw.order[:, 0] == 3, area)
    for dice_of_one in (flags, (*draw.factors[busy].unbind(1), draw.hue[busy])):
        together = torch.corrcoef(torch.stack([one.float() for one in dice_of_one]))
        assert (together - torch.eye(len(together))).abs().max() < 0.07, "two share their dice"


def test_switching_one_operation_off_keeps_the_other_draws():
    x = torch.zeros(50, 3, 8, 8)
    full = Augment(Recipe(blur=0.5), MEAN, STD).draw(x, dice())[1]
    less = Augment(Recipe(jitter_p=0.0, blur=0.0), MEAN, STD).draw(x, dice())[1]
    assert torch.equal(full.boxes, less.boxes)
    assert torch.equal(full.flip, less.flip)
    assert torch.equal(full.gray, less.gray)
    assert not less.jitter.any()


def test_one_recipe_per_view():
    byte = (images(12) * 255).to(torch.uint8)
    small = Recipe(size=12, crop=(0.05, 0.2))
    augment = Augment((Recipe(), small, Recipe(), *Recipe.byol()), MEAN, STD)
    made = augment(byte, dice())
    assert [view.shape[-1] for view in made] == [32, 12, 32, 32, 32]
    assert len(Augment(small, MEAN, STD, views=5)(byte, dice())) == 5
    draws = augment.draw(byte, dice())
    alone = Augment(small, MEAN, STD, views=1).apply(byte, draws[1:2])[0]
    torch.testing.assert_close(made[1], alone, atol=1e-6, rtol=0)


def test_a_recipe_read_from_a_file_has_lists():
    assert Recipe(crop=[0.08, 1.0], jitter=[0.4, 0.4, 0.4, 0.1]) == Recipe()
    assert hash(Recipe(ratio=[0.5, 2.0])) == hash(Recipe(ratio=(0.5, 2.0)))


def test_no_operation_is_a_plain_picture():
    byte = (images(8) * 255).to(torch.uint8)
    for hue in ("hsv", "chroma"):
        still = Recipe(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0, jitter_p=0, gray=0, hue=hue)
        view = Augment(still, MEAN, STD).pictures(byte, dice())[0]
        torch.testing.assert_close(view, byte / 255, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (50, 77, 32), (40, 30, 64)])
def test_prepare_equals_torchvision(height, width, size):
    byte = (images(8, height, width) * 255).to(torch.uint8)
    x = T.center_crop(T.resize(byte / 255, [size], antialias=True), [size])
    expected = T.normalize(x, MEAN, STD)
    torch.testing.assert_close(
        views.prepare(byte, size, MEAN, STD), expected, atol=BOUND / min(STD), rtol=0
    )


# --- bad input ---------------------------------------------------------------------------------

GOOD = torch.zeros(4, 3, 8, 8)
AUGMENT = Augment(Recipe(size=8), MEAN, STD)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: AUGMENT(GOOD[0], dice()), r"\(B, 3, H, W\), got torch.float32 \(3, 8, 8\)"),
        (lambda: AUGMENT(GOOD[:, :1], dice()), r"\(4, 1, 8, 8\)"),
        (lambda: AUGMENT(GOOD.numpy(), dice()), "got ndarray"),
        (lambda: AUGMENT(GOOD.int(), dice()), "uint8, got torch.int32"),
        (lambda: AUGMENT(GOOD[:0], dice()), "one image or more"),
        (lambda: AUGMENT(GOOD, 0), "Generator on the CPU"),
        (lambda: AUGMENT.apply(GOOD, AUGMENT.draw(GOOD[:2], dice())), "one row per image"),
        (lambda: Augment(Recipe(), MEAN, STD, views=0), "views"),
        (lambda: Augment((), MEAN, STD), "one Recipe per view"),
        (lambda: Augment(Recipe(), MEAN, (0.0, 1.0, 1.0)), "std above 0"),
        (lambda: Augment(Recipe(), (0.5,), (0.5,)), "three channels"),
        (lambda: AUGMENT(GOOD, None), "Generator on the CPU"),
        (lambda: Recipe(size=1, blur=0.5), "one pixel"),
        (lambda: Recipe(ratio=(0, 1)), "ratio is a range"),
        (lambda: Recipe(crop=(0.5, 0.2)), "crop is a range"),
        (lambda: Recipe(size=32.0), "size as a whole number"),
        (lambda: Recipe(crop=(0.0, 1.0)), "crop is a range"),
        (lambda: Recipe(crop=0.4), "crop is a range"),
        (lambda: Recipe(flip=1.5), "flip is a probability"),
        (lambda: Recipe(gray="0.2"), "gray is a probability"),
        (lambda: Recipe(jitter=(0.4, 0.4, 0.4, 0.6)), "at most 0.5"),
        (lambda: Recipe(jitter=(0.4, 0.4, 0.4)), "four strengths"),
        (lambda: Recipe(hue="yiq"), '"hsv" or "chroma"'),
        (lambda: views.prepare(GOOD, 0, MEAN, STD), "size"),
        (lambda: views.prepare(GOOD.long(), 8, MEAN, STD), "got torch.int64"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(UsageError, match=words):
        call()
