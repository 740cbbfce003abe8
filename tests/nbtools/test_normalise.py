"""The normaliser: what it removes, what it keeps, and that doing it twice is doing it once."""

from __future__ import annotations

import copy
import json
from typing import Any

import notebook_factory as factory
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbook.book.notebook import NotebookSource
from sslbook.errors import UsageError
from sslbook.nbtools import contract
from sslbook.nbtools.normalise import normalise, normalised

WIDGET = "application/vnd.jupyter.widget-view+json"


def cleaned(document: dict[str, Any]) -> dict[str, Any]:
    return json.loads(normalised(json.dumps(document)))


def outputs(*stored: dict[str, Any]) -> list[dict[str, Any]]:
    """What is left of a cell's outputs."""
    document = factory.notebook("guide")
    factory.cell(document, "start")["outputs"] = list(stored)
    return factory.cell(cleaned(document), "start")["outputs"]


def says(text: str) -> str:
    """What is left of a text on stdout."""
    kept = outputs({"output_type": "stream", "name": "stdout", "text": text})
    return "".join("".join(out["text"]) for out in kept)


def messy() -> dict[str, Any]:
    """A chapter as an editor, papermill and a widget leave it behind."""
    document = factory.notebook("long")
    document["nbformat_minor"] = 4
    document["metadata"] |= {"widgets": {"state": {}}, "papermill": {"duration": 3}, "colab": {}}
    document["metadata"]["kernelspec"] = {"name": "my-env", "display_name": "mine"}
    document["metadata"]["language_info"]["version"] = "3.11.7"
    for number, one in enumerate(document["cells"]):
        del one["id"]
        one["metadata"] |= {"execution": {"a": "b"}, "collapsed": True, "scrolled": True}
        one["source"] = one["source"].splitlines(keepends=True)
        if one["cell_type"] == "code":
            one["execution_count"] = 3 * number + 2
    injected = factory.code("", "", "SEED = 3", "injected-parameters") | {"execution_count": 1}
    document["cells"].insert(4, injected | {"id": "injected"})
    document["cells"].append(factory.code("", "", "  \n"))
    start = next(one for one in document["cells"] if "sslbook.start" in "".join(one["source"]))
    start["outputs"] = [
        factory.stream(" 50%|#####     | 5/10 [00:01<00:01,  4.98it/s]"),
        factory.stream("x.py:1: UserWarning: mind\n  warnings.warn('mind')", "stderr"),
        factory.stream(f"saved in /{'home'}/ann/runs/1"),
        {"output_type": "display_data", "metadata": {}, "data": {WIDGET: {}, "text/plain": "W()"}},
    ]
    return document


def test_a_messy_notebook_becomes_one_that_keeps_the_contract():
    source = NotebookSource(cleaned(messy()), factory.chapter("long"))
    assert contract.problems(source) == []


def test_a_normal_notebook_stays_as_it_is(tmp_path):
    path = tmp_path / "twins.ipynb"
    path.write_text(json.dumps(messy()), encoding="utf-8")
    assert normalise(path)
    before = path.read_bytes()
    assert not normalise(path)
    assert path.read_bytes() == before
    assert before.endswith(b"}\n")
    assert b'\n "cells"' in before
    assert not before.endswith(b"\n\n")
    assert list(tmp_path.iterdir()) == [path]


def test_meaning_is_kept():
    document = factory.notebook("short")
    after = cleaned(copy.deepcopy(document))
    for before, now in zip(document["cells"], after["cells"], strict=True):
        assert "".join(now["source"]) == before["source"]
        assert (now["id"], now["metadata"]) == (before["id"], before["metadata"])
    assert factory.cell(after, "strip")["outputs"][0]["metadata"] == factory.shown()["metadata"]
    assert factory.cell(after, "strip")["outputs"][0]["data"]["image/png"] == factory.PNG


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a\n\nb\n", "a\n\nb\n"),
        ("  5%|#  | 1/2\ndone\n", "done\n"),
        ("a: about 2 minutes to go, as measured over 8 steps\ndone\n", "done\n"),
        ("old\rnew\n", "new\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("m.py:3: FutureWarning: soon\n  warnings.warn(x)\nrest\n", "rest\n"),
        ("<A at 0x7f00deadbeef>\n", "<A at 0x...>\n"),
        (f"in /{'home'}/ann-b/x\n", "in ~/x\n"),
        (f"in /{'Users'}/ann/x\n", "in ~/x\n"),
        (f"in C:\\{'Users'}\\ann\\x\n", "in ~\\x\n"),
        (f"in /{'tmp'}/abc/x\n", "in <tmp>/abc/x\n"),
        ("see https://example.org/home/a/b\n", "see https://example.org/home/a/b\n"),
        ("73.2% of 10\n", "73.2% of 10\n"),
    ],
)
def test_text_on_stdout(text, kept):
    assert says(text) == kept


def test_folders_of_this_book_are_named_by_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path))
    assert says(f"in {tmp_path}/runs/1\n") == "in ./runs/1\n"


def test_streams():
    first, second = factory.stream("a"), factory.stream("b")
    assert [out["text"] for out in outputs(first, second)] == [["a\n", "b\n"]]
    assert [out["text"] for out in outputs(first, factory.stream("", "stdout"), second)] == [
        ["a\n", "\n", "b\n"]
    ]
    nothing = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": ""}}
    for between in (factory.stream("hm", "stderr"), nothing):
        assert [out["text"] for out in outputs(first, between, second)] == [["a\n", "b\n"]]
    assert outputs(factory.stream(" ")) == []


