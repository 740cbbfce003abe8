"""What a method is compared with: chance, raw input, a random encoder, a supervised one.

None of them depends on the method; all are keyed by data, net, budget and seed. Splits are
anything with `.images` (uint8, or floats when `prepare` is None) and `.labels`; see encoding.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.judging.encoding import Prepare, Split, calibrate_batchnorm, features
from sslbook.judging.inputs import labels
from sslbook.judging.logistic import held_out
from sslbook.judging.probes import knn_table, linear_probe
from sslbook.judging.regression import mean_scores, regression_scores

Augment = Callable[[Tensor, torch.Generator], tuple[Tensor, ...]]
MakeEncoder = Callable[[], nn.Module]
KNN200_BANK = 1000  # with fewer, 200 neighbours are over a fifth of the bank: mostly the prior


def scores(
    train_x: Tensor, train_y: Tensor | None, test_x: Tensor, test_y: Tensor | None
) -> dict[str, float]:
    """Accuracies (0..1) of features: {"knn20", "knn200", "linear"}.

    "knn200" is left out with fewer than 1,000 training samples. t is .1; the probe chooses its own
    l2. Labels that are floats are numbers to predict: see `regression_scores`, whose measures have
    other names.
    """
    if train_y is not None and train_y.is_floating_point():
        return regression_scores(train_x, train_y, test_x, test_y)
    ks = (20, 200) if len(train_x) >= KNN200_BANK else (20,)
    found = knn_table(train_x, train_y, test_x, test_y, ks)
    named = {f"knn{k}": accuracy for k, accuracy in found.items()}
    return named | {"linear": linear_probe(train_x, train_y, test_x, test_y).accuracy}


def encoder_scores(
    encoder: Callable[[Tensor], Tensor], train: Split, test: Split, *,
    prepare: Prepare | None = None, batch_size: int = 512,
) -> dict[str, float]:
    """`scores` of an encoder's features on both splits. Raises DataError without labels."""
    for split, name in ((train, "training set"), (test, "test set")):
        labels(split.labels, len(split.images), name)
    train_x, test_x = (features(encoder, split, batch_size, prepare) for split in (train, test))
    return scores(train_x, train.labels, test_x, test.labels)


def chance(train_y: Tensor | None, test_y: Tensor | None) -> float:
    """Accuracy (0..1) on the test labels of always answering the most frequent training class.

    Of classes that are equally frequent in training it is the one most frequent in the test set.
    """
    for y, name in ((train_y, "training set"), (test_y, "test set")):
        labels(y, 0 if y is None else len(y), name)
    classes, counts = train_y.unique(return_counts=True)
    tied = classes[counts == counts.max()]
    return float((test_y == tied[:, None]).double().mean(dim=1).max())


def chance_scores(like: Iterable[str], train_y: Tensor, test_y: Tensor) -> dict[str, float]:
    """What is reached without looking at any feature, for the measures `like` those of `scores`.

    Of classes `chance`; of a number to predict what always answering its mean gives.
    """
    if train_y.is_floating_point():
        return mean_scores(train_y, test_y)
    return dict.fromkeys(like, chance(train_y, test_y))


def random_encoder(
    make_encoder: MakeEncoder, streams: Streams, train: Split, *,
    prepare: Prepare | None = None, device: str | torch.device = "cpu",
) -> nn.Module:
    """A fresh encoder (stream "init") with BatchNorm calibrated on the training images.

    Its scores are what the architecture gives before anything is learned.
    """
    with streams.seeded("init"):
        encoder = make_encoder()
    return calibrate_batchnorm(encoder.to(device), train, prepare=prepare)


