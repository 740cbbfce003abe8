"""Two nested values, or two gradients: the same within a bound, or what differs, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Different(Exception):
    """What is not the same, in words for the learner."""


def same_tree(got: Any, wanted: Any, what: str, where: str, bound: float) -> None:
    """Raise Different unless `got` equals `wanted` within `bound`.

    what, where: the words of the message: "the value", " on case 2". The bound is absolute for
    values up to 1 and relative to the largest value above. Tensors must have the shape and the
    kind (truth value, whole or real number) of the wanted ones.
    """
    import torch

    if wanted is None:  # an update rule may return what it likes
        return
    if got is None:
        raise Different(f"{what} is None{where}: is the return line missing?")
    if isinstance(wanted, torch.Tensor):
        _same_tensor(got, wanted, what, where, bound)
    elif isinstance(wanted, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(wanted):
            keys = ", ".join(map(str, wanted))
            raise Different(f"{what} is {kind(got)}{where}, expected a dict with {keys}")
        for key in wanted:
            same_tree(got[key], wanted[key], f"{what} at {key!r}", where, bound)
    elif isinstance(wanted, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(got) != len(wanted):
            raise Different(f"{what} is {kind(got)}{where}, expected {kind(wanted)}")
        for i, (one, other) in enumerate(zip(got, wanted, strict=True)):
            same_tree(one, other, f"{what} at {i}", where, bound)
    elif isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        _same_number(got, wanted, what, where, bound)
    elif not _equal(got, wanted):
        raise Different(f"{what} is {kind(got)}{where}, expected {kind(wanted)}"
                        if type(got) is not type(wanted) else f"{what} differs{where}")


def _equal(got: Any, wanted: Any) -> bool:
    try:
        return bool(got == wanted)
    except (TypeError, ValueError, RuntimeError):
        return False


def _same_number(got: Any, wanted: float, what: str, where: str, bound: float) -> None:
    try:
        number = float(got)
    except (TypeError, ValueError, RuntimeError):
        raise Different(f"{what} is {kind(got)}{where}, expected a number") from None
    if math.isnan(number) and not math.isnan(wanted):
        raise Different(f"{what} is NaN{where}")
    near = number == wanted or abs(number - wanted) <= bound * max(1.0, abs(wanted))
    if not near and not (math.isnan(number) and math.isnan(wanted)):
        raise Different(f"{what} differs{where} (yours {number:.6g}, expected {wanted:.6g})")


def _same_tensor(got: Any, wanted: Any, what: str, where: str, bound: float) -> None:
    import torch

    if not isinstance(got, torch.Tensor):
        cut = " (.item() and float() cut the gradient)" if wanted.requires_grad else ""
        raise Different(f"{what} is {kind(got)}{where}, not a tensor{cut}")
    if got.shape != wanted.shape:
        raise Different(f"{what} has shape {tuple(got.shape)}{where}, "
                        f"expected {tuple(wanted.shape)}")
    if _sort_of(got) != _sort_of(wanted):
        raise Different(f"{what} holds {_sort_of(got)}{where}, expected {_sort_of(wanted)}")
    one, other = (t.detach().cpu().to(torch.float64) if not t.is_complex() else t.detach().cpu()
                  for t in (got, wanted))
    place = first_difference(one, other, bound)
    if place is None:
        return
    if one[place].isnan() and not other[place].isnan():
        raise Different(f"{what} is NaN{where}")
    at = f" at {list(place)}" if place else ""
    low = f"; yours is computed in {str(got.dtype)[6:]}" if _is_rough(got, wanted) else ""
    raise Different(f"{what} differs{where} (yours {one[place].item():.6g}, "
                    f"expected {other[place].item():.6g}{at}{low})")


def _is_rough(got: Any, wanted: Any) -> bool:
    """True when `got` lost precision that `wanted` has."""
    return got.is_floating_point() and got.dtype.itemsize < wanted.dtype.itemsize


def first_difference(one: Any, other: Any, bound: float) -> tuple[int, ...] | None:
    """Index of the first element that differs by more than the bound allows, or None."""
    import torch

    if not other.numel():
        return None
    finite = other[other.isfinite()].abs()
    allowed = bound * max(1.0, float(finite.max()) if finite.numel() else 1.0)
    fine = ((one - other).abs() <= allowed) | (one == other) | (one.isnan() & other.isnan())
    if bool(fine.all()):
        return None
    return tuple(int(i) for i in torch.nonzero(~fine)[0])


def same_gradients(got: tuple[Any, Sequence], wanted: tuple[Any, Sequence], where: str,
                   bound: float) -> None:
    """Compare gradients of (value, [(name, leaf)]) pairs whose values agree already.

    A value of many numbers is reduced by fixed, unequal weights, so that gradients which differ
    in one element cannot cancel.
    """
    flow = [tensor.requires_grad for tensor in tensors(wanted[0])]
    if not all(mine.requires_grad for mine, needed in zip(tensors(got[0]), flow, strict=True)
               if needed):
        raise Different(f"the value is right, but no gradient flows back{where}: .detach(), "
                        ".item(), torch.tensor(...) or no_grad cuts it")
    right = _gradients(*wanted, flow)
    try:
        left = _gradients(*got, flow)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0][:120]
        raise Different(f"the value is right, but its gradient fails{where}: {first}") from None
    for (name, _), mine, other in zip(wanted[1], left, right, strict=True):
        place = first_difference(mine, other, bound)
        if place is None:
            continue
        what = f"the gradient with respect to {name}"
        if mine.isnan().any() and not other.isnan().any():
            raise Different(f"the value is right, but {what} is NaN{where}")
        if not other.any():
            raise Different(f"a gradient flows into {name}{where} and should not: "
                            "a stop-gradient (.detach()) is missing")
        if not mine.any():
            raise Different(f"no gradient flows into {name}{where}, and it should")
        raise Different(f"{what} differs{where} (yours {mine[place].item():.6g}, "
                        f"expected {other[place].item():.6g} at {list(place)})")


def _gradients(value: Any, leaves: Sequence, flow: list[bool]) -> list:
    import torch

    total = 0.0
    for tensor, needed in zip(tensors(value), flow, strict=True):
        if needed:
            weights = torch.cos(0.7 * torch.arange(tensor.numel(), dtype=torch.float64))
            total = total + (tensor.to(torch.float64) * weights.reshape(tensor.shape)).sum()
    found = torch.autograd.grad(total, [leaf for _, leaf in leaves], allow_unused=True)
    return [torch.zeros_like(leaf) if gradient is None else gradient
            for (_, leaf), gradient in zip(leaves, found, strict=True)]


def tensors(value: Any) -> Iterator[Any]:
    """All tensors of a nested value, in a fixed order."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from tensors(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def kind(value: Any) -> str:
    """What a value is, with its article: "a float", "a tuple of 2", "None"."""
    if value is None:
        return "None"
    name = type(value).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    count = f" of {len(value)}" if isinstance(value, (list, tuple)) else ""
    return f"{article} {name}{count}"


def _sort_of(tensor: Any) -> str:
    if str(tensor.dtype) == "torch.bool":
        return "truth values"
    if tensor.is_complex():
        return "complex numbers"
    return "real numbers" if tensor.is_floating_point() else "whole numbers"
