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
from dataclasses import dataclass, field
from typing import Any

from sslbook.errors import UsageError
from sslbook.lesson.compare import Different, kind, same_gradients, same_tree, tensors
from sslbook.streams import Streams


@dataclass
class Call:
    """One function called on its own copy of a case."""

    value: Any = None
    before: tuple = ()
    after: tuple = ()
    leaves: list = field(default_factory=list)  # [(name, tensor)] that gradients are taken for


def check_same(
    mine: Any,
    reference: Any,
    *cases: Any,
    names: Sequence[str] | None = None,
    grads: bool = True,
    bound: float = 1e-9,
    show: bool = True,
    known_mistakes: Mapping[str, Callable] | None = None,
) -> bool:
    """Compare `mine` with `reference` on every case and print one verdict line.

    cases: tuples of arguments (tensors, numbers, generators, modules, lists or dicts of them);
    an argument that is not a tuple is a case of one. names: the arguments' names in messages,
    from the reference's signature when not given. grads: compare gradients too, where the
    reference has one. bound: the largest difference, absolute for values up to 1 and relative
    above. known_mistakes: {what was done ("you kept the diagonal"): function that does it}; a
    mistake that `mine` agrees with is named. show: print the verdict. Values that are not
    functions are compared directly, without cases. Returns whether both agree.
    Raises UsageError when functions come without cases.
    """
    same, line = compare(mine, reference, cases, names=names, grads=grads, bound=bound,
                         known_mistakes=known_mistakes)
    if show:
        print(line)
    return same


def compare(mine: Any, reference: Any, cases: Sequence[Any], *,
            names: Sequence[str] | None = None, grads: bool = True, bound: float = 1e-9,
            known_mistakes: Mapping[str, Callable] | None = None) -> tuple[bool, str]:
    """`check_same` without printing: (agrees, verdict line)."""
    if not callable(reference):
        reference, mine, cases = _constant(reference), _constant(mine), [()]
    elif not cases:
        raise UsageError("check_same() got no case to compare on.", "Nothing was compared.",
                         "Pass one or more tuples of arguments.")
    cases = [case if isinstance(case, tuple) else (case,) for case in cases]
    names = list(names or _argument_names(reference))
    try:
        with_gradient = _run(mine, reference, cases, names, grads, bound)
    except Different as difference:
        for mistake, wrong in (known_mistakes or {}).items():
            if _agrees(mine, wrong if callable(wrong) else _constant(wrong), cases, grads, bound):
                return False, f"not the same: {difference}; this matches: {mistake}"
        return False, f"not the same: {difference}"
    what = "value and gradient agree" if with_gradient else "value agrees"
    count = f"{len(cases)} case{'s' if len(cases) > 1 else ''}"
    return True, f"same: {what} within {bound:g}" + (f" on {count}" if cases != [()] else "")


def _constant(value: Any) -> Callable:
    """A function of no arguments that returns `value`; a function stays one, to be refused."""
    return value if callable(value) else lambda: value


def _argument_names(function: Callable) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _agrees(mine: Callable, other: Callable, cases: list, grads: bool, bound: float) -> bool:
    try:
        _run(mine, other, cases, [], grads, bound)
    except Exception:  # a mistake that stops on a case is not the one that was made
        return False
    return True


def _run(mine: Any, reference: Callable, cases: list, names: list, grads: bool,
         bound: float) -> bool:
    """Compare on all cases; True when a gradient was among what was compared."""
    if not callable(mine):
        raise Different(f"your answer is {kind(mine)}, not a function")
    any_gradient = False
    for number, case in enumerate(cases, start=1):
        where = f" on case {number}" if len(cases) > 1 else ""
        wanted = _call(reference, case, names)
        try:
            got = _call(mine, case, names)
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0][:160]
            raise Different(f"your function stopped{where} with "
                            f"{type(error).__name__}: {first}") from error
        # Arguments first: a change in place is the cause of a wrong value, not the other way.
        for i, name in enumerate(_named(names, len(case))):
            _same_argument(got.after[i], wanted.after[i], wanted.before[i], name, where, bound)
        same_tree(got.value, wanted.value, "the value", where, bound)
        if grads and any(tensor.requires_grad for tensor in tensors(wanted.value)):
            same_gradients((got.value, got.leaves), (wanted.value, wanted.leaves), where, bound)
            any_gradient = True
    return any_gradient


def _named(names: list, count: int) -> list[str]:
    return [names[i] if i < len(names) else f"argument {i + 1}" for i in range(count)]


def _call(function: Callable, case: tuple, names: list) -> Call:
    """Call `function` on a fresh copy of the case, with its global draws seeded alike."""
    call = Call(before=tuple(_copied(argument, None, "") for argument in case))
    call.after = tuple(_copied(argument, call.leaves, name)
                       for argument, name in zip(case, _named(names, len(case)), strict=True))
    with Streams(0, "check").seeded("call"):
        call.value = function(*call.after)
    return call


def _copied(value: Any, leaves: list | None, name: str) -> Any:
    """A deep copy with tensors in float64 on the CPU; `leaves` collects what gets a gradient."""
    import torch

    if isinstance(value, torch.nn.Module):
        module = copy.deepcopy(value).cpu().double()
        if leaves is not None:
            leaves += [(f"{name}.{part}", p) for part, p in module.named_parameters()
                       if p.requires_grad]
        return module
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        leaf = (plain.double() if plain.is_floating_point() else plain).clone()
        if leaves is None or not leaf.is_floating_point():
            return leaf
        leaves.append((name, leaf.requires_grad_()))
        return leaf.clone()  # not a leaf: a change in place is seen, not an error of autograd
    if isinstance(value, torch.Generator):
        if value.device.type == "cpu":
            return torch.Generator().set_state(value.get_state())
        return torch.Generator().manual_seed(value.initial_seed())
    if isinstance(value, Mapping):
        return {key: _copied(item, leaves, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_copied(item, leaves, f"{name}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return value if callable(value) else copy.deepcopy(value)


def _same_argument(got: Any, wanted: Any, start: Any, name: str, where: str,
                   bound: float) -> None:
    """Arguments are left as the reference leaves them."""
    import torch

    if isinstance(wanted, torch.nn.Module):
        got, wanted, start = (dict(module.state_dict()) for module in (got, wanted, start))
    if not any(True for _ in tensors(wanted)):
        return
    try:
        same_tree(got, wanted, f"{name} after the call", where, bound)
    except Different as difference:
        try:
            same_tree(wanted, start, "", "", 0.0)
        except Different:  # the reference changes it too, but otherwise
            raise difference from None
        raise Different(f"your function changes its input {name} in place{where}: "
                        "work on a copy") from None
