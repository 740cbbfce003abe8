"""The book's table: means over seeds, this run below, and the gain over the untrained net."""

from __future__ import annotations

from sslbook.lesson import viz

ROWS = [{"name": "random", "linear": 0.2, "knn20": 0.3},
        {"name": "pixels", "linear": 0.25},
        {"name": "mine", "linear": 0.5, "knn20": 0.4, "knn200": 0.4, "ours": True}]


def table(capsys, *arguments):
    viz.scores_table(ROWS, *arguments)
    return [line.split("  ") for line in capsys.readouterr().out.splitlines()]


def cells(line):
    return [cell.strip() for cell in line if cell.strip()]


def test_one_run_has_its_values_and_its_gain(capsys):
    heading, random, pixels, mine = map(cells, table(capsys, {}, "mine"))
    assert heading == ["encoder", "kNN k=20 (%)", "linear (%)",
                       "linear, over the untrained net (points)"]
    assert random == ["untrained net", "30.0", "20.0", "–"]
    assert pixels[-1] == "+5.0"
    assert mine == ["mine", "40.0", "50.0", "+30.0"]


def test_seeds_are_averaged_and_paired(capsys):
    # Gains of 30, 32 and 34 points: mean 32, deviation 2, half-width 4.30265 * 2 / sqrt(3) = 4.97.
    seeds = {"random": [{"linear": 0.20}, {"linear": 0.30}, {"linear": 0.10}],
             "pixels": [{"linear": 0.25}] * 2,
             "mine": [{"linear": 0.50}, {"linear": 0.62}, {"linear": 0.44}]}
    said, heading, random, pixels, mine, here = map(cells, table(capsys, seeds, "mine"))
    assert said == ["Means over 3 seeds with their 95 % intervals."]
    assert heading[2:] == ["linear (%)", "linear, over the untrained net (points)"]
    assert mine[-2:] == ["52.0 [29.2, 74.8]", "+32.0 [+27.0, +37.0]"]
    assert here == ["mine, this run", "40.0", "50.0", "+30.0"]
    assert pixels[-2:] == ["25.0", "–"]  # equal for all seeds; one has none, so it is not paired


def test_without_a_method_it_is_a_plain_table(capsys):
    heading, *_ = map(cells, table(capsys))
    assert heading == ["encoder", "kNN k=20 (%)", "kNN k=200 (%)", "linear (%)"]
