"""`python -m bench.reference`: SimCLR and Barlow Twins to the end, beside lightly for some epochs.

Both train a ResNet-18 with the settings of lightly's published CIFAR-10 benchmark (its file
docs/source/getting_started/benchmarks/cifar10_benchmark.py): SGD, momentum 0.9, weight decay 5e-4,
learning rate 0.06 per 128 images, a cosine over the epochs, kNN with k = 200 and temperature 0.1
over the whole training set. lightly computes its views with PIL in loader processes, in float32 as
its examples do. What differs on purpose: we normalise with the set's own statistics (lightly:
ImageNet's), spare biases and norms the weight decay, and lower the rate every step, not every
epoch.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from bench import methods, peers, records
from bench.loop_task import Cifar
from bench.options import Options, choose_device
from sslbook import datasets, heads, nets, paths, train
from sslbook.datasets.types import ImageSet
from sslbook.judging import features, knn_table
from sslbook.scores import ready
from sslbook.streams import Streams
from sslbook.training import Batches, History, Recipe
from sslbook.views import Augment
from sslbook.views import Recipe as Views

# Widths on top of the features; as in lightly's benchmark.
PROJECTORS = {"simclr": (512, 128), "barlow_twins": (2048, 2048)}
LAMBD = 5e-3  # lightly's default weight of the redundancy term
KS, TEMPERATURE = (20, 200), 0.1


@dataclass
class Job:
    """What is trained: on which images, how long, how wide, where."""

    train_set: ImageSet
    test_set: ImageSet
    batch: int
    epochs: int
    every: int
    width: int
    seed: int
    options: Options
    accelerate: str = "auto"

    @property
    def lr(self) -> float:
        return 0.06 * self.batch / 128

    def backbone(self) -> nn.Module:
        return nets.build("resnet18", width=self.width)

    def judge(self, module: nn.Module) -> dict[str, float]:
        """kNN accuracies of the frozen features, whole training set against whole test set."""
        bank, queries = (features(module, split, prepare=ready(self.train_set))
                         for split in (self.train_set, self.test_set))
        ks = tuple(min(k, len(bank)) for k in KS)
        found = knn_table(bank, self.train_set.labels, queries, self.test_set.labels, ks,
                          TEMPERATURE)
        return {f"knn{k}": found[least] for k, least in zip(KS, ks, strict=True)}


@dataclass
class Run:
    """What `train` asks of a run."""

    job: Job
    folder: Path
    trainings: list[History] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seed, self.device = self.job.seed, self.job.options.device
        self.precision = self.job.options.precision
        self.settings = SimpleNamespace(epochs=self.job.epochs, checkpoint_minutes=10**6)
        self.streams = Streams(self.seed, "reference")

    def log(self, row: dict[str, Any]) -> None:
        if row.get("probe"):
            shown = {k: round(v, 4) for k, v in row.items() if isinstance(v, (int, float))}
            print(f"  {shown}", flush=True)

    def note_training(self, history: History) -> None:
        self.trainings.append(history)


def ours(job: Job, method: str) -> dict[str, Any]:
    """sslbook.train to the end; accuracies at the end and the largest on the way."""
    loss = methods.loss(method)
    given = {"lambd": LAMBD} if method == "barlow_twins" else {}
    augment = Augment(Views.simclr(32), job.train_set.mean, job.train_set.std)
    recipe = Recipe("sgd", lr=job.lr, weight_decay=5e-4, momentum=0.9, warmup=0.0)

    def module() -> heads.Siamese:
        encoder = job.backbone()
        head = heads.projector(encoder.out_dim, *PROJECTORS[method], bias=method == "simclr")
        return heads.Siamese(encoder, head)

    with tempfile.TemporaryDirectory() as folder:
        run = Run(job, Path(folder))
        batches = Batches(job.train_set.images, job.batch, run.streams, augment, run.device)
        began = time.perf_counter()
        history = train(
            run, module, batches, name=method, loss=lambda a, b: loss(a, b, **given),
            recipe=recipe, probe=lambda m, step: job.judge(m.encoder), probe_every=job.every,
            allow_collapse=True, quiet=True, accelerate=job.accelerate,
        )  # fmt: skip
        wall = time.perf_counter() - began
    curves = {key: history.column(key)[1].tolist() for key in ("epoch", "knn20", "knn200")}
    return {
        "who": "ours", "method": method, "epochs": job.epochs, "mode": history.mode,
        "precision": run.precision, "seconds": history.seconds, "wall": wall,
        "seconds_per_epoch": history.seconds / job.epochs, "curves": curves,
        "images_per_second": history.samples_per_second, "memory_mb": history.peak_memory_mb,
        "last": history.last("knn200"), "best": max(curves["knn200"]),
    }  # fmt: skip


def lightly(job: Job, method: str, minutes: float) -> dict[str, Any]:
    """lightly's parts for as many whole epochs as fit into `minutes`, of a schedule of all."""
    peers.need("lightly")
    torch.manual_seed(job.seed)
    device = job.options.device
    backbone, loader = job.backbone().to(device), _loader(job)
    head, criterion = (one.to(device) for one in _parts(method, backbone.out_dim))
    parameters = itertools.chain(backbone.parameters(), head.parameters())
    optimizer = torch.optim.SGD(parameters, lr=job.lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, job.epochs)
    curves: dict[str, list[float]] = {"epoch": [], "knn20": [], "knn200": []}
    seconds: list[float] = []
    while len(seconds) < job.epochs and sum(seconds) + max(seconds, default=0.0) < 60 * minutes:
        began = time.perf_counter()
        backbone.train()
        for batch in loader:
            x0, x1 = (x.to(device, non_blocking=True) for x in batch[0])
            loss = criterion(head(backbone(x0)), head(backbone(x1)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        float(loss)  # waits for the device
        seconds.append(time.perf_counter() - began)
        found = job.judge(backbone)
        for key, value in {"epoch": len(seconds), **found}.items():
            curves[key].append(value)
        print(f"  lightly, epoch {len(seconds)}: {seconds[-1]:.1f} s, {found}", flush=True)
    each = sorted(seconds)[len(seconds) // 2]
    return {
        "who": "lightly", "method": method, "epochs": len(seconds), "precision": "float32",
        "seconds": sum(seconds), "seconds_per_epoch": each, "curves": curves,
        "images_per_second": len(loader) * job.batch / each, "last": curves["knn200"][-1],
        "extrapolated_minutes": each * job.epochs / 60,
    }  # fmt: skip


def _parts(method: str, width: int) -> Iterator[nn.Module]:
    from lightly.loss import BarlowTwinsLoss, NTXentLoss
    from lightly.models.modules import heads as theirs

    hidden, out = PROJECTORS[method]
    if method == "simclr":
        return iter((theirs.SimCLRProjectionHead(width, hidden, out), NTXentLoss()))
    layers = [(width, hidden, nn.BatchNorm1d(hidden), nn.ReLU()), (hidden, out, None, None)]
    return iter((theirs.ProjectionHead(layers), BarlowTwinsLoss(lambda_param=LAMBD)))


def _loader(job: Job) -> DataLoader:
    from lightly.transforms import SimCLRTransform

    statistics = {"mean": list(job.train_set.mean), "std": list(job.train_set.std)}
    transform = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0,
                                normalize=statistics)
    images = job.train_set.images.permute(0, 2, 3, 1).numpy()
    workers = max(job.options.threads) if max(job.options.threads) > 1 else 0
    return DataLoader(Cifar(images, transform), batch_size=job.batch, shuffle=True, drop_last=True,
                      num_workers=workers, pin_memory=job.options.cuda,
                      persistent_workers=workers > 0)


def main(arguments: list[str] | None = None) -> int:
    """Run, print a table last, write a JSON file. Returns the exit code."""
    asked = _parse(arguments)
    options = Options(choose_device(asked.device), threads=(asked.workers,), data=asked.data)
    loaded = [datasets.load(f"pack:{asked.data}", split, limit=limit, size=0, seed=0)
              for split, limit in (("train", asked.images), ("test", asked.images // 5))]
    job = Job(*loaded, asked.batch, asked.epochs, asked.every, asked.width, asked.seed, options,
              asked.accelerate)
    rows: list[dict[str, Any]] = []
    out = asked.out or paths.runs() / "bench" / "reference.json"
    about = {**records.surroundings(options), "seed": job.seed, "batch": job.batch,
             "width": job.width, "images": len(job.train_set), "test_images": len(job.test_set),
             "sha256": job.train_set.sha256}
    for method in asked.methods:
        contenders: list[Callable[[], dict]] = [lambda m=method: ours(job, m)]
        if asked.peer_minutes:
            contenders.append(lambda m=method: lightly(job, m, asked.peer_minutes))
        for contender in contenders:
            print(f"{method}:", flush=True)
            try:
                rows.append(contender())
            except Exception as error:  # what is there is kept
                rows.append({"method": method, "error": records.say(error)})
            records.files.write_json(out, {**about, "rows": rows})
    print(table(rows))
    return 1 if any("error" in row for row in rows) else 0


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each training."""
    lines = [f"{'method':<14}{'who':<10}{'epochs':>7}{'s/epoch':>9}{'minutes':>9}"
             f"{'images/s':>10}{'kNN200 last':>13}{'best':>7}"]
    for row in rows:
        if "error" in row:
            lines.append(f"{row['method']:<14}! {row['error']}")
            continue
        best = f"{row['best']:.3f}" if "best" in row else ""
        lines.append(
            f"{row['method']:<14}{row['who']:<10}{row['epochs']:>7}{row['seconds_per_epoch']:>9.2f}"
            f"{row['seconds'] / 60:>9.2f}{row['images_per_second']:>10.0f}{row['last']:>13.3f}"
            f"{best:>7}")
        if "extrapolated_minutes" in row:
            lines.append(f"{'':<24}all epochs at this speed: {row['extrapolated_minutes']:.1f} min")
    return "\n".join(lines)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.reference")
    parser.add_argument("--data", type=Path, required=True, metavar="PACK.npz")
    parser.add_argument("--methods", nargs="+", choices=PROJECTORS, default=list(PROJECTORS))
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--every", type=int, default=10, help="epochs between two kNN looks")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--images", type=int, default=0, help="0: all")
    parser.add_argument("--width", type=int, default=64, help="of the ResNet-18's first stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=8, help="lightly's loader processes")
    parser.add_argument("--peer-minutes", type=float, default=0.0, help="for lightly; 0: without")
    parser.add_argument("--accelerate", default="auto")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
