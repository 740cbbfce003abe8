"""A new chapter: each form keeps the contract, runs, and comes with its twin and a test of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sslbook import cli
from sslbook.book import toc
from sslbook.errors import UsageError, UserError
from sslbook.nbtools import contract, scaffold

ROOT = Path(__file__).resolve().parents[2]
NEW = {"gate"}  # what only records can keep
UNRUN = {"execution_order", "outputs_stored", "checked_outputs", *NEW}  # or outputs


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The working folder is a checkout with the book's package and contents, without chapters."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "sslbook", folder / "sslbook", ignore=shutil.ignore_patterns("__py*"))
    shutil.copytree(ROOT / "notebooks", folder / "notebooks",
                    ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    (folder / "tests" / "methods").mkdir(parents=True)
    for name in ("changes.py", "conftest.py", "harness.py", "specs.py"):
        shutil.copy(ROOT / "tests" / "methods" / name, folder / "tests" / "methods" / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    monkeypatch.chdir(folder)
    return folder


def python(folder, *arguments):
    """Run a module on the checkout's own package."""
    return subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True,
                          text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(folder)})


def test_every_form_keeps_the_contract_before_it_is_run(checkout):
    for form in toc.FORMS:
        made = scaffold.new("decorrelate", f"my_{form}", form, title='A "new" one: of its kind')
        chapter = toc.find(f"my_{form}")
        assert (chapter.form, chapter.part) == (form, "decorrelate")
        assert chapter.title == 'A "new" one: of its kind'
        problems = contract.check(chapter.path)
        assert {problem.rule for problem in problems} <= UNRUN, problems
        twins = [f"my_{form}.py", f"test_my_{form}.py"] if form in ("long", "short") else []
        assert sorted(path.name for path in made) == sorted(
            [*twins, f"my_{form}.yml", f"my_{form}.ipynb", "toc.yml"])
    found = python(checkout, "ruff", "check", "--no-cache", ".")
    assert found.returncode == 0, found.stdout


@pytest.mark.slow
def test_a_new_chapter_runs_and_then_keeps_all_of_the_contract(checkout):
    scaffold.new("decorrelate", "mine", "long")
    path = toc.find("mine").path
    scaffold.execute(path)
    assert {problem.rule for problem in contract.check(path)} <= NEW
    done = python(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/methods/test_mine.py")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_cell_that_fails_is_named(checkout):
    scaffold.new("decorrelate", "mine", "guide")
    path = toc.find("mine").path
    text = path.read_text(encoding="utf-8").replace("run.finish()", "run.finnish()")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="AttributeError"):
        scaffold.execute(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_line_is_all_that_changes_in_the_contents(checkout):
    path = checkout / "notebooks" / "toc.yml"
    before, listed = path.read_text(encoding="utf-8"), toc.chapters()
    scaffold.new("distil", "mine", "short", paper="https://arxiv.org/abs/1234.56789")
    scaffold.new("brand_new", "other", "guide")
    after = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in before.splitlines() if line not in after] == []
    names = [one.name for one in toc.chapters()]
    last = [one.name for one in listed if one.part == "distil"][-1]
    assert names[names.index(last) + 1] == "mine"
    assert (toc.chapters()[-1].part, names[-1]) == ("brand_new", "other")
    assert toc.find("mine").paper == "https://arxiv.org/abs/1234.56789"


def test_the_command_line_writes_a_chapter(checkout):
    line = ["nb", "new", "distil", "mine", "--form", "guide", "--no-execute"]
    done = CliRunner().invoke(cli.app, line)
    assert (done.exit_code, done.stdout.split()[1::2]) == (
        0, ["mine.yml", "mine.ipynb", "toc.yml"])
    assert toc.find("mine").title == "Mine"


@pytest.mark.parametrize(
    ("part", "name", "form", "says"),
    [
        ("distil", "mine", "poem", "Forms: long"),
        ("distil", "../mine", "short", "small letters"),
        ("Distil!", "mine", "short", "small letters"),
        ("distil", "simclr", "short", "the name is taken"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(checkout, part, name, form, says):
    before = sorted(checkout.rglob("*"))
    with pytest.raises(UsageError, match=says):
        scaffold.new(part, name, form)
    assert sorted(checkout.rglob("*")) == before


def test_nothing_is_overwritten_and_no_checkout_is_named(checkout, tmp_path, monkeypatch):
    (checkout / "tests" / "methods" / "test_mine.py").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="tests/methods/test_mine.py is there already"):
        scaffold.new("distil", "mine", "short")
    assert not (checkout / "sslbook" / "methods" / "mine.py").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no checkout"):
        scaffold.new("distil", "mine", "short")
