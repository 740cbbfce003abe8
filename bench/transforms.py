"""Who makes the views of SimCLR, and how: the contenders of the augmentation table.

All follow one recipe: a random crop of .08-1 of the area, a flip, jitter of .4, .4, .4, .1 with
probability .8, gray with .2, blur with `blur`, normalised. Each makes two views of every image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from bench import peers
from bench.pictures import Pictures
from sslbook.views import Augment, Recipe


@dataclass(frozen=True)
class Task:
    """batch: images whose views are made together. pictures: as many, or more for loaders.

    workers: loader processes; 0: the calling process makes the views itself.
    """

    pictures: Pictures
    size: int
    blur: float
    batch: int
    workers: int
    device: torch.device

    @property
    def recipe(self) -> Recipe:
        return Recipe.simclr(size=self.size, blur=self.blur)


@dataclass(frozen=True)
class Maker:
    """make(): the views of `items` images, on the device."""

    make: Callable[[], Any]
    items: int


class TwoViews(Dataset):
    """(view, view) of each source, by a transform of a single image."""

    def __init__(self, sources: Any, transform: Callable[[Any], Any]):
        self.sources, self.transform = sources, transform

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        source = self.sources[index]
        return self.transform(source), self.transform(source)


class BothViews(TwoViews):
    """The same for a transform that returns both views at once."""

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.sources[index])


def ours(task: Task, hue: str) -> Maker:
    """sslbook: the whole batch at once."""
    mean, std = task.pictures.mean, task.pictures.std
    augment = Augment(Recipe.simclr(size=task.size, blur=task.blur, hue=hue), mean, std)
    images = task.pictures.images[: task.batch].to(task.device)
    generator = torch.Generator().manual_seed(0)
    return Maker(lambda: augment(images, generator), len(images))


def kornia(task: Task) -> Maker:
    """kornia: the whole batch at once, twice."""
    peers.need("kornia")
    with peers.quiet():
        from kornia import augmentation as k

    jitter, kernel = task.recipe.jitter, (task.recipe.kernel_size,) * 2
    chain = [
        k.RandomResizedCrop((task.size, task.size), scale=(0.08, 1.0), cropping_mode="resample"),
        k.RandomHorizontalFlip(p=0.5),
        k.ColorJitter(*jitter, p=0.8),
        k.RandomGrayscale(p=0.2),
        k.RandomGaussianBlur(kernel, (0.1, 2.0), p=task.blur),
        k.Normalize(torch.tensor(task.pictures.mean), torch.tensor(task.pictures.std)),
    ]
    if not task.blur:
        del chain[4]
    augment = k.AugmentationSequential(*chain, same_on_batch=False).to(task.device)
    images = task.pictures.images[: task.batch].to(task.device)

    @torch.no_grad()
    def make() -> tuple[Any, Any]:
        x = images.float() / 255
        return augment(x), augment(x)

    return Maker(make, len(images))


def lightly(task: Task) -> Maker:
    """lightly's SimCLRTransform on PIL images."""
    peers.need("lightly")
    with peers.quiet():
        from lightly.transforms import SimCLRTransform

    transform = SimCLRTransform(
        input_size=task.size, cj_strength=0.5, gaussian_blur=task.blur,
        normalize={"mean": list(task.pictures.mean), "std": list(task.pictures.std)},
    )  # fmt: skip
    return _loaded(BothViews(task.pictures.pil(), transform), task)


def torchvision_pil(task: Task) -> Maker:
    """torchvision's first transforms on PIL images."""
    t = torchvision.transforms
    steps = [
        t.RandomResizedCrop(task.size, scale=(0.08, 1.0)),
        t.RandomHorizontalFlip(),
        t.RandomApply([t.ColorJitter(*task.recipe.jitter)], p=0.8),
        t.RandomGrayscale(p=0.2),
        *_blur(t, task),
        t.ToTensor(),
        t.Normalize(task.pictures.mean, task.pictures.std),
    ]
    return _loaded(TwoViews(task.pictures.pil(), t.Compose(steps)), task)


def torchvision_v2(task: Task) -> Maker:
    """torchvision's v2 transforms on uint8 tensors, one image after the other."""
    steps = [
        v2.RandomResizedCrop(task.size, scale=(0.08, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(*task.recipe.jitter)], p=0.8),
        v2.RandomGrayscale(p=0.2),
        *_blur(v2, task),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(task.pictures.mean, task.pictures.std),
    ]
    return _loaded(TwoViews(task.pictures.images, v2.Compose(steps)), task)


def _blur(room: Any, task: Task) -> list[Any]:
    """The blur by torchvision's transforms or v2; nothing where there is none."""
    if not task.blur:
        return []
    kernel = room.GaussianBlur(task.recipe.kernel_size, (0.1, 2.0))
    return [room.RandomApply([kernel], p=task.blur)]


def _loaded(dataset: Dataset, task: Task) -> Maker:
    """One pass through a DataLoader, its processes started before.

    With worker processes a pass is two batches for each of them, so that they end together and
    nothing is made ahead, or still being made, while another contender is measured.
    """
    loader = DataLoader(
        dataset, task.batch, drop_last=True, num_workers=task.workers,
        persistent_workers=task.workers > 0,
    )  # fmt: skip

    def make() -> Any:
        for views in loader:
            made = [view.to(task.device) for view in views]
        return made

    return Maker(make, len(loader) * task.batch)
