"""Several ranks train as one: equal losses, gradients and weights; a dead rank ends all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from stopped import Started, posix, steps_kept
from tiny_book import sslbook, wait_for

from sslbook import records

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.slow  # each starts several processes that import torch


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def trained(folder, world):
    """What the ranks of a world computed, one after the other."""
    folder.mkdir()
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
              "PYTHONPATH": os.pathsep.join(map(str, (HERE.parents[1], HERE.parent, HERE)))}
    line = [sys.executable, str(HERE / "two_ranks.py"), str(folder)]
    started = [subprocess.Popen(line, env={**os.environ, **shared, "RANK": str(rank)},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for rank in range(world)]
    try:
        said = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * world, "\n".join(said)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    place = tmp_path_factory.mktemp("ranks")
    return trained(place / "one", 1)[0], trained(place / "two", 2)


def distance(one, other):
    """Largest difference of two nested values of tensors and numbers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max((distance(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list):
        assert len(one) == len(other)
        return max(distance(a, b) for a, b in zip(one, other, strict=True))
    one, other = (torch.as_tensor(x, dtype=torch.float64) for x in (one, other))
    assert one.shape == other.shape
    return (one - other).abs().max().item()


def test_ranks_agree_on_what_fits_into_the_minutes(both):
    _, (first, second) = both
    assert first["minutes"]["steps"] == second["minutes"]["steps"] > 1
    assert distance(first["minutes"]["state"], second["minutes"]["state"]) == 0.0


CASES = ["Barlow Twins", "Barlow Twins, 7 samples", "SimCLR", "BYOL", "DirectPred", "MAE",
         "label augmentation", "T-JEPA", "hidden values", "graph"]


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_train_as_one(both, name):
    one, ranks = both
    assert set(one) == {*CASES, "minutes"}
    assert len(one[name]["loss"]) == len(one[name]["grad"]) == 3
    assert one[name]["state"]
    assert max(value.abs().max() for value in one[name]["grad"][-1].values()) > 1e-4
    for rank, found in enumerate(ranks):
        gaps = {key: distance(one[name][key], found[name][key])
                for key in ("loss", "grad", "state", "rows")}
        print(f"{name}, rank {rank}: " + ", ".join(f"{k} {v:.1e}" for k, v in gaps.items()))
        # DirectPred takes the root of eigenvalues, of which some are rounding errors.
        bound = 1e-6 if name == "DirectPred" else 1e-9
        assert max(gaps["loss"], gaps["grad"], gaps["state"]) < bound
        assert gaps["rows"] < 1e-5  # the log is float32
    assert distance(ranks[0][name]["state"], ranks[1][name]["state"]) == 0.0


# -- under torchrun --------------------------------------------------------------------------

LOST = "What was finished is kept; the run can be resumed."


class Together(Started):
    """A run of the chapter `tiny` on two ranks that is in the middle of its training."""

    def __init__(self, place, *arguments):
        self.place = place
        super().__init__("--nproc", "2", "--preset", "smoke", *arguments,
                         env={**os.environ, "TMPDIR": str(place)})
        wait_for(lambda: len(self.kernels) == 2, "two kernels")

    @property
    def kernels(self):
        """The kernels' processes, rank 0 first."""
        found = [self.folder / "pid", *self.place.glob("sslbook-*/1/tiny/*/pid")]
        return [int(path.read_text()) for path in found if path.exists()]

    def process_of(self, what):
        kind, _, number = what.partition(" ")
        if kind == "runner":
            return self.process.pid
        if kind == "kernel":
            return self.kernels[int(number)]
        if kind == "rank":
            (path,) = self.place.glob(f"sslbook-*/{number}.pid")
            return int(path.read_text())
        return next(one.pid for one in psutil.process_iter(["cmdline"])
                    if "torch.distributed.run" in (one.info["cmdline"] or ()))

    def living(self):
        """Command lines of what this run started and still runs."""
        lines = []
        for one in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(one.info["cmdline"] or ())
            mine = str(self.place.parent) in line and one.pid != os.getpid()
            if mine and one.info["status"] != psutil.STATUS_ZOMBIE:
                lines.append(line)
        return lines

    def kill(self, what, number=signal.SIGKILL):
        """(exit code, what was said, seconds until all had ended)."""
        pid, began = self.process_of(what), time.monotonic()
        os.kill(pid, number)
        _, err = self.process.communicate(timeout=60)
        wait_for(lambda: not self.living(), "the end of all", 60)
        return self.process.returncode, err, time.monotonic() - began


def resumed(run, gate, *options):
    """What the run says that is continued, to its end."""
    gate.unlink()
    again = sslbook("run", "tiny", *options, "--resume", run.folder.name)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    return out


@posix
def test_a_killed_rank_ends_all_and_the_run_goes_on(book, gate, tmp_path):
    run = Together(tmp_path)
    assert len(run.living()) >= 5  # runner aside: torchrun, two ranks, two kernels
    code, err, seconds = run.kill("kernel 1")
    print(f"all ended {seconds:.1f} s after a kernel was killed")
    assert (code, run.status) == (4, "crashed")
    assert err.splitlines() == ["Rank 1 of 2 died, probably out of memory.", LOST,
                                "Try -p BATCH_SIZE=8 in a new run."]
    assert seconds < 30
    first = steps_kept(run)
    assert first >= 10

    assert f"resumed at step {first} of 100" in resumed(run, gate, "--nproc", "2")
    assert run.status == "finished"
    assert records.read(run.folder / "record.json")["device"]["ranks"] == 2
    assert Started.folders() == [run.folder]
    assert not run.living()


@posix
@pytest.mark.parametrize(("what", "code", "says"), [
    ("kernel 0", 4, "Rank 0 of 2 died, probably out of memory."),
    ("rank 0", 4, "Rank 0 of 2 died, probably out of memory."),
    ("rank 1", 4, "Rank 1 of 2 died, probably out of memory."),
    ("torchrun", 4, "torchrun died, probably out of memory."),
    ("runner", -signal.SIGKILL, ""),
])
def test_whoever_is_killed_all_end(book, gate, tmp_path, what, code, says):
    run = Together(tmp_path)
    found, err, seconds = run.kill(what)
    print(f"all ended {seconds:.1f} s after {what} was killed")
    assert found == code, err
    assert err.startswith(says)
    assert "Traceback" not in err
    assert seconds < 30
    assert steps_kept(run) >= 10


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_on_two_ranks_goes_on_with_one(book, gate, tmp_path, number, code):
    run = Together(tmp_path)
    found, err, _ = run.kill("runner", number)
    assert (found, run.status) == (code, "interrupted")
    assert err.splitlines() == [
        "Interrupted.", "The last checkpoint is kept.",
        f"Continue with: sslbook run tiny --resume {run.folder.name} --nproc 2"]
    assert steps_kept(run) > 10
    assert "made with ranks 2, goes on with 1" in resumed(run, gate)
