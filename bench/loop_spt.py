"""stable-pretraining's loop: its Module, Manager and DataModule, its losses, Lightning's trainer.

As its README writes SimCLR and Barlow Twins, the views made on the device by its kornia
transforms ("GPU-side batched augmentation"); where a version has none, by its own transforms in
the loader. What only reports (progress, environment, hardware, registry file) is off, which favours
it. Its own speed test times steps in the same way, from the end of one to the end of another.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from bench import peers
from bench.loop_task import Cifar, Measured, Task, projector

# What reports on the machine and the run. Its registry of metrics stays: every step writes there.
_REPORTS = ("env_dump", "trainer_info", "module_summary", "slurm_info", "hf_checkpoint")
_LIGHTNING = {"float32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def measure(task: Task) -> Measured:
    """Steps of a fit, timed from the end of a step to the end of a later one."""
    spt = peers.need("stable_pretraining")
    with peers.quiet(), tempfile.TemporaryDirectory() as folder, _handlers_kept():
        import lightning as pl

        _silence(spt, folder)
        watch = _watch(pl, task)
        trainer = pl.Trainer(
            max_steps=task.warm + task.steps, num_sanity_val_steps=0, limit_val_batches=0,
            enable_checkpointing=False, logger=False, callbacks=[watch], devices=1,
            accelerator="gpu" if task.device.type == "cuda" else "cpu",
            precision=_LIGHTNING[task.precision], default_root_dir=folder,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        named = ((type(one).__name__, one) for one in trainer.callbacks)
        trainer.callbacks = [one for name, one in named if name != "HardwareMonitor"]
        loader = _loader(spt, task)
        data = spt.data.DataModule(train=loader, val=loader)
        spt.Manager(trainer=trainer, module=_module(spt, task), data=data, seed=0)()
    return Measured(watch.ended - watch.began, task.steps)


def _module(spt: Any, task: Task) -> Any:
    """The module of its README, with a projector of the same widths as everybody's."""
    from stable_pretraining import forward

    backbone = task.backbone()
    widths = projector(task, backbone)
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-2], widths[1:-1], strict=True):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
    parts = {"backbone": backbone, "projector": nn.Sequential(*layers, nn.Linear(*widths[-2:]))}
    if task.method == "simclr":
        parts |= {"forward": forward.simclr,
                  "simclr_loss": spt.losses.NTXEntLoss(temperature=0.5)}  # fmt: skip
    else:
        parts |= {"forward": forward.barlow_twins, "barlow_loss": spt.losses.BarlowTwinsLoss()}
    optim = {"optimizer": {"type": "SGD", "lr": task.lr}, "interval": "step"}
    return spt.Module(**parts, optim=optim)


def _loader(spt: Any, task: Task) -> DataLoader:
    transforms = spt.data.transforms
    names, extra = ["image", "label"], {}
    if _batched(spt) is None:
        view = transforms.Compose(
            transforms.RGB(),
            transforms.RandomResizedCrop((32, 32), scale=(0.08, 1.0)),
            transforms.RandomHorizontalFlip(p=0.5),
            transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.ToImage(mean=list(task.mean), std=list(task.std)),
        )
        transform = transforms.MultiViewTransform([view, view])
    else:
        transform = transforms.ToImage(rgb=True, scale=True)
        extra = {"gpu_transform": _views(spt, task)}
    dataset = spt.data.FromTorchDataset(
        Cifar(task.images), names=names, transform=transform, **extra
    )
    return DataLoader(
        dataset, batch_size=task.batch, shuffle=True, drop_last=True, num_workers=task.workers,
        pin_memory=task.device.type == "cuda", persistent_workers=task.workers > 0,
    )  # fmt: skip


def _batched(spt: Any) -> Any:
    """The room of its batched transforms; None where the version has none."""
    try:
        from stable_pretraining.data import gpu_transforms
    except ImportError:
        return None
    return gpu_transforms


def _views(spt: Any, task: Task) -> nn.Module:
    gt = _batched(spt)
    chain = [
        gt.GPURandomResizedCrop(size=32, scale=(0.08, 1.0)),
        gt.GPURandomHorizontalFlip(p=0.5),
        gt.GPUColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        gt.GPURandomGrayscale(p=0.2),
        gt.GPUNormalize(mean=list(task.mean), std=list(task.std)),
    ]
    return gt.StackedMultiView(gt.GPUCompose(chain), n_views=2)


def _watch(pl: Any, task: Task) -> Any:
    class Watch(pl.Callback):
        """Reads the clock at the end of the warm-up and of the last step."""

        began = ended = 0.0
        done = 0

        def on_train_batch_end(self, *_: Any) -> None:
            self.done += 1
            if self.done == task.warm:
                self.began = task.clock.now()
            if self.done == task.warm + task.steps:
                self.ended = task.clock.now()

    return Watch()


def _silence(spt: Any, folder: str) -> None:
    """Its settings for this process: files in a temporary folder, no reports."""
    spt.set(verbose="CRITICAL", progress_bar="none", cache_dir=folder)
    for name in _REPORTS:
        with contextlib.suppress(ValueError):  # versions differ in what they know
            spt.set(default_callbacks={name: False})
    with contextlib.suppress(ValueError, TypeError):
        spt.set(default_loggers={"registry": False})


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Its Manager takes the process's signals; they are given back."""
    names = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")  # Windows has not all of them
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for number, handler in before.items():
            signal.signal(number, handler)
