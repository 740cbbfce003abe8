"""The table of claims says of each verdict why: where the interval lies."""

from __future__ import annotations

import pytest

from sslbook.lesson.verdicts import show_verdicts
from sslbook.records.claims import Claim, bound, decide


@pytest.mark.parametrize(("given", "values", "said"), [
    ((None, 2.0), [10, 11, 12], "supported: all of it lies above 0"),
    ((None, 20.0), [10, 11, 12], "too small: 20 is ruled out"),
    ((None, 2.0), [-10, -11, -12], "refuted: all of it lies below 0"),
    ((None, 2.0), [-1, 5, 9], "open: neither 0 nor 2 is ruled out; about "),
    ((None, -2.0), [-9, 1, -1], "open: -2 is not ruled out; about "),
    ((None, -2.0), [-9, -8, -7], "refuted: all of it lies below -2"),
    ((-5.0, None), [-9, -8, -7], "supported: all of it lies below 0"),
    ((None, 1.5, "ratio"), [2, 2.1, 2.2], "supported: all of it lies above 1"),
    ((None, 2.0), [10, 11], "not run: 2 of 3 seeds"),
    ((None, 2.0), [], "not run"),
])
def test_a_verdict_has_its_reason(given, values, said, capsys):
    at_most, at_least, *scale = given
    rule = bound(at_most, at_least, seeds=True, scale=(scale or ["difference"])[0])
    claim = Claim("a", "More is better", "Table 1", "points", rule, paper="7 points")
    show_verdicts({"a": claim}, {"a": decide(claim, values)})
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[0] == "claim"
    assert said in row
    assert "7 points (Table 1)" in row
    assert f"wanted: at {'least' if rule.op == '>=' else 'most'} {rule.bound:g}" in row
    assert "(a) More is better: points" in row
