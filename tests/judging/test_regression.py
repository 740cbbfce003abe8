"""Features judged by a number to predict: equal to scikit-learn's models, and no accuracies."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler, normalize

from sslbook import judging
from sslbook.judging.regression import STRENGTHS
from sslbook.lesson import viz
from sslbook.run.scores import Scores


@pytest.fixture(scope="module")
def split():
    """Features of different scales, one of them constant, and a noisy number: (60, 7), (40, 7)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 7))
    y = x @ rng.normal(size=7) + rng.normal(size=100)
    x[:, 3] = 2.0
    x = x * 10.0 ** np.arange(-2, 5) + 5
    return [torch.tensor(part) for part in (x[:60], y[:60], x[60:], y[60:])]


def test_scores_are_those_of_scikit_learn(split):
    train_x, train_y, test_x, test_y = (part.numpy() for part in split)
    scaler = StandardScaler().fit(train_x)
    scaled, queries = scaler.transform(train_x), scaler.transform(test_x)
    models = [Ridge(60 * l2) for l2 in STRENGTHS]
    left_out = [cross_val_predict(m, scaled, train_y, cv=LeaveOneOut()) for m in models]
    best = int(np.argmin([((guess - train_y) ** 2).mean() for guess in left_out]))
    guess = models[best].fit(scaled, train_y).predict(queries)
    near = np.argsort(-normalize(test_x) @ normalize(train_x).T, axis=1)[:, :20]
    assert judging.scores(*split) == pytest.approx({
        "linear_r2": r2_score(test_y, guess), "linear_mae": mean_absolute_error(test_y, guess),
        "knn20_r2": r2_score(test_y, train_y[near].mean(axis=1))})
    assert judging.scores(*split)["linear_r2"] > 0.5


def test_the_mean_is_what_a_number_is_guessed_at(split):
    _, train_y, _, test_y = split
    found = judging.chance_scores((), train_y, test_y)
    assert found["linear_mae"] == pytest.approx(float((test_y - train_y.mean()).abs().mean()))
    assert found["linear_r2"] == found["knn20_r2"] < 0
    assert judging.chance_scores((), train_y, train_y)["linear_r2"] == pytest.approx(0)
    classes = torch.tensor([0, 1, 1])
    assert judging.chance_scores(["knn20"], classes, classes) == {"knn20": 2 / 3}


def test_a_few_rows_are_judged_and_labels_may_be_missing(split):
    few = [part[:3] for part in split]
    assert np.isfinite(list(judging.scores(*few).values())).all()
    table = Scores("one", SimpleNamespace(seed=0), torch.device("cpu"))
    train, test = (SimpleNamespace(labels=labels) for labels in split[1::2])
    assert table.measures(split[0], train, split[2], test) == judging.scores(*split)
    assert table.measures(split[0], train, split[2], SimpleNamespace(labels=None)) == {}


def test_the_table_names_the_measures(split, capsys):
    viz.scores_table([{"name": "raw columns", "rank": 6.0, **judging.scores(*split)},
                      {"name": "small", "linear_r2": -0.25, "linear_mae": 0.00123}])
    lines = capsys.readouterr().out.splitlines()
    assert "accuracy" not in lines[0]
    assert [*filter(None, lines[0].split("  "))][1:] == [
        "kNN k=20, R² (%)", "linear, R² (%)", "linear, mean error", "effective rank of h"]
    assert lines[2].split() == ["small", "–", "-25.0", "0.00123", "–"]


@pytest.mark.parametrize("labels", [None, np.linspace(0, 9, 80), torch.linspace(0, 9, 80)])
def test_a_map_without_classes(labels):
    features = np.random.default_rng(0).normal(size=(80, 5))
    figure = viz.embedding_map({"before": features, "after": features}, labels, ())
    drawn = [ax.collections[0].get_array() for ax in figure.axes[:2]]
    if labels is None:
        assert drawn == [None, None]
        assert len(figure.axes) == 2
    else:
        assert all(np.allclose(values, np.linspace(0, 9, 80)) for values in drawn)
        assert [ax.get_ylabel() for ax in figure.axes[2:]] == ["number to predict"]
