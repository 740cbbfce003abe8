"""What goes wrong on a real machine: bad data, full disks, Ctrl-C, kills. Nothing is lost.

Each test sees the message, the exit code and what is left on disk; no process is left behind.
"""

from __future__ import annotations

import signal

import pytest
from stopped import Started, posix, steps_kept, weights
from tiny_book import alive, sslbook, wait_for

from sslbook import records
from sslbook.training.checkpoints import read_checkpoint

# -- data ------------------------------------------------------------------------------------


# -- folders that cannot be written -------------------------------------------------------------


# -- runs that are stopped -----------------------------------------------------------------------


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_an_interrupted_run_goes_on_to_the_same_end(
    book, gate, whole, tmp_path, sslbook_, number, code
):
    run = Started("-p", "SEED=3", "--preset", "smoke")
    found = sslbook_("run", "tiny", "--resume", run.folder.name)
    assert found.code == 2
    assert "is in use by another process" in found.lines[0]
    ended, err = run.stop(number)
    assert (ended, run.status) == (code, "interrupted")
    command = f"sslbook run tiny --resume {run.folder.name}"
    assert err.splitlines() == ["Interrupted.", "The last checkpoint is kept.",
                                f"Continue with: {command}"]
    kept = steps_kept(run)
    assert 10 <= kept < 100
    assert not (run.folder / "encoder.json").exists()
    gate.unlink()
    again = sslbook("run", "tiny", "--resume", run.folder.name)  # its parameters are known
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert f"resumed at step {kept} of 100" in out
    assert run.status == "finished"
    assert Started.folders() == [run.folder]
    assert weights(run.folder) == whole(tmp_path)


@pytest.mark.slow
@posix
def test_a_terminated_runner_takes_its_kernel_along(book):
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    process = sslbook("run", "plain", "-p", f"CODE={code}")
    kernel = int(wait_for(lambda: (book / "pid").exists() and (book / "pid").read_text(), "a pid"))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.splitlines()[0] == "Interrupted before the run began."
    assert not alive(kernel)


def _limited():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))


@pytest.mark.slow
@posix
def test_a_full_disk_keeps_the_checkpoint_before(book):
    """Files may have 500 kB, and each snapshot adds 64 kB to the checkpoint."""
    process = sslbook("run", "tiny", "--preset", "smoke", "-p", "PICTURE=16384",
                      preexec_fn=_limited)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 4
    assert err.splitlines() == [
        "No space left while writing checkpoint.pt.",
        "Nothing half-written was kept; earlier files are whole.",
        "Free some space, or give another folder with OUT_DIR or SSLBOOK_HOME.",
    ]
    (folder,) = Started.folders()
    kept = read_checkpoint(folder / "train" / "pretrain" / "checkpoint.pt")
    assert 0 < kept["values"]["step"] < 100
    assert len(kept["snapshots"]["picture"]) == len(kept["history"]["rows"]) > 1
    assert records.read(folder / "record.json")["status"] == "failed"
    assert not list(folder.rglob(".*.tmp"))
    assert not alive(int((folder / "pid").read_text()))


@posix
@pytest.mark.slow
def test_two_runs_at_once_have_two_folders(book, whole, tmp_path):
    both = [sslbook("run", "tiny", "-p", "SEED=3", "--preset", "smoke") for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    first, second = Started.folders()
    assert weights(first) == weights(second) == whole(tmp_path)
