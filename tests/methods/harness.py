"""What every function of a method must pass, run over a declared spec (specs.py).

A test file declares a Spec per function and pulls all of its checks in with one line:

    test_spec = checks(Spec(function=dcl_loss, inputs=two_views,
                            knobs={"temperature": positive(0.1, 0.5)}, mutants={...}), ...)

Each check is one test: test_dcl.py::test_spec[dcl_loss: unchanged by rotation]. A check runs where
the spec declares what it needs; half precision and gradcheck run unless they are switched off.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from changes import cast, floating, generator, row_scale
from specs import Change, Inputs, Spec
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.lesson.checks import compare


def checks(*specs: Spec) -> Callable[[Callable[[], None]], None]:
    """A test function that runs every check of the specs, each as a test of its own."""
    found = [pytest.param(check, id=f"{_name(spec.function)}: {what}")
             for spec in specs for what, check in _checks(spec)]

    @pytest.mark.filterwarnings("ignore")  # other libraries warn
    @pytest.mark.parametrize("check", found)
    def test(check: Callable[[], None]) -> None:
        check()

    return test


def _checks(spec: Spec) -> Iterator[tuple[str, Callable[[], None]]]:
    for arguments, value in spec.values:
        yield f"value {value}", partial(_value, spec, arguments, value)
    for name, other in (("loops", spec.loops), ("oracle", spec.oracle)):
        if other:
            within = 1e-10 if name == "loops" else spec.oracle_within
            yield f"agrees with its {name}", partial(_agrees, spec, other, within)
    for change in spec.unchanged_by:
        yield f"unchanged by {_name(change)}", partial(_unchanged, spec, change)
    for change in spec.changed_by:
        yield f"changed by {_name(change)}", partial(_changed, spec, change)
    for name, answer in {**spec.right, "itself": spec.function}.items():
        yield f"right: {name}", partial(_compared, spec, answer, True)
    for name, mutant in spec.mutants.items():
        yield f"mutant: {name}", partial(_compared, spec, mutant, False)
    if spec.gradcheck:
        yield "gradcheck", partial(_gradcheck, spec)
        yield "who gets a gradient", partial(_gradient, spec)
    for change, dtype in product(spec.finite, (torch.float32, torch.float64)):
        what = f"finite with {_name(change)} in {_name(dtype)}"
        yield what, partial(_finite, spec, change, dtype)
    if spec.half:
        for dtype in (torch.float16, torch.bfloat16):
            yield f"{_name(dtype)} is computed in float32", partial(_half, spec, dtype)
    if spec.descent:
        yield "twenty steps of descent lower it", partial(_descent, spec)
    for name, knob in spec.knobs.items():
        yield f"default of {name}", partial(_default, spec, name)
        if knob.tensor:
            yield f"{name} as a tensor", partial(_as_tensor, spec, name)
        for bad in knob.bad:
            yield f"{name}={bad} is refused", partial(_refused, spec, None, name, {name: bad})
    for number, (arguments, says) in enumerate(spec.refused, start=1):
        yield f"refused {number}: {says}", partial(_refused, spec, arguments, says, {})


def _value(spec: Spec, arguments: Inputs, value: Any) -> None:
    wanted = torch.as_tensor(value, dtype=torch.float64)
    found = torch.as_tensor(spec.function(*arguments), dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=0, atol=6e-7)


def _agrees(spec: Spec, other: Callable[..., Any], within: float) -> None:
    for where, inputs, knobs in spec.examples():
        _same(spec.function(*inputs, **knobs), other(*inputs, **knobs), where, within)


def _unchanged(spec: Spec, change: Change) -> None:
    for seed, (where, inputs, knobs) in enumerate(spec.examples()):
        moved = change(inputs, generator(seed))
        _same(spec.function(*moved, **knobs), spec.function(*inputs, **knobs), where, 1e-9)


def _changed(spec: Spec, change: Change) -> None:
    inputs = spec.inputs(0, *spec.shapes[0])
    before, after = spec.function(*inputs), spec.function(*change(inputs, generator(0)))
    assert float((after - before).abs().max()) > 1e-6


def _compared(spec: Spec, answer: Callable[..., Any], agrees: bool) -> None:
    """What the chapter's check says of an answer."""
    cases = spec.cases or [(*spec.inputs(seed, *spec.shapes[seed % 2 - 1]), *knobs.values())
                           for seed, knobs in enumerate([*spec.settings()] * 2)]
    same, line = compare(answer, spec.function, cases)
    assert same == agrees, line
    assert line.startswith("same" if agrees else "not the same")


