"""(3) The whole loop of SimCLR: `sslbook.train` beside lightly's and stable-pretraining's.

The same for all: backbone, projector widths, recipe of the views, batch size, number format, plain
SGD. lightly: the example of its documentation, with autocast on a GPU. stable-pretraining: its
Module, loss and batched views in Lightning's trainer, without the callbacks that only report.
"""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from sslbook.datasets import ImageSet
from tools.bench.augmentation import Pictures, images
from tools.bench.rows import Row
from tools.bench.step import NETS, Backbone, Enough, Stopwatch, half, pretrain
from tools.bench.timing import Options, compared

Contender = Callable[[Backbone, ImageSet, Options, Stopwatch], None]
_LR, _EMBEDDING = 0.06, 128  # the projector is as wide as the features, then this


def run(options: Options) -> Iterator[Row]:
    """A row for each contender, measured in turns."""
    net = "ResNet-18" if options.cuda else "ResNet-8 w16" if options.quick else "ResNet-8 w32"
    warm, steps = (2, 2) if options.quick else (50, 200) if options.cuda else (5, 10)
    data = images(options, options.batch * (warm + steps + 1))  # no epoch ends while measured

    def seconds(contender: Contender) -> float:
        """Of a step, from the end of one to the end of a later one."""
        gc.collect()  # what the contender before left, of weights and graphs
        hook, quiet = Stopwatch(options, warm, steps), contextlib.redirect_stdout(io.StringIO())
        with quiet, contextlib.suppress(Enough):
            contender(NETS[net], data, options, hook)
        return hook.seconds[0]

    makers = {who: partial(partial, seconds, contender) for who, contender in CONTENDERS.items()}
    yield from compared("loop", f"{net}, batch {options.batch}", options.batch, makers, options)


def ours(backbone: Backbone, data: ImageSet, options: Options, hook: Stopwatch) -> None:
    pretrain(backbone, options, hook, hook.steps, "auto", (backbone().out_dim, _EMBEDDING),
             optimizer="sgd", lr=_LR, weight_decay=0.0, momentum=0.0, warmup=0.0)  # fmt: skip


def lightly(backbone: Backbone, data: ImageSet, options: Options, hook: Stopwatch) -> None:
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    views = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0,
                            normalize={"mean": list(data.mean), "std": list(data.std)})  # fmt: skip
    device, dtype, net = options.device, half(options), backbone()
    head = SimCLRProjectionHead(net.out_dim, net.out_dim, _EMBEDDING)
    model, criterion = nn.Sequential(net, head).to(device).train(), NTXentLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=_LR)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    for number, ((x0, x1), _) in enumerate(_loader(Pictures(data, views), options)):
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            z0, z1 = model(x0.to(device)), model(x1.to(device))
        scaler.scale(criterion(z0.float(), z1.float())).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        hook(model, number)


def stable_pretraining(
    backbone: Backbone, data: ImageSet, options: Options, hook: Stopwatch
) -> None:
    import stable_pretraining as spt
    from lightning.pytorch import Trainer, callbacks
    from stable_pretraining import forward
    from stable_pretraining.data import gpu_transforms as gpu

    net = backbone()
    head = nn.Sequential(nn.Linear(net.out_dim, net.out_dim), nn.BatchNorm1d(net.out_dim),
                         nn.ReLU(), nn.Linear(net.out_dim, _EMBEDDING))  # fmt: skip
    module = spt.Module(
        backbone=net, projector=head, forward=forward.simclr,
        simclr_loss=spt.losses.NTXEntLoss(temperature=0.5),
        optim={"optimizer": {"type": "SGD", "lr": _LR}, "interval": "step"},
    )  # fmt: skip
    views = gpu.GPUCompose([
        gpu.GPURandomResizedCrop(size=32, scale=(0.08, 1.0)),
        gpu.GPURandomHorizontalFlip(p=0.5),
        gpu.GPUColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        gpu.GPURandomGrayscale(p=0.2),
        gpu.GPUNormalize(mean=list(data.mean), std=list(data.std)),
    ])  # fmt: skip
    dataset = spt.data.FromTorchDataset(
        Pictures(data, nn.Identity()), names=["image", "label"],
        gpu_transform=gpu.StackedMultiView(views, n_views=2),
        transform=spt.data.transforms.ToImage(rgb=True, scale=True),
    )  # fmt: skip
    watch = callbacks.LambdaCallback(
        on_train_batch_end=lambda trainer, module, out, batch, number: hook(module, number)
    )
    formats = {None: "32-true", torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed"}
    trainer = Trainer(
        max_epochs=1, logger=False, precision=formats[half(options)],
        accelerator="gpu" if options.cuda else "cpu", devices=1, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.callbacks = [watch]  # and none of its fourteen, which report
    trainer.fit(module, spt.data.DataModule(train=_loader(dataset, options)))


def _loader(dataset: Dataset, options: Options) -> DataLoader:
    return DataLoader(dataset, options.batch, shuffle=True, drop_last=True,
                      num_workers=options.workers)  # fmt: skip


CONTENDERS = {"ours": ours, "lightly": lightly, "stable-pretraining": stable_pretraining}
