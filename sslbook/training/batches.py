"""Batches as a function of the step: nothing to rewind when a run is resumed."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sslbook.core.streams import Streams
from sslbook.errors import DataError, UsageError
from sslbook.training import prefetch

_AHEAD = 16  # steps whose random numbers are drawn, and brought to a GPU, in one go
Transform = Callable[[Any, torch.Generator], Any]


class Batches:
    """Shuffled mini-batches of one tensor or of a tuple of tensors of equal length.

    data: tensor (N, ...) or tuple of them, of any kind (uint8 images, float rows, ids).
    batch_size: samples of a step; at most N. The incomplete last batch of an epoch is dropped.
    transform: `transform(batch, generator)` makes views or masks; its generator is on the CPU
    and depends on (seed, name, "views", step) alone. budget: bytes that the data may take on the
    device; more stay where they are (a memory map) and are read ahead. None: a quarter of the
    memory that is free.

    `len(batches)` is the number of steps of an epoch and `batches(step)` the batch of a step, so
    any step can be had without the ones before it. Raises DataError for an empty data set, and
    UsageError for several views (`views.Augment`) of one sample at a time.

    A transform with two halves, as `views.Augment` has them, is used through these: `draws(shape,
    generators)` gives the random numbers of several steps as one tensor (steps, ...), and
    `apply(batch, numbers, static=...)` uses those of a step. `inputs(step)` is then all that
    differs between steps, and `make(inputs)` computes the batch on the device, which lets a
    training capture it.
    """

    def __init__(
        self,
        data: Tensor | tuple[Tensor, ...],
        batch_size: int,
        streams: Streams,
        transform: Transform | None = None,
        device: torch.device | str = "cpu",
        budget: int | None = None,
    ):
        tensors = data if isinstance(data, tuple) else (data,)
        self.count = len(tensors[0])
        if not self.count:
            raise DataError("The data set is empty.", "Nothing was trained.")
        if any(len(t) != self.count for t in tensors):
            raise DataError("The tensors of a batch differ in length.", "Nothing was trained.")
        self.device = torch.device(device)
        self.batch_size = max(1, min(int(batch_size), self.count))
        if self.batch_size < 2 <= len(getattr(transform, "recipes", ())):
            raise UsageError(f"Batches of {batch_size} from {self.count} samples: views are "
                             "compared with those of other samples of a batch.",
                             "Nothing was trained.", "Take batches of 2 or more.")
        self._rows = prefetch.reader(tensors, self.device, budget)
        self._single = not isinstance(data, tuple)
        self._streams, self._transform = streams, transform
        self._orders: dict[int, Tensor] = {}
        self._drawn: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return max(1, self.count // self.batch_size)

    def resized(self, batch_size: int) -> Batches:
        """The same data, order and transform in batches of another size."""
        other = copy.copy(self)
        other.batch_size, other._drawn = batch_size, None
        other._rows = type(self._rows)(self._rows.tensors, self.device)
        return other

    def signature(self) -> list[Any]:
        """What tells data and views apart for a fingerprint: count, 64 rows, the transform."""
        digest = hashlib.sha256()
        for tensor in self._rows.tensors:
            rows = tensor[:: max(1, len(tensor) // 64)][:64].cpu().contiguous()
            digest.update(rows.view(torch.uint8).numpy().tobytes())
        return [self.count, digest.hexdigest(), self._transform]

    def indices(self, step: int) -> Tensor:
        """The sample numbers of a step, (batch_size,) int64, where the rows are chosen."""
        epoch, place = divmod(step, len(self))
        if epoch not in self._orders:
            order = torch.randperm(self.count, generator=self._streams.torch("order", epoch))
            # What is read ahead may belong to the next epoch already.
            kept = {e: o for e, o in self._orders.items() if abs(e - epoch) == 1}
            self._orders = {**kept, epoch: to_device(order, self._rows.order_device)}
        return self._orders[epoch][place * self.batch_size : (place + 1) * self.batch_size]

    def inputs(self, step: int) -> tuple[Any, Tensor | None]:
        """(rows, random numbers) of a step, on the device: the same shapes in every step.

        The numbers are None where the transform is none or has no two halves; the first is then
        the batch itself.
        """
        rows: Any = self._rows(step, self.indices)
        rows = rows[0] if self._single else rows
        if self._transform is None:
            return rows, None
        if hasattr(self._transform, "draws"):
            return rows, self._numbers(step)
        return self._transform(rows, self._streams.torch("views", step)), None

    def make(self, inputs: tuple[Any, Tensor | None], *, static: bool = False) -> Any:
        """The batch of a step from its inputs. static: by launches that depend on shapes alone."""
        rows, numbers = inputs
        return rows if numbers is None else self._transform.apply(rows, numbers, static=static)

    def __call__(self, step: int) -> Any:
        return self.make(self.inputs(step))

    def _numbers(self, step: int) -> Tensor:
        """The random numbers of a step, out of a block that is drawn for several."""
        block, place = divmod(step, _AHEAD)
        if self._drawn is None or self._drawn[0] != block:
            shapes = [(self.batch_size, *t.shape[1:]) for t in self._rows.tensors]
            steps = range(block * _AHEAD, (block + 1) * _AHEAD)
            generators = [self._streams.torch("views", one) for one in steps]
            drawn = self._transform.draws(shapes[0] if self._single else shapes, generators)
            self._drawn = block, to_device(drawn, self.device)
        return self._drawn[1][place]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on the device, without waiting for the copy."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class FullBatch:
    """The whole data set in every step, as full-batch graph networks take it.

    value: anything that `module` takes. count: samples in it (for the speed that is reported).
    transform: as in `Batches`.
    """

    def __init__(self, value: Any, count: int, streams: Streams,
                 transform: Transform | None = None):
        self.value, self.batch_size = value, int(count)
        self._streams, self._transform = streams, transform

    def __len__(self) -> int:
        return 1

    def inputs(self, step: int) -> tuple[Any, None]:
        """As in `Batches`: (the batch, None)."""
        if self._transform is None:
            return self.value, None
        return self._transform(self.value, self._streams.torch("views", step)), None

    def make(self, inputs: tuple[Any, None], *, static: bool = False) -> Any:
        return inputs[0]

    def __call__(self, step: int) -> Any:
        return self.make(self.inputs(step))
