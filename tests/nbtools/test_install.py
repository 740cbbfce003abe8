"""The install cell: off on any computer, pip on Colab and Kaggle, one tag in three places."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType

import notebook_factory as factory
import pytest
from tiny_book import write_contents

from sslbook.book import toc
from sslbook.book.notebook import NotebookSource
from sslbook.nbtools import contract, install
from sslbook.nbtools.normalise import normalise, normalised

BOOK = "git+https://github.com/sslbook/sslbook@main"
CELL = install.cell(factory.chapter())


@pytest.fixture
def pip(monkeypatch):
    """The command lines that the cell starts; `pip.code` is what they return."""
    calls = []

    class Pip:
        code = 0

        @staticmethod
        def call(line):
            calls.append(line)
            return Pip.code

    Pip.calls = calls
    monkeypatch.setitem(sys.modules, "subprocess", Pip)
    for name in ("KAGGLE_KERNEL_RUN_TYPE", "SSLBOOK_WHEEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    return Pip


def colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))


def kaggle(monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")


def run_cell():
    exec(compile(CELL, "install", "exec"), {})


def test_on_any_other_computer_nothing_is_installed(pip):
    run_cell()
    assert pip.calls == []


@pytest.mark.parametrize("service", [colab, kaggle])
def test_the_book_comes_without_its_libraries(pip, monkeypatch, service):
    service(monkeypatch)
    run_cell()
    papermill, book = pip.calls
    assert papermill[-2:] == ["-q", "papermill"]
    assert book[-2:] == ["--no-deps", BOOK]
    for line in pip.calls:
        assert line[:4] == [sys.executable, "-m", "pip", "install"]
        assert not {"-U", "--upgrade", "--force-reinstall", "torch", "numpy"} & set(line)


def test_a_wheel_takes_the_place_of_the_repository(pip, monkeypatch):
    colab(monkeypatch)
    monkeypatch.setenv("SSLBOOK_WHEEL", "sslbook-1.0-py3-none-any.whl")
    run_cell()
    assert pip.calls[-1][-2:] == ["--no-deps", "sslbook-1.0-py3-none-any.whl"]


def test_without_internet_the_error_names_kaggles_switch(pip, monkeypatch):
    kaggle(monkeypatch)
    pip.code = 1
    with pytest.raises(OSError, match="Kaggle: Settings > Internet on"):
        run_cell()
    assert len(pip.calls) == 1


def test_the_cell_is_short():
    lines = CELL.splitlines()
    assert len(lines) <= 13
    assert max(map(len, lines)) <= 88


def test_one_tag_in_badge_install_cell_and_metadata():
    """A new tag in the table of contents reaches all three, and then the contract is kept."""
    tagged = replace(factory.chapter("long"), ref="v2", repository="other/book")
    before = factory.notebook("long")
    named = {problem.rule for problem in contract.problems(NotebookSource(before, tagged))}
    assert named == {"card_colab", "normal_form"}
    after = json.loads(normalised(json.dumps(before), "", tagged))
    assert contract.problems(NotebookSource(after, tagged)) == []
    assert after["metadata"]["sslbook"]["ref"] == "v2"
    assert "other/book@v2" in "".join(factory.cell(after, "install")["source"])
    assert "other/book/blob/v2" in "".join(factory.cell(after, "card")["source"])


def test_a_second_badge_opens_the_blanks():
    listed = factory.chapter("long", ref="v2")
    card = "[![Open in Colab](https://x.y/badge.svg)](https://colab.research.google.com/github/a.ipynb)"
    both = install.badges(card, listed)
    assert f"]({listed.colab}) · with blanks: [![Open the blanks in Colab](https" in both
    assert both.endswith(f"]({listed.blank})")
    assert "/blob/student/notebooks/" in listed.blank
    assert install.badges(both, listed) == both
    first = factory.chapter("long", ref="v2", edition=1)
    assert install.badges(both, first) == card.replace(
        "https://colab.research.google.com/github/a.ipynb", first.colab)


def test_the_normaliser_finds_the_chapter_by_its_place(tmp_path, monkeypatch):
    book = tmp_path / "book"
    (book / "sslbook").mkdir(parents=True)
    write_contents(book / "notebooks", {"start": {"twins": "form: guide\ntitle: Twins"}}, "v3",
                   "a/b")
    monkeypatch.chdir(book)
    path = book / "notebooks" / "start" / "twins.ipynb"
    path.write_text(json.dumps(factory.notebook("guide")), encoding="utf-8")
    assert toc.at(path).name == "twins"
    assert normalise(path)
    assert not normalise(path)
    assert "a/b@v3" in path.read_text(encoding="utf-8")
    assert toc.at(tmp_path / "twins.ipynb") is None
