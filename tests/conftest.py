"""What tests share: a small run on the CPU in a temporary folder."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and caches of a test never touch the checkout; the network is never asked."""
    monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSLBOOK_OFFLINE", "1")
    monkeypatch.setenv("SSLBOOK_HEADLESS", "1")
    for name in ("SSLBOOK_PRESET", "SSLBOOK_STRICT", "SSLBOOK_RUN_FOLDER", "SSLBOOK_DEVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small_run(tmp_path: Path):
    """A function that makes a SmallRun: small_run(seed=0, epochs=3, ...)."""

    from small_run import SmallRun

    def make(seed: int = 0, place: str = "run", **settings: object) -> SmallRun:
        return SmallRun(tmp_path / place, seed, **settings)

    return make


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is a book of two small chapters (tiny_book.py)."""
    import tiny_book

    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tiny_book.write(tmp_path / "book"))
    return tmp_path / "book"


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """While this file is there, the chapter `tiny` trains slowly, and never to its end."""
    path = tmp_path / "gate"
    path.write_text("")
    monkeypatch.setenv("TINY_GATE", str(path))
    return path


class Ended:
    """How a command ended: exit code, and what it printed."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.lines = err.strip().splitlines()


@pytest.fixture
def sslbook_(monkeypatch, capsys):
    """The command line in this process, by its entry point: call it with the arguments."""

    from sslbook import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sslbook", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def photos(tmp_path):
    """A folder of twelve images in two classes."""
    from samples import noise_photos

    return noise_photos(tmp_path / "photos", 36, 40)


@pytest.fixture
def whole(monkeypatch):
    """The weights of a run of seed 3 that nobody disturbed, computed in this process."""
    import stopped
    import tiny_book

    def compute(tmp_path):
        monkeypatch.setenv("SSLBOOK_HOME", str(tmp_path / "undisturbed"))
        return stopped.weights(tiny_book.here(SEED=3)["run"].folder)

    return compute


class Tally:
    """Moments at which a fault test killed. Each counts as a loss until the opposite is seen."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def killed(self, victim: str) -> None:
        for what in ("moments", "lost", "orphans"):
            self.counts[victim, what] += 1

    def ended(self, victim: str) -> None:
        """All that the victim had started has come to its end."""
        self.counts[victim, "orphans"] -= 1

    def kept(self, victim: str, moments: int = 1) -> None:
        """The run came to the end it would have had."""
        self.counts[victim, "lost"] -= moments


@pytest.fixture
def tally(request: pytest.FixtureRequest):
    """The Tally of a fault test; the counts of all of them are printed after the last test."""
    tally = Tally()
    yield tally
    request.node.user_properties += [("tally", [*key, n]) for key, n in tally.counts.items()]


def pytest_terminal_summary(terminalreporter) -> None:
    """Print what the fault tests counted, those that failed among them."""
    total: Counter[tuple[str, str]] = Counter()
    for report in (one for found in terminalreporter.stats.values() for one in found):
        if getattr(report, "when", "") == "teardown":
            for victim, what, n in (v for name, v in report.user_properties if name == "tally"):
                total[victim, what] += n
    for victim in sorted({victim for victim, _ in total}):
        moments, lost, orphans = (total[victim, what] for what in ("moments", "lost", "orphans"))
        terminalreporter.write_line(
            f"{victim} killed at {moments} moments: runs lost {lost}, orphans {orphans}"
        )
