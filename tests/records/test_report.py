"""`sslbook report`: text, page and tables; every text in them may come from outside."""

from __future__ import annotations

import csv
import json
import os
import re
from html.parser import HTMLParser

import nbformat.v4 as new
import pytest
from samples import claim, record

from sslbook import records
from sslbook.core import paths
from sslbook.headless import page
from sslbook.records import report, tables

SCORES = {"mine": {"knn20": 0.625, "linear": 0.5, "rank": 12.0}, "chance": {"knn20": 0.125}}
FOUND = [record(seed, 0.04 + seed / 100, scores=SCORES) for seed in range(3)]
EVIL = "<script>alert(1)</script>\"'><img src=http://x.example/a onerror=alert(1)>&{{ 7 * 7 }}"


def put(folder, content, name="record.json"):
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_data(self, data):
        self.text += data


def asks_nobody(html):
    """The page, once it is sure that a browser fetches and executes nothing for it."""
    found = Page(html)
    assert "default-src 'none'" in html
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(found.tags)
    loaded = [text for tag, key, text in found.attributes
              if key in ("src", "srcset", "data", "poster") or (key == "href" and tag != "a")]
    assert all(text.startswith("data:") for text in loaded)
    assert not re.search(r"@import|url\((?![\"']?(?:data:|#))", html)
    assert not [key for _, key, _ in found.attributes if key.startswith("on")]
    return found


@pytest.fixture
def evil():
    """A record whose every free text is markup."""
    one = claim(seeds=False).as_dict()
    one.update(text=EVIL, source=EVIL, measures=EVIL)
    found = record(0, claims__a__claim=one, scores={EVIL: {EVIL: 0.5, "knn20": 0.5}})
    found["claims"][EVIL] = found["claims"].pop("a")
    found["data"]["train"]["name"] = EVIL
    found["parameters"]["net"] = EVIL
    found["code"]["version"] = found["code"]["commit"] = EVIL
    return found


# -- the page --------------------------------------------------------------------------------


def code(source, tag, *data, hidden=False):
    seen = {"image/png": {"alt": "two \"bars\"", "width": 770}}
    shown = [new.new_output("display_data", one, metadata=seen) for one in data]
    about = {"tags": [tag], "jupyter": {"source_hidden": hidden}}
    return new.new_code_cell(source, metadata=about, outputs=shown)


def test_a_notebook_becomes_a_page_that_asks_nobody():
    badge = "[![Open in Colab](https://x.example/badge.svg)](https://x.example/colab)"
    found = asks_nobody(page.html(new.new_notebook(cells=[
        new.new_markdown_cell(f"# Some title\n\n{badge}"),
        code("OUT_DIR = 'secret'", "injected-parameters"),
        code("import secret", "sec:setup", {"text/plain": "the start line"}, hidden=True),
        code("method = 1", "sec:scores", {"image/png": "AAAA", "text/plain": "two bars"}),
        code("table = 2", "sec:table", {"text/markdown": f"| a |\n|---|\n| {EVIL} |"}),
    ], metadata={"widgets": {}})))
    assert "Some title" in found.text
    assert ("a", "href", "https://x.example/colab") in found.attributes
    assert "secret" not in found.text
    assert "the start line" in found.text
    assert "method = 1" in found.text
    assert ("img", "alt", 'two "bars"') in found.attributes
    assert ("img", "width", "770") in found.attributes
    assert "<script>alert(1)</script>" in found.text
    assert {"table", "img"} <= set(found.tags)


