"""From an encoder and data to features: eval mode, float32, batch by batch; a graph as a whole.

`images` are uint8 (N, C, H, W) with a callable `prepare` that turns a batch into the encoder's
float input, or floats that are ready. A split is anything with `.images` and `.labels`, such as
an ImageSet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sslbook.errors import UsageError

Prepare = Callable[[Tensor], Tensor]


class Split(Protocol):
    """A split of an image set: images (N, C, H, W), labels (N,) or None."""

    images: Tensor
    labels: Tensor | None


def features(
    encoder: Callable[[Tensor], Tensor],
    x: Tensor | Split,
    batch_size: int = 512,
    prepare: Prepare | None = None,
) -> Tensor:
    """Features (N, D), float32 on the CPU, of images x (N, C, H, W), rows (N, F) or of a split.

    Of a graph (a split with `features` and `edges`) they are those of all its nodes. A module, or
    a bound method of one, runs on the module's device in eval mode, without gradient and autocast;
    every submodule's mode is put back. `.encode` is used where there is one.
    `prepare` is applied batch by batch, so that a memory-mapped set need not fit into memory.
    Raises UsageError for no images, or for integers without `prepare`.
    """
    edges = getattr(x, "edges", None)
    images = _inputs(x)
    if len(images) < 1 or batch_size < 1:
        raise UsageError(f"features got {len(images)} images and a batch size of {batch_size}.")
    with _judged(encoder):
        if edges is not None:  # a node's features hang on its neighbours': no batches
            return _encode(encoder, images, prepare, edges).float().cpu()
        parts = [_encode(encoder, part, prepare).float().cpu() for part in images.split(batch_size)]
    return torch.cat(parts)


def of_split(split: Split, values: Tensor) -> Tensor:
    """Features (N, D) or labels (N,) of a split as they are judged: of a graph, the split's nodes.

    Of many graphs, a feature is then the mean of its graph.
    """
    index = getattr(split, "index", None)
    if index is None:
        return values
    return (split.pool(values) if values.is_floating_point() and values.ndim > 1 else values)[index]


def calibrate_batchnorm(
    encoder: nn.Module,
    x: Tensor | Split,
    batch_size: int = 256,
    prepare: Prepare | None = None,
) -> nn.Module:
    """Set every BatchNorm's running statistics to those of x; returns the encoder in eval mode.

    The fair random control: with statistics of 0 and 1 a fresh net's activations shrink or grow
    layer by layer. BatchNorm alone is in train mode meanwhile, and its statistics are plain
    averages over the batches. Batches stride through x, so that a set sorted by class still gives
    mixed ones. Weights and momenta are left as they are. Raises UsageError for fewer than two
    images, or for integers without `prepare`.
    """
    images = _inputs(x)
    if len(images) < 2 or batch_size < 2:
        raise UsageError(
            f"calibrate_batchnorm needs two images or more in a batch; there are {len(images)} "
            f"and the batch size is {batch_size}."
        )
    norms = [m for m in encoder.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    batches = max(1, len(images) // batch_size) if norms else 0
    encoder.eval()
    try:
        with _judged(encoder):
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # a plain average instead of a moving one
                norm.train()
            for i in range(batches):
                _encode(encoder, images[i::batches], prepare)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return encoder


def _inputs(x: Tensor | Split) -> Tensor:
    """The tensor that an encoder takes: images, a table's rows, or the features of a graph."""
    if isinstance(x, Tensor):
        return x
    if getattr(x, "edges", None) is not None:
        return x.features
    return getattr(x, getattr(x, "inputs", "images"))


def _encode(encoder: Callable[..., Tensor], images: Tensor, prepare: Prepare | None,
            *more: Tensor) -> Tensor:
    if prepare is None and not images.is_floating_point():
        raise UsageError(
            f"The images are {str(images.dtype).removeprefix('torch.')} and not prepared.",
            todo="Give prepare=..., such as a call of views.prepare.",
        )
    device = _device_of(encoder)
    images = images if device is None else images.to(device)
    x = images if prepare is None else prepare(images)
    more = tuple(one.to(x.device) for one in more)
    return getattr(encoder, "encode", encoder)(x, *more).flatten(1)


def _module_of(encoder: object) -> nn.Module:
    """The module behind an encoder: itself, or the owner of a method such as `module.encode`."""
    found = encoder if isinstance(encoder, nn.Module) else getattr(encoder, "__self__", None)
    return found if isinstance(found, nn.Module) else nn.Identity()


def _device_of(encoder: object) -> torch.device | None:
    module = _module_of(encoder)
    return next((p.device for p in [*module.parameters(), *module.buffers()]), None)


@contextmanager
def _judged(encoder: object) -> Iterator[None]:
    """Eval mode, no gradient, no autocast; every submodule's own mode again afterwards."""
    modules = list(_module_of(encoder).modules())
    modes = [module.training for module in modules]
    kind = (_device_of(encoder) or torch.device("cpu")).type
    for module in modules:
        module.training = False
    try:
        with torch.no_grad(), torch.autocast(kind, enabled=False):
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
