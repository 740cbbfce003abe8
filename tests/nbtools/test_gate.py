"""The gate: what records must say before a chapter is published."""

from __future__ import annotations

import notebook_factory as factory
import pytest
from samples import record

from sslbook import records
from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.rules.gate import gate


def run(seed, ours, random=0.2, pixels=0.3, **changes):
    """A smoke record of the factory's chapter on its own data."""
    curve = {"5": {"labels": 5, "mean": ours - 0.1, "spread": 0.0, "draws": [ours - 0.1]}}
    made = record(seed, chapter="twins", preset="smoke", parameters__dataset="creatures",
                  scores={"mine": {"linear": ours}, "random": {"linear": random},
                          "pixels": {"linear": pixels}},
                  labels={"mine": curve, "random": {"5": {**curve["5"], "mean": random}},
                          "pixels": {"5": {**curve["5"], "mean": pixels}}})
    made["method"] = "mine"
    return {**made, **changes}


@pytest.fixture
def judged(monkeypatch):
    def judge(found, **about):
        monkeypatch.setattr(records, "shipped", lambda chapter="": list(found))
        entry = {"learns": "", "data": ("creatures",), "measure": "linear", **about}
        chapter = factory.chapter("long", **entry)
        return [text for _, text in gate(NotebookSource(factory.notebook("long"), chapter, 0))]

    return judge


GOOD = [run(seed, value) for seed, value in enumerate((0.50, 0.52, 0.54))]


def test_a_method_that_beats_both_passes(judged):
    assert judged(GOOD) == []
    assert judged(GOOD, measure="labels 5") == []


def test_what_does_not_beat_a_control_is_named(judged):
    # Over raw input: +1, +3, +5 points: mean 3, deviation 2, half-width 4.97.
    found = judged([run(seed, value, pixels=0.49) for seed, value in enumerate((0.5, 0.52, 0.54))])
    assert found == ["linear beats the raw input by 3.0 points over 3 seeds, and the 95 % interval "
                     "begins at -2.0"]
    (found,) = judged([{**one, "scores": {**one["scores"], "random": {"linear": 0.6}}}
                       for one in GOOD])
    assert "the untrained net by -8.0 points" in found


def test_too_few_seeds_or_none_are_named(judged):
    for pool in (GOOD[:2], [{**one, "scores": {"mine": {"linear": 0.9}}} for one in GOOD]):
        assert len(judged(pool)) == 2
    assert judged([]) == judged(GOOD, data=("emblems",)) == judged(
        [{**one, "preset": "lesson"} for one in GOOD])
    assert "no record of preset smoke" in judged([])[0]


def test_a_first_edition_and_a_study_of_failure_are_let_through(judged):
    assert judged([], edition=1) == judged([], learns="no: it is about collapse") == []
