"""Two nested values, or two gradients: the same within a bound, or what differs, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Different(Exception):
    """What is not the same, in words for the learner."""


def same_value(got: Any, wanted: Any, what: str, where: str, bound: float) -> None:
    """Raise Different unless `got` equals `wanted` within `bound`.

    what, where: the words of the message: "the value", " on case 2". The bound is absolute for
    values up to 1 and relative to the largest value above. Tensors must have the shape and the
    kind (truth value, whole or real number) of the wanted ones.
    """
    if wanted is None:  # an update rule may return what it likes
        return
    if got is None:
        raise Different(f"{what} is None{where}: is the return line missing?")
    if isinstance(wanted, Tensor):
        _same_tensor(got, wanted, what, where, bound)
    elif isinstance(wanted, (Mapping, list, tuple)):
        one, other = _items(got), _items(wanted)
        if one.keys() != other.keys():
            raise Different(f"{what} is {kind(got)}{where}, expected {kind(wanted)}")
        for key in other:
            same_value(one[key], other[key], f"{what} at {key!r}", where, bound)
    elif isinstance(wanted, (int, float)):
        try:
            number = torch.tensor(float(got), dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            raise Different(f"{what} is {kind(got)}{where}, expected a number") from None
        _same_tensor(number, torch.tensor(wanted, dtype=torch.float64), what, where, bound)
    elif type(got) is not type(wanted) or got != wanted:
        raise Different(f"{what} differs{where}")


def _items(value: Any) -> dict:
    """The parts of a dict, list or tuple by key or position; none of anything else."""
    if isinstance(value, Mapping):
        return dict(value)
    return dict(enumerate(value)) if isinstance(value, (list, tuple)) else {}


def _same_tensor(got: Any, wanted: Tensor, what: str, where: str, bound: float) -> None:
    if not isinstance(got, Tensor):
        cut = " (.item() and float() cut the gradient)" if wanted.requires_grad else ""
        raise Different(f"{what} is {kind(got)}{where}, not a tensor{cut}")
    if got.shape != wanted.shape:
        raise Different(f"{what} has shape {tuple(got.shape)}{where}, "
                        f"expected {tuple(wanted.shape)}")
    if _numbers(got) != _numbers(wanted):
        raise Different(f"{what} holds {_numbers(got)}{where}, expected {_numbers(wanted)}")
    place = _first_difference(got, wanted, bound)
    if place is not None:
        rough = got.dtype.itemsize < wanted.dtype.itemsize
        low = f"; yours is computed in {str(got.dtype)[6:]}" if rough else ""
        raise Different(_told(got, wanted, place, what, where) + low)


def _first_difference(got: Tensor, wanted: Tensor, bound: float) -> tuple[int, ...] | None:
    """Index of the first element that differs by more than the bound allows, or None."""
    one, other = (tensor.detach().cpu().double() for tensor in (got, wanted))
    largest = other.nan_to_num(0.0, 0.0, 0.0).abs().amax() if other.numel() else 0.0
    allowed = bound * max(1.0, float(largest))
    wrong = ~torch.isclose(one, other, rtol=0.0, atol=allowed, equal_nan=True)
    return tuple(wrong.nonzero()[0].tolist()) if wrong.any() else None


def _told(got: Tensor, wanted: Tensor, place: tuple[int, ...], what: str, where: str) -> str:
    mine, right = got[place].item(), wanted[place].item()
    if mine != mine:
        return f"{what} is NaN{where}"
    at = f" at {list(place)}" if place else ""
    return f"{what} differs{where} (yours {mine:.6g}, expected {right:.6g}{at})"


def same_gradients(got: tuple[Any, Sequence], wanted: tuple[Any, Sequence], where: str,
                   bound: float) -> None:
    """Compare gradients of (value, [(name, leaf)]) pairs whose values agree already."""
    needed = [tensor.requires_grad for tensor in tensors(wanted[0])]
    if any(need and not mine.requires_grad
           for mine, need in zip(tensors(got[0]), needed, strict=True)):
        raise Different(f"the value is right, but no gradient flows back{where}: .detach(), "
                        ".item(), torch.tensor(...) or no_grad cuts it")
    right = _gradients(*wanted, needed)
    try:
        left = _gradients(*got, needed)
    except RuntimeError as error:
        first = str(error).splitlines()[0][:120]
        raise Different(f"the value is right, but its gradient fails{where}: {first}") from None
    for (name, _), mine, other in zip(wanted[1], left, right, strict=True):
        place = _first_difference(mine, other, bound)
        if place is None:
            continue
        if not other.any():
            raise Different(f"a gradient flows into {name}{where} and should not: "
                            "a stop-gradient (.detach()) is missing")
        if not mine.any():
            raise Different(f"no gradient flows into {name}{where}, and it should")
        raise Different(_told(mine, other, place, f"the gradient with respect to {name}", where))


def _gradients(value: Any, leaves: Sequence, needed: Sequence[bool]) -> list[Tensor]:
    """Gradients of the value, summed with fixed, unequal weights so that none can cancel."""
    total = 0.0
    for tensor, need in zip(tensors(value), needed, strict=True):
        if need:
            weights = torch.cos(0.7 * torch.arange(tensor.numel(), dtype=torch.float64))
            total = total + (tensor.double() * weights.reshape(tensor.shape)).sum()
    found = torch.autograd.grad(total, [leaf for _, leaf in leaves], allow_unused=True)
    return [torch.zeros_like(leaf) if gradient is None else gradient
            for (_, leaf), gradient in zip(leaves, found, strict=True)]


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors of a nested value, in a fixed order."""
    if isinstance(value, Tensor):
        yield value
    for _, item in sorted(_items(value).items(), key=lambda pair: str(pair[0])):
        yield from tensors(item)


def kind(value: Any) -> str:
    """What a value is, with its article: "a float", "a tuple of 2", "a dict of 3"."""
    name = type(value).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    count = f" of {len(value)}" if isinstance(value, (Mapping, list, tuple)) else ""
    return f"{article} {name}{count}"


def _numbers(tensor: Tensor) -> str:
    if tensor.dtype == torch.bool:
        return "truth values"
    return "real numbers" if tensor.is_floating_point() else "whole numbers"
