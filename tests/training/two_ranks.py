"""Trainings of three steps in float64, as one rank or as one of several: `two_ranks.py FOLDER`.

RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are those of torchrun. Rank r writes FOLDER/r.pt:
case -> {"loss": per step, "grad": per step and weight, "state": weights and buffers}.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import torch
from small_run import SmallRun
from torch import Tensor, nn
from torch.nn import functional as F

from sslbook import nets
from sslbook.core.streams import Streams
from sslbook.masks.columns import column_masks
from sslbook.masks.patches import RandomPatches
from sslbook.methods.barlow_twins import barlow_twins_loss
from sslbook.methods.byol import byol_loss
from sslbook.methods.directpred import direct_predictor
from sslbook.methods.label_augmentation import label_augmentation_loss, rotations
from sslbook.methods.mae import mae_loss, place_tokens
from sslbook.methods.simclr import nt_xent_loss
from sslbook.methods.t_jepa import jepa_loss
from sslbook.nets import heads
from sslbook.training import Batches, FullBatch, OptimizerConfig, train
from sslbook.views import Augment
from sslbook.views import Recipe as Views

SIZE, STEPS = 16, 3
IMAGES = torch.randint(0, 256, (40, 3, SIZE, SIZE), generator=Streams(0).torch("images"),
                       dtype=torch.uint8)
ROWS = torch.randn(40, 9, generator=Streams(0).torch("rows"))


class InDouble(nn.Module):
    """A module whose floating-point inputs are float64."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner.double()
        self.encode = inner.encode

    def forward(self, batch, loss):
        batch = [x.double() if x.is_floating_point() else x for x in batch]
        return self.inner(tuple(batch), loss)


def encoder():
    return nets.build("resnet8", width=8)


def siamese():
    return InDouble(heads.Siamese(encoder(), heads.projector(32, 32, 32, 24)))


def student(predictor=None):
    made = heads.predictor(24, 32) if predictor is None else predictor
    return InDouble(heads.StudentTeacher(encoder(), heads.projector(32, 32, 24), made))


class Masked(nn.Module):
    """An encoder of the visible patches and a decoder of all of them."""

    def __init__(self):
        super().__init__()
        self.encoder = nets.build("vit_patches", size=SIZE, patch=4, width=16, depth=1, heads=2)
        self.decoder = nets.PatchDecoder(16, 48, 16, 16, 1, 2)

    def encode(self, x):
        return self.encoder(x)

    def forward(self, batch, loss):
        x, visible, hidden = batch
        patches = nets.patchify(x, 4)
        mask = torch.zeros(patches.shape[:2], device=x.device).scatter(1, hidden, 1.0)
        tokens = self.decoder.narrow(self.encoder.tokens(x, visible))
        full = place_tokens(tokens, visible, self.decoder.mask_token, self.encoder.count)
        return {"loss": loss(self.decoder(full), patches, mask)}


class Direct(nn.Module):
    """DirectPred's predictor: its moment is a mean over the batch, kept in a forward."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("moment", torch.zeros(width, width))
        self.register_buffer("weight", torch.eye(width))

    def forward(self, f):
        if self.training:
            with torch.no_grad():
                self.moment.copy_(0.3 * self.moment + 0.7 * f.T @ f / len(f))
        return f @ self.weight


def set_predictor(module, step, steps):
    inside = module.inner.predictor
    inside.weight.copy_(direct_predictor(inside.moment))


class Turns(nn.Module):
    """Scores (M, N, K, M): the samples lie along the second axis."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head = encoder(), nn.Linear(32, 12)

    def encode(self, x):
        return self.encoder(x)

    def forward(self, batch, loss):
        x, y = batch
        turned = rotations(x)
        scores = self.head(self.encoder(turned.flatten(0, 1))).unflatten(0, turned.shape[:2])
        return {"loss": loss(scores.unflatten(2, (3, 4)), y)}


class Columns(nn.Module):
    """Predictions (P, B, J, D) of columns, and a token that is no sample."""

    def __init__(self):
        super().__init__()
        self.code, self.guess = nn.Linear(9, 18), nn.Linear(9, 36)
        self.token = nn.Parameter(torch.randn(2))

    def encode(self, x):
        return self.code(x)

    def forward(self, batch, loss):
        x, seen, wanted = batch
        guess = self.guess(x * seen).unflatten(1, (2, 9, 2)).movedim(1, 0)
        codes = self.code(x).unflatten(1, (9, 2))
        return {"loss": loss(guess, codes, wanted=wanted, token=self.token)}


