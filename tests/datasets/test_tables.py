"""The reader's own tables: what a column is taken for, what is said of it, what is refused."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch

from sslbook import datasets
from sslbook.errors import DataError, UsageError

N = 60
KIND = ["abc"[i % 3] for i in range(N)]
VALUE = [f"{(i * 37 % N) / 7:.3f}" for i in range(N)]
DAY = [f"2024-{1 + i % 12:02}-{1 + i // 12:02}" for i in range(N)]


@pytest.fixture
def load(tmp_path):
    def loaded(*columns, header="", sep=",", query="", split="all"):
        lines = [header] if header else []
        lines += [sep.join(map(str, row)) for row in zip(*columns, strict=True)]
        (tmp_path / "t.csv").write_text("\n".join(lines))
        return datasets.load(f"csv:{tmp_path}/t.csv{query}", split)

    return loaded


def said(found):
    return "\n".join(found.notes)


def test_unix_seconds_keep_their_differences(load):
    seconds = [1_700_000_000 + 60 * (i * 7 % N) for i in range(N)]
    found = load(seconds, VALUE, KIND, header="time,value,kind")
    assert torch.equal(found.values[:, 0], torch.tensor(seconds).double())
    standard = load(seconds, VALUE, KIND, header="time,value,kind", split="train").standardise()
    assert standard.values.dtype == torch.float32
    assert len(standard.values[:, 0].unique()) == len(standard) == 48
    torch.testing.assert_close(standard.values.std(0, correction=0), torch.ones(2))
    assert standard.values.mean(0).abs().max() < 1e-6


@pytest.mark.parametrize("write", [
    "%Y-%m-%d", "%Y-%m-%dT00:00:00Z", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%Y 00:00", "%d/%m/%Y",
    "%m/%d/%Y"])
def test_dates_are_days(load, write):
    days = pandas.date_range("2023-12-20", periods=N)  # days above 12: the order is plain
    found = load(days.strftime(write), VALUE, KIND, header="when,value,kind")
    assert found.columns == ("when", "value")
    assert found.values[:, 0].tolist() == [19711 + i for i in range(N)]
    assert said(found) == "dates, in days since 1970-01-01: when"


@pytest.mark.parametrize("cell", ["inf", "n.d.", "1.234,5", "2,5", "$5.10"])
def test_one_text_among_numbers_is_refused_with_its_place(load, cell):
    cells = [cell if i == 40 else v for i, v in enumerate(VALUE)]
    table = {"header": "value;when;kind", "sep": ";"}
    with pytest.raises(DataError, match="column value looks like numbers, but line 42") as error:
        load(cells, DAY, KIND, **table)
    assert repr(cell) in str(error.value)
    assert load(cells, DAY, KIND, **table, query="?drop=value").shape == (1,)


@pytest.mark.parametrize(("cells", "message"), [
    ([f"{1 + i % 12:02}/{1 + i // 12:02}/2024" for i in range(N)], "may begin with the day or"),
    ([f"{1 + i % 12:02}.{1 + i // 12:02}.24" for i in range(N)], "looks like dates, but line 2"),
    ([f"{i}.000,50" for i in range(N)], "looks like numbers, but line 2"),
    ([f"1,{i:03}" for i in range(N)], "looks like numbers, but line 2"),
])
def test_what_can_be_read_in_two_ways_is_refused(load, cells, message):
    with pytest.raises(DataError, match=message):
        load([f'"{cell}"' for cell in cells], VALUE, KIND, header="x,value,kind")


def test_few_values_may_be_categories_and_that_is_said(load):
    found = load([("0", "1", "2", "3+")[i % 4] for i in range(N)], KIND, header="children,kind")
    assert found.columns == ("children=0", "children=1", "children=2", "children=3+")
    assert "categories though most look like numbers, line 5 holds '3+': children" in said(found)


def test_decimal_commas_are_numbers_with_every_separator(load):
    commas = [cell.replace(".", ",").removesuffix("0") for cell in VALUE]
    for cells, sep in ((commas, ";"), ([f'"{cell}"' for cell in commas], ",")):
        found = load(cells, KIND, header=sep.join(["x", "kind"]), sep=sep)
        assert found.values[:, 0].tolist() == [float(cell) for cell in VALUE]
        assert said(found) == "decimal commas: x"


@pytest.mark.parametrize(("header", "columns"), [
    (",0,1,label", ("0", "1")),  # as pandas writes it
    ("c0,0,1,label", ("c0", "0", "1")),
    ("100,2019,2021,label", ("100", "2019", "2021")),
    ("0,1,2,3", ("0", "1", "2")),
])
def test_a_header_with_numbers_is_a_header(load, header, columns):
    found = load(range(N), VALUE, VALUE[::-1], KIND, header=header)
    assert (len(found), found.classes, found.columns) == (N, ("a", "b", "c"), columns)
    assert "first line was taken for the names" in said(found) or header.startswith("c0")
    without = load(range(N), VALUE, VALUE[::-1], KIND)
    assert len(without) == N
    assert "no line names the columns" in said(without)


def test_texts_alone_are_no_header_where_they_come_again(load):
    columns = KIND, ["xy"[i % 2] for i in range(N)]
    found = load(*columns)
    assert (len(found), found.classes) == (N, ("x", "y"))
    assert "no line names the columns" in said(found)
    assert len(load(*columns, query="?header=1")) == N - 1
    assert len(load(*columns, header="one,two")) == N


@pytest.mark.parametrize("header", ["a,y,y", "y,a,y", "a,a,y"])
def test_two_columns_of_one_name_are_refused(load, header):
    with pytest.raises(DataError, match="2 columns are called"):
        load(VALUE, KIND, KIND, header=header)
    left = load(VALUE, KIND, KIND, header="a,y,b", query="?drop=y")
    assert left.columns == ("a",)


def test_columns_and_lines_that_are_left_out(load):
    gaps = ["" if i in (3, 5) else v for i, v in enumerate(VALUE)]
    found = load(VALUE, gaps, DAY, KIND, header="a,b,c,d", query="?drop=a,c&missing=skip")
    assert found.columns == ("b",)
    assert said(found) == "2 lines with missing cells are left out"
    assert found.ids[:5] == ("2", "3", "4", "6", "8")
    assert len(load(VALUE, gaps, KIND, header="a,b,d", query="?drop=b")) == N
    with pytest.raises(UsageError, match="does not know drop='z'"):
        load(VALUE, KIND, header="a,b", query="?drop=z")
    with pytest.raises(DataError, match="no column is left"):
        load(VALUE, KIND, header="a,b", query="?drop=a")
    with pytest.raises(DataError, match=r"0 lines have no gaps(?s:.)*missing=skip&drop=b"):
        load(VALUE, [""] * N, KIND, header="a,b,c", query="?missing=skip")


def test_ids_are_lines_of_the_file(tmp_path):
    rows = "\n".join(f'{v},"{k}\nsecond line"' for v, k in zip(VALUE, KIND, strict=True))
    (tmp_path / "t.csv").write_text(f"\nvalue,kind\n{rows}")
    found = datasets.load(f"csv:{tmp_path}/t.csv", "train")
    whole = (tmp_path / "t.csv").read_text().splitlines()
    for i, value in zip(found.ids, found.values[:, 0], strict=True):
        assert whole[int(i) - 1].startswith(f"{value:.3f},")


def test_categories_constants_and_names_are_said(load):
    found = load(range(N), [f"p{i}" for i in range(N)], [7] * N, KIND, VALUE, KIND,
                 header="id,who,k,city,x,y")
    assert found.notes == (
        "categories: who (60), city (3)", "the same in every line: k",
        "they only number or name the lines, it seems: id, who (?drop=COLUMN,... leaves them out)")


def test_without_labels(load):
    found = load(VALUE, KIND, header="x,y", query="?label=none", split="train")
    assert (found.labels, found.classes) == (None, ())
    assert found.columns == ("x", "y=a", "y=b", "y=c")
    assert found.take(3).labels is None
    assert "no labels" in found.description


def test_a_target_of_many_numbers_is_a_number(load):
    def target(many, query=""):
        return load(VALUE, [i * 0.5 % many for i in range(N)], header="x,y", query=query)

    found = target(99)
    assert found.classes == ()
    assert found.labels.tolist() == [i * 0.5 for i in range(N)]
    assert "y holds over 50 different numbers, so it is a number to predict" in said(found)
    assert len(target(15).classes) == 30
    few = target(15, "?target=number")
    assert (few.classes, few.labels.dtype) == ((), torch.float64)
    with pytest.raises(DataError, match="holds 60 values in 60 lines"):
        target(99, "?target=classes")
    with pytest.raises(DataError, match="holds 3 values"):
        load(VALUE, KIND, header="x,y", query="?target=number")


@pytest.mark.parametrize(("query", "key"), [("when", 1), ("value", 0), ("time", 1)])
def test_a_split_by_time_tests_on_the_last_fifth(load, query, key):
    columns = VALUE, DAY, KIND
    train, test = (load(*columns, header="value,when,kind", query=f"?split={query}", split=split)
                   for split in ("train", "test"))
    last = np.argsort([float(v) for v in VALUE] if key == 0 else DAY, kind="stable")[-12:]
    assert sorted(test.ids, key=int) == [str(i + 2) for i in sorted(last)]
    assert train.values[:, key].max() <= test.values[:, key].min()
    assert not set(train.ids) & set(test.ids)


def test_a_split_by_time_without_dates_takes_the_order_of_the_file(load):
    test = load(VALUE, KIND, header="x,y", query="?split=time", split="test")
    assert sorted(map(int, test.ids)) == list(range(50, 62))
    assert "the test split is the last fifth by the order of the file" in said(test)
    with pytest.raises(UsageError, match="does not know split='y'"):
        load(VALUE, KIND, header="x,y", query="?split=y")
