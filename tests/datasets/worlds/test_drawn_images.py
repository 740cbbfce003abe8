"""Drawn images: what every such world promises, and that the factors are what is to be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sslbook import datasets
from sslbook.datasets import types
from sslbook.datasets.known import WORLDS
from sslbook.datasets.worlds import creatures, drawing, emblems, painted_digits, shapes

DRAW = {"shapes": shapes.shapes, "creatures": creatures.creatures, "emblems": emblems.emblems,
        "painted_digits": painted_digits.painted_digits}
EVERY = pytest.mark.parametrize("name", list(DRAW))


def test_every_image_world_is_here():
    assert set(DRAW) == {name for name, (kind, _) in WORLDS.items() if kind == "image"}


@EVERY
@pytest.mark.parametrize("size", [8, 16, 64])
def test_a_smaller_call_returns_the_first_images_of_a_larger_one(name, size):
    many, few = DRAW[name](530, 3, size), DRAW[name](13, 3, size)  # 530: more than one block
    assert many.images.shape == (530, 3, size, size)
    assert many.images.dtype == torch.uint8
    assert torch.equal(few.images, many.images[:13])
    assert torch.equal(few.labels, many.labels[:13])
    for key, value in few.factors.items():
        assert torch.equal(value, many.factors[key][:13]), key
    assert DRAW[name](13, 3, size).sha256 == few.sha256 != DRAW[name](13, 4, size).sha256


@EVERY
def test_splits_and_seeds_share_no_picture(name):
    train, test = datasets.load(name), datasets.load(name, "test")
    assert (len(train), len(test)) == (6000, 2000)
    assert (train.mean, train.std, train.classes) == (test.mean, test.std, test.classes)
    pictures = {bytes(image.numpy()) for image in train.images}
    assert len(pictures) == 6000
    others = [test.images, datasets.load(name, limit=2000, seed=1).images]
    assert not any(bytes(image.numpy()) in pictures for images in others for image in images)
    counts = train.labels.bincount()
    assert len(counts) == len(train.classes)
    assert counts.min() > 0.85 * 6000 / len(counts)
    assert torch.equal(next(iter(train.factors.values())), train.labels)
    assert train.factors["cover"].shape == (6000, 1, *train.shape[1:])


@EVERY
def test_mean_and_std_are_measured(name):
    data = datasets.load(name, limit=3000, seed=7)
    mean, std = types.channel_statistics(data.images)
    assert data.mean == pytest.approx(mean, abs=0.01)
    assert data.std == pytest.approx(std, abs=0.01)


@EVERY
def test_factors_lie_beside_the_samples_that_are_taken(name):
    data = datasets.load(name, limit=40)
    some = data.take(torch.tensor([7, 3]))
    assert torch.equal(some.factors["cover"], data.factors["cover"][[7, 3]])
    assert datasets.load(name, limit=3, size=24).shape == (3, 24, 24)


def test_draws_are_frozen():
    """A drift in these numbers would silently make a new data set of the same name."""
    factors = creatures.creatures(3).factors
    assert factors["creature"].tolist() == [2, 4, 0]
    assert factors["x"].tolist() == pytest.approx([0.15291, -0.09783, 0.07899], abs=1e-4)
    angles = emblems.emblems(3).factors["angle"].tolist()
    assert angles == pytest.approx([4.095, -1.1749, 6.5905], abs=1e-3)
    assert painted_digits.painted_digits(3).factors["row"].tolist() == [113, 518, 929]


# -- what is to be seen ----------------------------------------------------------------------------


def test_no_limb_gives_a_creature_away():
    limbs = creatures.creatures(8).factors["limbs"].numpy()
    assert (limbs.sum(axis=1) == 4).all()
    apart = (limbs[:, None] != limbs).sum(axis=2)
    assert set(apart[~np.eye(8, dtype=bool)]) == {4, 8}


def test_a_creatures_limbs_are_where_its_word_says():
    data = creatures.creatures(240, seed=1, size=64)
    f = {key: value.numpy() for key, value in data.factors.items()}
    assert (f["limbs"] == f["limbs"][[np.flatnonzero(f["creature"] == c)[0]
                                      for c in f["creature"]]]).all()
    angle = np.deg2rad(22.5 + 45 * np.arange(8) + f["angle"][:, None])
    reach = 0.65 * f["radius"][:, None]  # well outside the body, well inside a limb
    x, y = f["x"][:, None] + reach * np.cos(angle), f["y"][:, None] + reach * np.sin(angle)
    column, row = (np.clip(np.rint((one + 1) * 32 - 0.5).astype(int), 0, 63) for one in (x, y))
    found = f["cover"][np.arange(240)[:, None], 0, row, column]
    assert (np.isin(found, (0, 255)) & ((found == 255) == f["limbs"])).all()


def test_a_creature_is_seen_in_grey_alone(monkeypatch: pytest.MonkeyPatch):
    """The luma steps by the contrast where the cover does; the colours add none."""
    monkeypatch.setattr(creatures, "NOISE", 0.0)
    monkeypatch.setattr(creatures, "FIELD", 0.05)  # no channel leaves 0 to 255
    monkeypatch.setattr(creatures, "SPOT", 0.05)
    monkeypatch.setattr(creatures, "BRIGHTNESS", 0.05)
    data = creatures.creatures(160, seed=2, size=32)
    luma = (data.images / 255 * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1)
    f = data.factors
    grid = (2 * torch.arange(32) + 1) / 32 - 1
    luma = luma - f["slope"][:, :1, None] * grid - f["slope"][:, 1:, None] * grid[:, None]
    step = f["contrast"] * (2 * f["polarity"] - 1)
    expected = f["brightness"] - step / 2
    expected = expected[:, None, None] + step[:, None, None] * f["cover"][:, 0] / 255
    assert (luma - expected).abs().max() < 0.008


@pytest.mark.parametrize("name", ["emblems", "painted_digits"])
def test_a_painting_is_its_cover_in_two_colours(name, monkeypatch: pytest.MonkeyPatch):
    module = {"emblems": emblems, "painted_digits": painted_digits}[name]
    monkeypatch.setattr(module, "NOISE", 0.0)
    monkeypatch.setattr(module, "FIELD", 0.0)
    data = DRAW[name](160, seed=2, size=32)
    f = data.factors
    wide = [f[key][..., None, None] for key in ("tone", "step")]
    expected = wide[0] + (f["cover"] / 255 - 0.5) * wide[1]
    assert (data.images / 255 - expected.clamp(0, 1)).abs().max() < 0.006
    assert torch.equal((f["step"].sum(dim=1) > 0).long(), f["polarity"])
    assert 0.3 < f["polarity"].double().mean() < 0.7
    length = f["step"].square().mean(dim=1).sqrt()
    assert 0.3 - 1e-5 < length.min() < length.max() < 0.45 + 1e-5


def test_an_emblem_covers_half_of_the_picture_and_is_the_same_for_every_seed():
    sets = [emblems.emblems(800, seed, split=split)
            for seed, split in ((0, "train"), (1, "train"), (0, "test"))]
    means = [torch.stack([data.factors["cover"][data.labels == c].float().mean(dim=0)[0] / 255
                          for c in range(8)]) for data in sets]
    assert (means[0].mean(dim=(1, 2)) - 0.5).abs().max() < 0.06
    for other in means[1:]:
        nearest = torch.cdist(means[0].flatten(1), other.flatten(1)).argmin(dim=1)
        assert nearest.tolist() == list(range(8))
    apart = (means[0][:, None] - means[0]).abs().mean(dim=(2, 3))
    assert apart[~torch.eye(8, dtype=torch.bool)].min() > 0.2, "no two emblems look alike"


def test_an_emblem_moves_as_its_factors_say():
    """Back in its own frame, every emblem of a class is the same."""
    data = emblems.emblems(64, seed=5, size=64)
    f = {key: value.numpy() for key, value in data.factors.items()}
    own = np.linspace(-0.6, 0.6, 25, dtype=np.float32)
    u, v = np.meshgrid(own, own)
    turn = np.deg2rad(f["angle"])[:, None, None]
    x = f["x"][:, None, None] + f["scale"][:, None, None] * (np.cos(turn) * u - np.sin(turn) * v)
    y = f["y"][:, None, None] + f["scale"][:, None, None] * (np.sin(turn) * u + np.cos(turn) * v)
    column, row = (np.rint((one + 1) * 32 - 0.5).astype(int) for one in (x, y))
    seen = f["cover"][np.arange(64)[:, None, None], 0, row, column] > 127
    for c in range(8):
        mine = seen[f["emblem"] == c]
        assert (mine == mine[0]).mean() > 0.93
    assert np.mean([(seen[f["emblem"] == 0][0] == seen[f["emblem"] == c][0]).mean()
                    for c in range(1, 8)]) < 0.75


def test_painted_digits_are_the_handwriting_of_their_split():
    table = load_digits()
    train, test = (datasets.load("painted_digits", split) for split in ("train", "test"))
    for data in (train, test):
        assert (data.factors["digit"].numpy() == table.target[data.factors["row"].numpy()]).all()
    assert not set(train.factors["row"].tolist()) & set(test.factors["row"].tolist())
    bundled = {bytes(image.numpy()) for image in datasets.load("digits", "test").images[:, 0]}
    for row in test.factors["row"][:50].tolist():
        assert bytes(np.rint(table.images[row] * (255 / 16)).astype(np.uint8)) in bundled
    assert "CC BY 4.0" in train.licence


def test_a_painted_digit_looks_as_it_was_written():
    data = painted_digits.painted_digits(100, seed=1, size=24)
    written = torch.from_numpy(load_digits().images[data.factors["row"].numpy()])[:, None]
    written = torch.nn.functional.interpolate(written, (24, 24), mode="bilinear")
    both = torch.stack([written.flatten(1), data.factors["cover"].double().flatten(1)])
    both = both - both.mean(dim=2, keepdim=True)
    same = (both[0] * both[1]).sum(1) / both.norm(dim=2).prod(dim=0)
    assert same.median() > 0.9
    assert same.min() > 0.75


# -- the pencils -----------------------------------------------------------------------------------


def test_fields_are_stretched_as_torch_does_it():
    cells = np.random.default_rng(0).standard_normal((4, 2, 5, 5))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(cells), (19, 19), mode="bicubic", align_corners=True)
    assert np.abs(drawing.stretched(cells, 19) - expected.numpy()).max() < 1e-5


def test_tables_are_looked_up_as_torch_does_it():
    random = np.random.default_rng(1)
    tables, which = random.standard_normal((3, 9, 9)), np.array([2, 0, 1, 1])
    x, y = random.uniform(-1.3, 1.3, (2, 4, 6, 6)).astype(np.float32)
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(tables[which, None].astype(np.float32)),
        torch.from_numpy(np.stack([x, y], axis=-1)), align_corners=True, padding_mode="border")
    assert np.abs(drawing.looked_up(tables, which, x, y) - expected[:, 0].numpy()).max() < 1e-5