class Hidden(nn.Module):
    """What is hidden is chosen by its values: ranks give their loss unequal numbers of rows."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(9, 16), nn.BatchNorm1d(16), nn.ReLU(),
                                    nn.Linear(16, 9))

    def forward(self, batch, loss):
        x, hidden = batch
        return {"loss": loss(self.encode(x.masked_fill(hidden, 0.0))[hidden], x[hidden])}


class Graph(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(9, 9)

    def forward(self, batch, loss):
        adjacency, x = batch
        return {"loss": loss(adjacency @ self.encode(x), x)}


def views(count=2):
    return Augment(Views.simclr(SIZE), (0.5,) * 3, (0.25,) * 3, views=count)


def labelled(batch, generator):
    images, labels = batch
    return views(1)(images, generator)[0], labels


def columns(rows, generator):
    seen, wanted = column_masks(len(rows), 9, (0.2, 0.5), (0.2, 0.5), 2, generator)
    return rows, seen, wanted


def hide(rows, generator):
    return rows, torch.rand(rows.shape, generator=generator) < 0.3


def token_loss(guess, codes, wanted, token):
    return jepa_loss(guess, codes, wanted) + token.square().sum()


def cases(streams):
    """Name -> (module, batches, loss, hooks)."""
    pairs = partial(Batches, IMAGES, streams=streams, transform=views())
    follow = heads.follow("inner.teacher", "inner.student", 0.9)
    masks = RandomPatches(views(1), 16, 0.75)
    labels = torch.arange(40) % 3
    adjacency = torch.eye(40).double() + 0.1

    def mae():
        return InDouble(Masked())

    return {
        "Barlow Twins": (siamese, pairs(8), barlow_twins_loss, []),
        "Barlow Twins, 7 samples": (siamese, pairs(7), barlow_twins_loss, []),
        "SimCLR": (siamese, pairs(8), nt_xent_loss, []),
        "BYOL": (student, pairs(8), byol_loss, [follow]),
        "DirectPred": (lambda: student(Direct(24)), pairs(8), byol_loss, [follow, set_predictor]),
        "MAE": (mae, Batches(IMAGES, 8, streams, masks), mae_loss, []),
        "label augmentation": (lambda: InDouble(Turns()),
                               Batches((IMAGES, labels), 8, streams, labelled),
                               label_augmentation_loss, []),
        "T-JEPA": (lambda: InDouble(Columns()), Batches(ROWS, 8, streams, columns), token_loss, []),
        "hidden values": (lambda: InDouble(Hidden()), Batches(ROWS, 8, streams, hide),
                          F.mse_loss, []),
        "graph": (lambda: InDouble(Graph()), FullBatch((adjacency, ROWS.double()), 40, streams),
                  F.mse_loss, []),
    }


def run_case(run, name, module, batches, loss, hooks):
    found: dict[str, list] = {"loss": [], "grad": []}

    def note(module: nn.Module, step: int, steps: int) -> None:
        found["grad"].append({k: p.grad.clone() for k, p in module.named_parameters()
                              if p.grad is not None})

    def noted(*args: Tensor, **named: Tensor) -> Tensor:
        value = loss(*args, **named)
        if value.requires_grad:
            found["loss"].append(value.detach())
        return value

    history = train(run, module, batches, name=name.replace(" ", "_"), loss=noted, steps=STEPS,
                    after_step=[note, *hooks], optimizer=OptimizerConfig("sgd", lr=0.05),
                    allow_collapse=True)
    assert len(history.rows) == STEPS + 1
    return {**found, "state": history.module.state_dict(), "rows": history.rows}


def main(folder: Path, rank: int) -> None:
    run = SmallRun(folder / f"run{rank}")
    torch.set_num_threads(1)
    found = {name: run_case(run, name, *parts) for name, parts in cases(run.streams).items()}
    timed = SmallRun(folder / f"minutes{rank}", minutes=0.01)
    history = train(timed, lambda: InDouble(Hidden()), Batches(ROWS, 8, timed.streams, hide),
                    name="minutes", loss=F.mse_loss)
    found["minutes"] = {"steps": history.steps, "state": history.module.state_dict()}
    torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    import os

    main(Path(sys.argv[1]), int(os.environ.get("RANK") or 0))
