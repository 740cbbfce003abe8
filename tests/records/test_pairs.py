"""Two methods side by side: what differs, what may be compared, and the sentence where not."""

from __future__ import annotations

import json
import math
import re
from itertools import permutations

import nbformat
import pytest
import torch
from samples import record

from sslbook import records
from sslbook.book import notebook
from sslbook.book.toc import Chapter, chapters
from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.headless import execute, plan
from sslbook.methods import dcl
from sslbook.records import pairs, report

METHODS = [one for one in chapters() if one.twin]
A = Chapter("a", "p", "long", title="First")
B = Chapter("b", "p", "short", title="Second", parents=(("a", "one thing"),))
C = Chapter("c", "p", "short", title="Third")


def runs(chapter, *names, seeds=3, **changes):
    scores = {name: {"knn20": 0.5} for name in (*names, "chance", "raw columns")}
    return [record(seed, chapter=chapter, scores=scores, **changes) for seed in range(seeds)]


@pytest.mark.parametrize("names", [("dcl", "dcl"), ("dcl", "nothing"), ("dcl", "welcome")])
def test_only_two_methods_are_compared(names):
    with pytest.raises(UsageError, match="are not two methods"):
        pairs.methods(*names)
    assert [one.name for one in pairs.methods("dcl", "mae")] == ["dcl", "mae"]


@pytest.mark.parametrize("chapter", METHODS, ids=lambda one: one.name)
def test_code_is_shown_without_the_marks_of_the_exercise(chapter):
    lines = pairs.code(chapter).splitlines()
    assert lines
    assert not [line for line in lines
                if line.strip().startswith((notebook.BEGIN, notebook.END, notebook.BLANK))]


def test_a_difference_gives_both_codes_again_and_strangers_have_none():
    found = {(a.name, b.name): pairs.difference(a, b) for a, b in permutations(METHODS, 2)}
    by_name = {one.name: pairs.code(one).splitlines() for one in METHODS}
    shown = {names: lines for names, lines in found.items() if lines}
    assert 0 < len(shown) < len(found)
    for (a, b), lines in shown.items():
        assert {line[0] for line in lines} <= set(" +-")
        assert [line[1:] for line in lines if line[0] in " -"] == by_name[a]
        assert [line[1:] for line in lines if line[0] in " +"] == by_name[b]


def test_the_loss_is_the_twins_with_that_temperature():
    z1, z2 = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    two_views, other = pairs.methods("dcl", "mae")
    found = pairs.loss(two_views, 0.3)
    assert found(z1, z2) == dcl.dcl_loss(z1, z2, 0.3)
    assert pairs.loss(other, 0.3) is None


@pytest.mark.parametrize(("found", "groups", "sentence"), [
    (runs("a", "x") + runs("c", "y"), 1, ""),
    (runs("a", "x") + runs("c", "y", parameters__epochs=9), 0, r"budgets \(epochs 3 and 9\)"),
    (runs("a", "x") + runs("c", "y", data__train__name="other"), 0, "has the data"),
    (runs("a", "x") + runs("c", "y", status="failed"), 0, "no scores of Third"),
    (runs("a", "x") + runs("c", "y", "z", parameters__epochs=9), 0, "unequal"),  # no child of it
    (runs("a", "x"), 0, "no scores of Third"),
    ([], 0, "no scores of First"),
])
def test_scores_are_compared_on_equal_data_and_budget_alone(monkeypatch, found, groups, sentence):
    monkeypatch.setattr(records, "shipped", lambda: found)
    assert len(pairs.scores(A, C)) == groups
    said = pairs.unequal(A, C)
    assert re.search(sentence, said) if sentence else said == ""


def test_a_child_that_trained_its_parents_way_is_compared_in_its_own_runs(monkeypatch):
    monkeypatch.setattr(records, "shipped", lambda: [
        *runs("a", "x"), *runs("b", "x", "y", parameters__epochs=9)])
    (group,) = pairs.scores(A, B).values()
    assert [row for row in group if row[0]] == [("b", "x"), ("b", "y")]
    assert pairs.scores(B, A).keys() == pairs.scores(A, B).keys()
    monkeypatch.setattr(records, "shipped", lambda: runs("a", "x") + runs(
        "b", "y", parameters__epochs=9))
    assert pairs.scores(A, B) == {}, "a control is no second method"


def test_a_gap_has_an_interval_from_three_pairs_on():
    between, low, high = pairs.gap([0.5, 0.6, 0.7], [0.4, 0.5, 0.5])
    assert between == pytest.approx(0.4 / 3)
    assert low < between < high
    assert all(map(math.isnan, pairs.gap([0.5, 0.6], [0.4, 0.5])[1:]))
    assert all(map(math.isnan, pairs.gap([0.5, 0.6, 0.7], [0.4, 0.5])[1:]))


@pytest.mark.parametrize(("changed", "sentence"), [
    ({}, ""), ({"data": "other"}, "their data (one; other)"),
    ({"net": {"net": "vit", "width": 4}}, "their net (net resnet, width 4; net vit, width 4)"),
    (None, "no encoder of Third"),
])
def test_encoders_are_asked_together_for_equal_data_and_nets(tmp_path, monkeypatch, changed,
                                                             sentence):
    monkeypatch.setattr(paths, "records", lambda: tmp_path)
    about = {"data": "one", "net": {"net": "resnet", "width": 4}}
    for one, change in ((A, {}), (C, changed)):
        if change is not None:
            folder = tmp_path / one.name
            folder.mkdir(parents=True)
            (folder / "encoder.json").write_text(json.dumps(about | change))
    folders, why = pairs.encoders(A, C)
    assert sentence in why
    assert bool(folders) != bool(why)


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [("mae", "simclr"), ("t_jepa", "linear_jepa")])
def test_the_chapter_refuses_what_may_not_be_compared(tmp_path, monkeypatch, a, b):
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path))
    planned = plan.plan("compare", [f"A={a}", f"B={b}"], "check")
    outcome = execute.execute(planned)
    assert outcome.code == 0, outcome.message
    made = nbformat.read(outcome.folder / "compare.ipynb", as_version=4)
    cells = [cell for cell in made.cells if "sec:scores" in cell.metadata.tags]
    shown = [out for cell in cells for out in cell.get("outputs", ())]
    assert {out.output_type for out in shown} == {"stream"}, "a sentence and no table"
    assert "".join(out.text for out in shown).startswith("No table: ")
    assert not [out for cell in made.cells for out in cell.get("outputs", ())
                if "image/png" in out.get("data", {})]


def test_the_ledger_of_both(monkeypatch):
    monkeypatch.setattr(records, "shipped", lambda: runs("c", "y") + runs("a", "x"))
    assert [row["chapter"] for row in pairs.claims(A, C)] == ["a", "c"]
    assert pairs.claims(A, C) == sorted(report.ledger(records.shipped()),
                                        key=lambda row: row["chapter"])
