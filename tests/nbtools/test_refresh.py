"""What follows from the contents is up to date: README's table, the weeks, every notebook."""

from __future__ import annotations

import json
import shutil

import notebook_factory as factory
import pytest
from tiny_book import write_contents
from typer.testing import CliRunner

from sslbook import cli, records
from sslbook.book import toc
from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.nbtools import refresh


def test_refresh_changes_nothing():
    assert [path.name for path in refresh.outdated()] == [], "run: sslbook nb refresh"


def record(wall: float, dataset: str = "shapes", **changes):
    made = {"chapter": "twins", "preset": "smoke", "status": "finished", "device": {"kind": "cpu"}}
    return made | {"seconds": {"wall": wall}, "parameters": {"dataset": dataset}} | changes


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one chapter with README and teaching page; its folder."""
    (tmp_path / "sslbook").mkdir()
    text = "title: Twins\nform: long\nidea: Two | one.\npaper: https://arxiv.org/abs/1"
    write_contents(tmp_path / "notebooks", {"decorrelate": {"twins": text}})
    path = tmp_path / "notebooks" / "decorrelate" / "twins.ipynb"
    notebook = factory.notebook("long")
    factory.cell(notebook, "card")["source"] += "\n\n| minutes | reading 3, doing 4; |"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    page = "# A\n<!-- generated:start -->\nold\n<!-- generated:end -->\nB\n"
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/teaching.md"):
        (tmp_path / name).write_text(page, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_of_chapters(book):
    (row,) = refresh.chapter_table(toc.chapters()).splitlines()[2:]
    assert row.startswith("| [Twins](notebooks/decorrelate/twins.ipynb) | Two \\| one. | [paper](")
    assert "| long | not measured |" in row
    assert row.count("|") - row.count("\\|") == 7


def test_times_are_those_of_smoke_on_a_cpu_with_the_presets_own_data(book, monkeypatch):
    others = [record(99, preset="check"), record(99, status="crashed"),
              record(99, device={"kind": "cuda"}), record(99, "pack:mine.npz")]
    found = [record(40), record(50), record(61), *others]
    monkeypatch.setattr(records, "shipped", {"twins": found}.get)
    assert "| long | 50 s |" in refresh.chapter_table(toc.chapters())


def test_one_command_writes_all_of_it_once(book):
    said = CliRunner().invoke(cli.app, ["nb", "refresh"]).stdout
    assert said.split()[::2] == ["twins.ipynb:", "README.md:", "teaching.md:"]
    assert "[Twins]" in (book / "README.md").read_text(encoding="utf-8")
    assert "| 1 | twins (7) | 7 |" in (book / "docs/teaching.md").read_text(encoding="utf-8")
    assert CliRunner().invoke(cli.app, ["nb", "refresh"]).stdout == "as it was\n"
    shutil.rmtree(book / "docs")  # what is not there, as in a wheel, is left out
    (book / "README.md").unlink()
    assert refresh.outdated() == {}


def test_some_notebooks_alone(book):
    (path,) = refresh.refresh([toc.find("twins").path])
    assert path.name == "twins.ipynb"
    assert "old" in (paths.notebooks().parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("broken", [
    "no markers", "<!-- generated:start -->", "<!-- generated:end --> <!-- generated:start -->",
    2 * "<!-- generated:start --> <!-- generated:end -->",
])
def test_a_page_without_its_markers_is_named(book, broken):
    (book / "README.md").write_text(broken, encoding="utf-8")
    with pytest.raises(UsageError, match=r"README\.md does not have the two markers"):
        refresh.outdated()