@pytest.mark.slow
def test_the_page_is_the_scoreboard_with_the_runs_of_this_machine(
        sslbook_, tmp_path, monkeypatch, evil):
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path / "home"))
    put(paths.runs() / "one" / "id", evil)
    found = sslbook_("report", "--html", tmp_path / "page.html")
    assert (found.code, found.out) == (0, "Written: page.html\n")
    made = asks_nobody((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert f"{len(list(records.shipped())) + 1} records" in made.text
    assert "<script>alert(1)</script>" in made.text
    assert "import sslbook" not in made.text
    assert [one.name for one in paths.runs().iterdir()] == ["one"]  # the page's own run is gone


def test_a_page_that_cannot_be_made_says_so(sslbook_, tmp_path, monkeypatch):
    found = sslbook_("report", "dcl", "--html", tmp_path / "page.html")
    assert (found.code, found.lines[0]) == (2, "A page holds all chapters.")
    monkeypatch.setattr(page, "executed", lambda: new.new_notebook())
    (tmp_path / "page.html").mkdir()
    found = sslbook_("report", "--html", tmp_path / "page.html")
    assert (found.code, len(found.lines)) == (4, 3)
    assert found.lines[0].startswith("Cannot write page.html")


# -- what may be compared --------------------------------------------------------------------


def test_only_equal_data_preset_and_budget_are_grouped():
    other = [record(0, scores=SCORES, parameters__epochs=9),
             record(0, scores=SCORES, preset="full"),
             record(0, scores=SCORES, data__train__name="mnist", data__train__sha256="d2")]
    made = report.groups(report.scoreboard([*FOUND, *other]))
    assert list(made) == sorted([
        ("cifar10/10", "lesson", "epochs 3"), ("cifar10/10", "lesson", "epochs 9"),
        ("cifar10/10", "full", "epochs 3"), ("mnist/10", "lesson", "epochs 3")])
    assert made["cifar10/10", "lesson", "epochs 3"] == {
        ("one", "mine"): {"knn20": [0.625] * 3, "linear": [0.5] * 3, "rank": [12.0] * 3},
        ("", "chance"): {"knn20": [0.125] * 3}}


# -- tables ----------------------------------------------------------------------------------


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["out", "out.csv", "out.CSV"])
def test_two_tables(tmp_path, name):
    claims, scores = tables.write(tmp_path / name, FOUND)
    assert (claims.name, scores.name) == ("out-claims.csv", "out-scores.csv")
    (row,) = read(claims)
    assert (row["chapter"], row["verdict"], row["n"]) == ("one", "supported", "3")
    assert float(row["mean"]) == pytest.approx(0.05)
    rows = read(scores)
    assert len(rows) == 3 * 4
    assert {(r["row"], r["measure"], r["value"]) for r in rows if r["seed"] == "1"} == {
        ("mine", "knn20", "0.625"), ("mine", "linear", "0.5"), ("mine", "rank", "12.0"),
        ("chance", "knn20", "0.125")}


def test_what_was_not_measured_is_an_empty_cell(tmp_path):
    claims, _ = tables.write(tmp_path / "out", [record(0, None)])
    (row,) = read(claims)
    assert (row["mean"], row["low"], row["n"]) == ("", "", "0")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_no_cell_is_a_formula(tmp_path, text):
    one = {**claim().as_dict(), "text": text}
    claims, scores = tables.write(
        tmp_path / "out", [record(-1, -0.5, claims__a__claim=one, scores={text: {text: -0.5}})])
    assert read(claims)[0]["text"] == "'" + text
    (row,) = read(scores)
    assert (row["row"], row["measure"]) == ("'" + text, "'" + text)
    assert (row["value"], row["seed"]) == ("-0.5", "-1")  # numbers stay numbers


# -- the command -----------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such folder names")
def test_the_command_writes_what_is_asked_and_names_what_it_skips(book, sslbook_, tmp_path):
    put(book / "data" / "records" / "one", FOUND[0], "lesson-cpu-s0.json")
    put(book / "data" / "records" / "two", "{", "smoke-cpu-s0.json")
    put(book / "data" / "records" / "two", {"net": {}}, "encoder.json")
    put(paths.runs() / "one" / "id1", FOUND[1])
    put(paths.runs() / "one" / "id2", {**FOUND[2], "schema": 2})
    put(paths.runs() / "one" / "id3\n\x1b[31m", {**FOUND[2], "claims": {"a": 3}})
    found = sslbook_("report", "--csv", tmp_path / "table.csv")
    assert found.code == 0
    assert found.out == "Written: table-claims.csv, table-scores.csv\n"
    starts = ["two/smoke-cpu-s0.json (", "one/id2/record.json (", "one/id3 ?[31m/record.json ("]
    for line, start in zip(found.lines, starts, strict=True):
        assert line.startswith("skipped, no record of this book: " + start)
    assert len(read(tmp_path / "table-scores.csv")) == 2 * 4
    assert sslbook_("report", "two").lines == [found.lines[0]]
    quiet = sslbook_("report", "--json")
    assert quiet.lines == found.lines
    assert set(json.loads(quiet.out)) == {"ledger", "scoreboard"}


def test_texts_of_a_record_are_printed_on_one_line(evil):
    bad = "a\nb\x1b[31m\ud800\u202ec\xa0d"
    one = {**claim().as_dict(), "text": bad, "measures": bad}
    found = record(0, claims__a__claim=one, scores={bad: {bad: 0.5}}, data__train__name=bad)
    lines = report.text([found]).splitlines()
    assert records.printable(bad) == "a b?[31m??c d"
    assert len(lines) == len(report.text([record(0, scores={"a": {"b": 0.5}})]).splitlines())
    report.text([found]).encode()


def test_a_measure_cannot_take_the_place_of_a_column():
    found = record(0, scores={"x": {"chapter": 0.5, "seed": 0.25, "knn20": 0.75}})
    (row,) = report.scoreboard([found])
    assert (row["chapter"], row["seed"], row["knn20"]) == ("one", 0, 0.75)
