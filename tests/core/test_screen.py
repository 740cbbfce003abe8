"""Progress bars are drawn where somebody watches them, and never left in a stored notebook."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import nbclient
import nbformat
import pytest

from sslbook.core import screen


@pytest.mark.parametrize(("headless", "kernel", "terminal", "watched"), [
    (False, None, True, True), (False, None, False, False), (True, None, True, False),
    (False, "nbclient", True, False), (False, "reader", False, True), (True, "reader", True, False),
])
def test_a_bar_is_watched_at_a_terminal_or_a_live_front_end(
    monkeypatch, headless, kernel, terminal, watched
):
    monkeypatch.setenv("SSLBOOK_HEADLESS", str(int(headless)))
    found = kernel and SimpleNamespace(_allow_stdin=kernel == "reader")
    monkeypatch.setattr(screen, "_kernel", lambda: found)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: terminal))
    assert screen.is_watched() is watched


def test_a_notebook_that_was_executed_unwatched_stores_no_bar(monkeypatch):
    """As torchvision draws them, whatever stderr is."""
    monkeypatch.delenv("SSLBOOK_HEADLESS")
    bar = "from tqdm import tqdm\nfor _ in tqdm(range(3)): pass"
    wrapped = "from sslbook.core.screen import bars_if_watched\nwith bars_if_watched():\n"
    cells = [bar, wrapped + "".join(f"    {line}\n" for line in bar.splitlines())]
    document = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
    nbclient.NotebookClient(document, kernel_name="python3").execute()
    before, after = (cell.outputs for cell in document.cells)
    assert "0%|" in before[0].text
    assert after == []