def _gradcheck(spec: Spec) -> None:
    for knobs in spec.settings():
        inputs = spec.inputs(7, *spec.shapes[0])
        places = spec.needs(inputs)

        def of(*leaves: Tensor, inputs=inputs, places=places, knobs=knobs) -> Tensor:
            given = dict(enumerate(inputs)) | dict(zip(places, leaves, strict=True))
            return spec.function(*given.values(), **knobs)

        leaves = tuple(inputs[i].clone().requires_grad_() for i in places)
        assert not leaves or torch.autograd.gradcheck(of, leaves), knobs


def _gradient(spec: Spec) -> None:
    inputs = spec.inputs(8, *spec.shapes[0])
    places = floating(inputs)
    leaves = {i: inputs[i].clone().requires_grad_() for i in places}
    value = spec.function(*(leaves.get(i, one) for i, one in enumerate(inputs)))
    if not spec.needs(inputs):
        assert not value.requires_grad
        return
    found = torch.autograd.grad(value.sum(), list(leaves.values()), allow_unused=True)
    for i, gradient in zip(places, found, strict=True):
        moved = gradient is not None and float(gradient.abs().max()) > 0
        if i in spec.stopped:
            assert gradient is None, f"argument {i} must get no gradient"
        elif i in spec.needs(inputs):
            assert moved, f"argument {i} must get a gradient"


def _finite(spec: Spec, change: Change, dtype: torch.dtype) -> None:
    for knobs in [*spec.settings(), *spec.extremes]:
        inputs = cast(change(spec.inputs(2, *spec.shapes[0]), generator(2)), dtype)
        leaves, value, gradients = spec.differentiated(inputs, knobs)
        assert all(one.isfinite().all() for one in (value, *gradients)), knobs
        if knobs not in spec.extremes:
            assert all(float(one.abs().max()) < 1e3 for one in gradients), knobs
        if row_scale in spec.unchanged_by:  # a row of zeros has no direction, so none to go
            for i, one in zip(spec.needs(inputs), gradients, strict=True):
                zero = (leaves[i] == 0).all(dim=1)
                assert float(one[zero].abs().sum()) == 0.0, knobs
                assert float(one[~zero].abs().max()) > 0.0, knobs


def _half(spec: Spec, dtype: torch.dtype) -> None:
    for where, inputs, knobs in spec.examples():
        low = cast(inputs, dtype)
        exact = spec.function(*cast(low, torch.float32), **knobs)
        found = spec.function(*low, **knobs)
        assert found.dtype == torch.float32
        assert torch.equal(found, exact), where
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(spec.function(*cast(low, torch.float32), **knobs), exact), where


def _descent(spec: Spec) -> None:
    inputs = spec.inputs(1, *spec.shapes[0])
    before = float(spec.function(*inputs))
    for _ in range(20):
        inputs, _, gradients = spec.differentiated(inputs, {})
        moved = dict(zip(spec.needs(inputs), gradients, strict=True))
        inputs = tuple(one.detach() - spec.descent * moved[i] if i in moved else one
                       for i, one in enumerate(inputs))
    assert float(spec.function(*inputs)) < before - 0.05


def _default(spec: Spec, name: str) -> None:
    assert inspect.signature(spec.function).parameters[name].default == spec.knobs[name].default


def _as_tensor(spec: Spec, name: str) -> None:
    for where, inputs, knobs in spec.examples():
        tensor = torch.tensor(knobs[name], dtype=torch.float64)
        found = spec.function(*inputs, **{**knobs, name: tensor})
        _same(found, spec.function(*inputs, **knobs), where, 1e-12)


def _refused(spec: Spec, arguments: Inputs | None, says: str, knobs: Mapping[str, Any]) -> None:
    arguments = spec.inputs(0, *spec.shapes[0]) if arguments is None else arguments
    with pytest.raises(UsageError, match=says):
        spec.function(*arguments, **knobs)


def _same(found: Any, wanted: Any, where: str, within: float) -> None:
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    torch.testing.assert_close(found.double(), wanted, rtol=within, atol=within,
                               msg=lambda says: f"{where}: {says}")


def _name(thing: Any) -> str:
    if isinstance(thing, partial):
        return f"{_name(thing.func)} with {thing.keywords}"
    return getattr(thing, "__name__", str(thing).removeprefix("torch."))
