"""Own data that are few: refused before anything is trained, or trained on and said."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

import sslbook
from sslbook.errors import DataError, UsageError
from sslbook.headless.plan import plan

PRESETS = {"check": {"dataset": "shapes", "images": 64, "test_images": 64, "size": 16,
                     "epochs": 1, "batch_size": 32, "lr": 1e-3}}


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of so many photos of each class."""
    def make(*counts):
        shutil.rmtree(tmp_path / "few", ignore_errors=True)
        for k, count in enumerate(counts):
            place = tmp_path / "few" / f"kind{k}"
            place.mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng([k, i]).integers(0, 255, (20, 24, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")
        return f"folder:{tmp_path / 'few'}"

    return make


def start(dataset, **parameters):
    return sslbook.start("one", PRESETS, PRESET="check", DATASET=dataset, **parameters)


def test_a_batch_shrinks_to_what_there_is_and_says_so(folder, capsys):
    run = start(folder(3, 3))
    train, test = run.load("train"), run.load("test")
    said = capsys.readouterr().out
    assert "folder:few: 5 images to train on are fewer than a batch of 32, so every step" in said
    assert "folder:few: 1 image to test on, so scores come in steps of 100 points" in said
    assert (run.settings.batch_size, len(train), len(test)) == (5, 5, 1)
    assert run.batches(train.images)(0).shape == (5, 3, 16, 16)


def test_data_of_the_book_are_silent(capsys):
    run = start("")
    run.load("train"), run.load("test")
    assert "steps of" not in capsys.readouterr().out
    assert run.settings.batch_size == 32


def test_one_image_to_train_on_is_refused(folder):
    with pytest.raises(DataError, match="few holds 1 images to train on and 1 to test on"):
        start(folder(1, 1)).load("train")


def test_one_class_to_train_on_is_named(folder):
    name = folder(1, 3)  # the fifth that is held out begins with the first file
    with pytest.raises(DataError, match="one class only to train on: kind1 .3 images"):
        start(name).load("train")


@pytest.mark.parametrize("dataset", ["shapes", "digits"])
def test_batches_of_one_image_are_refused(dataset):
    with pytest.raises(UsageError, match="BATCH_SIZE=1: a batch of one image has nothing"):
        start(dataset, BATCH_SIZE=1).load("train")


@pytest.mark.parametrize("dataset", ["iris", "digits_knn"])
def test_rows_and_nodes_may_come_one_by_one(dataset):
    assert len(start(dataset, BATCH_SIZE=1).load("train")) > 1


def test_both_are_refused_before_a_kernel_starts(book, folder):
    with pytest.raises(UsageError, match="BATCH_SIZE=1"):
        plan("tiny", ["BATCH_SIZE=1"], "check")
    with pytest.raises(DataError, match="holds 1 images to train on"):
        plan("tiny", [f"DATASET={folder(1, 1)}"], "check")
    assert plan("tiny", ["BATCH_SIZE=2"], "check", dry=True).settings["batch_size"] == 2
