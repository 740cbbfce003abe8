"""(1) The two views of SimCLR: batched by sslbook and kornia, image by image by torchvision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from sslbook import datasets
from sslbook.datasets import ImageSet
from sslbook.views import Augment, Recipe
from tools.bench.rows import Row
from tools.bench.timing import Clocked, Options, compared, timed


def images(options: Options, count: int, size: int = 32) -> ImageSet:
    """`count` training images of the data set, repeated where there are fewer."""
    found = datasets.load(options.data, "train", limit=count, size=size)
    return replace(found, images=found.images[torch.arange(count) % len(found)], labels=None)


class Pictures(Dataset):
    """(what a transform makes of a PIL image, 0) for each image of a set."""

    def __init__(self, data: ImageSet, transform: Callable[[Image.Image], Any]):
        self.arrays = data.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.arrays[index])), 0


def run(options: Options) -> Iterator[Row]:
    """A row for each contender, at 32, 64 and 96 pixels, with blur and without."""
    batch = 4 * options.batch
    for size, blur in product((32,) if options.quick else (32, 64, 96), (0.5, 0.0)):
        # Two batches for each process of a loader: nothing is made ahead while another is timed.
        data = images(options, batch * max(1, 2 * options.workers), size)
        recipe = Recipe.simclr(size=size, blur=blur)
        makers = {who: partial(c, data, recipe, batch, options) for who, c in CONTENDERS.items()}
        case = f"{size} px, {f'blur {blur:g}' if blur else 'no blur'}, batch {batch}"
        yield from compared("augmentation", case, len(data), makers, options)


def ours(data: ImageSet, recipe: Recipe, batch: int, options: Options) -> Clocked:
    augment, generator = Augment(recipe, data.mean, data.std), torch.Generator().manual_seed(0)
    batches = data.images.to(options.device).split(batch)
    return timed(lambda: [augment(x, generator) for x in batches], options)


def kornia(data: ImageSet, recipe: Recipe, batch: int, options: Options) -> Clocked:
    from kornia import augmentation as k

    augment = k.AugmentationSequential(
        k.RandomResizedCrop((recipe.size,) * 2, scale=(0.08, 1.0), cropping_mode="resample"),
        k.RandomHorizontalFlip(p=0.5),
        k.ColorJitter(*recipe.jitter, p=0.8),
        k.RandomGrayscale(p=0.2),
        k.RandomGaussianBlur((recipe.kernel_size,) * 2, (0.1, 2.0), p=recipe.blur),
        k.Normalize(torch.tensor(data.mean), torch.tensor(data.std)),
        same_on_batch=False,
    ).to(options.device)
    batches = data.images.to(options.device).split(batch)
    work = torch.no_grad()(lambda: [(augment(x / 255), augment(x / 255)) for x in batches])
    return timed(work, options)


def torchvision(data: ImageSet, recipe: Recipe, batch: int, options: Options) -> Clocked:
    transform = v2.Compose([
        v2.RandomResizedCrop(recipe.size, scale=(0.08, 1.0)),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(*recipe.jitter)], p=0.8),
        v2.RandomGrayscale(p=0.2),
        v2.RandomApply([v2.GaussianBlur(recipe.kernel_size, (0.1, 2.0))], p=recipe.blur),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(data.mean, data.std),
    ])  # fmt: skip
    sources, workers = Pictures(data, partial(_twice, transform)), options.workers
    loader = DataLoader(sources, batch, num_workers=workers, persistent_workers=workers > 0)
    return timed(lambda: [[x.to(options.device) for x in xs] for xs, _ in loader], options)


def _twice(transform: Callable[[Any], Any], source: Any) -> tuple[Any, Any]:
    return transform(source), transform(source)


CONTENDERS = {"ours": ours, "torchvision": torchvision, "kornia": kornia}
