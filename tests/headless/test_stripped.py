"""Notebooks that no kernel is named in, and errors that no cell made."""

from __future__ import annotations

import json

from sslbook.book import toc
from sslbook.headless import execute


def test_a_notebook_without_kernel_metadata_runs_in_the_books_kernel(book, sslbook_):
    path = toc.find("plain").path  # nbstripout and git filters leave it like this
    stripped = json.loads(path.read_text(encoding="utf-8")) | {"metadata": {}}
    path.write_text(json.dumps(stripped), encoding="utf-8")
    found = sslbook_("run", "plain", "-p", "CODE=1 / 0")
    assert found.lines[0].endswith("failed: ZeroDivisionError: division by zero")
    assert found.lines[1].startswith("The executed notebook shows the place: ")


def test_where_no_cell_failed_no_place_is_promised(book, sslbook_, monkeypatch):
    class Refused(execute.Worker):
        def execute(self):
            self.output.write_text("{}")  # as papermill does before it begins
            raise ValueError("no such kernel")

    monkeypatch.setattr(execute, "Worker", Refused)
    found = sslbook_("run", "plain")
    assert (found.code, found.lines) == (4, ["The execution failed: ValueError: no such kernel"])