def supervised_encoder(
    make_encoder: MakeEncoder, streams: Streams, train: Split, *,
    augment: Augment, epochs: int, batch_size: int = 128, lr: float = 2e-3,
    weight_decay: float = 1e-4, device: str | torch.device = "cpu",
) -> nn.Module:
    """The same encoder trained with labels: cross-entropy through a linear head, then dropped.

    augment(images_uint8 (B, C, H, W), generator) -> views, of which the first is used: give the
    method's own augmentation. AdamW, one tenth of the steps (at most 100) warming up, then cosine
    to zero; bfloat16 on GPUs that have it, as in `train`. Streams: "init", "order" by epoch,
    "views" by step. The last incomplete batch of an epoch is left out, unless it is the only one.
    Raises UsageError for fewer than two images or epochs below 1, DataError without labels.
    Returns the encoder in eval mode.
    """
    count = len(train.images)
    known, target = labels(train.labels, count, "training set").unique(return_inverse=True)
    if epochs < 1 or min(count, batch_size) < 2:
        raise UsageError(
            f"supervised_encoder got epochs={epochs}, {count} images and a batch size of "
            f"{batch_size}; it needs 1, 2 and 2 or more."
        )
    with streams.seeded("init"):
        encoder = make_encoder().to(device)
        head = nn.Linear(_width(encoder, train, augment, streams, device), len(known)).to(device)
    model = nn.Sequential(encoder, nn.Flatten(), head).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    steps = epochs * (count // min(batch_size, count))
    kind = torch.device(device).type
    half = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    with streams.seeded("dropout"):
        for step, batch in enumerate(_orders(count, min(batch_size, count), epochs, streams)):
            for group in optimiser.param_groups:
                group["lr"] = lr * _schedule(step, steps)
            view = augment(train.images[batch].to(device), streams.torch("views", step))[0]
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(kind, torch.bfloat16, enabled=half):
                loss = functional.cross_entropy(model(view), target[batch].to(device))
            loss.backward()
            optimiser.step()
    return encoder.eval()


def best_rate(
    make_encoder: MakeEncoder, streams: Streams, train: Any, *, rates: Sequence[float],
    prepare: Prepare | None = None, **training: Any,
) -> float:
    """The learning rate with which `supervised_encoder` (which takes `training`) is best.

    Each of `rates` trains on four fifths of the training set (an ImageSet), class by class; the
    linear probe of what it learned is judged on the rest, and the test set has no part in it. On a
    tie it is the smaller one; where no class has two samples, the middle one.
    """
    rates = sorted(rates)
    target = labels(train.labels, len(train.images), "training set").unique(return_inverse=True)[1]
    mask = held_out(target, int(target.max()) + 1, streams.seed)
    if len(rates) == 1 or not bool(mask.any()):
        return rates[len(rates) // 2]
    fitted, judged = train.take(~mask), train.take(mask)
    found = {}
    for rate in rates:
        encoder = supervised_encoder(make_encoder, streams, fitted, lr=rate, **training)
        x, queries = (features(encoder, one, prepare=prepare) for one in (fitted, judged))
        found[rate] = linear_probe(x, fitted.labels, queries, judged.labels).accuracy
    return max(found, key=found.get)


def supervised_control(
    make_encoder: MakeEncoder, streams: Streams, train: Split, test: Split, *,
    augment: Augment, epochs: int, prepare: Prepare | None = None,
    device: str | torch.device = "cpu", lr: float = 2e-3, rates: Sequence[float] = (),
    **training: float,
) -> dict[str, float]:
    """`scores` of `supervised_encoder` (which takes `training`): what labels would give.

    rates: learning rates of which it takes its own best (`best_rate`) in place of `lr`.
    """
    training |= {"augment": augment, "epochs": epochs, "device": device}
    if rates:
        lr = best_rate(make_encoder, streams, train, rates=rates, prepare=prepare, **training)
    encoder = supervised_encoder(make_encoder, streams, train, lr=lr, **training)
    return encoder_scores(encoder, train, test, prepare=prepare)


def control_scores(
    make_encoder: MakeEncoder, streams: Streams, train: Split, test: Split, *,
    prepare: Prepare | None = None, augment: Augment | None = None, epochs: int = 0,
    device: str | torch.device = "cpu", rates: Sequence[float] = (), **training: float,
) -> dict[str, dict[str, float]]:
    """All controls: {"chance", "pixels", "random"}, and "supervised" with `augment` and epochs > 0.

    Each is a dict as of `scores`: of the flattened prepared pixels, of `random_encoder`, of
    `supervised_encoder`; chance is the same number for every measure. Raises DataError
    without labels. training: batch_size, lr and weight_decay of the supervised one; rates: those
    of which it takes its best.
    """
    raw = encoder_scores(lambda x: x, train, test, prepare=prepare)
    untrained = random_encoder(make_encoder, streams.child("random"), train, prepare=prepare,
                               device=device)
    found = {
        "chance": dict.fromkeys(raw, chance(train.labels, test.labels)),
        "pixels": raw,
        "random": encoder_scores(untrained, train, test, prepare=prepare),
    }
    if augment is not None and epochs > 0:
        found["supervised"] = supervised_control(
            make_encoder, streams.child("supervised"), train, test, augment=augment,
            epochs=epochs, prepare=prepare, device=device, rates=rates, **training,
        )
    return found


def _orders(count: int, size: int, epochs: int, streams: Streams) -> Iterator[Tensor]:
    """Indices of each batch in turn, shuffled anew in every epoch; ragged ends left out."""
    for epoch in range(epochs):
        order = torch.randperm(count, generator=streams.torch("order", epoch))
        yield from order[: count // size * size].split(size)


def _width(
    encoder: nn.Module, train: Split, augment: Augment, streams: Streams,
    device: str | torch.device,
) -> int:
    """The number of features: `out_dim` where the encoder says so, else measured on two images."""
    if hasattr(encoder, "out_dim"):
        return int(encoder.out_dim)
    view = augment(train.images[:2].to(device), streams.torch("shape"))[0]
    return features(encoder, view).shape[1]


def _schedule(step: int, steps: int) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to 0."""
    warm = min(100, steps // 10)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
