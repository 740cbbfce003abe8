"""What every command owes its reader: help, an example, 80 columns, no surprise, no wait."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
import typer.main
from samples import record

from sslbook import cli, records
from sslbook.core import paths
from sslbook.run import encoders

ROOT = typer.main.get_command(cli.app)


def commands(command=ROOT, words=()):
    """(words that call it, command) of every command and group."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


EVERY = {" ".join(words) or "sslbook": (words, command) for words, command in commands()}
WORKING = [name for name, (_, command) in EVERY.items() if not hasattr(command, "commands")]


def examples(command):
    """The lines below "Examples:", as lists of words after the program's name."""
    lines = (command.epilog or "").partition("Examples:\n")[2].splitlines()
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("name", EVERY)
def test_help_fits_and_flags_take_no_value(name, sslbook_, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    words, _ = EVERY[name]
    for flag in ("-h", "--help"):
        found = sslbook_(*words, flag)
        assert (found.code, found.err) == (0, "")
        assert "<bool>" not in found.out
        assert max(map(len, found.out.splitlines())) <= 80


@pytest.mark.parametrize("name", WORKING)
def test_every_argument_and_option_has_help_and_an_example(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # --log-file is opened
    words, command = EVERY[name]
    assert command.help
    told = [line for line in examples(command) if line[: len(words)] == list(words)]
    assert told, "no example"
    for option in command.params:
        assert option.help, f"{option.name} has no help"
        if option.param_type_name == "option":
            names = {*option.opts, *option.secondary_opts}
            assert any(names & set(line) for line in told), f"no example of {option.name}"
    for line in told:  # as typed, it is understood
        command.make_context(name, line[len(words):])


def test_parameters_are_listed_with_presets_types_and_help(book, sslbook_):
    lines = sslbook_("params", "tiny").out.splitlines()
    assert lines[lines.index("EPOCHS: int = 0") :][:3] == [
        "EPOCHS: int = 0", "    passes over the data; 0 means from the preset",
        "    presets: check 25, smoke 25"]
    rows = {row["name"]: row for row in json.loads(sslbook_("params", "tiny", "--json").out)}
    assert rows["IMAGES"] == {
        "name": "IMAGES", "kind": "int", "default": -1, "presets": {"check": 64, "smoke": 64},
        "help": "training samples, rows or nodes; 0 means all, -1 means from the preset"}
    assert rows["SEED"]["presets"] == {}
    assert sslbook_("params", "tinny").code == 2


def test_what_prints_static_text_imports_no_torch_and_reports_fit():
    lines = ["--help", "list", "runs", "params simclr", "data list", "report", "course plan",
             "nb --help", "run -h", "nb refresh -h"]
    code = ("import sys; from typer.testing import CliRunner; from sslbook import cli\n"
            "for line in sys.argv[1:]:\n"
            "    found = CliRunner().invoke(cli.app, line.split())\n"
            "    slow = {'torch', 'torchvision', 'matplotlib', 'rich'} & set(sys.modules)\n"
            "    wide = line == 'report' and max(map(len, found.output.splitlines())) > 80\n"
            "    print(line, found.exit_code, *slow, *['too wide'] * wide)\n")
    found = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True,
                           timeout=120, check=True, env={**os.environ, "COLUMNS": "80"})
    assert found.stdout.splitlines() == [f"{line} 0" for line in lines]


@pytest.mark.parametrize("arguments", [("list",), ("data", "list"), ("params", "mae")])
def test_tables_fit_the_screen(sslbook_, monkeypatch, arguments):
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        widths = [len(line) for line in sslbook_(*arguments).out.splitlines()]
        assert max(widths) <= columns
        assert len(widths) > 10


# -- nothing is written over by accident ------------------------------------------------------


def test_files_are_written_over_by_force_alone(book, sslbook_, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "embed", lambda *_: {"features": np.zeros((2, 3))})
    made = {tmp_path / "a.npz": ("embed", "tiny", "shapes", tmp_path / "a.npz"),
            tmp_path / "b.npz": ("data", "pack", photos, tmp_path / "b.npz"),
            tmp_path / "c-scores.csv": ("report", "--csv", tmp_path / "c.csv"),
            tmp_path / "d.html": ("report", "--html", tmp_path / "d.html")}
    for path, words in made.items():
        path.write_text("mine")
        found = sslbook_(*words)
        assert (found.code, found.out) == (2, "")
        assert found.lines[0].endswith(f"{path.name} is there already.")
        assert found.lines[-1].endswith("add --force.")
        assert path.read_text() == "mine"
    for path, words in list(made.items())[:3]:
        found = sslbook_(*words, "--force")
        assert found.code == 0, found.err
        assert path.read_bytes() != b"mine"


# -- the shelf of runs ------------------------------------------------------------------------


@pytest.fixture
def shelf(book):
    """Four runs: finished, failed, interrupted, and one whose record is damaged."""
    def put(name, **changes):
        folder = paths.runs() / "tiny" / name
        folder.mkdir(parents=True)
        records.write(folder, record(chapter="tiny", seconds__wall=90.0, **changes))
        return folder

    put("20260101-000000-smoke-s12-ab12", seed=12, parameters__dataset="folder:a_long_name",
        scores={"chance": {"knn20": 0.1}, "ours": {"linear": 0.7, "knn20": 0.625}})
    put("20260102-000000-smoke-s0-ab12", status="failed",
        **{"error": "ZeroDivisionError in Cell In [4] (a = mean(losses) / number_of_steps_that_)"})
    folder = put("20260103-000000-lesson-s0-ab12", status="interrupted")
    (folder / "metrics.jsonl").write_text('{"training": "pretrain", "step": 3, "steps": 10}\n')
    folder = put("20260104-000000-lesson-s0-ab12")
    (folder / "record.json").write_text("{")


def test_runs_show_what_was_run_and_how_it_ended(shelf, sslbook_, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = sslbook_("runs").out.splitlines()
    assert max(len(line) for line in lines if str(paths.home()) not in line) <= 80
    assert [line.split() for line in lines[-7:]] == [
        ["tiny:"],
        ["20260101-000000-smoke-s12-ab12", "finished", "folder:a_l...", "knn20", "0.625", "1.5",
         "12"],
        ["20260102-000000-smoke-s0-ab12", "failed", "1.5", "0"],
        ["ZeroDivisionError", "in", "Cell", "In", "[4]", "(a", "=", "mean(losses)", "/",
         "number_of_steps_that_)"],
        ["20260103-000000-lesson-s0-ab12", "interrupted", "1.5", "0"],
        ["pretrain:", "step", "3", "of", "10"],
        ["20260104-000000-lesson-s0-ab12", "damaged"],
    ]
    rows = json.loads(sslbook_("runs", "--json").out)
    assert rows[0] == {
        "chapter": "tiny", "id": "20260101-000000-smoke-s12-ab12", "status": "finished",
        "data": "folder:a_long_name", "seed": 12, "score": ["knn20", 0.625], "minutes": 1.5,
        "reason": ""}
    assert (rows[3]["status"], rows[3]["seed"], rows[3]["score"]) == ("damaged record", None, None)


def test_runs_say_which_home_they_use(book, sslbook_, monkeypatch):
    first = " ".join(sslbook_("runs").out.split())
    assert first.startswith(f"Runs lie in {paths.runs()} (SSLBOOK_HOME names it).")
    monkeypatch.delenv("SSLBOOK_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(book / "data_home"))
    monkeypatch.chdir(paths.PACKAGE.parent.parent)
    assert "(the user's data folder:" in sslbook_("runs").out
