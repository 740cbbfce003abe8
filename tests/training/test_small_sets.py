"""Few samples and few steps: what a training needs at least."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import torch

from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.training import Batches
from sslbook.training.optim import planned_steps
from sslbook.views import Augment, Recipe


@pytest.mark.parametrize(("views", "size", "fits"), [(2, 1, False), (2, 2, True), (1, 1, True)])
def test_views_are_not_compared_within_one_image(views, size, fits):
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    augment = Augment(Recipe(8), (0.5,) * 3, (0.5,) * 3, views=views)
    with contextlib.nullcontext() if fits else pytest.raises(UsageError, match="Batches of 1 from"):
        assert len(Batches(images, size, Streams(0), augment)(0)) == views


@pytest.mark.parametrize(("settings", "steps"), [
    ({"epochs": 1}, 2), ({"epochs": 3}, 3), ({"epochs": 9, "max_steps": 1}, 1),
    ({"epochs": 1, "minutes": 0.001}, 2)])
def test_a_training_has_a_beginning_a_middle_and_an_end(settings, steps):
    assert planned_steps(SimpleNamespace(**settings), 1, lambda: 60.0) == steps
