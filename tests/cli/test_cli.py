"""The command line: what it prints, and the exit code that a script can rely on."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import tiny_book
from samples import record
from typer.testing import CliRunner

import sslbook
from sslbook import cli, datasets, records
from sslbook.book import toc
from sslbook.core import paths
from sslbook.errors import DataError, OutOfTime, UsageError, UserError

# -- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "first", "last"),
    [
        (["run", "tinny"], 2, "No chapter is called 'tinny'.", "List them with: sslbook list"),
        (["run", "tiny", "--preset", "smok"], 2, "Unknown preset 'smok'.", "Did you mean smoke?"),
        (["run", "tiny", "-p", "TAUU=1"], 2, "Unknown parameter 'TAUU'.", "Did you mean TAU?"),
        (["run", "tiny", "-p", "EPOCHS=ten"], 2, "EPOCHS takes a whole number, not 'ten'.",
         "It means: passes over the data; 0 means from the preset (default 0)"),
        (["run", "tiny", "-p", "DATASET=stl10"], 3, "The data set stl10 was not found.", "stl10"),
        (["embed", "tiny", "shapes", "out.npz"], 2, "No encoder for 'tiny'", "sslbook run tiny"),
        (["data", "get", "cifar11"], 2, "There is no data set 'cifar11'.", "Known: "),
        (["data", "pack", "nowhere", "out.npz"], 3, "", ""),
    ],
)
def test_refusals_are_three_lines_and_a_code(book, sslbook_, arguments, code, first, last):
    found = sslbook_(*arguments)
    assert found.code == code, found.err
    assert len(found.lines) == 3
    assert found.lines[0].startswith(first)
    assert last in found.lines[-1]
    assert "Traceback" not in found.out + found.err
    assert not paths.runs().exists()


@pytest.mark.parametrize(
    "arguments", [["rum"], ["run"], ["run", "tiny", "--bogus"], ["data", "grab"], ["embed", "a"]]
)
def test_unknown_commands_and_options_are_usage(book, sslbook_, arguments):
    found = sslbook_(*arguments)
    assert found.code == 2
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("a", "b", "c"), 4), (UsageError("a", "b", "c"), 2), (DataError("a", "b", "c"), 3),
     (OutOfTime("a", "b", "c"), 5)],
)
def test_expected_errors_have_their_codes(monkeypatch, sslbook_, error, code):
    def stop(*arguments):
        raise error

    monkeypatch.setattr(toc, "chapters", stop)
    found = sslbook_("list")
    assert (found.code, found.err) == (code, "a\nb\nc\n")


def test_an_interrupt_outside_a_run_is_130(monkeypatch, sslbook_):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(toc, "chapters", stop)
    assert sslbook_("list").code == 130


# -- runs ------------------------------------------------------------------------------------


def ran(sslbook_, code):
    """What the chapter `plain` ends with when its cell runs `code`."""
    return sslbook_("run", "plain", "-p", f"CODE={code}")


def test_a_failing_cell_is_named(book, sslbook_):
    found = ran(sslbook_, "print('so far'); 1 / 0")
    assert found.code == 4
    assert found.out == "so far\n"
    assert found.lines[0] == "Cell In [4] (exec(CODE)) failed: ZeroDivisionError: division by zero"
    assert len(found.lines) == 2
    executed = nbformat.read(found.lines[1].partition(": ")[2], 4)
    counts = [c.execution_count for c in executed.cells if c.source == "exec(CODE)"]
    assert counts == [4]


@pytest.mark.parametrize(("kind", "code"), [("DataError", 3), ("UserError", 4)])
def test_expected_errors_of_a_cell_keep_code_and_lines(book, sslbook_, kind, code):
    words = "'Three images are broken.', 'Nothing was read.', 'Mend them.'"
    found = ran(sslbook_, f"from sslbook.errors import {kind}; raise {kind}({words})")
    assert found.code == code
    assert found.lines == ["Three images are broken.", "Nothing was read.", "Mend them."]
    assert "Traceback" not in found.out + found.err


def test_a_chapter_runs_to_its_table_and_is_found_again(book, sslbook_, photos, tmp_path, caplog):
    found = sslbook_("run", "tiny", "--preset", "check", "-p", "SEED=2",
                     "-p", f"DATASET=folder:{photos}", "-p", "IMAGES=6", "-p", "BATCH_SIZE=4")
    assert found.code == 0, found.err
    found_run = found.out
    assert "tiny: preset check on cpu, seed 2" in found.out
    assert "folder:photos: 6 of 10 train samples are used; IMAGES=0 uses all" in found.out
    assert "tiny (a), check, folder:photos" in found.out
    assert "pretrain: 2 steps" in found.out
    assert (found.err, caplog.messages) == ("", [])
    (folder,) = (paths.runs() / "tiny").iterdir()
    assert f"-m jupyterlab {folder / 'tiny.ipynb'}" in found.out
    assert not list(folder.rglob("*.tmp")) + list(folder.rglob(".*.tmp"))
    assert "SEED = 2" in nbformat.read(folder / "tiny.ipynb", 4).cells[1].source
    stored = records.read(folder / "record.json")
    assert (stored["status"], stored["seed"]) == ("finished", 2)
    row = sslbook_("runs").out.splitlines()[-1].split()
    assert row[:5] == [folder.name, "finished", "folder:photos", "knn20", "0.500"]
    assert "This run is left out of reports: of preset check" in found_run
    assert "Runs left out: 1 of preset check" in sslbook_("report").out
    out = tmp_path / "features.npz"
    found = sslbook_("embed", folder.name, f"folder:{photos}", out, "--split", "all")
    assert "12 rows" in found.out
    assert found.code == 0
    with np.load(out, allow_pickle=False) as stored:
        assert stored["features"].shape[0] == 12
    found = sslbook_("run", "tiny", "--resume", folder.name)
    assert (found.code, found.lines[0]) == (2, f"The run {folder.name} is finished.")


def test_quiet_prints_the_summary_only(book, sslbook_, monkeypatch):
    from sslbook.headless import execute

    def stand_in(plan, screen, minutes):
        assert screen.streams == []
        records.write(plan.folder, record())
        return execute.Outcome(0, plan.folder)

    monkeypatch.setattr(execute, "execute", stand_in)
    found = sslbook_("run", "plain", "--quiet")
    assert found.code == 0
    assert "-m jupyterlab" in found.out


# -- what there is ---------------------------------------------------------------------------


def test_version(sslbook_):
    assert sslbook_("--version").out.strip() == f"sslbook {sslbook.__version__}"


def test_list(book, sslbook_):
    assert [line.split()[0] for line in sslbook_("list").out.splitlines()] == [
        "small/tiny", "small/plain", "small/absent"]
    rows = json.loads(sslbook_("list", "--json").out)
    assert rows[0] == {"name": "tiny", "part": "small", "form": "guide", "needs": [],
                       "idea": "A training that takes a second."}


def test_doctor(sslbook_, monkeypatch, tmp_path):
    found = sslbook_("doctor")
    assert found.code == 0, found.out
    words = [line.split()[1] for line in found.out.splitlines()]
    assert {"sslbook", "python", "torch", "papermill", "device", "preset", "disk"} <= set(words)
    assert f"ok   home          {paths.home()} (SSLBOOK_HOME names it)" in found.out
    help_ = "https://github.com/sslbook/sslbook/blob/main/docs/troubleshooting.md"
    assert found.out.splitlines()[-1].split() == ["ok", "help", help_]
    monkeypatch.setenv("SSLBOOK_DATA", str(tmp_path / "nothing"))
    found = sslbook_("doctor")
    assert found.code == 4
    assert "BAD  data          SSLBOOK_DATA is set, but is no folder" in found.out


def test_data_list(sslbook_):
    lines = sslbook_("data", "list").out.splitlines()
    words = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert words == [name.split()[0] for name in datasets.names()]
    assert {"shapes", "digits", "cifar10", "folder:PATH"} <= set(words)


def test_runs_and_report_of_an_empty_book(book, sslbook_):
    assert "No runs yet" in sslbook_("runs").out
    assert json.loads(sslbook_("runs", "list", "two", "--json").out) == []
    assert "No records yet" in sslbook_("report").out
    assert json.loads(sslbook_("report", "--json").out) == {
        "ledger": [], "scoreboard": []}


# -- data and notebooks -----------------------------------------------------------------------


def test_a_packed_folder_is_the_folder(book, sslbook_, photos, tmp_path):
    out = tmp_path / "packs" / "photos.npz"
    found = sslbook_("data", "pack", photos, out)
    assert found.code == 0, found.err
    assert f"-p DATASET=pack:{out}" in found.out
    for split in ("train", "test"):
        packed, loose = (datasets.load(f"{kind}:{path}", split, size=32)
                         for kind, path in (("pack", out), ("folder", photos)))
        assert packed.classes == loose.classes
        assert packed.images.equal(loose.images)
        assert packed.labels.equal(loose.labels)
    assert sslbook_("data", "get", f"pack:{out}").out.strip().endswith("here")


def test_what_cannot_be_written_is_said(book, sslbook_, photos, tmp_path):
    tiny_book.here(PRESET="check")
    for out in (tmp_path / "folder", photos / "cat" / "01.png" / "below.npz"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        found = sslbook_("embed", "tiny", "shapes", out)
        assert found.code == 4
        assert found.lines[0].startswith("Cannot write")
        assert len(found.lines) == 3


def test_notebooks_are_normalised_and_checked(book, sslbook_):
    path = toc.find("plain").path
    notebook = nbformat.read(path, 4)
    notebook.metadata["widgets"] = {"state": {}}
    nbformat.write(notebook, path)
    assert sslbook_("nb", "normalise", path).out == "plain.ipynb: changed\n"
    assert "widgets" not in nbformat.read(path, 4).metadata
    assert sslbook_("nb", "normalise", path).out == "plain.ipynb: as it was\n"
    path.write_text("{")
    found = sslbook_("nb", "normalise", path)
    assert (found.code, len(found.lines)) == (2, 3)
    assert path.read_text() == "{"


def test_check_names_what_breaks_the_contract(book, sslbook_):
    found = sslbook_("nb", "check", toc.find("plain").path)
    assert found.code == 4
    assert found.out.count("plain.ipynb: ") == len(found.out.splitlines()) > 0


def test_the_command_is_there_as_a_program():
    found = subprocess.run([sys.executable, "-m", "sslbook.cli", "run", "barlow_twins", "-p",
                            "LAMBDAA=1"], capture_output=True, text=True, timeout=120)
    assert found.returncode == 2
    assert found.stderr.splitlines()[0] == "Unknown parameter 'LAMBDAA'."
    assert CliRunner().invoke(cli.app, ["--help"]).exit_code == 0
