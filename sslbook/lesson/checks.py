"""Does the learner's function do what the reference does? One verdict line, no raw digits.

Both functions get equal copies of every case: tensors are copied to float64 on the CPU,
generators start in the same state. Compared are the value, what is left of the arguments (an
update rule may change them in place, a loss may not), and the gradient with respect to every
floating-point tensor and module parameter. The verdict is the same on every machine.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.lesson.differences import Different, kind, same_gradients, same_value, tensors


def check_same(mine: Any, reference: Any, *cases: Any, grads: bool = True, bound: float = 1e-9,
               known_mistakes: Mapping[str, Callable] | None = None) -> bool:
    """Compare `mine` with `reference` on every case and print one verdict line.

    cases: tuples of arguments (tensors, numbers, generators, modules, lists or dicts of them);
    an argument that is not a tuple is a case of one. grads: compare gradients too, where the
    reference has one. bound: the largest difference, absolute for values up to 1 and relative
    above. known_mistakes: {what was done ("you kept the diagonal"): function that does it}; a
    mistake that `mine` agrees with is named. Values that are not functions are compared
    directly, without cases. Returns whether both agree.
    Raises UsageError when functions come without cases.
    """
    same, line = compare(mine, reference, cases, grads, bound, known_mistakes)
    print(line)
    return same


def compare(mine: Any, reference: Any, cases: Sequence[Any], grads: bool = True,
            bound: float = 1e-9, known_mistakes: Mapping[str, Callable] | None = None
            ) -> tuple[bool, str]:
    """`check_same` without printing: (agrees, verdict line)."""
    if not callable(reference):
        answer, right = mine, reference
        mine, reference, cases = (lambda: answer), (lambda: right), [()]
    elif not cases:
        raise UsageError("check_same() got no case to compare on.", "Nothing was compared.",
                         "Pass one or more tuples of arguments.")
    cases = [case if isinstance(case, tuple) else (case,) for case in cases]
    try:
        with_gradient = _run(mine, reference, cases, grads, bound)
    except Different as difference:
        for mistake, wrong in (known_mistakes or {}).items():
            if _agrees(mine, wrong, cases, grads, bound):
                return False, f"not the same: {difference}; this matches: {mistake}"
        return False, f"not the same: {difference}"
    what = "value and gradient agree" if with_gradient else "value agrees"
    count = f" on {len(cases)} case{'s' if len(cases) > 1 else ''}" if cases != [()] else ""
    return True, f"same: {what} within {bound:g}{count}"


def _agrees(mine: Callable, other: Callable, cases: list, grads: bool, bound: float) -> bool:
    try:
        _run(mine, other, cases, grads, bound)
    except Exception:  # a mistake that stops on a case is not the one that was made
        return False
    return True


def _run(mine: Any, reference: Callable, cases: list, grads: bool, bound: float) -> bool:
    """Compare on all cases; True when a gradient was among what was compared."""
    if not callable(mine):
        raise Different(f"your answer is {kind(mine)}, not a function")
    any_gradient = False
    for number, case in enumerate(cases, start=1):
        where = f" on case {number}" if len(cases) > 1 else ""
        names = _names(reference, len(case))
        wanted, kept, needed = _call(reference, case, names)
        try:
            got, left, leaves = _call(mine, case, names)
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0][:160]
            raise Different(f"your function stopped{where} with "
                            f"{type(error).__name__}: {first}") from error
        # Arguments first: a change in place is the cause of a wrong value, not the other way.
        for i, name in enumerate(names):
            _same_argument(left[i], kept[i], case[i], name, where, bound)
        same_value(got, wanted, "the value", where, bound)
        if grads and any(tensor.requires_grad for tensor in tensors(wanted)):
            same_gradients((got, leaves), (wanted, needed), where, bound)
            any_gradient = True
    return any_gradient


def _names(function: Callable, count: int) -> list[str]:
    """The names of the first `count` arguments, for messages."""
    try:
        known = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a built-in function
        known = []
    return [*known, *(f"argument {i + 1}" for i in range(len(known), count))][:count]


def _call(function: Callable, case: tuple, names: list[str]) -> tuple[Any, list, list]:
    """Call `function` on a fresh copy of the case, with its global draws seeded alike.

    Returns its value, what it left of the arguments, and [(name, tensor)] to differentiate for.
    """
    leaves: list = []
    arguments = [_copied(argument, leaves, name)
                 for argument, name in zip(case, names, strict=True)]
    with Streams(0, "check").seeded("call"):
        return function(*arguments), arguments, leaves


def _copied(value: Any, leaves: list, name: str) -> Any:
    """A deep copy with tensors in float64 on the CPU; `leaves` collects what gets a gradient."""
    if isinstance(value, torch.nn.Module):
        module = copy.deepcopy(value).cpu().double()
        leaves += [(f"{name}.{part}", p) for part, p in module.named_parameters()
                   if p.requires_grad]
        return module
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().clone()
        if not plain.is_floating_point():
            return plain
        leaves.append((name, plain.double().requires_grad_()))
        return leaves[-1][1].clone()  # not a leaf: autograd allows a change in place, and we see it
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if isinstance(value, dict):
        return {key: _copied(item, leaves, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_copied(item, leaves, f"{name}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return value if callable(value) else copy.deepcopy(value)


def _same_argument(got: Any, wanted: Any, given: Any, name: str, where: str,
                   bound: float) -> None:
    """Arguments are left as the reference leaves them."""
    got, wanted, start = (_state(one) for one in (got, wanted, _copied(given, [], name)))
    if not any(True for _ in tensors(wanted)):
        return
    try:
        same_value(got, wanted, f"{name} after the call", where, bound)
    except Different as difference:
        try:
            same_value(wanted, start, "", "", 0.0)
        except Different:  # the reference changes it too, but otherwise
            raise difference from None
        raise Different(f"your function changes its input {name} in place{where}: "
                        "work on a copy") from None


def _state(value: Any) -> Any:
    return dict(value.state_dict()) if isinstance(value, torch.nn.Module) else value
