"""Places that cannot be looked into, and users without a home, end in words."""

from __future__ import annotations

import os

import pytest

from sslbook.core import paths
from sslbook.core.lock import is_locked
from sslbook.errors import UsageError


@pytest.fixture
def vault(tmp_path, monkeypatch):
    """A folder of somebody else: nothing in it can be seen (the tests may run as root)."""
    folder, look = tmp_path / "vault", os.stat
    (folder / "home" / "runs").mkdir(parents=True)

    def closed(path, *arguments, **options):
        if str(path).startswith(f"{folder}{os.sep}"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", closed)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(folder))
    return folder


@pytest.mark.parametrize("by", ["SSLBOOK_HOME", "OUT_DIR"])
def test_runs_below_a_folder_without_rights(vault, monkeypatch, by):
    if by == "SSLBOOK_HOME":
        monkeypatch.setenv(by, str(vault / "home"))
    assert paths.existing(vault / "home") == vault
    with pytest.raises(UsageError) as error:
        paths.runs("" if by == "SSLBOOK_HOME" else str(vault / "home" / "runs"))
    assert f"no right to look into {vault}, where runs lie ({vault}" in str(error.value)
    assert by in str(error.value)
    assert not is_locked(vault / "home" / "runs")
    assert not paths.is_checkout(vault / "home")


def test_a_working_folder_below_one_without_rights_has_no_checkout(vault, monkeypatch):
    monkeypatch.chdir(vault)
    assert paths.checkout() is None


@pytest.mark.parametrize("text", ["~nosuchuser/x", "~"])
def test_a_home_that_nobody_has(monkeypatch, text):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user without passwd
    monkeypatch.delenv("SSLBOOK_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir("/")
    for act in (lambda: paths.expanded(text), lambda: paths.runs(text), paths.home):
        with pytest.raises(UsageError, match="that user is not known or has no home"):
            act()
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setattr("sys.platform", "linux")
    assert str(paths.home()) == "/data/sslbook"
