"""Masked autoencoder: the loss on hidden patches, filling the places, and that nothing leaks."""

from __future__ import annotations

import math
from functools import partial

import torch
from changes import generator, normal
from harness import checks
from specs import Spec, not_negative
from torch import Tensor

from sslbook.methods.mae import mae_loss, normalise_patches


def case(seed: int = 0, b: int = 3, count: int = 5, pixels: int = 12) -> tuple[Tensor, ...]:
    mask = (torch.rand(b, count, generator=generator(seed)) < 0.6).double()
    mask[0, 0] = 1.0
    return *normal(seed, 2, b, count, pixels), mask


def loops(prediction: Tensor, patches: Tensor, mask: Tensor, eps: float) -> float:
    errors = []
    for i, place in mask.nonzero().tolist():
        values, size = patches[i, place].tolist(), patches.shape[2]
        mean = sum(values) / size
        variance = sum((v - mean) ** 2 for v in values) / (size - 1)
        values = [(v - mean) / math.sqrt(variance + eps) for v in values]
        guess = prediction[i, place].tolist()
        errors.append(sum((g - t) ** 2 for g, t in zip(guess, values, strict=True)) / size)
    return sum(errors) / len(errors)


def loss(p, t, m, *, variance=None, over=None, target=None, error=lambda d: d.square()):
    mean = t.mean(dim=2, keepdim=True)
    spread = t.var(dim=2, keepdim=True) if variance is None else variance(t)
    goal = (t - mean) / (spread + 1e-6).sqrt() if target is None else target(t)
    each = error(p - goal).mean(dim=2)
    return (each * m).sum() / m.sum() if over is None else over(each, m)


def changed(**parts):
    return lambda p, t, m: loss(p, t, m, **parts)


def visible_moved(inputs: tuple, by: torch.Generator) -> tuple:
    prediction, patches, mask = inputs
    return prediction + 100 * (1 - mask)[:, :, None], patches, mask


def brightness_and_contrast(inputs: tuple, by: torch.Generator) -> tuple:
    prediction, patches, mask = inputs
    return prediction, 3.0 * patches + 0.7, mask


def flat_patches(inputs: tuple, by: torch.Generator) -> tuple:
    return inputs[0], torch.full_like(inputs[1], 0.3), inputs[2]


def nothing_hidden(inputs: tuple, by: torch.Generator) -> tuple:
    return inputs[0], inputs[1], torch.zeros_like(inputs[2])


def plain(p, t, m, *, over=None, error=lambda d: d.square()):
    return loss(p, t, m, target=lambda t: t, over=over, error=error)


P, T, M = case()
ONES = torch.ones(2, 7)
normalised = partial(mae_loss, normalise=True)
test_spec = checks(
    # Pixels as they are, as the chapter trains.
    Spec(function=mae_loss, inputs=case, shapes=[(3, 5, 12), (1, 1, 2), (2, 4, 6)], gradient=(0,),
         descent=2.0, unchanged_by=[visible_moved], changed_by=[brightness_and_contrast],
         finite=[flat_patches, nothing_hidden],
         values=[((T, T, M), 0), ((T + 0.5, T, M), 0.25), ((P, T, 0 * M), 0)],
         refused=[((P, T, M[:, :4]), "a mask"), ((P, (255 * T).to(torch.uint8), M), "floating")],
         cases=[case(0), case(1, 2, 4, 6)], right={"as in the chapter": plain},
         mutants={
             "all patches count": lambda p, t, m: plain(p, t, m, over=lambda e, m: e.mean()),
             "visible patches count": lambda p, t, m: plain(p, t, 1 - m),
             "the last patch is never a target": lambda p, t, m: plain(
                 p, t, m * (torch.arange(m.shape[1]) < m.shape[1] - 1)),
             "divided by all patches": lambda p, t, m: plain(
                 p, t, m, over=lambda e, m: (e * m).mean()),
             "a sum over the pixels": lambda p, t, m: plain(p, t, m) * t.shape[2],
             "absolute error": lambda p, t, m: plain(p, t, m, error=torch.abs),
             "the targets are normalised": loss}),
    Spec(function=normalised, inputs=case, shapes=[(3, 5, 12), (1, 1, 2), (2, 4, 6)], gradient=(0,),
         knobs={"eps": not_negative(1e-6, 0.1, tensor=False)}, loops=loops, descent=2.0,
         unchanged_by=[visible_moved], changed_by=[flat_patches],
         finite=[flat_patches, nothing_hidden],
         values=[((0 * normal(1, 2, 7, 48), normal(1, 2, 7, 48), ONES, 0.0), 47 / 48),
                 ((0 * normal(1, 2, 7, 192), normal(1, 2, 7, 192), ONES, 0.0), 191 / 192),
                 ((normalise_patches(T), T, M), 0), ((P, T, 0 * M), 0)],
         refused=[((P, T, M[:, :4]), "a mask"), ((P[:, :4], T, M), "a mask"),
                  ((P, (255 * T).to(torch.uint8), M), "floating"),
                  ((P[:, :, :1], T[:, :, :1], M), "one value")],
         cases=[case(0), case(1, 2, 4, 6)], right={"as in the chapter": loss},
         mutants={
             "the variance divides by P": changed(
                 variance=lambda t: t.var(2, correction=0, keepdim=True)),
             "all patches count": changed(over=lambda e, m: e.mean()),
             "visible patches count": changed(
                 over=lambda e, m: (e * (1 - m)).sum() / (1 - m).sum()),
             "the last patch never counts": changed(
                 over=lambda e, m: (e * m)[:, :-1].sum() / m[:, :-1].sum()),
             "divided by all patches": changed(over=lambda e, m: (e * m).mean()),
             "averaged per image first": changed(
                 over=lambda e, m: ((e * m).sum(1) / m.sum(1).clamp_min(1)).mean()),
             "targets are not normalised": changed(target=lambda t: t),
             "targets are centred only": changed(target=lambda t: t - t.mean(2, keepdim=True)),
             "normalised over the image": changed(target=lambda t: (
                 t - t.mean((1, 2), keepdim=True)) / t.std((1, 2), keepdim=True)),
             "absolute error": changed(error=torch.abs),
             "a sum over the pixels": changed(error=lambda d: d.square() * d.shape[2]),
             "no gradient": lambda p, t, m: loss(p, t, m).detach(),
             "the prediction is normalised": lambda p, t, m: loss(normalise_patches(p), t, m)}),
    Spec(function=partial(mae_loss, normalise=True, eps=0.0), inputs=case, shapes=[(3, 5, 12)],
         gradient=(0,), unchanged_by=[brightness_and_contrast]))
