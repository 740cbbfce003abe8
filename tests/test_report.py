"""`sslbook report`: text, page and tables; every text in them may come from outside."""

from __future__ import annotations

import csv
import json
import os
import re
from html.parser import HTMLParser

import pytest
from test_claims import claim, record
from test_cli import sslbook_  # noqa: F401 (a fixture)

from sslbook import paths, report
from sslbook.judging import ledger, records
from sslbook.report import gpu, page, tables

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
        self.open = []
        self.feed(html)
        assert self.open == [], "a tag is not closed"

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


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


def test_the_page_has_scores_ledger_and_numbers():
    found = Page(page.html(FOUND))
    for text in ("3 records", "62.5", "12.5", "holds", "0.05", "0.0252, 0.0748", ">= 0 over seeds",
                 "cifar10/10, lesson", "a difference"):
        assert text in found.text, text
    assert found.tags.count("svg") == 3  # two measures, and the strip of one claim
    assert found.tags.count("circle") == 9 + 1  # a dot per run, and the claim's mean


def test_the_page_asks_nobody():
    html = page.html(FOUND, ["skipped"])
    assert "default-src 'none'" in html
    rest = re.sub("default-src|style-src", "", html)
    assert not re.search(r"(?:src|url|@import|https?:)\b", rest)
    found = Page(html)
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(found.tags)
    links = [value for key, value in found.attributes if key in ("href", "src", "srcset", "data")]
    assert links
    assert all(link.startswith("#") for link in links)


def test_the_page_is_readable_on_a_phone_and_in_the_dark():
    html = page.html(FOUND)
    assert 'name="viewport" content="width=device-width' in html
    assert "prefers-color-scheme: dark" in html
    assert re.search(r"@media \(max-width: \d+rem\)", html)


def test_markup_in_a_record_is_text(evil, monkeypatch):
    changed = {**report.ledger([evil])[0], "before": {"verdict": EVIL}, "whose": "mine"}
    monkeypatch.setattr(report, "history", lambda: ([changed], []))
    found = Page(page.html([evil], [EVIL]))
    assert not {"script", "img"} & set(found.tags)
    assert not [key for key, _ in found.attributes if key.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") >= 10
    assert "{{ 7 * 7 }}" in found.text
    assert "49" not in found.text


def test_the_page_of_nothing():
    found = Page(page.html([]))
    assert "No scores yet" in found.text
    assert "No claims yet" in found.text


def test_skipped_files_and_changes_are_on_the_page():
    put(paths.runs(), "", ledger.NAME)
    for verdict in (0.1, 0.9):
        one = record(0, verdict, claims__a__claim=claim(bound=0.5, seeds=False).as_dict())
        ledger.append(paths.runs() / ledger.NAME, ledger.rows([one]))
    found = Page(page.html(FOUND, ["skipped: this one"]))
    assert "skipped: this one" in found.text
    changes = found.text.partition("Verdicts and rules that were others")[2]
    assert re.search(r"fails\s+holds\s+n=1", changes)


@pytest.mark.parametrize(("values", "place"), [
    ({"bound": 0.0, "mean": 1.0, "low": float("nan"), "high": float("nan")}, (9.7, 90.3)),
    ({"bound": 1.0, "mean": 0.0, "low": -1.0, "high": 1.0}, (90.3, 50.0)),
    ({"bound": 2.0, "mean": 2.0, "low": 2.0, "high": 2.0}, (50.0, 50.0)),
    ({"bound": -1e150, "mean": 1e150, "low": float("nan"), "high": float("nan")}, (9.7, 90.3)),
])
def test_the_strip_of_a_claim(values, place):
    made = page.strip({"n": 1, "op": ">=", **values})
    assert (made["bound"], made["mean"]) == place
    assert made["met"] == made["bound"]
    below = page.strip({"n": 1, "op": "<=", **values})
    assert (below["met"], below["met_width"]) == (0.0, below["bound"])


def test_nothing_measured_has_no_strip():
    assert page.strip({"n": 0}) is None


def test_only_equal_data_preset_and_budget_share_a_table():
    other = [record(0, scores=SCORES, parameters__epochs=9),
             record(0, scores=SCORES, preset="full"),
             record(0, scores=SCORES, data__train__name="mnist"),
             record(0, scores={"chance": {"knn20": 0.1}}, data__train__name="wine")]
    made = page.groups(report.scoreboard([*FOUND, *other]))
    places = [(g["data"], g["preset"], g["budget"]) for g in made]
    assert places == sorted({
        ("cifar10/10", "lesson", "epochs 3"), ("cifar10/10", "lesson", "epochs 9"),
        ("cifar10/10", "full", "epochs 3"), ("mnist/10", "lesson", "epochs 3")})
    rows = made[1]["rows"]
    assert [(r["name"], r["control"], r["runs"]) for r in rows] == [
        ("mine", False, 3), ("chance", True, 3)]
    assert rows[1]["cells"] == ["12.5", "", ""]


# -- tables ----------------------------------------------------------------------------------


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["out", "out.csv", "out.CSV"])
def test_two_tables(tmp_path, name):
    claims, scores = tables.write(tmp_path / name, FOUND)
    assert (claims.name, scores.name) == ("out-claims.csv", "out-scores.csv")
    (row,) = read(claims)
    assert (row["chapter"], row["verdict"], row["n"]) == ("one", "holds", "3")
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
def test_the_command_writes_what_is_asked_and_names_what_it_skips(book, sslbook_, tmp_path):  # noqa: F811
    put(book / "data" / "records" / "one", FOUND[0], "lesson-cpu-s0.json")
    put(book / "data" / "records" / "two", "{", "smoke-cpu-s0.json")
    put(book / "data" / "records" / "two", {"net": {}}, "encoder.json")
    put(paths.runs() / "one" / "id1", FOUND[1])
    put(paths.runs() / "one" / "id2", {**FOUND[2], "schema": 2})
    put(paths.runs() / "one" / "id3\n\x1b[31m", {**FOUND[2], "claims": {"a": 3}})
    put(paths.runs(), "{\n", ledger.NAME)
    html, name = tmp_path / "page.html", tmp_path / "table.csv"
    found = sslbook_("report", "--html", html, "--csv", name)
    assert found.code == 0
    assert found.out == "Written: table-claims.csv, table-scores.csv, page.html\n"
    starts = ["two/smoke-cpu-s0.json (", "one/id2/record.json (", "one/id3 ?[31m/record.json ("]
    assert len(found.lines) == 4
    for line, start in zip(found.lines, starts, strict=False):
        assert line.startswith("skipped, no record of this book: " + start)
    assert found.lines[3] == "skipped, no line of a ledger: runs/ledger.jsonl, line 1"
    assert "2 records" in Page(html.read_text(encoding="utf-8")).text
    assert len(read(tmp_path / "table-scores.csv")) == 2 * 4
    assert sslbook_("report", "two").lines == [found.lines[0], found.lines[3]]
    quiet = sslbook_("report", "--json")
    assert quiet.lines == found.lines
    assert set(json.loads(quiet.out)) == {
        "ledger", "scoreboard", "history", "gpu", "published"}


