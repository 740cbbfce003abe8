"""Judging frozen features with labels: nearest neighbours and a linear probe.

Labels never touch pretraining; the probes read the training split and score the test split.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sslbook.core.numerics import unit_rows
from sslbook.errors import UsageError
from sslbook.judging.inputs import labelled, matrix, same_width
from sslbook.judging.logistic import fit_path, held_out, principal_axes, standardised

L2_GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)  # strongest first: each fit starts from the one before
L2_UNTUNED = 1e-2  # where no class has two samples to hold one out
_TIE = 2.0**-30  # similarities nearer than this, about 1e-9, count as equal


def neighbours(query: Tensor, bank: Tensor, k: int) -> Tensor:
    """Indices (Q, k) of each query's k most similar rows of the bank by cosine, best first.

    query: (Q, D); bank: (N, D), of which all are given where it has fewer than k rows. Equal
    similarities (to about 1e-9: copies of one image) are ordered by place in the bank, lower
    index first, so the answer is the same everywhere. A query that lies in the bank finds
    itself. Raises UsageError for k below 1.
    """
    query, bank = matrix(query, "queries"), matrix(bank, "bank")
    same_width(bank, query)
    return nearest(query, bank, k)[1]


def knn(
    train_x: Tensor,
    train_y: Tensor | None,
    test_x: Tensor,
    test_y: Tensor | None,
    k: int = 20,
    temperature: float = 0.1,
) -> float:
    """Accuracy (0..1) of weighted nearest neighbours on the test features.

    The k most similar training rows by cosine (all, where they are fewer) vote for their class
    with exp(similarity / t); the larger sum wins, the lower label on a tie. Z. Wu et al., CVPR
    2018, arXiv 1805.01978, section 3.4 (there t = .07, k = 200). train_x (N, D), train_y (N,),
    test_x (M, D), test_y (M,).
    Raises DataError without labels, UsageError for k below 1.
    """
    return knn_table(train_x, train_y, test_x, test_y, (k,), temperature)[k]


def knn_table(
    train_x: Tensor,
    train_y: Tensor | None,
    test_x: Tensor,
    test_y: Tensor | None,
    ks: tuple[int, ...] = (20, 200),
    temperature: float = 0.1,
) -> dict[int, float]:
    """`knn` for several k at the cost of one search: {k: accuracy}."""
    train_x, train_y, test_x, test_y = labelled(train_x, train_y, test_x, test_y)
    if not temperature > 0:
        raise UsageError(f"knn got temperature={temperature}; it must be more than 0.")
    similarity, index = nearest(test_x, train_x, max(ks))
    classes, known = train_y.unique(return_inverse=True)
    # exp((s - best) / t) instead of exp(s / t): the same winner, and no overflow for a small t.
    weight = ((similarity - similarity[:, :1]) / temperature).exp()
    votes = known[index]  # (M, k) class numbers
    return {k: _vote(votes[:, :k], weight[:, :k], classes, test_y) for k in ks}


def _vote(votes: Tensor, weight: Tensor, classes: Tensor, test_y: Tensor) -> float:
    sums = torch.stack([(weight * (votes == c)).sum(dim=1) for c in range(len(classes))], dim=1)
    best = sums >= sums.amax(dim=1, keepdim=True) * (1 - 1e-9)
    return float((classes[best.int().argmax(dim=1)] == test_y).double().mean())


def nearest(query: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Similarities and indices (Q, k) of the nearest rows, ties by index, chunked over queries."""
    if k < 1:
        raise UsageError(f"k={k} neighbours were asked for.", todo="Take k from 1 on.")
    k = min(k, len(bank))
    bank = unit_rows(bank)
    chunk = min(512, 1 + 2**24 // len(bank))  # at most about 130 MB of similarities at a time
    parts = [
        _nearest_chunk(rows, bank, k) for rows in unit_rows(query.to(bank.device)).split(chunk)
    ]
    return torch.cat([value for value, _ in parts]), torch.cat([index for _, index in parts])


def _nearest_chunk(query: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    similarity = (query @ bank.T).div_(_TIE).round_().mul_(_TIE)  # (chunk, N)
    value, index = similarity.topk(k, dim=1)
    last = value[:, -1:]
    tied = (similarity >= last).sum(dim=1) > k  # more candidates than places: topk may take any
    if bool(tied.any()):
        index[tied] = _lowest_first(similarity[tied], last[tied], k)
    index = index.sort(dim=1).values
    value, order = similarity.gather(1, index).sort(dim=1, descending=True, stable=True)
    return value, index.gather(1, order)


def _lowest_first(similarity: Tensor, last: Tensor, k: int) -> Tensor:
    """The k best columns of each row; of those equal to `last`, the k-th best, the first ones."""
    better, equal = similarity > last, similarity == last
    places = k - better.sum(dim=1, keepdim=True)
    taken = better | (equal & (equal.cumsum(dim=1) <= places))
    return taken.nonzero()[:, 1].view(len(similarity), k)


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear probe. accuracy: on the test features, 0..1. l2: the strength used.

    weight (D, C) and bias (C,) act on raw features; classes (C,) are the labels of the columns.
    tried: {l2: accuracy on the held-out fifth}, empty when l2 was given or nothing could be held
    out. converged: False when the solver ran out of steps.
    """

    accuracy: float
    l2: float
    weight: Tensor = field(repr=False)
    bias: Tensor = field(repr=False)
    classes: Tensor = field(repr=False)
    tried: dict[float, float] = field(default_factory=dict)
    converged: bool = True

    def scores(self, x: Tensor) -> Tensor:
        """Class scores (N, C), float64, of features x (N, D)."""
        return matrix(x, "features").to(self.weight.device) @ self.weight + self.bias

    def predict(self, x: Tensor) -> Tensor:
        """Labels (N,) of features x (N, D)."""
        return self.classes[self.scores(x).argmax(dim=1)]


def linear_probe(
    train_x: Tensor,
    train_y: Tensor | None,
    test_x: Tensor,
    test_y: Tensor | None,
    l2: float | None = None,
    seed: int = 0,
    splits: int = 1,
) -> LinearProbe:
    """Multinomial logistic regression on standardised features, scored on the test features.

    Minimises mean cross-entropy + l2/2 * ||W||^2 (the bias is free), which is scikit-learn's
    LogisticRegression(C=1 / (l2 * N)) on StandardScaler's features. Columns that are constant in
    the training set are left at 0. Without l2, each value of L2_GRID is fitted on four fifths of
    the training set and judged on the rest, class by class and by `seed`; the best, on a tie the
    strongest, is fitted again on all of it. The test set has no part in the choice. Where labels
    are few, `splits` > 1 draws the held-out fifth so often and takes the mean accuracy; where no
    class has two samples, none can be held out, and l2 is L2_UNTUNED.

    train_x (N, D), train_y (N,), test_x (M, D), test_y (M,). Test samples of a class that is not
    in the training set count as errors. Raises DataError without labels, UsageError for one class
    or an l2 of 0 or less.
    """
    train_x, train_y, test_x, test_y = labelled(train_x, train_y, test_x, test_y)
    classes, target = train_y.unique(return_inverse=True)
    if len(classes) < 2:
        raise UsageError(
            f"A linear probe needs two classes or more; all {len(train_y)} labels are "
            f"{int(classes[0])}.",
            todo="Shuffle before taking the first samples, or use another data set.",
        )
    if l2 is not None and not 0 < l2 < float("inf"):
        raise UsageError(f"linear_probe got l2={l2}; l2 must be a number more than 0.")
    x, mean, scale = standardised(train_x)
    axes, variances = principal_axes(x)
    x = x @ axes  # (N, R)
    tried, start = {}, None
    if l2 is None:
        parts = [_try_out(x, target, len(classes), variances, seed + i) for i in range(splits)]
        starts, common = parts[0][1], set.intersection(*(set(accuracy) for accuracy, _ in parts))
        tried = {value: sum(accuracy[value] for accuracy, _ in parts) / splits
                 for value in L2_GRID if value in common}
        l2 = max(tried, key=lambda value: (tried[value], value), default=L2_UNTUNED)
        start = starts.get(l2)
    [(solution, converged)] = fit_path(x, target, len(classes), variances, (l2,), start)
    weight = scale[:, None] * (axes @ solution[:-1])
    bias = solution[-1] - mean @ weight
    right = classes[(test_x @ weight + bias).argmax(dim=1)] == test_y
    return LinearProbe(float(right.double().mean()), l2, weight, bias, classes, tried, converged)


def _try_out(
    x: Tensor, target: Tensor, classes: int, variances: Tensor, seed: int
) -> tuple[dict[float, float], dict[float, Tensor]]:
    """Held-out accuracy of each strength of L2_GRID, and its solution to start from."""
    mask = held_out(target, classes, seed)
    if not bool(mask.any()):
        return {}, {}
    # float32 and a coarse tolerance move held-out accuracy by less than its own noise.
    fitted, judged = x[~mask].float(), x[mask].float()
    tried: dict[float, float] = {}
    starts: dict[float, Tensor] = {}
    path = fit_path(fitted, target[~mask], classes, variances.float(), L2_GRID, tolerance=1e-4)
    for l2, (solution, _) in zip(L2_GRID, path, strict=False):
        guess = (judged @ solution[:-1] + solution[-1]).argmax(dim=1)
        tried[l2] = float((guess == target[mask]).double().mean())
        starts[l2] = solution.double()
        last = list(tried.values())[-3:]
        if len(last) == 3 and last[0] > last[1] > last[2]:
            break  # past the best: weaker fits are the slowest and overfit more
    return tried, starts