def test_widgets_leave_only_what_can_be_seen_without_them():
    view = {"output_type": "display_data", "metadata": {}, "data": {WIDGET: {}, "text/plain": "W"}}
    assert outputs(view) == []
    html = copy.deepcopy(view)
    html["data"]["text/html"] = "<b>seen</b>"
    assert set(outputs(html)[0]["data"]) == {"text/html", "text/plain"}


def test_the_empty_place_of_live_curves_goes():
    place = {"output_type": "display_data", "metadata": {}}
    assert outputs(place | {"data": {"text/html": "", "text/plain": ""}}) == []
    assert len(outputs(place | {"data": {"text/html": "", "text/plain": "seen"}})) == 1


def test_errors_stay_for_the_contract_to_see():
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    assert outputs(error) == [error]


def test_missing_and_doubled_ids_come_from_the_source():
    document = factory.notebook("guide")
    for name in ("recap", "free"):
        factory.cell(document, name)["id"] = "stamp"
    document["cells"][0]["id"] = "not an id"
    document["cells"].insert(1, document["cells"][0] | {"id": ""})
    once, again = cleaned(copy.deepcopy(document)), cleaned(copy.deepcopy(document))
    names = [one["id"] for one in once["cells"]]
    assert names == [one["id"] for one in again["cells"]]
    assert len(set(names)) == len(names)
    assert names[1] == f"{names[0]}-2"
    assert names[3:6] == ["parameters", "presets", "start"]


def test_cells_that_were_not_run_or_ran_out_of_order_are_not_hidden():
    document = factory.notebook("guide")
    factory.cell(document, "start")["execution_count"] = None
    counts = [one.get("execution_count") for one in cleaned(document)["cells"]]
    assert [number for number in counts if number] == list(range(1, 9))
    document = factory.notebook("guide")
    factory.cell(document, "start")["execution_count"] = 30
    after = cleaned(document)
    assert factory.cell(after, "start")["execution_count"] == 30
    source = NotebookSource(after, factory.chapter("guide"))
    assert {problem.rule for problem in contract.problems(source)} == {"execution_order"}


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", "{}", '{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}',
                '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
                '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}', "\xff"],
)  # fmt: skip
def test_what_is_no_notebook_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match=r"broken\.ipynb"):
        normalise(path)
    assert path.read_text(encoding="latin-1") == content


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.ipynb"):
        normalise(tmp_path / "absent.ipynb")


PIECES = st.sampled_from(
    ["a", "B c", "\n", "\r", "  ", " 5%|", "it/s]", "UserWarning: x", "  warn(", "0xdeadbeef", "/",
     f"/{'home'}/ann", f"/{'Users'}/bob", f"/{'tmp'}/", f"/{'root'}", f"C:\\{'Users'}\\c", "~",
     "\u2028"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=8).map("".join)
STREAMS = st.builds(
    lambda text, name: {"output_type": "stream", "name": name, "text": text},
    TEXTS, st.sampled_from(["stdout", "stderr"]),
)  # fmt: skip
SHOWN = st.builds(
    lambda text, widget: {"output_type": "display_data", "metadata": {"image/png": {"alt": text}},
                          "data": {"text/plain": text} | ({WIDGET: {}} if widget else {})},
    TEXTS, st.booleans(),
)  # fmt: skip
CELLS = st.builds(
    lambda source, name, stored, number: factory.code(name, "", source)
    | {"outputs": stored, "execution_count": number},
    TEXTS, st.sampled_from(["one", "two", "", "no id"]),
    st.lists(STREAMS | SHOWN, max_size=4), st.none() | st.integers(1, 9),
)  # fmt: skip


HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}


@pytest.mark.parametrize(("tags", "before", "after"), [
    (["plumbing"], "x = 1", "# @title Setup\nx = 1"),
    (["sec:install", "plumbing"], "x = 1", "# @title Install\nx = 1"),
    (["drawing"], "# @title My own\nx = 1", "# @title My own\nx = 1"),
    (["exercise:loss"], "x = 1", "# @title Solution\nx = 1"),
    (["parameters", "plumbing"], "X: int = 1  # a knob", "X: int = 1  # a knob"),
    ([], "# @title Setup\nx = 1", "x = 1"),
])
def test_cells_are_collapsed_as_their_tags_say(tags, before, after):
    cell = factory.code("a", "", before) | {"metadata": {"tags": tags, **({} if tags else HIDDEN)}}
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (made,) = cleaned(document)["cells"]
    assert "".join(made["source"]) == after
    assert made["metadata"] == ({"tags": tags, **HIDDEN} if tags else {})


@settings(max_examples=150, deadline=None)
@given(cells=st.lists(CELLS, max_size=4))
def test_twice_is_once(cells):
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    listed = factory.chapter("guide")
    once = normalised(json.dumps(document), listed.part, listed)
    assert normalised(once, listed.part, listed) == once
    after = json.loads(once)
    assert len({one["id"] for one in after["cells"]}) == len(after["cells"])
    reported = {p.rule for p in contract.problems(NotebookSource(after, listed))}
    assert not reported & {"notebook_format", "normal_form"}
