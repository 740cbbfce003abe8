"""Accuracy with few labels: the same stratified draws for everybody, and a net from scratch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sslbook import datasets, nets
from sslbook.core.streams import Streams
from sslbook.errors import DataError, UsageError
from sslbook.judging import controls, few_labels, label_curve, linear_probe, scratch_curve
from sslbook.judging.probes import L2_GRID, L2_UNTUNED
from sslbook.views import Augment, Recipe, preparer

RNG = np.random.default_rng(0)
CLASSES, EACH, WIDTH = 4, 30, 8
Y = torch.arange(CLASSES).repeat(2 * EACH)
X = torch.tensor(RNG.normal(size=(len(Y), WIDTH))) + 1.2 * torch.eye(WIDTH)[Y]
TRAIN_Y, TEST_Y = Y.chunk(2)
TRAIN_X, TEST_X = X.chunk(2)
SETS = TRAIN_X, TRAIN_Y, TEST_X, TEST_Y


def drawn(per_class, seed=0, y=TRAIN_Y):
    """{labels per class: the rows of each draw}."""
    rows: dict[int, list[torch.Tensor]] = {}

    def note(index, count, draw):
        rows.setdefault(count, []).append(index)
        return 0.0

    few_labels._curve(note, y, per_class, 3, Streams(seed, "labels"))
    return rows


def test_draws_are_stratified_nested_and_hang_on_seed_and_labels_alone():
    rows = drawn((1, 5))
    for count, found in rows.items():
        assert all((TRAIN_Y[index].bincount() == count).all() for index in found)
    assert all(set(a.tolist()) < set(b.tolist()) for a, b in zip(rows[1], rows[5], strict=True))
    assert len({tuple(index.tolist()) for index in rows[5]}) == 3
    again, other = drawn((1, 5)), drawn((1, 5), seed=1)
    assert all(map(torch.equal, rows[5], again[5]))
    assert not torch.equal(rows[5][0], other[5][0])


def test_accuracies_are_those_of_scikit_learn():
    curve = label_curve(*SETS, per_class=(1,), draws=3)
    scores = []
    for index in drawn((1,))[1]:
        scaler = StandardScaler().fit(TRAIN_X[index])
        model = LogisticRegression(C=1 / (L2_UNTUNED * len(index)), tol=1e-8, max_iter=1000)
        model.fit(scaler.transform(TRAIN_X[index]), TRAIN_Y[index])
        scores.append(model.score(scaler.transform(TEST_X), TEST_Y))
    assert curve["1"]["draws"] == pytest.approx(scores)
    assert curve["1"]["mean"] == pytest.approx(np.mean(scores))
    assert curve["1"]["spread"] == pytest.approx(np.std(scores, ddof=1))


def test_a_curve_rises_and_ends_with_all():
    curve = label_curve(*SETS, draws=3)
    assert list(curve) == ["1", "2", "5", "10", "all"]  # 50 of each class there are not
    assert [point["labels"] for point in curve.values()] == [1, 2, 5, 10, EACH]
    assert curve["all"]["draws"] == [linear_probe(*SETS).accuracy]
    assert curve["all"]["spread"] == 0
    assert len(curve["5"]["draws"]) == 3
    assert 1 / CLASSES < curve["1"]["mean"] < curve["5"]["mean"] < curve["all"]["mean"]
    assert label_curve(*SETS, per_class=(2,), draws=3)["2"] == curve["2"]
    assert list(label_curve(*SETS, per_class=(200,))) == ["all"]
    assert list(label_curve(*SETS, per_class=(2, 1, 1), draws=1)) == ["1", "2"]


def test_strength_is_chosen_on_several_held_out_fifths():
    few = drawn((5,))[5][0]
    x, y = TRAIN_X[few], TRAIN_Y[few]
    parts = [linear_probe(x, y, TEST_X, TEST_Y, seed=i).tried for i in range(5)]
    found = linear_probe(x, y, TEST_X, TEST_Y, splits=5)
    for l2, accuracy in found.tried.items():
        assert accuracy == pytest.approx(np.mean([part[l2] for part in parts]))
    assert found.l2 == max(found.tried, key=lambda l2: (found.tried[l2], l2))
    assert found.l2 in L2_GRID
    assert list(linear_probe(*SETS).tried)[0] == L2_GRID[0]
    lone = drawn((1,))[1][0]  # nothing to hold out
    alone = linear_probe(TRAIN_X[lone], TRAIN_Y[lone], TEST_X, TEST_Y, splits=5)
    assert (alone.l2, alone.tried) == (L2_UNTUNED, {})


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"per_class": (-1,)}])
def test_wrong_counts_and_no_labels(wrong):
    with pytest.raises(UsageError, match="A label curve got"):
        label_curve(*SETS, **wrong)
    with pytest.raises(DataError):
        label_curve(TRAIN_X, None, TEST_X, TEST_Y)


@pytest.fixture(scope="module")
def images():
    train, test = datasets.load("shapes", limit=48), datasets.load("shapes", "test", limit=32)
    return train, test, Augment(Recipe(size=32), train.mean, train.std)


def make_encoder():
    return nets.build("resnet8", width=4)


def test_from_scratch_sees_the_same_draws_and_keeps_to_its_budget(images, monkeypatch):
    train, test, augment = images
    seen = []
    real = controls.supervised_encoder

    def watched(make, streams, few, **training):
        seen.append((len(few), training["lr"], training["epochs"]))
        return real(make, streams, few, **training)

    monkeypatch.setattr(controls, "supervised_encoder", watched)
    monkeypatch.setattr(few_labels, "supervised_encoder", watched)
    options = {"augment": augment, "prepare": preparer(train), "per_class": (1, 2), "draws": 1,
               "steps": 3, "rates": (1e-3, 1e-2, 1e-1)}
    curve = scratch_curve(make_encoder, train, test, **options)
    assert list(curve) == ["1", "2"]
    assert [(count, lr, epochs) for count, lr, epochs in seen[:4]] == [
        (8, 1e-2, 3), (8, 1e-3, 3), (8, 1e-2, 3), (8, 1e-1, 3)]  # one label each; then 2: one held
    assert (len(seen), seen[4][0]) == (5, 16)
    assert seen[4][1] in (1e-3, 1e-2, 1e-1)
    assert all(0 <= point["mean"] <= 1 for point in curve.values())
    assert scratch_curve(make_encoder, train, test, **options) == curve


def test_the_best_rate_is_the_one_that_is_best_on_the_held_out_part(images, monkeypatch):
    train, test, augment = images
    few = train.take(32)
    classes = torch.eye(8)
    # An encoder that knows the class where the rate is right, and is of no use elsewhere.
    monkeypatch.setattr(controls, "supervised_encoder", lambda *_, lr, **__: lr)
    monkeypatch.setattr(controls, "features", lambda rate, split, **_: (
        classes[split.labels] if rate == 0.1 else torch.rand(len(split), 8)))
    found = controls.best_rate(make_encoder, Streams(0), few, rates=(0.3, 0.1, 0.01))
    assert found == 0.1
    assert controls.best_rate(make_encoder, Streams(0), few, rates=(0.3,)) == 0.3
    monkeypatch.setattr(controls, "features", lambda rate, split, **_: classes[split.labels])
    assert controls.best_rate(make_encoder, Streams(0), few, rates=(0.3, 0.1, 0.2)) == 0.1
    lone = train.take(8)  # every class once
    assert controls.best_rate(make_encoder, Streams(0), lone, rates=(0.3, 0.1, 0.2)) == 0.2
    assert math.isfinite(found)
