"""The ledger's file: appended to, never rewritten."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_book
from samples import claim, record
from typer.testing import CliRunner

from sslbook import cli, records
from sslbook.core import paths
from sslbook.errors import UsageError, UserError
from sslbook.nbtools import keep as keeping
from sslbook.records import ledger, report

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [record(0, 0.04), record(1, 0.05), record(2, 0.06)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / ledger.NAME


def append(path, *found):
    return ledger.append(path, ledger.rows(found))


def said(path):
    lines, wrong = ledger.read(path)
    assert wrong == []
    return [(line["verdict"], line["n"], line["rule"]) for line in lines]


def test_a_row_says_it_all(path):
    append(path, *SEEDS)
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line == {
        "chapter": "one", "claim": "a", "preset": "lesson", "data": "cifar10/10", "text": "text",
        "measures": "a difference", "rule": ">= 0 over seeds", "verdict": "supported", "n": 3,
        "mean": 0.05, "low": 0.0251586, "high": 0.0748414, "tried": 1, "version": "0.1",
        "commit": "1", "measured": "2026-01-03T00:00:00+00:00", "settings": line["settings"],
    }
    assert ledger.read(path) == ([line], [])


def test_what_was_said_is_not_said_again_and_what_is_new_is_added_below(path):
    assert append(path, SEEDS[0]) == 1
    before = path.read_bytes()
    assert append(path, SEEDS[0]) == 0
    assert append(path, record(0, 0.04, code__commit="2", started="2027")) == 0
    assert path.read_bytes() == before
    assert append(path, *SEEDS) == 1
    assert append(path, *SEEDS, record(0, parameters__lambd=0.5)) == 1  # other settings
    assert path.read_bytes().startswith(before)
    assert said(path) == [("not run", 1, ">= 0 over seeds"), ("supported", 3,
                          ">= 0 over seeds"), ("not run", 1, ">= 0 over seeds")]


def test_a_verdict_that_goes_back_is_a_line_of_its_own(path):
    for value in (0.9, 0.1, 0.9):
        append(path, record(0, value, claims__a__claim=claim(bound=0.5, seeds=False).as_dict()))
    assert [word for word, _, _ in said(path)] == ["passed", "failed", "passed"]


def test_what_was_never_measured_has_no_line_but_what_is_no_longer_measured_has(path):
    assert append(path, record(0, None)) == 0
    assert not path.exists()
    append(path, record(0))
    assert append(path, record(0, None)) == 1
    line = ledger.read(path)[0][-1]
    assert (line["verdict"], line["mean"], line["low"]) == ("not run", None, None)


def test_a_cut_line_is_named_and_the_next_is_not_glued_to_it(path):
    append(path, SEEDS[0])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    assert append(path, SEEDS[0]) == 0
    assert append(path, *SEEDS) == 1
    lines, wrong = ledger.read(path)
    assert [line["n"] for line in lines] == [1, 3]
    assert wrong == [2]
    assert path.read_bytes().startswith(whole + whole[:50])


@pytest.mark.parametrize("content", [
    b"", b"\xff\xfe\n", b"[]\n", b"3\n", b"null\n", b"{}\n", b'{"chapter": 3}\n', b"[" * 5000,
])
def test_what_is_no_line_is_passed_over(path, content):
    append(path, SEEDS[0])
    path.write_bytes(content + path.read_bytes())
    lines, wrong = ledger.read(path)
    assert len(lines) + len(wrong) == len(path.read_bytes().splitlines())
    assert append(path, *SEEDS) == 1


def test_a_line_of_wrong_kinds_is_none(path):
    append(path, SEEDS[0])
    line = json.loads(path.read_text())
    for key in line:
        path.write_text(json.dumps({**line, key: [1]}) + "\n")
        assert ledger.read(path) == ([], [1])


def test_many_may_append_at_once(path):
    made = [record(0, chapter=f"c{i}") for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: append(path, one), made))
    lines, wrong = ledger.read(path)
    assert wrong == []
    assert {line["chapter"] for line in lines} == {one["chapter"] for one in made}


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="Cannot write ledger.jsonl"):
        append(tmp_path / "file" / ledger.NAME, SEEDS[0])


# -- who appends -----------------------------------------------------------------------------


def test_a_run_that_finishes_adds_its_verdicts(book):
    tiny_book.here(PRESET="check")  # counts nowhere
    tiny_book.here(PRESET="smoke", EPOCHS=1)
    tiny_book.here(PRESET="smoke", EPOCHS=1, SEED=1)
    lines, wrong = ledger.read(paths.runs() / ledger.NAME)
    assert [(line["chapter"], line["claim"], line["verdict"], line["n"]) for line in lines] == [
        ("tiny", "a", "passed", 1), ("tiny", "a", "passed", 2)]
    assert wrong == []
    assert not (book / "data" / "records").exists()  # a learner's run never enters the book's


def test_a_ledger_that_cannot_be_written_does_not_undo_the_run(book):
    (paths.runs() / ledger.NAME).mkdir(parents=True)
    run = tiny_book.here(PRESET="smoke", EPOCHS=1)["run"]
    assert records.read(run.folder / "record.json")["status"] == "finished"
    assert os.listdir(paths.runs() / ledger.NAME) == []


def keep(*arguments):
    return CliRunner().invoke(cli.app, ["nb", "keep", *map(str, arguments)])


@pytest.fixture
def kept(book, tmp_path):
    """A function that leaves a finished run with an encoder and a control; its folder."""
    def leave(value=0.1, **changes):
        folder = tmp_path / "there" / "runs" / "one" / "id"
        folder.mkdir(parents=True, exist_ok=True)
        rule = claim(bound=0.5, seeds=False).as_dict()
        records.write(folder, record(4, value, **{"claims__a__claim": rule, **changes}))
        (folder / "encoder.json").write_text("{}")
        (folder / "encoder.safetensors").write_bytes(b"weights")
        control = folder.parents[2] / "data" / "cache" / "controls" / "ab12.json"
        control.parent.mkdir(parents=True, exist_ok=True)
        control.write_text("{}")
        return folder

    return leave


def test_a_kept_record_enters_the_books_ledger(kept, book):
    for value in (0.1, 0.1, 0.7):
        assert keep(kept(value)).exit_code == 0
    words = [word for word, _, _ in said(book / "data/records" / ledger.NAME)]
    assert words == ["failed", "passed"]
    again = keep()
    assert (again.exit_code, again.stdout) == (0, "ledger.jsonl: 0 new lines\n")


def test_a_kept_run_lies_in_its_chapters_folder(kept, book):
    folder, base = kept(), book / "data" / "records"
    assert keep(folder).stdout.splitlines()[:2] == ["one/lesson-cpu-s4.json", "controls/ab12.json"]
    assert keep(folder, "--encoder", "--name", "cora").stdout.splitlines()[:3] == [
        "one/lesson-cora-cpu-s4.json", "one/encoder.json", "one/encoder.safetensors"]
    assert (base / "one" / "encoder.safetensors").read_bytes() == b"weights"
    assert records.shipped("one") == [records.read(folder / "record.json")] * 2


@pytest.mark.parametrize(("changes", "says"), [
    ({"status": "failed"}, "not a finished run"), ({"trained_with": "reference"}, "own code"),
    ({"schema": 0}, "not a finished run"), ({"preset": "check"}, "of preset check"),
    ({}, "no encoder of at most 3 bytes"),
])
def test_what_is_refused_is_named_and_the_others_are_kept(
        kept, book, tmp_path, monkeypatch, changes, says):
    monkeypatch.setattr(keeping, "LARGEST", 3)
    folder = kept(**changes)
    other = tmp_path / "there" / "runs" / "two" / "id"
    shutil.copytree(folder, other)
    records.write(other, record(0, chapter="two"))
    (other / "encoder.safetensors").write_bytes(b"w")
    done = keep(folder, other, "--encoder")
    assert done.exit_code == 2
    assert says in done.stderr
    assert [path.parent.name for path in records.shipped_files()] == ["two"]


def test_outside_a_checkout_nothing_is_kept(kept, tmp_path, monkeypatch):
    folder = kept()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no checkout"):
        list(keeping.keep(folder))


def test_the_books_ledger_has_lost_no_line():
    """Every line that was ever committed is still there."""
    name = f"data/records/{ledger.NAME}"

    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.splitlines() if done.returncode == 0 else []

    now = set((ROOT / name).read_text(encoding="utf-8").splitlines())
    for commit in git("log", "--format=%H", "--", name):
        assert set(git("show", f"{commit}:{name}")) <= now, commit


def test_the_books_ledger_is_up_to_date():
    """Else: sslbook nb keep"""
    lines, wrong = ledger.read(ROOT / "data" / "records" / ledger.NAME)
    assert wrong == []
    newest = {ledger._series(line): ledger._said(line) for line in lines}
    now = [ledger._plain(row) for row in report.ledger(records.shipped())]
    assert now
    said = {ledger._series(row): ledger._said(row) for row in now if row["n"]}
    assert {key: row for key, row in said.items() if newest.get(key) != row} == {}
