"""Shapes: a frozen stream, hard for raw pixels, whose factors describe the picture."""

from __future__ import annotations

import pytest
import torch

from sslbook import datasets, judging
from sslbook.datasets.worlds import shapes


def test_shapes_are_hard_for_raw_pixels():
    scores = []
    for seed in range(3):
        train, test = shapes.shapes(1000, seed), shapes.shapes(400, seed, split="test")
        pixels_of = [one.images.flatten(1).float() for one in (train, test)]
        scores.append(judging.knn(pixels_of[0], train.labels, pixels_of[1], test.labels))
    assert max(scores) <= 0.30
    assert min(scores) > 0.125  # and yet not noise


def test_shapes_are_a_stream():
    every = shapes.shapes(600, seed=3)
    assert torch.equal(shapes.shapes(13, seed=3).images, every.images[:13])
    assert torch.equal(shapes.shapes(13, seed=3).factors["fg"], every.factors["fg"][:13])
    assert every.sha256 == shapes.shapes(600, seed=3).sha256
    assert every.sha256 != shapes.shapes(600, seed=4).sha256
    other = shapes.shapes(600, seed=3, split="test")
    assert not set(every.factors["x"].tolist()) & set(other.factors["x"].tolist())
    assert torch.bincount(every.labels[:80]).tolist() == [10] * 8
    assert len(datasets.load("shapes", "test", limit=9999)) == 2000
    assert datasets.load("shapes", limit=2, size=48).shape == (3, 48, 48)


def test_shapes_draws_are_frozen():
    """A drift in these numbers would silently make a new data set of the same name."""
    factors = shapes.shapes(3, seed=0).factors
    assert factors["shape"].tolist() == [2, 0, 1]
    assert factors["x"].tolist() == pytest.approx([-0.06605, -0.09514, 0.27696], abs=1e-4)
    assert factors["angle"].tolist() == pytest.approx([-15.8755, -10.1336, 15.4389], abs=1e-3)


def test_shapes_factors_describe_the_picture(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shapes, "NOISE", 0.0)
    data = shapes.shapes(240, seed=1, size=64)
    factors, pixel = data.factors, data.images.float() / 255
    assert torch.equal(factors["shape"], data.labels)
    for axis in ("x", "y"):  # the outline stays inside
        assert (factors[axis].abs() + factors["radius"]).max() <= 1 + 1e-6
    corners = pixel[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners - factors["bg"][:, :, None]).abs().max() < 0.01
    gap = factors["fg"] - factors["bg"]
    assert gap.norm(dim=1).min() >= shapes.CONTRAST - 1e-6
    assert factors["angle"].abs().max() <= shapes.TURN
    # The covered area, recovered from the colours, has its middle where the factors say.
    cover = ((pixel - factors["bg"][..., None, None]) * gap[..., None, None]).sum(1)
    cover = cover / (gap**2).sum(1)[:, None, None]
    disc = data.labels == 0
    grid = (2 * torch.arange(64) + 1) / 64 - 1
    area = cover.sum(dim=(1, 2))
    for key, axis in (("x", 1), ("y", 2)):
        middle = (cover.sum(dim=axis) * grid).sum(1) / area
        assert (middle - factors[key])[disc].abs().max() < 0.02
    expected = torch.pi * (factors["radius"] * 32) ** 2
    assert (area / expected - 1)[disc].abs().max() < 0.02
    partial = ((cover > 0.05) & (cover < 0.95)).float().mean(dim=(1, 2))
    assert partial.min() > 0.01  # smooth edges
