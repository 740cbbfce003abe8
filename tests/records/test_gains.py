"""Gains over controls, factors and verdicts, computed from records alone."""

from __future__ import annotations

import math

import pytest
from samples import claim, record

from sslbook.records import claims, gains

SEEDS = range(3)
FACTORS = {"colour": {"linear": 0.5, "knn": 0.4}}


def scores(mine, random, raw="pixels", measure="linear", **more):
    rows = {"mine": mine, "random": random, raw: 0.2, "chance": 0.1, "supervised": 0.9, **more}
    return {row: {measure: value} for row, value in rows.items()}


def run(seed=0, mine=0.6, **changes):
    return record(**{"seed": seed, "scores": scores(mine + seed / 10, 0.3 + seed / 100),
                     "preset": "smoke", "data__train__count": 4000, **changes})


RUNS = [run(seed) for seed in SEEDS]


def test_a_gain_is_of_one_run_seed_by_seed_in_order_in_points():
    found = gains.gains(RUNS[::-1])
    (rows,) = found.values()
    assert list(found) == ["cifar10/4000"]
    assert list(rows) == ["mine"]
    assert rows["mine"]["untrained"] == pytest.approx([30, 39, 48])
    assert rows["mine"]["raw"] == pytest.approx([40, 50, 60])
    (level,) = gains.levels([*RUNS, run(3, tried=9)])["cifar10/4000"].values()
    assert level.tried == 9
    (level,) = gains.levels(RUNS)["cifar10/4000"].values()
    assert level.over("supervised") == pytest.approx([-30, -20, -10])
    assert gains.unit(gains.levels(RUNS)["cifar10/4000"]).startswith("linear probe, points over")


@pytest.mark.parametrize("raw", gains.RAW)
def test_raw_input_has_a_name_of_its_own_in_each_kind_of_data(raw):
    found = gains.gains([record(scores=scores(0.5, 0.4, raw))])
    assert found["cifar10/10, lesson"]["mine"]["raw"] == pytest.approx([30])


def test_the_row_that_a_record_judges_is_the_one_it_names_else_each_that_is_no_control():
    found = [record(scores=scores(0.5, 0.4, other=0.6))]
    assert list(gains.gains(found)["cifar10/10, lesson"]) == ["mine", "other"]
    found[0]["method"] = "other"
    assert gains.gains(found)["cifar10/10, lesson"]["other"]["untrained"] == pytest.approx([20])
    assert list(gains.gains(found)["cifar10/10, lesson"]) == ["other"]


@pytest.mark.parametrize("change", [{"preset": "check"}, {"status": "interrupted"},
                                    {"trained_with": "reference"},
                                    {"started": "2020", "seed": 2}])
def test_what_counts_nowhere_counts_not_here(change):
    stranger = run(**{"seed": 7, "factors": {"mine": FACTORS}, **change})
    assert gains.gains([*RUNS, stranger]) == gains.gains(RUNS)
    assert gains.verdict_words([*RUNS, stranger]) == gains.verdict_words(RUNS)
    assert gains.factor_rows([*RUNS, stranger]) == {}


@pytest.mark.parametrize(("changes", "labels"), [
    ({"data__train__sha256": "d2"}, {"cifar10/4000 #": ["mine"]}),
    ({"preset": "full"}, {"cifar10/4000": ["mine"], "cifar10/4000, full": ["mine"]}),
    ({"chapter": "two"}, {"cifar10/4000": ["mine (one)", "mine (two)"]}),
    ({"parameters__epochs": 9}, {"cifar10/4000": ["mine (epochs 3)", "mine (epochs 9)"]}),
    ({"code__version": "0.2"}, {"cifar10/4000 #": ["mine"]})])
def test_pools_stay_apart_and_their_labels_say_in_what_they_differ(changes, labels):
    found = gains.gains([*RUNS, run(1, **changes)])
    if "#" in [*labels][0]:  # two worlds of one name
        assert len(found) == 2
        assert all(place.startswith([*labels][0]) for place in found)
    else:
        assert {place: sorted(rows) for place, rows in found.items()} == labels


