"""The minutes that are announced are those of the reader's data and settings, or none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_book
from samples import record

from sslbook import datasets, records
from sslbook.records import times

SETTINGS = {"preset": "smoke", "dataset": "shapes", "images": 2000, "epochs": 10, "batch_size": 50}


@pytest.fixture
def shipped(book):
    """A smoke run on 2,000 shapes took two minutes, one on a graph of 100 nodes ten seconds."""
    def put(chapter, seconds, count, **parameters):
        path = book / "data" / "records" / chapter / "smoke-cpu-s0.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record(
            chapter=chapter, preset="smoke", seconds={"wall": 900.0, "cpu": seconds},
            parameters={**SETTINGS, **parameters},
            data={"train": {"name": parameters.get("dataset", "shapes"), "count": count,
                            "sha256": "d"}})))

    put("one", 120.0, 2000)
    put("graph", 10.0, 100, dataset="digits_knn", images=0, batch_size=0)
    put("few", 40.0, 1000, images=0, labelled=200)


@pytest.mark.parametrize(("change", "count", "says"), [
    ({}, 0, "about 2 minutes"),
    ({}, 2000, "about 2 minutes"),
    ({"epochs": 40}, 0, "about 8 minutes"),
    ({"images": 500}, 0, "about 30 s"),
    ({"images": 0}, 6000, "about 6 minutes"),
    ({"batch_size": 100}, 0, "about 2 minutes"),  # half the steps, of twice the images
    ({"max_steps": 100}, 0, "about 30 s"),
    ({"minutes": 30.0}, 0, "about 32 minutes"),
    ({"dataset": "folder:photos"}, 0, times.LATER),
    ({"dataset": "folder:photos"}, 12_000, "about 12 minutes, scaled from a run on shapes"),
    ({"dataset": "cifar10", "epochs": 1}, 500, "about 3 s, scaled from a run on shapes"),
    ({"preset": "full"}, 2000, times.UNKNOWN),
])
def test_minutes_grow_with_the_samples_that_are_trained_on(shipped, change, count, says):
    assert records.expected_minutes("one", SETTINGS | change, "cpu", count) == says


def test_a_graph_is_taken_whole_and_few_labels_stay_few(shipped):
    graph = SETTINGS | {"dataset": "graph:mine.npz", "images": 0, "batch_size": 0}
    assert records.expected_minutes("graph", graph, "cpu", 300) == (
        "about 30 s, scaled from a run on digits_knn")
    few = SETTINGS | {"dataset": "folder:photos", "images": 0, "labelled": 200}
    assert records.expected_minutes("few", few, "cpu", 50_000) == (
        "about 40 s, scaled from a run on shapes")
    assert times.planned_steps(few, 50_000) == 10 * 200 // 50


@pytest.fixture
def many(tmp_path):
    """A table is quicker to write than images: 250 rows in two classes."""
    values = np.random.default_rng(0).normal(size=(250, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a > 0 else 'no'}" for a, b in values]
    (tmp_path / "many.csv").write_text("\n".join(["a,b,label", *lines]))
    return f"csv:{tmp_path / 'many.csv'}"


def loaded(capsys, **parameters):
    """What a run says when it begins and loads both splits."""
    import sslbook

    presets = {"smoke": {**SETTINGS, "images": 100, "test_images": 20}}
    run = sslbook.start("one", presets, PRESET="smoke", **parameters)
    run.load("train"), run.load("test")
    return capsys.readouterr().out.splitlines()


def test_a_run_says_what_of_your_data_it_uses_and_how_long_that_takes(shipped, many, capsys):
    assert loaded(capsys, DATASET=many) == [
        f"one: preset smoke on cpu, seed 0, {times.LATER}",
        "csv:many.csv: 100 of 200 train samples are used; IMAGES=0 uses all",
        "csv:many.csv: 100 samples take about 6 s, scaled from a run on shapes",
        "csv:many.csv: 20 of 50 test samples are used; TEST_IMAGES=0 uses all"]
    assert loaded(capsys, DATASET=many, IMAGES=0, TEST_IMAGES=0)[1:] == [
        "csv:many.csv: 200 samples take about 12 s, scaled from a run on shapes"]
    assert loaded(capsys) == ["one: preset smoke on cpu, seed 0, about 6 s"]


def test_every_chapter_with_data_can_be_cut(book, sslbook_, photos):
    """IMAGES is taken although the parameters cell of `tiny` does not list it."""
    told = ("run", "tiny", "--preset", "smoke", "-p", f"DATASET=folder:{photos}", "-p", "IMAGES=6",
            "-p", "BATCH_SIZE=2")
    assert "75 steps of 2" in sslbook_(*told, "--dry-run").out  # 25 epochs of 6 // 2


def test_a_dry_run_scales_the_time_of_other_data(book, sslbook_, photos):
    tiny_book.here(PRESET="smoke")
    kept = records.latest_record("tiny", "smoke", "cpu", "shapes")
    arguments = ("run", "tiny", "--preset", "smoke", "-p", f"DATASET=folder:{photos}",
                 "-p", "BATCH_SIZE=5", "--dry-run")
    about = json.loads(sslbook_(*arguments, "--json").out)
    assert (about["steps"], about["told_by"]) == (50, "shapes")
    assert about["seconds"] == round(records.run_seconds(kept) * 50 * 5 / (100 * 16))
    assert "as a run of this preset on shapes took, scaled to these data" in (
        sslbook_(*arguments).out)


def test_a_graph_that_is_cut_says_of_how_many_nodes():
    cut = datasets.load("digits_knn", limit=100)
    assert (len(cut), cut.total) == (100, 1797)
    assert datasets.load("digits_knn").total == 1797
