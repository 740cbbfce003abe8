"""Taking home every kind of data: what is embedded is what the chapter saw, row by row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from samples import noise_photos

from sslbook import datasets, embed, judging, load_encoder, nets
from sslbook.core.streams import Streams
from sslbook.datasets import GraphSet
from sslbook.errors import DataError, UsageError
from sslbook.run import encoders
from sslbook.views import preparer

NETS = {
    "images": ("shapes", {"net": "resnet8", "width": 4}),
    "table": ("iris", {"net": "row_encoder", "groups": [1] * 4, "width": 4, "depth": 1}),
    "graph": ("digits_knn", {"net": "graph_net", "features": 64, "width": 8, "kind": "gcn",
                             "heads": 1}),
}


def save(folder, options, data):
    with Streams(0).seeded("make"):
        encoder = nets.build(**options)
    encoders.save_encoder(folder, encoder, data, "one")
    return encoder.eval()


@pytest.fixture
def saved(tmp_path):
    """Saves the encoder of a kind in a folder; gives the folder and the encoder."""
    def make(kind, data=None):
        name, options = NETS[kind]
        return tmp_path, save(tmp_path, options, data or datasets.load(name, limit=30))

    return make


# -- images ------------------------------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path):
    """Twelve pictures with fine detail, far larger than an encoder takes, none of them square."""
    return f"folder:{noise_photos(tmp_path / 'photographs', 203, 150, grows=True)}"


def test_photographs_have_the_features_of_the_chapter(saved, photographs):
    train, test = (datasets.load(photographs, split, size=32) for split in ("train", "test"))
    folder, encoder = saved("images", train)
    found = embed(folder, photographs)
    for part in (train, test):
        rows = {name: row for row, name in enumerate(found["ids"])}
        rows = [rows[name] for name in part.ids]
        assert set(found["split"][rows]) == {part.split}
        chapters = judging.features(encoder, part, prepare=preparer(train)).numpy()
        np.testing.assert_allclose(found["features"][rows], chapters, atol=1e-5)
        np.testing.assert_array_equal(found["labels"][rows], part.labels)
    assert len(found["ids"]) == len(train) + len(test) == 12
    assert list(found["ids"]) == sorted(found["ids"])
    assert found["ids"][0] == "cat/01.png"


def test_a_set_of_whole_splits_gives_both(saved, monkeypatch):
    def few(name, split, **options):
        return load(name, split, limit=7, **options)

    load = datasets.load
    folder, _ = saved("images")
    monkeypatch.setattr(datasets, "load", few)
    found = embed(folder, "shapes")
    assert list(found["split"]) == ["train"] * 7 + ["test"] * 7
    assert list(found["ids"]) == [str(i) for i in range(7)] * 2
    assert set(embed(folder, "shapes", "test")["split"]) == {"test"}
    assert set(embed(folder, "digits")["split"]) <= {"train", "test"}


# -- tables ------------------------------------------------------------------------------------

COLOURS = ("red", "green", "blue")


def rows_of(count=30):
    rng = np.random.default_rng(1)
    return {"size": rng.normal(40, 9, count).round(2), "colour": [COLOURS[i % 3] for i in
            range(count)], "weight": rng.normal(3, 1, count).round(3),
            "kind": ["ab"[i % 2] for i in range(count)]}


def write(path, table, order=()):
    names = list(order or table)
    lines = [",".join(names), *(",".join(map(str, row)) for row in
                                zip(*(table[name] for name in names), strict=True))]
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"csv:{path}"


@pytest.fixture
def table(tmp_path):
    """Folder, encoder and features of a table with a column of three colours."""
    name = write(tmp_path / "rows.csv", rows_of())
    known = datasets.load(name, "train")
    assert known.columns == ("size", "colour=blue", "colour=green", "colour=red", "weight")
    options = {"net": "row_encoder", "groups": [1, 3, 1], "width": 4, "depth": 1}
    encoder = save(tmp_path / "run", options, known)
    values = datasets.load(name, "all").standardise().values
    return tmp_path / "run", judging.features(encoder, values).numpy(), name


def test_a_table_is_scaled_as_in_training(table):
    folder, expected, name = table
    found = embed(folder, name)
    np.testing.assert_allclose(found["features"], expected, atol=1e-5)
    assert list(np.unique(found["split"], return_counts=True)[1]) == [6, 24]
    assert list(found["classes"]) == ["a", "b"]
    encoder, ready = load_encoder(folder)
    raw = datasets.load(name, "all").values
    np.testing.assert_allclose(encoder(ready(raw)).detach(), expected, atol=1e-5)
    with pytest.raises(DataError, match="takes 5 features; these have 4"):
        ready(raw[:, :4])


def test_columns_come_in_any_order_and_others_are_passed_over(table, tmp_path, capsys):
    folder, expected, _ = table
    more = {**rows_of(), "day": range(30)}
    name = write(tmp_path / "more.csv", more, ["weight", "day", "colour", "size", "kind"])
    np.testing.assert_allclose(embed(folder, name)["features"], expected, atol=1e-5)
    assert "csv:more.csv: column day passed over" in capsys.readouterr().out


def test_a_category_that_no_new_row_has_is_zero(table, tmp_path):
    folder, expected, _ = table
    rows = [i for i in range(30) if i % 3]  # none is red
    few = {key: [values[i] for i in rows] for key, values in rows_of().items()}
    found = embed(folder, write(tmp_path / "few.csv", few))
    np.testing.assert_allclose(found["features"], expected[rows], atol=1e-5)


@pytest.mark.parametrize(("changes", "says"), [
    ({"colour": ["pink", "red"] * 15}, "column colour holds 'pink', which the encoder never saw"),
    ({"colour": range(30)}, "column colour holds numbers where the encoder knows categories"),
    ({"size": ["wide", "tall"] * 15}, "column size holds 'tall' where the encoder takes numbers"),
    ({"size": None}, "lacks column size, which the encoder takes"),
    ({"size": None, "colour": None}, "lacks columns size, colour, which"),
])
def test_a_table_that_does_not_fit_is_named(table, tmp_path, changes, says):
    folder, _, _ = table
    rows = {key: values for key, values in {**rows_of(), **changes}.items() if values is not None}
    with pytest.raises(DataError, match=says) as caught:
        embed(folder, write(tmp_path / "other.csv", rows))
    assert len(str(caught.value).splitlines()) == 3


# -- graphs ------------------------------------------------------------------------------------


def test_all_nodes_of_a_graph_are_embedded(saved):
    graph = datasets.load("digits_knn")
    folder, encoder = saved("graph", graph)
    found = embed(folder, "digits_knn")
    with torch.no_grad():
        expected = encoder(graph.features, graph.edges)
    np.testing.assert_allclose(found["features"], expected, atol=1e-5)
    test = datasets.load("digits_knn", "test").index
    np.testing.assert_array_equal(np.flatnonzero(found["split"] == "test"), test)
    assert (found["split"] == "train").sum() == len(graph.index) == 200
    assert found["ids"][-1] == str(len(graph) - 1)
    with pytest.raises(DataError, match="takes 64 features; these have 63"):
        embed(folder, _narrow(graph))


def _narrow(graph):
    return replace(graph, features=graph.features[:, 1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class Many(GraphSet):
    """Graphs of 3, 1 and 2 nodes; the first node of each stands for it, the others have part -1."""

    graph: torch.Tensor = field(default_factory=lambda: torch.tensor([0, 0, 0, 1, 2, 2]))

    def pool(self, codes):
        return torch.stack([codes[self.graph == i].mean(dim=0) for i in self.graph])


def test_each_of_many_graphs_has_one_row(saved):
    features = torch.rand(6, 64, generator=torch.Generator().manual_seed(0))
    edges = torch.tensor([[0, 1, 1, 2, 4, 5], [1, 0, 2, 1, 5, 4]])
    graphs = Many(name="many", split="train", labels=torch.tensor([1, 1, 1, 0, 1, 1]),
                  classes=("no", "yes"), licence="", source="", description="", edges=edges,
                  features=features, parts=torch.tensor([0, -1, -1, 1, 0, -1]))
    folder, encoder = saved("graph", graphs)
    found = embed(folder, graphs)
    with torch.no_grad():
        codes = encoder(features, edges)
    expected = torch.stack([codes[:3].mean(dim=0), codes[3], codes[4:].mean(dim=0)])
    np.testing.assert_allclose(found["features"], expected, atol=1e-5)
    assert [list(found[key]) for key in ("split", "labels", "ids")] == [
        ["train", "test", "train"], [1, 0, 1], ["0", "3", "4"]]


# -- what fits what ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("other", NETS)
def test_data_of_another_kind_are_refused(saved, kind, other):
    folder, _ = saved(kind)
    data = datasets.load(NETS[other][0], limit=30)
    if kind == other:
        assert embed(folder, data)["features"].shape[0] == 30
    else:
        with pytest.raises(UsageError, match=f"takes {kind.removesuffix('s')}s; {data.name} "):
            embed(folder, data)


def test_a_table_encoder_of_before_says_that_it_knows_no_columns(saved):
    folder, _ = saved("table")
    path = folder / "encoder.json"
    about = json.loads(path.read_text())
    del about["columns"], about["kind"]
    path.write_text(json.dumps(about))
    assert load_encoder(folder)[0].out_dim == 16
    with pytest.raises(UsageError, match="does not know its columns"):
        embed(folder, "iris")
