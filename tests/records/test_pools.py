"""What may be pooled, decided once: for verdicts, scores, figures and what the scoreboard shows."""

from __future__ import annotations

import json

import pytest
from samples import record

from sslbook import datasets, judging, records
from sslbook.core import paths
from sslbook.headless import execute
from sslbook.records import ledger, pools, report

SCORES = {"mine": {"knn20": 0.5}, "chance": {"knn20": 0.25}}
MINE = record(0, 0.5, scores=SCORES, data__train__name="folder:photos")
# What is no second seed of MINE, and how it changes the table: rows and groups of figures.
STRANGERS = {
    "other content under one name and count": ({"data__train__sha256": "d2"}, 2, 2),
    "the test split alone differs": (
        {"data__test": {"name": "folder:photos", "count": 9, "sha256": "d3"}}, 2, 2),
    "the same seed again": ({"seed": 0, "started": "2027"}, 1, 1),
    "preset check": ({"preset": "check"}, 1, 1),
    "trained with the reference": ({"trained_with": "reference"}, 1, 1),
    "not finished": ({"status": "interrupted"}, 1, 1),
    "another budget": ({"parameters__epochs": 9}, 2, 2),
    "cut short": ({"parameters__max_steps": 9}, 2, 2),
    "another version": ({"code__version": "0.2"}, 2, 2),
    "other settings": ({"parameters__lambd": 0.5}, 2, 1),
}


def other(**changes):
    return record(**{"seed": 1, "value": 0.7, "scores": SCORES,
                     "data__train__name": "folder:photos", **changes})


@pytest.mark.parametrize(("change", "runs", "places"), STRANGERS.values(), ids=STRANGERS)
def test_strangers_are_pooled_nowhere(change, runs, places):
    found = [MINE, other(**change)]
    assert {row["n"] for row in report.ledger(found)} == {1}
    assert len(report.ledger(found)) == runs
    groups = report.groups(report.scoreboard(found))
    assert len(groups) == places
    methods = [report.methods_and_controls(rows, "knn20")[0] for rows in groups.values()]
    assert [values for one in methods for values in one.values()] == [[0.5]] * runs
    assert sum(map(len, pools.pools(found))) == runs


@pytest.mark.parametrize("change", [{}, {"device__kind": "cuda"}, {"code__digest": "x"},
                                    {"parameters__tried": 9}])
def test_another_seed_is_pooled_everywhere(change):
    found = [MINE, other(**change)]
    assert [row["n"] for row in report.ledger(found)] == [2]
    (rows,) = report.groups(report.scoreboard(found)).values()
    assert report.methods_and_controls(rows, "knn20") == ({"mine": [0.5, 0.5]}, {"chance": 0.25})


def test_of_a_seed_the_newest_run_counts_in_whatever_order_they_are_found():
    old, new = (record(0, value, scores={"mine": {"knn20": value}}, started=started)
                for value, started in ((0.1, "2026"), (0.9, "2027")))
    for found in ([old, new], [new, old]):
        assert report.ledger(found)[0]["mean"] == 0.9
        assert [row["knn20"] for row in report.scoreboard(found)] == [0.9]


def test_what_is_left_out_is_said():
    found = [MINE, other(), *(other(**change) for change, _, _ in STRANGERS.values())]
    assert pools.left_out(found) == ("1 of preset check, 1 trained with the reference, "
                                     "1 not finished, 1 of a seed that ran again")
    assert "Runs left out: 1 of preset check" in report.text([MINE, other(preset="check")])
    assert "left out" not in report.text([MINE])


def test_contents_of_one_name_are_told_apart_by_name_settings_and_line(tmp_path):
    one, two = MINE, other(data__train__sha256="d2")
    names = {row["data"] for row in report.scoreboard([one, two])}
    assert len(names) == 2
    assert all(name.startswith("folder:photos/10 #") for name in names)
    assert names == {row["data"] for row in report.ledger([one, two])}
    assert report.ledger([one])[0]["data"] == "folder:photos/10"
    path = tmp_path / "ledger.jsonl"
    for found in (one, two):  # written at different times, each without the other beside it
        ledger.append(path, ledger.rows([{**found, "parameters": {"dataset": "folder:photos"}}]))
    assert len({line["settings"] for line in ledger.read(path)[0]}) == 2


def test_settings_of_one_method_are_bars_of_their_own_and_say_what_differs():
    found = [other(seed=seed, parameters__lambd=value) for value in (0.1, 0.5) for seed in (0, 1)]
    (rows,) = report.groups(report.scoreboard(found)).values()
    methods, controls = report.methods_and_controls(rows, "knn20")
    assert methods == {"mine, lambd 0.1": [0.5, 0.5], "mine, lambd 0.5": [0.5, 0.5]}
    assert controls == {"chance": 0.25}
    assert len(rows["", "chance"]["knn20"]) == 2, "one value for each seed"


def test_one_name_of_two_chapters_is_two_methods_and_their_controls_are_one():
    found = [other(chapter=chapter, scores={"mine": {"knn20": value}, "random": {"knn20": value}})
             for chapter, value in (("one", 0.25), ("two", 0.75))]
    (rows,) = report.groups(report.scoreboard(found)).values()
    methods, controls = report.methods_and_controls(rows, "knn20")
    assert list(methods.items()) == [("mine (two)", [0.75]), ("mine (one)", [0.25])]
    assert controls == {"random": 0.5}


def test_a_run_and_its_command_give_one_verdict(tmp_path):
    """The notebook pools the other seeds; what is printed and written after it does, too."""
    runs = tmp_path / "one"
    for seed in range(3):
        records.write(runs / str(seed), record(seed, 0.04 + seed / 100))
    made = records.read(runs / "2" / "record.json")
    assert [one["seed"] for one in records.pool_of(made, tmp_path)] == [0, 1, 2]
    assert "one (a), lesson, cifar10/10: supported" in report.run_text(made, tmp_path)
    assert execute.as_dict(execute.Outcome(0, runs / "2"))["verdicts"] == {"a": "supported"}
    records.write(runs / "2", {**made, "status": "failed"})
    assert execute.as_dict(execute.Outcome(4, runs / "2"))["verdicts"] == {
        "a": "not run"}


def test_a_run_that_counts_nowhere_shows_its_own_numbers_and_says_so(tmp_path):
    said = report.run_text(other(preset="check"), tmp_path)
    assert "knn20 0.500" in said
    assert said.endswith("This run is left out of reports: of preset check")


@pytest.mark.parametrize(("count", "shown"), [(1, False), (37, True)])
def test_how_many_were_tried_is_said_where_something_was_tuned(count, shown):
    assert ("configurations tried" in report.text([record(tried=count)])) == shown


def test_shipped_chance_follows_the_rule():
    train, test = (datasets.load("sbm_words", split) for split in ("train", "test"))
    chance = judging.chance(train.labels[train.index], test.labels[test.index])
    path = paths.records() / "graphmae" / "smoke-cpu-s0.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["data"]["train"]["sha256"] == train.sha256
    assert set(stored["scores"]["chance"].values()) == {chance}
