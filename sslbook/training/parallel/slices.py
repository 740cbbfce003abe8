"""Cut batches for ranks: each tensor's batch axis is found by probing.

Views, masks and what a module gives its loss have their samples along axis 0 as a rule, but not
always: (M, N, K) scores of M copies, or (P, B, J) masks. So nothing is taken for granted. A
transform is asked for one sample less, and a module is shown two halves and their whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from sslbook.core.streams import Streams
from sslbook.errors import UserError
from sslbook.training.batches import Batches

Axes = list[int | None]  # of the leaves of a nested value; None: the same for all samples
_SHOWN = 4  # samples that a module is shown
_ALIKE = 1e-2  # of the largest value: halves and whole differ by the rounding of other kernels


class Part:
    """Samples start to stop of every batch: those of the whole batches, bit for bit.

    What differs between steps is cut, so the random numbers are drawn for all; a transform
    without two halves is applied to the whole batch.
    """

    def __init__(self, batches: Batches, start: int, stop: int):
        self.batches, self.make, self.part = batches, batches.make, slice(start, stop)
        both = batches.resized(batches.batch_size - 1).inputs(0), batches.inputs(0)
        self.axes = [_axis(fewer, more)
                     for fewer, more in zip(*map(pytree.tree_leaves, both), strict=True)]

    def inputs(self, step: int) -> tuple[Any, Tensor | None]:
        leaves, form = pytree.tree_flatten(self.batches.inputs(step))
        leaves = [one if axis is None else one[(slice(None),) * axis + (self.part,)]
                  for one, axis in zip(leaves, self.axes, strict=True)]
        return pytree.tree_unflatten(leaves, form)

    def __call__(self, step: int) -> Any:
        return self.make(self.inputs(step))


def _axis(fewer: Any, more: Any) -> int | None:
    """The axis that grows with the number of samples. UserError where two do."""
    if not isinstance(more, Tensor):
        return None
    grown = [i for i, sizes in enumerate(zip(fewer.shape, more.shape, strict=True))
             if sizes[0] != sizes[1]]
    if len(grown) > 1:
        raise _unfit(f"A tensor of shape {tuple(more.shape)} has samples along two of its axes")
    return grown[0] if grown else None


def explore(
    module: nn.Module, part: Callable[[int, int], Any], count: int
) -> tuple[list[Axes], list[str]]:
    """(for each call of the loss in a step the axes of its arguments, names of moving buffers).

    part: `part(start, stop)` gives these samples of a batch of `count`, which is 2 or more. The
    copies of the module see up to four of them, whole and in two halves, with dropout and
    BatchNorm at rest. A moving buffer is one outside BatchNorm that a forward changes.
    Raises UserError where the halves do not make up the whole, or a buffer is not the mean of
    theirs: then the module does something over its batch that parts of it cannot do alone.
    """
    count = min(_SHOWN, count)
    half = count // 2
    (whole, after), (first, after_first), (second, after_second) = (
        _shown(module, part(*ends)) for ends in ((0, count), (0, half), (half, count))
    )
    if not len(whole) == len(first) == len(second) > 0:
        raise _unfit("The module does not call its loss once for every batch")
    found = [[_joined(*leaves) for leaves in zip(*calls, strict=True)]
             for calls in zip(whole, first, second, strict=True)]
    share = half / count
    moving = [key for key, value in module.named_buffers() if not torch.equal(value, after[key])]
    for key in moving:
        if not _alike(after[key], share * after_first[key] + (1 - share) * after_second[key]):
            raise _unfit(f"The module's buffer {key} is no mean over the batch")
    return found, moving


def _joined(whole: Any, first: Any, second: Any) -> int | None:
    """The axis along which the halves make up the whole, values and all."""
    axis = _axis(first, whole)
    if not isinstance(whole, Tensor):
        return None
    made = first if axis is None else torch.cat((first, second), axis)
    if made.shape != whole.shape or not _alike(made, whole):
        raise _unfit("What the module gives its loss for a sample depends on the other samples")
    return axis


def _alike(a: Tensor, b: Tensor) -> bool:
    a, b = a.double(), b.double()
    bound = _ALIKE * b.abs().amax().item() if b.numel() else 0.0
    return torch.allclose(a, b, rtol=0.0, atol=bound + 1e-12, equal_nan=True)


def _shown(module: nn.Module, batch: Any) -> tuple[list[list[Any]], dict[str, Tensor]]:
    """What a copy of the module gives its loss, call by call, and its buffers after it.

    It is in eval mode, but for parts with buffers of their own: what they do to them shall show.
    """
    module = copy.deepcopy(module)
    for part in module.modules():
        own = any(True for _ in part.named_buffers(recurse=False))
        part.training = own and not isinstance(part, _BatchNorm)
    calls: list[list[Any]] = []

    def loss(*args: Any, **named: Any) -> Tensor:
        leaves = pytree.tree_leaves((args, named))
        calls.append([x.clone() if isinstance(x, Tensor) else x for x in leaves])
        device = next((x.device for x in leaves if isinstance(x, Tensor)), None)
        return torch.zeros((), device=device)

    # The same dice for halves and whole: only what depends on the samples may differ.
    with torch.no_grad(), Streams(0).seeded("halves and whole"):
        module(batch, loss)
    return calls, dict(module.named_buffers())


def _unfit(reason: str) -> UserError:
    return UserError(f"{reason}, so several ranks cannot share its batches.",
                     "Nothing was trained.", "Run this chapter without --nproc.")
