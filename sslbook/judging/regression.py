"""Judging frozen features by a number to predict: ridge regression and nearest neighbours."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from sslbook.judging.inputs import matrix, same_width
from sslbook.judging.logistic import standardised
from sslbook.judging.probes import L2_GRID

STRENGTHS = (100.0, 10.0, *L2_GRID)  # noisy numbers want more than classes do


def regression_scores(
    train_x: Tensor, train_y: Tensor, test_x: Tensor, test_y: Tensor
) -> dict[str, float]:
    """{"knn20_r2", "linear_r2", "linear_mae"} of features x (N, D) for numbers y (N,).

    R² is the share of the test targets' variance that is explained: 1 at best, 0 for always
    answering their mean, below 0 for worse. The mean absolute error has the unit of y.
    linear: scikit-learn's RidgeCV on standardised features, with the best of `STRENGTHS` times N
    for training rows that are left out in turn. knn20: the mean of the 20 nearest training rows by
    cosine (of all, where there are fewer).
    """
    from sklearn.neighbors import KNeighborsRegressor

    train_x, test_x = matrix(train_x, "training features"), matrix(test_x, "test features")
    same_width(train_x, test_x)
    near = KNeighborsRegressor(min(20, len(train_x)), metric="cosine")
    near.fit(train_x.cpu().numpy(), train_y.double().numpy())
    r2, mae = _errors(test_y, ridge(train_x, train_y.double()[:, None], test_x)[:, 0])
    knn_r2, _ = _errors(test_y, near.predict(test_x.cpu().numpy()))
    return {"knn20_r2": knn_r2, "linear_r2": r2, "linear_mae": mae}


def ridge(train_x: Tensor, targets: Tensor, test_x: Tensor) -> np.ndarray:
    """Guesses (M, P) of the targets (N, P) from features (N, D) and (M, D), all float64.

    scikit-learn's RidgeCV on standardised features: one factorisation for all targets, each with
    the best of `STRENGTHS` times N for training rows that are left out in turn.
    """
    from sklearn.linear_model import RidgeCV

    bank, mean, factor = standardised(train_x)
    strengths = [l2 * len(bank) for l2 in STRENGTHS]
    model = RidgeCV(strengths, alpha_per_target=True).fit(bank.cpu().numpy(), targets.cpu().numpy())
    guess = model.predict(((test_x - mean) * factor).cpu().numpy())
    return guess.reshape(len(test_x), -1)  # scikit-learn drops the column of a single target


def mean_scores(train_y: Tensor, test_y: Tensor) -> dict[str, float]:
    """`regression_scores` of always answering the mean of the training targets."""
    r2, mae = _errors(test_y, np.full(len(test_y), float(train_y.double().mean())))
    return {"knn20_r2": r2, "linear_r2": r2, "linear_mae": mae}


def _errors(truth: Tensor, guess: np.ndarray) -> tuple[float, float]:
    """R² (nan for one row) and mean absolute error of guesses (M,)."""
    from sklearn.metrics import mean_absolute_error, r2_score

    r2 = r2_score(truth.numpy(), guess) if len(truth) > 1 else np.nan
    return float(r2), float(mean_absolute_error(truth.numpy(), guess))
