"""Batches as a function of the step: nothing to rewind when a run is resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sslbook.errors import DataError
from sslbook.streams import Streams

# A data set stays on the GPU when it takes at most this part of the memory that is free.
_DEVICE_SHARE = 0.25


class Batches:
    """Shuffled mini-batches of one tensor or of a tuple of tensors of equal length.

    data: tensor (N, ...) or tuple of them, of any kind (uint8 images, float rows, ids).
    batch_size: samples of a step; at most N. The incomplete last batch of an epoch is dropped.
    transform: `transform(batch, generator)` makes views or masks; its generator is on the CPU
    and depends on (seed, name, "views", step) alone.

    `len(batches)` is the number of steps of an epoch and `batches(step)` the batch of a step, so
    any step can be had without the ones before it. Raises DataError for an empty data set.
    """

    def __init__(
        self,
        data: Tensor | tuple[Tensor, ...],
        batch_size: int,
        streams: Streams,
        transform: Callable[[Any, torch.Generator], Any] | None = None,
        device: torch.device | str = "cpu",
    ):
        tensors = data if isinstance(data, tuple) else (data,)
        self.count = len(tensors[0])
        if not self.count:
            raise DataError("The data set is empty.", "Nothing was trained.")
        if any(len(t) != self.count for t in tensors):
            raise DataError("The tensors of a batch differ in length.", "Nothing was trained.")
        self.device = torch.device(device)
        self.batch_size = max(1, min(int(batch_size), self.count))
        self._tensors = [_place(t, self.device) for t in tensors]
        self._single = not isinstance(data, tuple)
        self._streams, self._transform = streams, transform
        self._epoch, self._order = -1, torch.empty(0)

    def __len__(self) -> int:
        return max(1, self.count // self.batch_size)

    def signature(self) -> list[Any]:
        """What tells data and views apart for a fingerprint: count, 64 rows, the transform."""
        digest = hashlib.sha256()
        for tensor in self._tensors:
            rows = tensor[:: max(1, len(tensor) // 64)][:64].cpu().contiguous()
            digest.update(rows.view(torch.uint8).numpy().tobytes())
        return [self.count, digest.hexdigest(), self._transform]

    def indices(self, step: int) -> Tensor:
        """The sample numbers of a step, (batch_size,) int64 on the CPU."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            generator = self._streams.torch("order", epoch)
            self._order = torch.randperm(self.count, generator=generator)
            self._epoch = epoch
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]

    def __call__(self, step: int) -> Any:
        chosen = self.indices(step)
        batch: Any = tuple(t[chosen.to(t.device)].to(self.device) for t in self._tensors)
        if self._single:
            batch = batch[0]
        if self._transform is None:
            return batch
        return self._transform(batch, self._streams.torch("views", step))


class FullBatch:
    """The whole data set in every step, as full-batch graph networks take it.

    value: anything that `module` takes. count: samples in it (for the speed that is reported).
    transform: as in `Batches`.
    """

    def __init__(
        self,
        value: Any,
        count: int,
        streams: Streams,
        transform: Callable[[Any, torch.Generator], Any] | None = None,
    ):
        self.value, self.batch_size = value, int(count)
        self._streams, self._transform = streams, transform

    def __len__(self) -> int:
        return 1

    def __call__(self, step: int) -> Any:
        if self._transform is None:
            return self.value
        return self._transform(self.value, self._streams.torch("views", step))


def _place(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return tensor
    free, _total = torch.cuda.mem_get_info(device)
    size = tensor.numel() * tensor.element_size()
    return tensor.to(device) if size <= free * _DEVICE_SHARE else tensor
