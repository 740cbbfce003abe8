"""Images, tables and graphs: a chapter refuses what it does not take before anything is started."""

from __future__ import annotations

import pytest

import sslbook
from sslbook import datasets
from sslbook.book import toc
from sslbook.errors import UsageError
from sslbook.headless import plan as plans

WRONG = [
    ("simclr", "csv:mine.csv", "simclr takes images, and csv:mine.csv holds a table."),
    ("t_jepa", "digits_knn", "t_jepa takes a table, and digits_knn holds a graph."),
    ("graphmae", "wine", "graphmae takes a graph, and wine holds a table."),
    ("graphmae", "folder:photos", "graphmae takes a graph, and folder:photos holds images."),
    ("linear_jepa", "shapes", "linear_jepa takes no data set, so not shapes either."),
]
SETS = {
    "simclr": "It takes: shapes, creatures, emblems, painted_digits, digits, mnist, fashion_mnist, "
              "cifar10, cifar100, stl10, folder:PATH, pack:FILE.npz",
    "t_jepa": "It takes: mixed_signs, breast_cancer, wine, iris, csv:FILE",
    "graphmae": "It takes: sbm_words, digits_knn, cora, citeseer, graph:FILE.npz, graph:FOLDER, "
                "pyg:NAME",
    "linear_jepa": "Leave DATASET out.",
}


@pytest.mark.parametrize(("chapter", "dataset", "says"), WRONG)
@pytest.mark.parametrize("dry", [True, False])
def test_a_run_of_another_kind_is_refused_before_it_starts(chapter, dataset, says, dry, tmp_path):
    given = [f"DATASET={dataset}", f"OUT_DIR={tmp_path / 'runs'}"]
    with pytest.raises(UsageError) as caught:
        plans.plan(chapter, given, "check", dry=dry)
    assert str(caught.value).splitlines() == [says, "Nothing was started.", SETS[chapter]]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("chapter", "dataset", "says"), WRONG)
def test_start_refuses_it_too(chapter, dataset, says, tmp_path):
    presets = {"check": {"dataset": "shapes"}}
    with pytest.raises(UsageError) as caught:
        sslbook.start(chapter, presets, PRESET="check", DATASET=dataset, OUT_DIR=str(tmp_path))
    assert caught.value.what == says
    assert not list(tmp_path.iterdir())


def test_every_chapter_says_what_it_takes_and_every_set_has_a_kind():
    assert all(chapter.takes is not None for chapter in toc.chapters())
    kinds = {name: datasets.kind(name) for name in datasets.names()}
    assert set(kinds.values()) == {"image", "table", "graph"}
    assert datasets.kind("pyg:Planetoid/Cora") == datasets.kind("graph:none.npz") == "graph"
    with pytest.raises(UsageError, match="There is no data set 'shapez'"):
        datasets.kind("shapez")