def test_a_seed_without_a_number_is_left_out_and_a_row_without_any_is_no_row():
    broken = run(1)
    broken["scores"]["random"]["linear"] = None
    (rows,) = gains.gains([RUNS[0], broken, RUNS[2]]).values()
    assert rows["mine"]["untrained"] == pytest.approx([30, 48])
    assert rows["mine"]["raw"] == pytest.approx([40, 50, 60])
    assert gains.gains(RUNS, "knn20") == {}
    assert gains.gains([]) == {}


def test_the_main_measure_is_the_chapters_where_it_was_taken(monkeypatch):
    named = {"one": (1, "labels 5"), "two": (0, "knn20")}
    monkeypatch.setattr(gains, "_chapters", lambda: named)
    assert gains.main_measure(RUNS[0]) == "linear"  # no label curve in these records
    few = {row: {"5": {"labels": 5, "mean": mean, "spread": 0.0, "draws": [mean]}}
           for row, mean in (("mine", 0.4), ("random", 0.3))}
    found = [run(seed, labels=few) for seed in SEEDS]
    assert gains.main_measure(found[0]) == "labels 5"
    assert gains.gains(found)["cifar10/4000"]["mine"] == {
        "untrained": pytest.approx([10] * 3), "raw": []}
    other = run(0, chapter="two", scores={"other": {"knn20": 0.5}, "random": {"knn20": 0.25}})
    rows = gains.levels([*found, other])["cifar10/4000"]
    assert list(rows) == ["mine (5 labels a class)", "other (kNN)"]
    assert gains.unit(rows).startswith("main measure, points")
    assert list(gains.gains([*found, other], "linear")["cifar10/4000"]) == ["mine"]


def test_factor_tables_are_one_per_seed_with_the_controls_last():
    tables = {"random": FACTORS, "mine": FACTORS, "another arm": FACTORS, "pixels": FACTORS}
    found = [run(seed, factors=tables) for seed in SEEDS[:2]] + [run(2)]
    (rows,) = gains.factor_rows(found).values()
    assert list(rows) == ["mine", "random", "pixels"]
    assert rows["mine"] == [FACTORS, FACTORS]
    assert gains.factor_rows(RUNS) == {}


def test_verdicts_are_words_by_chapter_in_the_order_of_the_book_and_checks_are_none(monkeypatch):
    monkeypatch.setattr(gains, "_chapters", lambda: {"two": (0, ""), "one": (1, "")})
    word = claims.decide(claim(), [0.05] * 3).word
    check = {"claim": {**claim(seeds=False).as_dict(), "id": "b"}, "value": 0.0}
    for one in (found := [run(seed) for seed in SEEDS]):
        one["claims"] = {"b": check, **one["claims"]}
    assert gains.verdict_words(found) == {"one": {"a": word}}
    few = run(0, data__train={"name": "pack:digits.npz", "count": 9, "sha256": "d9"})
    said = gains.verdict_words([few, *found, run(0, chapter="two")])
    assert list(said) == ["two", "one on cifar10", "one on digits"]
    assert said["one on digits"] == {"a": claims.decide(claim(), [0.05]).word}
    again = [run(0, parameters__lambd=0.5), *found]
    assert list(gains.verdict_words(again)) == ["one on cifar10", "one on cifar10 (2)"]
    assert gains.verdict_words([run(0, claims={})]) == {}


def test_names():
    assert [*map(gains.short, ("shapes/2000", "csv:adult.data/9", "pack:cifar10_jpeg.npz/5"))] == [
        "shapes", "adult", "cifar10_jpeg"]
    assert [*map(gains.in_words, ("knn20", "linear", "labels 1", "labels 5", "linear_r2"))] == [
        "kNN", "linear probe", "1 label a class", "5 labels a class", "linear_r2"]
    assert math.isnan(gains.value(RUNS[0], "nobody", "linear"))
