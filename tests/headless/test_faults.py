"""What goes wrong on a real machine: bad data, full disks, Ctrl-C, kills. Nothing is lost.

Each test sees the message, the exit code and what is left on disk; no process is left behind.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny_book
from PIL import Image
from stopped import Started, posix, steps_kept, weights
from tiny_book import alive, sslbook, wait_for

from sslbook import records
from sslbook.core import paths
from sslbook.run.folder import create_folder
from sslbook.training.checkpoints import read_checkpoint

# -- data ------------------------------------------------------------------------------------


def pictures(folder, kinds=("cat", "dog"), n=8):
    rng = np.random.default_rng(0)
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 255, (36, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{i}.png")
    return folder


def _empty(folder):
    folder.mkdir()


def _no_pictures(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")


def _one_class(folder):
    pictures(folder, kinds=("cat",))


def _broken(folder):
    path = pictures(folder) / "dog" / "3.png"
    path.write_bytes(path.read_bytes()[:100])


def _no_image(folder):
    (pictures(folder) / "dog" / "3.png").write_bytes(b"this is not an image")


@pytest.mark.parametrize(
    ("make", "says"),
    [(_empty, "images"), (_no_pictures, "images"), (_one_class, "one class only: cat"),
     (_broken, "dog/3.png"), (_no_image, "dog/3.png")],
)
def test_bad_folders_are_named(book, sslbook_, tmp_path, make, says):
    make(tmp_path / "photos")
    found = sslbook_("run", "tiny", "-p", f"DATASET=folder:{tmp_path / 'photos'}")
    assert found.code == 3
    assert says in found.err.replace(os.sep, "/")
    assert "photos" in found.lines[0]
    assert len(found.lines) == 3
    assert not paths.runs().exists()


def test_a_broken_image_is_skipped_only_on_request(book, tmp_path, capsys):
    _broken(tmp_path / "photos")
    name = f"folder:{tmp_path / 'photos'}?skip_broken=1"
    space = tiny_book.here(PRESET="check", DATASET=name)
    assert "dog/3.png" in space["train_set"].description or len(space["train_set"]) < 16


@pytest.mark.parametrize("keep", [0, 50, 0.5, -1])
def test_a_truncated_pack_is_named(book, sslbook_, tmp_path, keep):
    pack = tmp_path / "photos.npz"
    assert sslbook_("data", "pack", pictures(tmp_path / "photos"), pack).code == 0
    content = pack.read_bytes()
    pack.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    found = sslbook_("run", "tiny", "-p", f"DATASET=pack:{pack}")
    assert found.code == 3
    assert "photos.npz" in found.lines[0]
    assert len(found.lines) == 3
    assert not paths.runs().exists()


# -- folders that cannot be written -------------------------------------------------------------


def test_an_output_folder_that_cannot_be(book, sslbook_, tmp_path):
    (tmp_path / "file").write_text("mine")
    found = sslbook_("run", "tiny", "-p", f"OUT_DIR={tmp_path / 'file' / 'below'}")
    assert found.code == 4
    assert found.lines[0].startswith("Cannot write")
    assert len(found.lines) == 3
    assert (tmp_path / "file").read_text() == "mine"


def test_a_read_only_output_folder(book, sslbook_, monkeypatch):
    import tempfile

    def refuse(*arguments, **named):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    found = sslbook_("run", "tiny")
    assert found.code == 4
    assert "is read-only" in found.lines[0]
    assert found.lines[2] == "Give a folder you own with OUT_DIR or SSLBOOK_HOME."


# -- runs that are stopped -----------------------------------------------------------------------


@posix
def test_interrupted_and_killed_a_run_goes_on_to_the_same_end(
    book, gate, whole, tmp_path, sslbook_
):
    """Ctrl-C, then the kernel is killed, then the runner; at last it finishes undisturbed."""
    run = Started("-p", "SEED=3", "--preset", "smoke")
    found = sslbook_("run", "tiny", "--resume", run.folder.name)
    assert found.code == 2
    assert "is in use by another process" in found.lines[0]
    code, err = run.stop(signal.SIGINT)
    assert (code, run.status) == (130, "interrupted")
    command = f"sslbook run tiny --resume {run.folder.name}"
    assert err.splitlines() == ["Interrupted.", "The last checkpoint is kept.",
                                f"Continue with: {command}"]
    first = steps_kept(run)
    assert first >= 10
    assert not (run.folder / "encoder.json").exists()

    run = Started("--resume", run.folder.name)  # its parameters are known
    code, err = run.stop(signal.SIGKILL, "kernel")
    assert (code, run.status) == (4, "crashed")
    assert err.splitlines()[0] == "The kernel died, probably out of memory."
    assert "Traceback" not in err
    second = steps_kept(run)

    run = Started("--resume", run.folder.name)
    code, _ = run.stop(signal.SIGKILL)  # waits until the kernel has ended, too
    assert code == -signal.SIGKILL
    assert run.status == "running"
    assert sslbook_("runs").out.split()[:3] == ["tiny", run.folder.name, "crashed,"]
    assert first < second < steps_kept(run) < 100

    gate.unlink()
    again = sslbook("run", "tiny", "--resume", run.folder.name)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert f"resumed at step {steps_at(out)} of 100" in out
    assert run.status == "finished"
    assert Started.folders() == [run.folder]
    assert weights(run.folder) == whole(tmp_path)


def steps_at(out):
    return int(out.partition("resumed at step ")[2].split()[0])


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


@posix
@pytest.mark.slow
def test_a_terminated_training_goes_on(book, gate, whole, tmp_path):
    run = Started("-p", "SEED=3", "--preset", "smoke")
    code, err = run.stop(signal.SIGTERM)
    assert (code, run.status) == (143, "interrupted")
    assert steps_kept(run) >= 10
    gate.unlink()
    again = sslbook("run", "tiny", "--resume", run.folder.name)
    assert again.wait(120) == 0, again.communicate()[1]
    assert weights(run.folder) == whole(tmp_path)


def _limited():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))


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


def test_runs_begun_in_the_same_second_have_their_own_folders(book):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_folder(paths.runs(), "smoke", 3), range(64)))
    assert len(set(made)) == 64
    assert all(folder.is_dir() for folder in made)
