"""What is shown and watched are the first samples of a split: they hold every class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sslbook import datasets
from sslbook.datasets import packs
from sslbook.datasets.types import mixed, rows_of


@pytest.mark.parametrize("counts", [(100, 50, 10, 3), (40, 40), (7,) * 9, (1000, 2)])
def test_every_beginning_has_the_classes_in_proportion(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    order = mixed(np.arange(len(labels)), labels)
    assert sorted(order) == list(range(len(labels)))
    for n in range(1, len(labels) + 1):
        found = np.bincount(labels[order[:n]], minlength=len(counts))
        assert (np.abs(found - n * np.array(counts) / len(labels)) <= 2).all()


def test_what_comes_mixed_keeps_its_order():
    labels = np.random.default_rng(0).integers(0, 5, 400)
    rows = np.arange(400) + 7
    assert mixed(rows, labels) is rows
    once = mixed(rows, np.sort(labels))
    assert (mixed(once, np.sort(labels)[once - 7]) == once).all()
    assert len(mixed(rows[:0], labels[:0])) == 0
    assert sorted(mixed(rows, None)) == list(rows)


@pytest.fixture
def ordered(tmp_path):
    """60 images of three classes, a red, a green and a blue one, ordered by class as files are."""
    for channel, name in enumerate("abc"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            colour = tuple(200 - i if k == channel else 10 for k in range(3))
            Image.new("RGB", (8, 8), colour).save(tmp_path / "photos" / name / f"{i:02}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("kind", ["folder", "pack", "csv"])
def test_own_data_that_are_ordered_by_class_begin_with_every_class(ordered, tmp_path, kind):
    if kind == "csv":
        lines = [f"{10 * k + i / 10},{i},{'abc'[k]}" for k in range(3) for i in range(20)]
        (tmp_path / "own.csv").write_text("\n".join(["a,b,class", *lines]))
        name = f"csv:{tmp_path}/own.csv"
    elif kind == "pack":
        name = f"pack:{packs.write_pack(ordered, tmp_path / 'own.npz')}"
    else:
        name = f"folder:{ordered}"
    for split in ("train", "test"):
        found = datasets.load(name, split)
        for n in (6, 9):
            shown = found.labels[:n].bincount(minlength=3)
            assert shown.min() >= n // 3 - 1, (split, found.labels.tolist())
        if kind != "csv":  # samples and labels moved together
            assert torch.equal(found.images.amax(dim=(2, 3)).argmax(dim=1), found.labels)
            assert found.ids[0] != found.ids[1]


def test_a_pack_of_the_books_own_needs_no_mixing_and_stays_a_memory_map(ordered, tmp_path):
    pack = packs.read_pack(packs.write_pack(ordered, tmp_path / "own.npz"))
    for split in ("train", "test"):
        rows = rows_of(pack.parts, split)
        assert (np.diff(rows) == 1).all()
        assert mixed(rows, pack.labels[rows]) is rows
