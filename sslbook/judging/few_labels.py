"""Why learn without labels? Accuracy with a few labels per class, of features and from scratch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypedDict

import torch
from torch import Tensor

from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.judging.controls import Augment, MakeEncoder, best_rate, supervised_encoder
from sslbook.judging.encoding import Prepare, Split, features
from sslbook.judging.inputs import labelled, labels
from sslbook.judging.probes import linear_probe

PER_CLASS = (1, 2, 5, 10, 50, 0)  # labels per class; 0 is all
RATES = (2e-3, 6e-3, 2e-2)  # short trainings want large ones
_FEW, _SPLITS = 10, 5  # up to so many labels per class l2 is chosen on so many held-out fifths


class Point(TypedDict):
    """Accuracy (0..1) with `labels` per class: mean and standard deviation over the draws."""

    labels: int
    mean: float
    spread: float
    draws: list[float]


LabelCurve = dict[str, Point]  # by the number of labels per class in words: "1", ..., "all"


def label_curve(
    train_x: Tensor, train_y: Tensor | None, test_x: Tensor, test_y: Tensor | None, *,
    per_class: Sequence[int] = PER_CLASS, draws: int = 5, seed: int = 0,
) -> LabelCurve:
    """Test accuracy of a linear probe on frozen features with a few labels per class.

    train_x (N, D), train_y (N,), test_x (M, D), test_y (M,), as in `linear_probe`. per_class:
    labels of each class; 0 is all of them. `draws` draws are stratified and follow from `seed`
    and the labels alone, so that every encoder has the same ones; those with more labels hold
    those with fewer. A count that some class does not have is left out; all is one draw.
    The probe's l2 is chosen inside the few labels: up to 10 per class it is the best on average of
    five held-out fifths. With one label per class nothing can be held out, and l2 is 0.01.
    Raises DataError without labels, UsageError for fewer than one draw.
    """
    train_x, train_y, test_x, test_y = labelled(train_x, train_y, test_x, test_y)

    def accuracy(index: Tensor, count: int, draw: int) -> float:
        return _probe(train_x[index], train_y[index], test_x, test_y, count)

    return _curve(accuracy, train_y, per_class, draws, Streams(seed, "labels"))


def scratch_curve(
    make_encoder: MakeEncoder, train: Split, test: Split, *, augment: Augment,
    prepare: Prepare | None = None, per_class: Sequence[int] = PER_CLASS, draws: int = 3,
    seed: int = 0, rates: Sequence[float] = RATES, steps: int = 400, batch_size: int = 64,
    device: str | torch.device = "cpu",
) -> LabelCurve:
    """`label_curve` of a net that is trained from scratch on those labels: the same draws.

    make_encoder, augment, prepare: as in `supervised_encoder`, which trains for `steps` (rounded
    up to whole epochs) with the best of `rates` on the draw's own held-out fifth (`best_rate`);
    with one label per class nothing can be held out, and it is the middle one. The accuracy is
    that of a linear probe on the trained net's features, with the same labels. The cost is at most
    (len(rates) + 1) * draws * len(per_class) trainings. Too few steps make a weak opponent: with 50
    labels per class of 16-pixel shapes, 200 reach 43 % and 600 reach 66 %.
    """
    known = labels(train.labels, len(train.images), "training set")
    streams = Streams(seed, "labels")

    def accuracy(index: Tensor, count: int, draw: int) -> float:
        few = train.take(index)
        budget = {"augment": augment, "batch_size": batch_size, "device": device,
                  "epochs": math.ceil(steps / max(1, len(index) // batch_size))}
        own = streams.child(f"scratch.{count}.{draw}")
        rate = best_rate(make_encoder, own, few, rates=rates, prepare=prepare, **budget)
        encoder = supervised_encoder(make_encoder, own, few, lr=rate, **budget)
        few_x, test_x = (features(encoder, one, prepare=prepare) for one in (few, test))
        return _probe(few_x, few.labels, test_x, test.labels, count)

    return _curve(accuracy, known, per_class, draws, streams)


def _probe(train_x: Tensor, train_y: Tensor, test_x: Tensor, test_y: Tensor, count: int) -> float:
    splits = _SPLITS if count <= _FEW else 1
    return linear_probe(train_x, train_y, test_x, test_y, splits=splits).accuracy


def _curve(accuracy: Callable[[Tensor, int, int], float], y: Tensor, per_class: Sequence[int],
           draws: int, streams: Streams) -> LabelCurve:
    """accuracy(rows, labels per class, number of the draw) for all that the labels y (N,) allow."""
    if draws < 1 or min(per_class, default=0) < 0:
        raise UsageError(f"A label curve got draws={draws} and per_class={tuple(per_class)}.",
                         "Nothing was measured.", "Take 1 draw or more, and counts from 0 on.")
    rank = [_ranks(y.cpu(), streams.torch("draw", draw)) for draw in range(draws)]
    fewest, classes = int(y.unique(return_counts=True)[1].min()), len(y.unique())
    curve: LabelCurve = {}
    for count in sorted({one for one in per_class if 0 < one < fewest}):
        found = [accuracy((ranks < count).nonzero()[:, 0], count, draw)
                 for draw, ranks in enumerate(rank)]
        curve[str(count)] = _point(count, found)
    if 0 in per_class or not curve:
        mean = round(len(y) / classes)
        curve["all"] = _point(mean, [accuracy(torch.arange(len(y)), mean, 0)])
    return curve


def _ranks(y: Tensor, generator: torch.Generator) -> Tensor:
    """The place (N,) of each sample among those of its class, in a random order."""
    order = torch.randperm(len(y), generator=generator)
    ranks = torch.empty_like(order)
    for label in y.unique():
        members = order[y[order] == label]
        ranks[members] = torch.arange(len(members))
    return ranks


def _point(count: int, found: list[float]) -> Point:
    values = torch.tensor(found, dtype=torch.float64)
    return Point(labels=count, mean=float(values.mean()), draws=found,
                 spread=float(values.std()) if len(found) > 1 else 0.0)
