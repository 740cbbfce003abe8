"""What the chapters are compared with: labels on the same images, another library's training.

Each returns a record, as a chapter's run writes one; it has no claims and belongs to no chapter.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils.data import DataLoader

from sslbook import datasets, device, nets
from sslbook.judging import controls, records
from sslbook.scores import ready
from sslbook.streams import Streams
from sslbook.training import precision
from sslbook.views import Augment, Recipe


def supervised(dataset: str, given: SimpleNamespace) -> dict[str, Any]:
    """ResNet-18 trained with labels, with crops and flips alone.

    given: epochs, batch_size, lr, and images and width where less than all is wanted. How far it
    is from published accuracies is what the copy and another recipe cost together.
    """
    train, test = _splits(dataset, given)
    plain = replace(Recipe.simclr(train.shape[-1]), crop=(0.5, 1.0), jitter_p=0.0, gray=0.0)
    augment = Augment(plain, train.mean, train.std, views=1)
    begun = _Begun("supervised", dataset, train, test, given,
                   precision.choose(device.choose()))
    scores = controls.supervised_control(
        lambda: nets.build("resnet18", width=_width(given)), Streams(0, "supervised"), train, test,
        augment=augment, epochs=given.epochs, batch_size=given.batch_size, lr=given.lr,
        prepare=ready(train), device=begun.device,
    )
    return begun.record(scores)


def lightly_simclr(dataset: str, given: SimpleNamespace) -> dict[str, Any]:
    """lightly's SimCLR as its documentation has it, on our backbone and images.

    Its transform, head, loss, loader and plain SGD; given: epochs, batch_size, and images and
    width where less than all is wanted. Raises UserError where lightly is not installed.
    """
    from bench import loop_lightly, peers
    from bench.loop_task import Task
    from bench.options import cores

    peers.need("lightly")
    train, test = _splits(dataset, given)
    begun = _Begun("lightly_simclr", dataset, train, test, given)
    where = begun.device
    with Streams(0, "lightly").seeded("init"):
        task = Task(
            "simclr", lambda: nets.build("resnet18", width=_width(given)),
            train.images.permute(0, 2, 3, 1).numpy(), train.mean, train.std, given.batch_size,
            warm=0, steps=0, workers=min(8, cores()) if where.type == "cuda" else 0, device=where,
            precision="float32", clock=None,
        )
        model, loss = loop_lightly.parts(task)
    loader = loop_lightly.loader(task)
    model.to(where).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=task.lr)
    seconds = [_epoch(model, loss, loader, optimiser, where) for _ in range(given.epochs)]
    encoder = model[0].eval()
    scores = controls.encoder_scores(encoder, train, test, prepare=ready(train))
    return begun.record(scores, {
        "seconds_per_epoch": seconds, "lightly": peers.need("lightly").__version__,
        "samples_per_second": round(
            given.epochs * len(loader) * given.batch_size / sum(seconds), 1)})


def _epoch(model: Any, loss: Any, loader: DataLoader, optimiser: Any, where: Any) -> float:
    """One pass over the loader; its seconds."""
    begun = time.monotonic()
    for batch in loader:
        x0, x1 = (x.to(where) for x in batch[0])
        value = loss(model(x0), model(x1))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    float(value)  # on a GPU: wait until all of it is done
    return round(time.monotonic() - begun, 2)


def _splits(dataset: str, given: SimpleNamespace) -> tuple[Any, Any]:
    limit = getattr(given, "images", 0)
    return tuple(datasets.load(dataset, split, limit=limit) for split in ("train", "test"))


def _width(given: SimpleNamespace) -> int:
    return getattr(given, "width", 64)


class _Begun:
    """What a record of a baseline says before there are scores."""

    def __init__(self, name: str, dataset: str, train: Any, test: Any, given: SimpleNamespace,
                 number: str = "float32"):
        self.device, self.clock = device.choose(), time.monotonic()
        self.about = {
            "schema": records.SCHEMA, "chapter": name, "status": "finished", "preset": "baseline",
            "seed": 0, "tried": 1, "claims": {}, "code": records.code(),
            "parameters": records.plain({
                "net": "resnet18", "width": 64, **vars(given), "dataset": dataset}),
            "data": {split: {"name": one.name, "count": len(one), "sha256": one.sha256}
                     for split, one in (("train", train), ("test", test))},
            "device": {**device.describe(self.device), "precision": number},
            "versions": records.versions(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def record(self, scores: dict[str, float], training: dict[str, Any] | None = None) -> dict:
        """The finished record; training: what is known of the training's speed."""
        return {**self.about, "scores": {self.about["chapter"]: scores},
                "trainings": {"pretrain": training or {}},
                "seconds": {"wall": round(time.monotonic() - self.clock, 1)}}
