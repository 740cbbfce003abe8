"""What features know of a world: planted factors, none, and scikit-learn's own answers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from sslbook import datasets
from sslbook.errors import UsageError, UserError
from sslbook.judging import factor_profile, linear_probe
from sslbook.judging.regression import STRENGTHS

RNG = np.random.default_rng(0)
TRAIN, TEST, WIDTH = 300, 1000, 12
X = torch.tensor(RNG.normal(size=(TRAIN + TEST, WIDTH)))
NOISE = torch.tensor(RNG.normal(size=(TRAIN + TEST, 3)))
SPLITS = slice(0, TRAIN), slice(TRAIN, None)
BOTH = X[:TRAIN], X[TRAIN:]


def profile(x=X, labels=None, circular=None, **factors):
    sets = [SimpleNamespace(labels=None if labels is None else labels[part],
                            factors={name: one[part] for name, one in factors.items()})
            for part in SPLITS]
    more = {} if circular is None else {"circular": circular}
    return factor_profile((x[:TRAIN], x[TRAIN:]), *sets, **more)


def one(factor, **more):
    return profile(f=factor, **more)["f"]


KINDS = {  # of three columns (N, 3)
    "a number": lambda x: 5 + 3 * x[:, 0],
    "a vector": lambda x: x @ torch.tensor([[1.0, 2, 0], [0, 1, 0], [0, 0, 1]]).double(),
    "a category": lambda x: (x[:, 0] > 0).long() + 7,
    "a truth value": lambda x: x[:, 1] > 0.5,
}
CATEGORY = KINDS["a category"](X[:, :3])


@pytest.mark.parametrize("name", KINDS)
def test_a_planted_factor_is_read_and_noise_is_not(name):
    exact = name in ("a number", "a vector")
    assert one(KINDS[name](X[:, :3]))["linear"] > (0.999 if exact else 0.85)
    found = one(KINDS[name](NOISE))
    assert max(found["linear"], found["knn"]) < 0.15


def test_numbers_are_read_as_scikit_learn_reads_them():
    y = torch.stack([X[:, 0] + NOISE[:, 0], NOISE[:, 1], X[:, 3] ** 2], dim=1)
    found = one(y)
    scaler = StandardScaler().fit(X[:TRAIN])
    known, asked = (scaler.transform(part) for part in BOTH)
    expected, near = [], []
    for column in y.numpy().T:
        model = RidgeCV([l2 * TRAIN for l2 in STRENGTHS]).fit(known, column[:TRAIN])
        expected.append(r2_score(column[TRAIN:], model.predict(asked)))
        model = KNeighborsRegressor(20, metric="cosine", weights=lambda d: np.exp(-d / 0.1))
        model.fit(X[:TRAIN], column[:TRAIN])
        near.append(r2_score(column[TRAIN:], model.predict(X[TRAIN:])))
    assert found["linear_raw"] == pytest.approx(np.mean(expected))
    assert found["knn_raw"] == pytest.approx(np.mean(near), abs=1e-6)
    assert found["linear"] == max(0, found["linear_raw"])


def test_categories_are_balanced_and_above_chance():
    y = (X[:, 0] + 0.5 * NOISE[:, 0] > 1.2).long()  # one in eight
    l2 = linear_probe(X[:TRAIN], y[:TRAIN], X[TRAIN:], y[TRAIN:]).l2
    scaler = StandardScaler().fit(X[:TRAIN])
    model = LogisticRegression(C=1 / (l2 * TRAIN), tol=1e-8, max_iter=1000)
    model.fit(scaler.transform(X[:TRAIN]), y[:TRAIN])
    share = y[:TRAIN].double().mean()
    guess = model.decision_function(scaler.transform(X[TRAIN:])) > float(share.logit())
    expected = balanced_accuracy_score(y[TRAIN:], guess, adjusted=True)
    plain = balanced_accuracy_score(y[TRAIN:], model.predict(scaler.transform(X[TRAIN:])),
                                    adjusted=True)
    assert one(y)["linear_raw"] == pytest.approx(expected, abs=0.02)
    assert expected > plain + 0.1  # the rare class would mostly go unseen
    model = KNeighborsRegressor(20, metric="cosine", weights=lambda d: np.exp(-d / 0.1))
    rare = model.fit(X[:TRAIN], y[:TRAIN].double()).predict(X[TRAIN:])  # its share of the votes
    near = balanced_accuracy_score(y[TRAIN:], rare > float(share), adjusted=True)
    assert one(y)["knn_raw"] == pytest.approx(near)


def test_a_class_between_two_others_is_read():
    """Where indicator regression fails: three classes along one line."""
    x = torch.cat([X[:, :1] * 3, NOISE[:, :1]], dim=1)
    found = profile(x, f=(x[:, 0] > -1).long() + (x[:, 0] > 1).long())["f"]
    assert found["linear"] > 0.8  # 0.5 where the middle class is never answered


@pytest.mark.parametrize(("period", "unit"), [(360.0, 1.0), (2 * np.pi, np.pi / 180)])
def test_an_angle_comes_round(period, unit):
    turn = torch.tensor(RNG.uniform(0, 360, TRAIN + TEST))
    radians = turn.deg2rad()
    x = torch.stack([radians.cos(), radians.sin()], dim=1)
    circular = {"f": period}
    assert profile(x, f=turn * unit, circular=circular)["f"]["linear"] > 0.999
    assert profile(x, f=turn * unit, circular={})["f"]["linear"] < 0.8
    shifted = (turn + 180) % 360  # another origin changes nothing
    assert profile(x, f=shifted * unit, circular=circular)["f"]["linear"] > 0.999
    half = profile(torch.cat([x[:, 1:], NOISE], 1), f=turn * unit, circular=circular)["f"]
    assert half["linear"] == pytest.approx(0.5, abs=0.1)


def test_a_small_turn_is_its_sine():
    """Cosine hardly varies there: the sum of variances, not the mean of two shares."""
    turn = X[:, 0].clamp(-1, 1) * 8
    assert profile(angle=turn)["angle"]["linear"] == pytest.approx(one(turn)["linear"], abs=0.01)


def test_what_says_nothing_is_left_out():
    found = profile(
        labels=CATEGORY, shape=CATEGORY, number=X[:, 0],
        cover=torch.rand(TRAIN + TEST, 1, 4, 4), constant=torch.ones(TRAIN + TEST),
        unknown=torch.full((TRAIN + TEST,), torch.nan))
    assert list(found) == ["class", "number"]
    assert set(found["class"]) == {"linear", "knn", "linear_raw", "knn_raw"}
    assert list(profile(labels=X[:, 0], same=X[:, 0])) == ["target"]
    assert profile() == {}
    part = torch.stack([X[:, 0], torch.ones(TRAIN + TEST)], dim=1)  # a vector with a dead part
    assert one(part)["linear"] > 0.99


def test_a_name_of_single_samples_is_no_factor():
    number = torch.arange(TRAIN + TEST)  # of a row: none of the test's is in training
    assert set(profile(row=number, kind=CATEGORY)) == {"kind"}
    rare = CATEGORY.clone()
    rare[-1] = 99  # one test sample of a kind that training lacks
    assert set(profile(kind=rare)) == {"kind"}


def test_what_is_worse_than_the_mean_is_cut_off_at_nothing():
    found = one(NOISE[:, 0])
    assert found["knn_raw"] < 0 == found["knn"]


def test_tiny_sets_and_wrong_rows():
    sets = [SimpleNamespace(labels=torch.tensor([0, 1, 1]), factors={"x": torch.rand(3)})] * 2
    assert set(factor_profile((X[:3], X[:3]), *sets)) == {"class", "x"}
    with pytest.raises(UsageError, match="'x' has 3 rows, the features 4"):
        factor_profile((X[:4], X[:3]), SimpleNamespace(labels=None, factors={"x": torch.rand(3)}),
                       sets[1])
    with pytest.raises(UserError, match="NaN"):
        factor_profile((X[:3] * torch.nan, X[:3]), *sets)


def test_the_world_of_shapes_and_raw_pixels():
    train, test = datasets.load("shapes", limit=200), datasets.load("shapes", "test", limit=100)
    found = factor_profile(lambda x: x, train, test, prepare=lambda x: x.float() / 255)
    assert list(found) == ["class", "x", "y", "radius", "angle", "fg", "bg"]
    assert found["bg"]["linear"] > 0.6 > 0.3 > found["class"]["linear"]


def test_a_graphs_factors_are_those_of_the_splits_nodes():
    train, test = (datasets.load("digits_knn", split) for split in ("train", "test"))
    found = factor_profile(lambda x, edges: x, train, test)["class"]
    x, y = train.features, train.labels
    probe = linear_probe(x[train.index], y[train.index], x[test.index], y[test.index])
    assert found["linear"] == pytest.approx((probe.accuracy - 0.1) / 0.9, abs=0.02)
