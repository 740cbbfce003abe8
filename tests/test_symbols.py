"""Tables of symbols come from one page, and one symbol has one meaning."""

from __future__ import annotations

import json

import pytest

from sslbook.errors import UsageError
from sslbook.nbtools import symbols
from sslbook.nbtools.normalise import normalise
from sslbook.nbtools.toc import chapters


def test_every_symbol_is_whole():
    known = symbols.known()
    parts = {chapter.part for chapter in chapters()}
    assert len(known) >= 10
    for name, entry in known.items():
        assert {"tex", "code", "shape", "meaning"} <= set(entry), name
        assert set(entry.get("parts", {})) <= parts, name
    letters = [entry["tex"] for entry in known.values()]
    assert len(letters) == len(set(letters)), "a symbol with two meanings"


@pytest.fixture
def on_graphs(monkeypatch):
    """x means something else in the part graphs."""
    entry = symbols.known()["x"] | {"parts": {"graphs": {"shape": "(n, F)"}}}
    monkeypatch.setattr(symbols, "known", lambda: {"x": entry})


def test_a_part_may_give_a_symbol_another_shape(on_graphs):
    assert "(N, 3, S, S)" in symbols.table(["x"], "contrast")
    assert "(n, F)" in symbols.table(["x"], "graphs")


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


def test_normalise_writes_the_tables(tmp_path, on_graphs):
    (tmp_path / "graphs").mkdir()
    path = tmp_path / "graphs" / "one.ipynb"
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "<!-- symbols: x -->"}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4,
                                "nbformat_minor": 5}))
    assert normalise(path)
    assert symbols.table(["x"], "graphs").splitlines()[2] in path.read_text()
    assert not normalise(path)