def test_the_command_says_where_it_cannot_write(book, sslbook_, tmp_path):  # noqa: F811
    (tmp_path / "page.html").mkdir()
    found = sslbook_("report", "--html", tmp_path / "page.html")
    assert (found.code, len(found.lines)) == (4, 3)
    assert found.lines[0].startswith("Cannot write page.html")


def test_texts_of_a_record_are_printed_on_one_line(evil):
    bad = "a\nb\x1b[31m\ud800\u202ec\xa0d"
    one = {**claim().as_dict(), "text": bad, "measures": bad}
    found = record(0, claims__a__claim=one, scores={bad: {bad: 0.5}}, data__train__name=bad)
    lines = report.text([found]).splitlines()
    assert records.printable(bad) == "a b?[31m??c d"
    assert len(lines) == len(report.text([record(0, scores={"a": {"b": 0.5}})]).splitlines())
    report.text([found]).encode()
    page.html([found]).encode()


def test_a_measure_cannot_take_the_place_of_a_column():
    found = record(0, scores={"x": {"chapter": 0.5, "seed": 0.25, "knn20": 0.75}})
    (row,) = report.scoreboard([found])
    assert (row["chapter"], row["seed"], row["knn20"]) == ("one", 0, 0.75)


# -- on a GPU ---------------------------------------------------------------------------------


def on_gpu(seed=0, **changes):
    """A run of 200 epochs on a GPU, whose main training is the first encoder's."""
    rows = [{"step": 0, "knn": 0.2}, {"step": 9, "knn": 0.7}, {"step": 99, "knn": 0.6}]
    made = record(seed, chapter="dcl", preset="full", device={"kind": "cuda", "name": "A GPU"},
                  seconds={"wall": 90.0}, scores={
                      "random": {"knn200": 0.3}, "DCL": {"knn200": 0.80 + 0.02 * seed}},
                  trainings={"pretrain": {"rows": rows, "samples_per_second": 9000.0}}, **changes)
    made["parameters"] |= {"dataset": "cifar10", "epochs": 200, "net": "resnet18", "width": 64}
    return made


def test_runs_on_a_gpu_have_tables_of_their_own():
    found = [on_gpu(0), on_gpu(1), record(0, chapter="dcl")]
    (first, _) = gpu.runs(gpu.chosen(found))
    assert (first["minutes"], first["speed"], first["highest"]) == (1.5, 9000.0, 0.7)
    assert [one["name"] for one in first["encoders"]] == ["DCL"], "controls are left out"
    told = "\n".join(gpu.lines(found))
    assert "1.5 minutes, 9,000 samples a second, - MB, highest 70.0; A GPU, 2026-01-01" in told
    (small, large) = gpu.gaps(found)
    assert (small["published"], large["published"]) == (0.844, 0.840)
    assert (small["n"], round(small["gap"], 1)) == (2, -3.4), "the mean of ours over the seeds"
    assert "ours 81.0  theirs 84.4  gap -3.4  n=2" in told
    html = page.html(found)
    assert 'id="gpu"' in html
    assert "-3.4" in html
    assert gpu.lines(found[2:]) == []
    assert 'id="gpu"' not in page.html(found[2:])
