"""Where runs and data lie, why there, and what users without a home folder are told."""

from __future__ import annotations

import pwd
import sys

import pytest

from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.nbtools.normalise import _places

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="homes of Linux")


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user as containers have them: no HOME, no entry in passwd, no checkout around."""
    def nobody(*_):
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_DATA_HOME", "SSLBOOK_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)


def test_the_home_is_named_with_its_reason(monkeypatch, tmp_path):
    assert paths.home_and_why() == (tmp_path / "home", "SSLBOOK_HOME names it")
    monkeypatch.delenv("SSLBOOK_HOME")
    root = paths.PACKAGE.parent
    monkeypatch.chdir(root / "tests")
    assert paths.home_and_why() == (root, "the checkout around the working folder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", None):  # an empty variable is an unset one, says the standard
        monkeypatch.setenv("XDG_DATA_HOME", unset) if unset is not None else (
            monkeypatch.delenv("XDG_DATA_HOME"))
        found, why = paths.home_and_why()
        assert (found, why[:15]) == (tmp_path / ".local/share/sslbook", "the user's data")
    assert paths.shortened(found) == "~/.local/share/sslbook"
    assert paths.shortened(tmp_path.parent) == str(tmp_path.parent)


@pytest.mark.parametrize("arguments", [
    ("runs",), ("report",), ("run", "simclr", "--preset", "check"), ("data", "get", "folder:x"),
    ("embed", "simclr", "shapes", "out.npz"),
])
def test_a_user_without_a_home_is_told_what_to_set(homeless, sslbook_, arguments):
    found = sslbook_(*arguments)
    assert found.code == 2
    assert len(found.lines) == 3
    assert "SSLBOOK_HOME" in found.lines[-1]


def test_what_needs_no_home_works_without_one(homeless, sslbook_, tmp_path):
    for arguments in (("list",), ("params", "simclr"), ("data", "list")):
        assert sslbook_(*arguments).code == 0
    found = sslbook_("doctor")
    assert (found.code, found.err) == (4, "")
    assert "BAD  home " in found.out
    assert paths.shortened(tmp_path) == str(tmp_path)
    assert _places("at /" + "home/somebody/x") == "at ~/x"


@pytest.mark.parametrize("arguments", [
    ("run", "simclr", "--preset", "check", "-p", "OUT_DIR=~nosuch/runs"),
    ("run", "simclr", "--preset", "check", "-p", "DATASET=folder:~nosuch/photos"),
    ("data", "pack", "~nosuch/photos", "out.npz"),
    ("course", "build", "out", "--chapters", "dcl", "--slides", "--vendor", "~nosuch/npm"),
])
def test_the_home_of_nobody_is_said_in_three_lines(sslbook_, arguments, monkeypatch, tmp_path):
    monkeypatch.setattr("sslbook.course.build.editions_of", lambda *_: {})
    found = sslbook_(*arguments)
    assert found.code == 2
    assert len(found.lines) == 3
    assert found.lines[0].startswith("~nosuch/")
    with pytest.raises(UsageError):
        paths.expanded("~nosuch")


@pytest.mark.parametrize("name", ["SSLBOOK_HOME", "SSLBOOK_DATA"])
def test_a_variable_may_name_the_home_of_nobody(sslbook_, monkeypatch, name):
    monkeypatch.setenv(name, "~nosuch/book")
    found = sslbook_("doctor")
    assert (found.code, found.err) == (4, "")
    assert f"BAD  {name.removeprefix('SSLBOOK_').lower()} " in found.out
