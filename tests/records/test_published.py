"""Published figures: beside which runs of ours they stand, and that each can."""

from __future__ import annotations

import pytest
from samples import record

from sslbook import records
from sslbook.core import paths
from sslbook.lesson.verdicts import show_comparison
from sslbook.records import published


def long_run(**parameters):
    """A record that lightly's and solo-learn's figures for Barlow Twins belong to."""
    found = record(chapter="barlow_twins", status="finished", preset="full",
                   scores={"Barlow Twins": {"knn200": 0.80, "linear": 0.90, "rank": 9.0}})
    found["parameters"] = {"dataset": "pack:cifar10_jpeg.npz", "epochs": 200, "images": 0,
                           "net": "resnet18", "width": 64, "batch_size": 256, **parameters}
    return found


def test_a_long_run_stands_beside_published_figures():
    rows = published.matching_figures(long_run())
    assert [(row["measure"], row["published"], round(row["gap"], 1)) for row in rows] == [
        ("knn200", 0.842, -4.2), ("knn200", 0.819, -1.9), ("linear", 0.921, -2.1)]
    assert all(row["url"].startswith("https://") and row["about"] for row in rows)


@pytest.mark.parametrize("parameters", [
    {"epochs": 4}, {"dataset": "shapes"}, {"dataset": "cora"}, {"images": 2000}, {"width": 32},
    {"max_steps": 2}, {"net": "resnet8"}, {"minutes": 5.0}, {"epochs": "many"}, {"dataset": ["a"]},
])
def test_a_smaller_run_or_one_on_other_data_does_not(parameters):
    assert published.matching_figures(long_run(**parameters)) == []
    assert published.matching_figures({**long_run(), "status": "running"}) == []


def test_published_figures_name_rows_and_measures_of_the_book():
    """A figure that no record can have would never be shown."""
    measured = {(r["chapter"], row, key) for r in records.shipped()
                for row, found in r["scores"].items() for key in found}
    for figure in published.read(paths.records())["figures"]:
        assert (figure["chapter"], figure["row"], figure["measure"]) in measured
        assert figure["source"] in published.read(paths.records())["sources"]
        assert 0 < figure["value"] < 1


def test_a_chapter_shows_yours_ours_and_theirs(capsys):
    ours = {**long_run(), "device": {"name": "A GPU"}, "started": "2026-01-02T00:00:00+00:00"}
    theirs = published.matching_figures(ours)
    show_comparison({"knn200": 0.5, "linear": 0.6}, ours, "Barlow Twins", theirs)
    said = " ".join(capsys.readouterr().out.split())
    assert "ours: full, A GPU, 2026-01-02, 1" in said, "preset, device, date and commit"
    assert "knn200 50.0 80.0" in said
    assert "batch 128 knn200 84.2 -4.2" in said
    assert "Acc@1 linear 92.1 -2.1" in said
    show_comparison({"knn200": 0.5}, ours, "another row", theirs)
    assert "lightly" not in capsys.readouterr().out
