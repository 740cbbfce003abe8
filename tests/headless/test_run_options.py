"""`sslbook run --dry-run | --timeout | --json | --log-file` and `sslbook runs`, on a tiny book."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest
import tiny_book
from samples import record

from sslbook import records
from sslbook.book import parameters, toc
from sslbook.core import paths
from sslbook.core.lock import FolderLock
from sslbook.errors import UsageError, UserError
from sslbook.headless import execute, log, runs
from sslbook.headless import plan as plans

CHAPTERS = toc.chapters()


# -- what would be done -----------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[chapter.name for chapter in CHAPTERS])
def test_presets_are_read_without_running_the_notebook(chapter):
    found = parameters.read(chapter.path)
    if "PRESETS" in chapter.path.read_text(encoding="utf-8"):
        assert set(found) == {"check", "smoke", "lesson", "full"}
        assert all(isinstance(values, dict) for values in found.values())
    else:
        assert found == {}


def test_what_is_no_literal_is_not_evaluated(book):
    path = toc.find("plain").path
    mark = book / "ran"
    source = (f"PRESETS = {{'check': open({str(mark)!r}, 'w')}}", "PRESETS = {'smoke': {'a': 1}}")
    path.write_text(path.read_text().replace('"x = 1"', json.dumps(source[0])))
    assert parameters.read(path) == {}
    assert not mark.exists()
    path.write_text(path.read_text().replace(json.dumps(source[0]), json.dumps(source[1])))
    assert parameters.read(path) == {"smoke": {"a": 1}}


def test_a_dry_run_starts_nothing(book, sslbook_):
    arguments = ("run", "tiny", "--preset", "smoke", "-p", "SEED=3", "--dry-run")
    found = sslbook_(*arguments)
    assert found.code == 0, found.err
    assert "100 steps of 16" in found.out  # 25 epochs of 64 // 16 steps
    assert found.out.count("not known") == 2
    about = json.loads(sslbook_(*arguments, "--json").out)
    assert about["steps"] == 100
    assert (about["preset"], about["seed"], about["data"]) == ("smoke", 3, "shapes")
    assert (about["seconds"], about["memory_mb"]) == (None, None)
    assert not paths.runs().exists()


def test_a_dry_run_tells_what_an_earlier_run_took(book, sslbook_):
    trained = tiny_book.here(PRESET="smoke")["run"].record("finished")
    assert trained["memory_mb"] is None or trained["memory_mb"] > 50
    arguments = ("run", "tiny", "--preset", "smoke", "-p", "EPOCHS=50", "--dry-run", "--json")
    about = json.loads(sslbook_(*arguments).out)
    kept = records.latest_record("tiny", "smoke", "cpu", "shapes")
    assert about["steps"] == 200
    assert about["seconds"] == round(2 * records.run_seconds(kept))
    assert about["memory_mb"] == kept["memory_mb"]


def test_a_download_is_announced_but_not_made(book, sslbook_, monkeypatch):
    monkeypatch.setenv("SSLBOOK_OFFLINE", "1")
    found = sslbook_("run", "tiny", "--preset", "smoke", "-p", "DATASET=cifar10", "--dry-run")
    assert found.code == 0, found.err
    assert "cifar10 (to be downloaded)" in found.out


def test_a_device_that_is_not_there_is_refused_first(book, monkeypatch):
    monkeypatch.setenv("SSLBOOK_DEVICE", "cuda:9")
    with pytest.raises(UsageError, match="cuda:9 cannot be used here"):
        plans.plan("tiny", [])
    assert not paths.home().exists()


def test_a_disk_that_is_nearly_full_is_refused_first(book, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(2**40, 2**40, 40 * 2**20))
    with pytest.raises(UserError, match="Only 40 MB of disk are free") as caught:
        plans.plan("tiny", [], "check")
    assert len(str(caught.value).splitlines()) == 3
    assert not paths.home().exists()


# -- ends -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
def test_out_of_time_keeps_the_checkpoint_and_can_be_resumed(
    book, sslbook_, tmp_path, monkeypatch
):
    gate = tmp_path / "gate"
    gate.write_text("")
    monkeypatch.setenv("TINY_GATE", str(gate))  # with it the training takes half a minute

    def clock():  # an hour has passed as soon as there is a checkpoint
        return 3600.0 * any(paths.runs().glob("*/*/train/*/checkpoint.pt"))

    monkeypatch.setattr(execute, "time", SimpleNamespace(monotonic=clock))
    kept = tmp_path / "tiny.log"
    found = sslbook_("run", "tiny", "--preset", "smoke", "--timeout", "30", "--json",
                     "--log-file", kept)
    monkeypatch.setattr(execute, "time", time)
    told = json.loads(found.out)
    assert (found.code, told["code"], told["status"]) == (5, 5, "interrupted")
    assert found.lines[-3:-1] == ["Out of time after 30 minutes.", "The last checkpoint is kept."]
    assert found.lines[-1] == f"Continue with: sslbook run tiny --resume {told['id']}"
    assert "pretrain: 100 steps" in kept.read_text()
    assert records.read(paths.runs() / "tiny" / told["id"] / "record.json")["error"]
    listed = sslbook_("runs").out
    assert "Out of time after 30 minutes, pretrain: step " in listed
    gate.unlink()
    found = sslbook_("run", "tiny", "--resume", told["id"], "--quiet", "--json")
    told = json.loads(found.out)
    assert (found.code, told["status"], told["verdicts"]) == (0, "finished", {"a": "passed"})
    assert told["scores"]["tiny"]["knn20"] == 0.5


def test_the_batch_to_try_is_half_of_what_was_too_large():
    assert execute._smaller(record(parameters={"batch_size": 64})).startswith(
        "Try -p BATCH_SIZE=32")
    for without in (None, record(parameters={}), record(parameters={"batch_size": 1})):
        assert execute._smaller(without) == "Try a smaller BATCH_SIZE."


# -- progress ---------------------------------------------------------------------------------


def test_progress_follows_the_training(tmp_path):
    assert log.progress(tmp_path) == ""
    rows = tmp_path / "metrics.jsonl"
    rows.write_text('{"training": "pretrain", "step": 3, "steps": 10}\n'
                   '{"training": "second", "step": 4, "steps": 8}\n{"cut')
    assert log.progress(tmp_path) == "second: step 4 of 8"
    rows.write_text("\xff nothing\n[1]\n")
    assert log.progress(tmp_path) == ""


def test_the_line_of_progress_gives_way_to_the_log(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    stream, copy = io.StringIO(), io.StringIO()
    shown = log.Screen(stream, copy)
    shown.follow(tmp_path, "cell 2 of 5")
    shown.follow(tmp_path, "cell 3 of 5")  # too soon
    shown.write("a row\n")
    shown.end()
    assert shown.terminal.getvalue() == "\r\x1b[Kcell 2 of 5\r\x1b[K"
    assert stream.getvalue() == copy.getvalue() == "a row\n"


# -- the shelf --------------------------------------------------------------------------------


@pytest.fixture
def shelved(book):
    """Five runs: three of one chapter that finished, one held, one of another chapter."""
    for name in ("one/1", "one/2", "one/3", "one/4", "two/1"):
        folder = paths.runs() / name
        folder.mkdir(parents=True)
        records.write(folder, record(status="running" if name == "one/1" else "finished"))
    (paths.runs() / "one" / "0").mkdir()
    (paths.runs() / "one" / "0" / "parameters.json").write_text("{}")
    lock = FolderLock(paths.runs() / "one" / "1")
    assert lock.acquire()
    yield
    lock.release()


def test_how_runs_stand(shelved):
    found = {f"{folder.parent.name}/{folder.name}": stands for folder, stands in runs.runs()}
    assert found == {"one/0": "not begun", "one/1": "running", "one/2": "finished",
                     "one/3": "finished", "one/4": "finished", "two/1": "finished"}


def test_pruning_keeps_the_newest_and_what_runs(shelved, sslbook_):
    assert [folder.name for folder in runs.to_prune(1, "one")] == ["2", "3"]
    (two,) = json.loads(sslbook_("runs", "list", "two", "--json").out)
    assert (two["chapter"], two["id"], two["status"]) == ("two", "1", "finished")
    found = sslbook_("runs", "prune", "--keep", "1", "--yes")
    assert found.code == 0, found.err
    assert "2 runs deleted" in found.out
    left = sorted(f"{p.parent.name}/{p.name}" for p in paths.runs().glob("*/*"))
    assert left == ["one/0", "one/1", "one/4", "two/1"]
    assert "Nothing to delete" in sslbook_("runs", "prune", "--keep", "1", "--yes").out
