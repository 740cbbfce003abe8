"""Row readers: from memory, or prefetched from a memory map by a thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

# Data stay in memory (a GPU's own, where there is one) up to this part of what is free of it.
_SHARE = 0.25
_DEPTH = 2  # batches read ahead

Rows = tuple[Tensor, ...]
Indices = Callable[[int], Tensor]  # of a step: its row numbers, on `order_device`


def budget(device: torch.device) -> int:
    """Bytes that data may take on the device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * _SHARE)
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _SHARE)
    except (AttributeError, ValueError, OSError):  # Windows does not say
        return 2**31


def reader(tensors: Rows, device: torch.device, limit: int | None) -> Resident | Ahead:
    """The reader for tensors of which `limit` bytes may lie on the device (None: `budget`)."""
    fits = sum(t.nbytes for t in tensors) <= (budget(device) if limit is None else limit)
    return Resident(tensors, device) if fits else Ahead(tensors, device)


class Resident:
    """Rows of tensors that lie on the device, by row numbers that lie there too."""

    def __init__(self, tensors: Rows, device: torch.device):
        self.tensors, self.order_device = tuple(t.to(device) for t in tensors), device

    def __call__(self, step: int, indices: Indices) -> Rows:
        order = indices(step)
        return tuple(t.index_select(0, order) for t in self.tensors)


class Ahead:
    """Rows of tensors that stay where they are, such as a memory map, read before they are due.

    A thread gathers the batches of the next steps, on a GPU into pinned memory, so that their
    copy overlaps with the step that runs. Any step can be asked for; only the order of asking
    decides how long it takes.
    """

    def __init__(self, tensors: Rows, device: torch.device):
        self.tensors, self.device, self.order_device = tensors, device, torch.device("cpu")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._coming: dict[int, Future[Rows]] = {}

    def __call__(self, step: int, indices: Indices) -> Rows:
        window = range(step, step + _DEPTH + 1)
        self._coming = {due: self._coming[due] for due in window if due in self._coming}
        for due in window:
            if due not in self._coming:
                self._coming[due] = self._thread.submit(self._gather, indices(due))
        rows = self._coming.pop(step).result()
        return tuple(t.to(self.device, non_blocking=True) for t in rows)

    def _gather(self, order: Tensor) -> Rows:
        return tuple(self._pick(tensor, order) for tensor in self.tensors)

    def _pick(self, tensor: Tensor, order: Tensor) -> Tensor:
        out = torch.empty((len(order), *tensor.shape[1:]), dtype=tensor.dtype,
                          pin_memory=self.device.type == "cuda")
        return torch.index_select(tensor, 0, order, out=out)
