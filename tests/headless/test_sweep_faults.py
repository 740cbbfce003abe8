"""Sweeps with real workers that are killed, stopped or fail: nothing is lost, nothing left over."""

from __future__ import annotations

import os
import signal

import nbformat
import psutil
import pytest
import tiny_book
from stopped import Begun, steps_kept, weights
from tiny_book import alive, wait_for

from sslbook.core import paths
from sslbook.headless.sweep import comparison

pytestmark = pytest.mark.slow  # processes are started and killed, for minutes

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")


STARTED: list[Sweep] = []


@pytest.fixture(autouse=True)
def _nothing_left():
    """A test that fails leaves no process behind either."""
    yield
    for sweep in STARTED:
        if sweep.process.poll() is None:
            os.killpg(sweep.process.pid, signal.SIGKILL)
            sweep.end()
    STARTED.clear()


class Sweep(Begun):
    """`sslbook sweep tiny` of one run in a process of its own, in the middle of its training."""

    ARGUMENTS = ("sweep", "tiny", "-p", "TAU=0.5", "--seeds", "3", "--preset", "smoke",
                 "--workers", "1")

    def __init__(self, steps=1):
        # A group of its own, as a terminal gives it: Ctrl-C is sent to all of it.
        self.process = tiny_book.sslbook(*self.ARGUMENTS, start_new_session=True)
        self.seen = set()
        STARTED.append(self)
        self.until(lambda: self.steps() >= steps and self.tree(), f"step {steps}")

    @property
    def folder(self):
        found = list((paths.runs() / "tiny").glob("*"))
        assert len(found) < 2, "what was cut short is gone on with"
        return found[0] if found else paths.runs() / "none"

    def steps(self):
        """Updates behind the checkpoint, 0 before there is one."""
        return steps_kept(self) if self.checkpoint.exists() else 0

    def tree(self):
        """(kernel, runner, worker, sweep) by process id while a kernel lives, else nothing."""
        try:
            kernel = psutil.Process(int((self.folder / "pid").read_text()))
            runner, worker, sweep = kernel.parents()[:3]
        except (psutil.Error, OSError, ValueError):
            return ()
        if sweep.pid != self.process.pid:
            return ()
        children = {child.pid for child in psutil.Process(sweep.pid).children(recursive=True)}
        self.seen |= children
        return kernel.pid, runner.pid, worker.pid, sweep.pid

    def until(self, found, what, seconds=240):
        wait_for(lambda: found() or self.process.poll() is not None, what, seconds)
        if self.process.poll() is not None:
            raise AssertionError(f"{what} did not come:\n" + "\n".join(self.process.communicate()))

    def end(self):
        """Wait for the end of the sweep and of all that it started: (exit code, output)."""
        out, err = self.process.communicate(timeout=240)
        for pid in self.seen:
            wait_for(lambda pid=pid: not alive(pid), "the end of all processes", 60)
        return self.process.returncode, out + err


def resumed(sweep, kernel, steps):
    """The run goes on in another kernel, from no earlier than `steps`."""
    sweep.until(lambda: (sweep.tree() or (kernel,))[0] != kernel, "another kernel")
    wait_for(lambda: not alive(kernel), "the end of the first kernel", 60)
    assert sweep.steps() >= steps


@posix
@pytest.mark.parametrize(
    ("victim", "steps"),
    [("worker", 10), ("worker", 50),
     *(("worker", n) for n in (0, 20, 30, 40, 60, 70, 80, 90)),
     *(("runner", n) for n in (20, 60))],
)
def test_a_killed_worker_or_runner_costs_nothing(
    book, gate, whole, tally, tmp_path, victim, steps
):
    """The run goes on from its checkpoint on another worker, to the same weights."""
    sweep = Sweep(steps)
    kernel, runner, worker, _ = sweep.tree()
    os.kill({"worker": worker, "runner": runner}[victim], signal.SIGKILL)
    tally.killed(f"{victim} of a sweep")
    resumed(sweep, kernel, steps)
    gate.unlink()
    code, said = sweep.end()
    tally.ended(f"{victim} of a sweep")
    assert code == 0, said
    assert "[1/1] seed 3: done" in said
    assert "Traceback" not in said
    assert sweep.status == "finished"
    assert weights(sweep.folder) == whole(tmp_path)
    tally.kept(f"{victim} of a sweep")


@posix
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False)],
)
def test_a_stopped_sweep_ends_all_and_goes_on(
    book, gate, whole, tmp_path, number, group
):
    """Ctrl-C as a terminal sends it, or a batch system's SIGTERM; then the same command."""
    sweep = Sweep(10)
    (os.killpg if group else os.kill)(sweep.process.pid, number)
    code, said = sweep.end()
    assert code == 128 + number, said
    assert "Interrupted. Go on with the same command." in said
    assert "Traceback" not in said
    assert sweep.status == "interrupted"
    kept = sweep.steps()
    assert 10 <= kept < 100
    rows = comparison.read(next((paths.runs() / "sweeps").glob("*/comparison.csv")))
    (row,) = rows[["status", "code", "run"]].values.tolist()
    assert row == ["interrupted", 130, sweep.folder.name]
    gate.unlink()
    again = tiny_book.sslbook(*Sweep.ARGUMENTS)
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, out + err
    assert weights(sweep.folder) == whole(tmp_path)


@posix
def test_a_killed_sweep_leaves_no_process_and_goes_on(
    book, gate, whole, tmp_path
):
    sweep = Sweep(10)
    os.kill(sweep.process.pid, signal.SIGKILL)
    code, _ = sweep.end()
    assert code == -signal.SIGKILL
    gate.unlink()
    again = tiny_book.sslbook(*Sweep.ARGUMENTS)
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, out + err
    assert weights(sweep.folder) == whole(tmp_path)


def test_a_sweep_with_a_failing_point(book):
    """On two workers: one point cannot run, the other one can; the next time it is skipped."""
    line = ("sweep", "tiny", "-p", "PICTURE=4,-5", "--preset", "check", "--workers", "2")
    process = tiny_book.sslbook(*line)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 4, out + err
    lines = out.splitlines()
    assert lines[0] == "tiny (2 settings, 1 seed), 2 runs: 2 not begun"
    assert any(line.startswith("[") and "PICTURE=4 seed 0: done (" in line for line in lines)
    (place,) = (i for i, line in enumerate(lines) if line.startswith("PICTURE=-5"))
    assert "failed, exit code 4" in lines[place]
    assert lines[place + 1].startswith("    Cell In [")
    (folder,) = (paths.runs() / "sweeps").iterdir()
    rows = comparison.read(folder / "comparison.csv")
    assert set(rows[["PICTURE", "status", "code"]].itertuples(index=False, name=None)) == {
        (4, "done", 0), (-5, "failed", 4)}
    made = nbformat.read(folder / "comparison.ipynb", 4)
    assert any("image/png" in out.get("data", {}) for cell in made.cells
               for out in cell.get("outputs", []))
    again = tiny_book.sslbook(*line, "--dry-run")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert out.endswith("2 runs: 1 done before, 1 not begun\n")
