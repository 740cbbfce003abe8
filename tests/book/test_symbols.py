"""Tables of symbols come from the chapters' metadata, and one symbol has one meaning."""

from __future__ import annotations

import json

import pytest
from tiny_book import write_contents

from sslbook.book import symbols
from sslbook.errors import UsageError
from sslbook.nbtools.normalise import normalise


def test_no_letter_has_two_meanings():
    letters = [entry["tex"] for entry in symbols.known().values()]
    assert len(letters) == len(set(letters)) > 0


X = "{tex: x, code: x, shape: '(N, 3, S, S)', meaning: images}"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book in which x means something else in the part graphs; the folder of its notebooks."""
    (tmp_path / "sslbook").mkdir()
    write_contents(tmp_path / "notebooks", {
        "graphs": {"one": "form: guide\nsymbols: {x: {shape: '(n, F)'}}"},
        "contrast": {"two": f"form: guide\nsymbols: {{x: {X}}}", "three": "form: guide"},
    })
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks"


def test_a_part_may_give_a_symbol_another_shape(book):
    assert symbols.table(["x"], "contrast").endswith("| $x$ | `x` | (N, 3, S, S) | images |")
    assert symbols.table(["x"], "graphs").endswith("| $x$ | `x` | (n, F) | images |")


@pytest.mark.parametrize(("entry", "says"), [
    (f"x: {X}", "already by an earlier"), ("x: {shap: 1}", "shap"), ("x: 3", "must be object"),
    ("y: {shape: scalar}", "No chapter has the whole symbol 'y'"),
])
def test_a_wrong_symbol_is_named(book, entry, says):
    (book / "contrast" / "three.yml").write_text(f"form: guide\nsymbols: {{{entry}}}")
    with pytest.raises(UsageError, match=says):
        symbols.known()


def test_a_table_has_a_row_for_each_symbol():
    lines = symbols.table(["N", "lambd"], "decorrelate").splitlines()
    assert lines[2] == "| $N$ | `len(z1)` | scalar | samples of a batch |"
    assert len(lines) == 4
    with pytest.raises(UsageError, match="nonsense"):
        symbols.table(["nonsense"], "")


@pytest.mark.parametrize("after", ["", "\n", "\n\nMore text.", "\n| old | table |\n\nMore text."])
def test_a_marker_is_filled_once_and_text_around_it_stays(after):
    source = f"# Title\n\n<!-- symbols: z1 z2; C -->{after}"
    filled = symbols.filled(source, "decorrelate")
    assert symbols.table(["z1 z2", "C"], "decorrelate") in filled
    assert symbols.filled(filled, "decorrelate") == filled
    assert "old" not in filled
    assert filled.startswith("# Title\n\n")
    assert filled.endswith(after[-10:] if "More" in after else after)
    assert symbols.asked(filled) == [(["z1 z2", "C"],
                                      symbols.table(["z1 z2", "C"], "decorrelate"))]


def test_normalise_writes_the_tables(book):
    path = book / "graphs" / "one.ipynb"
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "<!-- symbols: x -->"}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4,
                                "nbformat_minor": 5}))
    assert normalise(path)
    assert symbols.table(["x"], "graphs").splitlines()[2] in path.read_text()
    assert not normalise(path)
