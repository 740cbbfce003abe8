"""lightly's loop: the plain PyTorch examples of its documentation for SimCLR and Barlow Twins.

https://docs.lightly.ai/self-supervised-learning/examples/simclr.html (and barlowtwins.html).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from bench import peers
from bench.loop_task import Cifar, Measured, Task, projector


def measure(task: Task, autocast: bool) -> Measured:
    """Its transform, heads, losses and a DataLoader; float32, as the examples have it.

    autocast: with torch.autocast around the model in addition, which the examples do not have.
    """
    peers.need("lightly")
    model, criterion = parts(task)
    model.to(task.device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=task.lr)
    half = task.half if autocast else None
    scaler = torch.amp.GradScaler(task.device.type, enabled=half is torch.float16)
    began = 0.0
    for number, batch in enumerate(loader(task), start=1):
        x0, x1 = (x.to(task.device) for x in batch[0])
        with torch.autocast(task.device.type, half, enabled=half is not None):
            z0, z1 = model(x0), model(x1)
        loss = criterion(z0.float(), z1.float())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        if number == task.warm:
            began = task.clock.now()
        if number == task.warm + task.steps:
            break
    return Measured(task.clock.now() - began, task.steps)


def parts(task: Task) -> tuple[nn.Module, nn.Module]:
    """(backbone and projection head, loss), each lightly's own but the backbone."""
    from lightly import loss
    from lightly.models.modules import BarlowTwinsProjectionHead, SimCLRProjectionHead

    backbone = task.backbone()
    width, hidden, *_, out = projector(task, backbone)
    if task.method == "simclr":
        head: Any = SimCLRProjectionHead(width, hidden, out)
        return nn.Sequential(backbone, head), loss.NTXentLoss()
    return nn.Sequential(backbone, BarlowTwinsProjectionHead(width, hidden, out)), (
        loss.BarlowTwinsLoss()
    )


def loader(task: Task) -> DataLoader:
    """Its transform for CIFAR-10 in a loader that shuffles."""
    from lightly.transforms import SimCLRTransform

    transform = SimCLRTransform(
        input_size=32, cj_strength=0.5, gaussian_blur=0.0,
        normalize={"mean": list(task.mean), "std": list(task.std)},
    )  # fmt: skip
    return DataLoader(
        Cifar(task.images, transform), batch_size=task.batch, shuffle=True, drop_last=True,
        num_workers=task.workers,
    )  # fmt: skip
