"""Headless runs: everything is checked before a kernel starts, and every end has its code."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import papermill
import pytest
import tiny_book
from samples import record

from sslbook import records
from sslbook.book import parameters, syntax, toc
from sslbook.core import paths
from sslbook.core.lock import FolderLock
from sslbook.errors import DataError, UsageError, UserError
from sslbook.headless import execute, worker
from sslbook.headless import plan as plans
from sslbook.run import presets

BOOK = Path(__file__).resolve().parents[2] / "notebooks"
CHAPTERS = toc.chapters(BOOK)


def lines_of(caught):
    return str(caught.value).splitlines()


# -- parameters ------------------------------------------------------------------------------


def parameters_cell(path):
    cells = nbformat.read(path, 4).cells
    return next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_papermill_sees_every_parameter(chapter):
    tree = syntax.parse(parameters_cell(chapter.path))
    names = [node.target.id for node in tree.body]
    known = parameters.known_parameters(chapter.path)
    assert list(known) == list(papermill.inspect_notebook(str(chapter.path))) == names
    assert set(presets.STANDARD) <= set(known)
    for name, about in known.items():
        assert about.kind == type(about.default).__name__
        assert about.help, f"{name} has no comment"
        assert plans.parse([f"{name}={about.default}"], known) == {name: about.default}


KNOWN = {
    name: parameters.Parameter(name, kind, 0, "what it means")
    for name, kind in {"SEED": "int", "LAMBD": "float", "NET": "str", "FLIP": "bool"}.items()
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SEED=3", 3),
        ("SEED = -3", -3),
        ("LAMBD=3", 3.0),
        ("LAMBD=-1e-3", -1e-3),
        ("FLIP=True", True),
        ("NET=", ""),
        ("NET=3", "3"),
        ("NET=a=b", "a=b"),
    ],
)
def test_values_are_typed(text, value):
    (found,) = plans.parse([text], KNOWN).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SEED=True", "SEED takes a whole number, not 'True'."),
        ("SEED=2.5", "SEED takes a whole number, not '2.5'."),
        ("SEED=", "SEED takes a whole number, not ''."),
        ("LAMBD=nan", "LAMBD takes a number, not 'nan'."),
        ("LAMBD=1e999", "LAMBD takes a finite number, not inf."),
        ("LAMBD=False", "LAMBD takes a number, not 'False'."),
        ("FLIP=1", "FLIP takes True or False, not '1'."),
        ("SEED", "'SEED' is not NAME=VALUE."),
        ("seed=1", "Unknown parameter 'seed'."),
        ("=1", "Unknown parameter ''."),
    ],
)
def test_wrong_values_are_named_in_three_lines(text, says):
    with pytest.raises(UsageError) as caught:
        plans.parse([text], KNOWN)
    lines = lines_of(caught)
    assert lines[0].startswith(says)
    assert lines[1] == "Nothing was started."
    assert len(lines) == 3


# -- plans -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("tinny", []), UsageError, "No chapter is called 'tinny'"),
        (("../tiny", []), UsageError, "No chapter is called"),
        (("absent", []), UsageError, "The notebook of 'absent' is not here"),
        (("tiny", [], "smok"), UsageError, "Unknown preset 'smok'"),
        (("tiny", ["EPOCHS=-2"]), UsageError, "EPOCHS cannot be negative"),
        (("tiny", ["DATASET=shapez"]), UsageError, "There is no data set 'shapez'"),
        (("tiny", ["DATASET=folder:none"]), DataError, "folder:none was not found"),
        (("tiny", ["DATASET=cifar10"]), DataError, "cifar10"),
        (("tiny", [], "smoke", "2026"), UsageError, "No run '2026' of tiny"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(book, arguments, kind, says):
    with pytest.raises(kind) as caught:
        plans.plan(*arguments)
    assert says in str(caught.value)
    assert len(lines_of(caught)) == 3
    assert not paths.home().exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nbformat": 4}', "\x00"])
def test_a_damaged_notebook_is_named(book, content):
    toc.find("plain").path.write_text(content)
    with pytest.raises(UsageError, match="The notebook plain.ipynb cannot be read"):
        plans.plan("plain", [])


def test_a_plan_has_a_folder_of_its_own_and_notes_what_was_given(book, tmp_path):
    first, second = (plans.plan("tiny", ["SEED=3", "TAU=0.1"], "check") for _ in range(2))
    assert first.folder != second.folder
    assert first.folder.parent == paths.runs() / "tiny"
    assert first.values == {"SEED": 3, "TAU": 0.1, "PRESET": "check"}
    assert json.loads((first.folder / "parameters.json").read_text()) == first.values
    assert "-check-s3-" in first.folder.name
    elsewhere = plans.plan("tiny", [f"OUT_DIR={tmp_path / 'o'}"])
    assert elsewhere.folder.parent == tmp_path / "o" / "tiny"


@pytest.fixture
def unfinished(book):
    """A planned run whose record says that it was interrupted."""
    planned = plans.plan("tiny", ["SEED=3", "TAU=0.1"], "check")
    records.write(planned.folder, record(3, status="interrupted", preset="check"))
    return planned


def test_a_resumed_run_keeps_its_parameters(unfinished):
    again = plans.plan("tiny", [], "", unfinished.folder.name)
    assert again.folder == unfinished.folder
    assert again.values == unfinished.values
    same = plans.plan("tiny", ["TAU=0.1"], "check", unfinished.folder.name)
    assert same.values == unfinished.values


@pytest.mark.parametrize(
    ("assignments", "preset", "says"),
    [(["SEED=4"], "", "has SEED=3, not 4"), (["TAU=0.2"], "", "has TAU=0.1, not 0.2"),
     ([], "smoke", "has PRESET=check, not smoke")],
)
def test_a_resumed_run_takes_no_other_ones(unfinished, assignments, preset, says):
    with pytest.raises(UsageError, match=says) as caught:
        plans.plan("tiny", assignments, preset, unfinished.folder.name)
    assert len(lines_of(caught)) == 3


def test_a_run_in_use_and_a_finished_one_cannot_be_resumed(unfinished):
    name = unfinished.folder.name
    lock = FolderLock(unfinished.folder)
    assert lock.acquire()
    with pytest.raises(UsageError, match="in use by another process"):
        plans.plan("tiny", [], "", name)
    lock.release()
    records.write(unfinished.folder, record(3, preset="check"))
    with pytest.raises(UsageError, match=f"The run {name} is finished"):
        plans.plan("tiny", [], "", name)
    (unfinished.folder / "record.json").write_text("{")
    with pytest.raises(UsageError, match=f"No run '{name}' of tiny"):
        plans.plan("tiny", [], "", name)


def test_what_a_run_was_given_may_be_lost(unfinished):
    (unfinished.folder / "parameters.json").unlink()
    again = plans.plan("tiny", [], "", unfinished.folder.name)
    assert again.values == {"SEED": 3, "PRESET": "check"}


# -- ends ------------------------------------------------------------------------------------


def cell_error(kind, value, source="\nx = 1\nraise"):
    return SimpleNamespace(ename=kind, evalue=value, source=source, exec_count=7, cell_index=9)


def ended(unfinished, error=None, number=0, written=True):
    if written:
        records.write(unfinished.folder, record(3, status="running", preset="check"))
    ended = SimpleNamespace(error=error, signal=number)
    found = execute._outcome(unfinished, ended, unfinished.folder / "tiny.ipynb")
    return found, records.read(unfinished.folder / "record.json")


@pytest.mark.parametrize(
    ("error", "code", "message", "status"),
    [
        (cell_error("UsageError", "a\nb\nc"), 2, "a\nb\nc", "failed"),
        (cell_error("DataError", "a\nb\nc"), 3, "a\nb\nc", "failed"),
        (cell_error("UserError", "a\nb\nc"), 4, "a\nb\nc", "failed"),
        (cell_error("KeyError", "'x'"), 4, "Cell In [7] (x = 1) failed: KeyError: 'x'", "failed"),
        (cell_error("OutOfTime", ""), 5, "no message", "failed"),
        (UserError("No space left.", "b", "c"), 4, "No space left.\nb\nc", "failed"),
        (RuntimeError("no kernel"), 4, "The execution failed: RuntimeError: no kernel", "failed"),
        (None, 4, "The notebook ended without run.finish(): its record is not finished.",
         "failed"),
        (type("DeadKernelError", (RuntimeError,), {})("dead"), 4,
         "The kernel died, probably out of memory.\nWhat was finished is kept; the run can be "
         "resumed.\nTry a smaller BATCH_SIZE.", "crashed"),
    ],
)
def test_every_end_has_its_code(unfinished, error, code, message, status):
    found, stored = ended(unfinished, error)
    assert (found.code, found.message, stored["status"]) == (code, message, status)


def test_the_executed_notebook_is_named_but_not_in_the_record(unfinished, tmp_path):
    output = unfinished.folder / "tiny.ipynb"
    output.write_text("{}")
    found, stored = ended(unfinished, cell_error("ValueError", f"bad file {tmp_path}/x"))
    assert found.message.endswith(f"shows the place: {output}")
    assert str(tmp_path) not in json.dumps(stored)
    assert stored["error"] == "ValueError in Cell In [7] (x = 1)"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_go_on(unfinished, number, code):
    found, stored = ended(unfinished, cell_error("KeyboardInterrupt", ""), number)
    name = unfinished.folder.name
    assert found.message.endswith(f"Continue with: sslbook run tiny --resume {name}")
    assert (found.code, stored["status"]) == (code, "interrupted")
    unfinished.values["OUT_DIR"] = "there"
    found, _ = ended(unfinished, cell_error("KeyboardInterrupt", ""), number)
    assert found.message.endswith("-p OUT_DIR=there")


def test_a_run_that_finished_before_the_interrupt_came_is_done(unfinished):
    records.write(unfinished.folder, record(3, preset="check"))
    assert ended(unfinished, number=signal.SIGINT, written=False)[0].code == 0


def test_an_interrupt_before_the_run_began_has_nothing_to_go_on_with(unfinished):
    (unfinished.folder / "record.json").unlink()
    found, stored = ended(unfinished, KeyboardInterrupt(), signal.SIGINT, written=False)
    assert found.code == 130
    assert "Interrupted before the run began" in found.message
    assert stored is None


def test_a_record_that_cannot_be_updated_is_said(unfinished, monkeypatch):
    def full(*arguments):
        raise UserError("No space left.")

    monkeypatch.setattr(execute.records, "write", full)
    found, _ = ended(unfinished, cell_error("UserError", "a"), written=False)
    assert found.message.splitlines() == ["a", "(The record could not be updated.)"]


# -- kernels ---------------------------------------------------------------------------------


def run_code(code):
    """Run the chapter `plain` with this code in a kernel of its own."""
    return execute.execute(plans.plan("plain", [f"CODE={code}"]))


def test_nothing_that_a_kernel_started_lives_on(book):
    code = ("import os, signal, subprocess; child = subprocess.Popen(['sleep', '60']); "
            "open('pids', 'w').write(f'{os.getpid()} {child.pid}'); "
            "os.kill(os.getpid(), signal.SIGKILL)")
    before, handler = dict(os.environ), signal.getsignal(signal.SIGINT)
    found = run_code(code)
    assert found.code == 4
    assert "probably out of memory" in found.message
    for pid in (book / "pids").read_text().split():
        tiny_book.wait_for(lambda pid=int(pid): not tiny_book.alive(pid), "the end of all")
    assert dict(os.environ) == before
    assert signal.getsignal(signal.SIGINT) is handler
    assert not [t for t in threading.enumerate() if isinstance(t, worker.Worker)]


def test_an_interrupt_while_the_kernel_starts_begins_no_cell(book, monkeypatch):
    real = worker.Worker.run

    def run(thread):
        thread.interrupt(signal.SIGTERM)
        real(thread)

    monkeypatch.setattr(worker.Worker, "run", run)
    began = time.monotonic()
    found = run_code("open('ran', 'w')")
    assert found.code == 143
    assert "before the run began" in found.message
    assert not (book / "ran").exists()
    assert time.monotonic() - began < worker.GRACE


def test_only_the_first_interrupt_counts(book):
    thread = worker.Worker(Path("in.ipynb"), Path("out.ipynb"), {}, {})
    thread.interrupt(signal.SIGTERM)
    thread.interrupt(signal.SIGINT)
    assert thread.signal == signal.SIGTERM
    thread.end()
    assert thread._timer.finished.is_set()  # nobody is killed later
