"""What an encoder knows of a world: how well each factor can be read from its frozen features.

A drawn world says what each sample was made of (`.factors`). Two read-outs are learned on the
training features and scored on the test features: one linear, one of the nearest neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sslbook.errors import UsageError
from sslbook.judging.encoding import Prepare, features, of_split
from sslbook.judging.inputs import matrix, same_width
from sslbook.judging.probes import linear_probe, nearest
from sslbook.judging.regression import ridge

CIRCULAR = MappingProxyType({"angle": 360.0})  # factors that come round, and their period
_NEIGHBOURS, _TEMPERATURE = 20, 0.1  # as in `knn`


class ReadOut(TypedDict):
    """How much of a factor is explained, 0..1, and the same before it was cut off at 0."""

    linear: float
    knn: float
    linear_raw: float
    knn_raw: float


Profile = dict[str, ReadOut]
Pair = tuple[Tensor, Tensor]  # of the training and of the test samples


def factor_profile(
    encoder: Callable[..., Tensor] | tuple[Tensor, Tensor], train: Any, test: Any, *,
    prepare: Prepare | None = None, batch_size: int = 512,
    circular: Mapping[str, float] = CIRCULAR,
) -> Profile:
    """How much of each factor the features explain on test samples: {factor: `ReadOut`}.

    encoder: as `features` takes it, or the features of both splits, (N, D) and (M, D).
    train, test: splits with `factors` and `labels`; the labels are the factor "class" ("target"
    where they are numbers), and a factor that repeats them is left out. So are masks (more than
    two axes), what is constant in a split or not finite, and categories that most test samples have
    in common with no training sample: they name single samples. {} where nothing remains.
    circular: factor -> period in its unit.

    Numbers (floats, and integers with several parts) are scored by R²: 1 is all, 0 is what
    answering the mean gives. Of a vector it is the mean over its parts; a circular factor is read
    as sine and cosine, R² being the share of their summed variance. Categories (integers, truth
    values) are scored by balanced accuracy a, as (a - 1/K) / (1 - 1/K) for K classes: 0 is chance.

    linear: ridge regression as in `regression_scores`; `linear_probe` for categories, whose scores
    are divided by the classes' shares, so that rare classes count as much as frequent ones.
    knn: the 20 nearest training samples with the weights of `knn`, shares likewise.
    """
    if isinstance(encoder, tuple):
        train_x, test_x = encoder
    else:
        train_x, test_x = (of_split(one, features(encoder, one, batch_size, prepare))
                           for one in (train, test))
    train_x, test_x = matrix(train_x, "training features"), matrix(test_x, "test features")
    same_width(train_x, test_x)
    numbers, categories = {}, {}
    for name, (known, asked) in _factors(train, test, len(train_x), len(test_x)).items():
        if _is_category(known):
            known, asked = known.long(), asked.long()
            if torch.isin(asked, known).double().mean() > 0.5:
                categories[name] = known, asked
        elif parts := _parts(known, asked, circular.get(name, 0.0)):
            numbers[name] = parts
    similarity, index = nearest(test_x, train_x, _NEIGHBOURS)
    near = (similarity / _TEMPERATURE).softmax(dim=1), index
    raw = _read_numbers(train_x, test_x, near, numbers, set(circular))
    raw |= _read_categories(train_x, test_x, near, categories)
    if "class" in raw:  # the first row of a table
        raw = {"class": raw.pop("class")} | raw
    return {name: ReadOut(linear=max(0.0, linear), knn=max(0.0, knn), linear_raw=linear,
                          knn_raw=knn) for name, (linear, knn) in raw.items()}


def _factors(train: Any, test: Any, count: int, asked: int) -> dict[str, Pair]:
    """The factors of both splits, one row per row of features, that vary and are finite."""
    of_train, of_test = _known(train, count), _known(test, asked)
    both = {name: (one, of_test[name]) for name, one in of_train.items() if name in of_test}
    return {name: pair for name, pair in both.items() if all(map(_tells, pair))}


def _tells(factor: Tensor) -> bool:
    return factor.ndim <= 2 and bool(factor.isfinite().all()) and bool((factor != factor[0]).any())


def _known(split: Any, rows: int) -> dict[str, Tensor]:
    """The labels and the factors of one split. Raises UsageError for another number of rows."""
    labels, known = split.labels, dict(getattr(split, "factors", {}))
    if labels is not None:
        known = {name: one for name, one in known.items()
                 if one.shape != labels.shape or bool((one != labels).any())}
        known["target" if labels.is_floating_point() else "class"] = labels
    known = {name: of_split(split, one) for name, one in known.items()}
    for name, one in known.items():
        if len(one) != rows:
            raise UsageError(f"The factor {name!r} has {len(one)} rows, the features {rows}.",
                             "Nothing was measured.", "Take both from the same split.")
    return known


def _is_category(factor: Tensor) -> bool:
    return factor.ndim == 1 and not factor.is_floating_point()


def _parts(known: Tensor, asked: Tensor, period: float) -> Pair | None:
    """The columns of a number, float64 (N, P) and (M, P), without constant ones; None for none."""
    columns = []
    for factor in (known.double(), asked.double()):
        turn = factor * (2 * math.pi / period) if period else factor
        columns.append(torch.stack([turn.sin(), turn.cos()], dim=-1).flatten(1) if period
                       else factor.reshape(len(factor), -1))
    varies = [(one != one[0]).any(dim=0) for one in columns]
    kept = varies[0] & varies[1]
    return (columns[0][:, kept], columns[1][:, kept]) if bool(kept.any()) else None


def _read_numbers(train_x: Tensor, test_x: Tensor, near: Pair, factors: dict[str, Pair],
                  circular: set[str]) -> dict[str, tuple[float, float]]:
    """(linear, knn) R² of each factor of columns (N, P) and (M, P): one fit for all columns."""
    from sklearn.metrics import r2_score

    if not factors:
        return {}
    known = torch.cat([known for known, _ in factors.values()], dim=1).to(train_x.device)
    guesses = ridge(train_x, known, test_x), _mean(near, known).numpy()
    found, start = {}, 0
    for name, (_, truth) in factors.items():
        columns = slice(start, start := start + truth.shape[1])
        # Of sine and cosine one may hardly vary: the sum weighs them.
        average = "variance_weighted" if name in circular else "uniform_average"
        linear, knn = (float(r2_score(truth.numpy(), guess[:, columns], multioutput=average))
                       for guess in guesses)
        found[name] = linear, knn
    return found


def _read_categories(train_x: Tensor, test_x: Tensor, near: Pair,
                     factors: dict[str, Pair]) -> dict[str, tuple[float, float]]:
    """(linear, knn) balanced accuracy above chance of each factor of labels (N,) and (M,)."""
    found = {}
    for name, (known, truth) in factors.items():
        classes, target = known.unique(return_inverse=True)
        share = target.bincount() / len(target)
        probe = linear_probe(train_x, known, test_x, truth)
        linear = probe.scores(test_x).cpu() - share.log()
        knn = _mean(near, (functional.one_hot(target) / share).to(train_x))
        found[name] = tuple(_above_chance(truth, classes[score.argmax(dim=1)])
                            for score in (linear, knn))
    return found


def _mean(near: Pair, values: Tensor) -> Tensor:
    """Means (M, P), on the CPU, of the neighbours' values (N, P); near: weights, indices (M, K)."""
    weight, index = near
    return torch.einsum("mk,mkp->mp", weight, values[index]).cpu()


def _above_chance(truth: Tensor, guess: Tensor) -> float:
    """Balanced accuracy of labels (M,), scaled so that chance is 0 and all right is 1."""
    recalls = [float((guess[truth == label] == label).double().mean()) for label in truth.unique()]
    return (float(np.mean(recalls)) - 1 / len(recalls)) / (1 - 1 / len(recalls))
