"""A run that is killed again and again, at one moment after the other, ends as if nothing had been.

`make test` tries two moments, `make test-all` ten (SSLBOOK_MOMENTS=10).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tiny_book
from safetensors.torch import load_file
from tiny_book import alive, sslbook, wait_for

from sslbook import records
from sslbook.core import paths
from sslbook.headless.log import progress
from sslbook.run import folder
from sslbook.training.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow  # processes are started and killed, for minutes

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")


def at_step(training: str, step: int):
    """The moment when a training's newest row or checkpoint is of `step` or later."""

    def reached(folder: Path) -> bool:
        if (folder / "train" / training / "history.json").exists():
            return True
        name, _, rest = progress(folder).partition(": step ")
        return name == training and int(rest.split()[0]) >= step

    return reached


def lies(name: str):
    """The moment when a file lies in the run's folder."""
    return lambda folder: (folder / name).exists()


# In the order in which a run passes them; the first two are tried in `make test`.
FIRST = {"at the end of the first training": lies("train/pretrain/history.json"),
         "in the second training": at_step("second", 10)}
ALL = {
    "when the run begins": lies("record.json"),
    "when a training begins": lies("train/pretrain/fingerprint"),
    "at step 10": at_step("pretrain", 10),
    "at step 35": at_step("pretrain", 35),
    "at step 60": at_step("pretrain", 60),
    "at step 90": at_step("pretrain", 90),
    "when weights lie there": lies("train/pretrain/model.safetensors"),
    **FIRST,
    "when the encoder lies there": lies("encoder.json"),
}
LAST = list(ALL)[-1]
MOMENTS = FIRST if int(os.environ.get("SSLBOOK_MOMENTS", "2")) < len(ALL) else ALL


def begin(*arguments: str) -> tuple:
    """Start or resume a run: (process, folder, kernel's process id)."""
    base = paths.runs() / "tiny"
    resumed = "--resume" in arguments
    before = set(base.glob("*/pid")) if not resumed else set()
    old = (base / arguments[-1] / "pid").read_text() if resumed else ""
    process = sslbook("run", "tiny", *arguments)

    def kernel() -> Path | None:
        begun = set(base.glob("*/pid")) - before
        return next((path for path in begun if path.read_text() not in ("", old)), None)

    path = wait_for(lambda: kernel() or process.poll() is not None, "a kernel")
    assert process.poll() is None, process.communicate()
    return process, path.parent, int(path.read_text())


def whole(folder: Path) -> None:
    """Every file with its final name can be read: no half of one is taken for a whole one."""
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".ipynb"):
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            load_file(path)
        elif path.suffix == ".pt":
            read_checkpoint(path)


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights of both trainings and of the encoder."""
    names = ("train/pretrain/model.safetensors", "train/second/model.safetensors",
             "encoder.safetensors")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of a run of seed 3 that nobody disturbed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSLBOOK_HOME", str(tmp_path_factory.mktemp("undisturbed")))
        return digest(tiny_book.here(SEED=3)["run"].folder)


@posix
@pytest.mark.parametrize("victim", ["kernel", "runner"])
def test_killed_at_every_moment_a_run_still_ends_the_same(
    book, undisturbed, gate, tally, victim, sslbook_
):
    arguments = ("-p", "SEED=3", "--preset", "smoke")
    for name, reached in MOMENTS.items():
        process, folder, kernel = begin(*arguments)
        wait_for(lambda: reached(folder) or process.poll() is not None, name)  # noqa: B023
        assert process.poll() is None, (name, process.communicate())
        os.kill(kernel if victim == "kernel" else process.pid, signal.SIGKILL)
        tally.killed(victim)
        process.communicate(timeout=60)
        wait_for(lambda: not alive(kernel), "the end of the kernel", 30)  # noqa: B023
        tally.ended(victim)
        whole(folder)
        state = json.loads(sslbook_("runs", "--json").out)[0]["status"]
        if state == "finished" and name == LAST:
            break  # the kernel came to its end before it noticed
        assert state == "crashed", name
        arguments = ("--resume", folder.name)
    gate.unlink()
    if state == "crashed":
        last = sslbook("run", "tiny", *arguments)
        out, err = last.communicate(timeout=120)
        assert last.returncode == 0, err
    assert digest(folder) == undisturbed
    assert records.read(folder / "record.json")["status"] == "finished"
    assert list((paths.runs() / "tiny").iterdir()) == [folder]
    tally.kept(victim, len(MOMENTS))


def test_a_clock_that_goes_backwards_loses_nothing(book, monkeypatch):
    """Two runs, the second begun an hour before the first by the clock."""
    hours = iter((12, 11, 10))

    class Clock(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime(2026, 1, 1, next(hours), tzinfo=UTC)

    monkeypatch.setattr(folder, "datetime", Clock)
    first, second = (tiny_book.here(PRESET="check", SEED=s)["run"].folder for s in (1, 2))
    assert first != second
    found = [(folder.name, record["seed"], record["status"])
             for folder, record in records.iter_runs(paths.runs())]
    assert found == [(second.name, 2, "finished"), (first.name, 1, "finished")]
    assert all(record["seconds"]["wall"] >= 0 for _, record in records.iter_runs(paths.runs()))
