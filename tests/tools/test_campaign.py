"""The loop over runs on a GPU: what is begun, resumed, kept and packed."""

from __future__ import annotations

import io
import json
import signal
import sys
import zipfile
from pathlib import Path

import pytest

from sslbook.book import parameters, toc
from sslbook.headless import plan
from sslbook.run import presets
from tools import campaign

NOTEBOOKS = Path(campaign.__file__).parents[1] / "notebooks"
ONE, TWO = "barlow_twins-lesson-s0", "graphmae-lesson"
# In place of `sslbook`: notes what it is told; a run ends as the file `ends` says.
FAKE = """
import json, os, sys
from pathlib import Path
home, words = Path(os.environ["SSLBOOK_HOME"]), sys.argv[1:]
with open(home.parent / "told", "a") as told:
    told.write(" ".join(words) + "\\n")
code, status = json.loads((home.parent / "ends").read_text())
if words[0] == "run":
    given = dict(word.split("=") for word in words if "=" in word)
    folder = home / "runs" / words[1] / ("id" + given["SEED"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parameters.json").write_text(json.dumps({**given, "SEED": int(given["SEED"])}))
    (folder / "record.json").write_text(json.dumps({"status": status, "": os.urandom(3000).hex()}))
    sys.exit(code)
"""
TINY = {"data": {"drawn": "shapes"}, "runs": [{
    "name": "one", "why": "it", "minutes": 1, "chapter": "tiny", "preset": "smoke",
    "data": "drawn", "set": {"TAU": 0.3}, "seeds": [0]}]}


@pytest.fixture
def loop(tmp_path, monkeypatch):
    """A function that runs the command with a faked `sslbook`: (code, what that was told)."""
    place = tmp_path / "build" / "campaign"
    place.mkdir(parents=True)
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(campaign, "ROOT", tmp_path)
    monkeypatch.setattr(campaign, "SSLBOOK", (sys.executable, str(tmp_path / "fake.py")))
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments, ends=(0, "finished")):
        (place / "ends").write_text(json.dumps(ends))
        (place / "told").write_text("")
        code = campaign.main(list(map(str, arguments)))
        return code, (place / "told").read_text().splitlines()

    return run


def test_every_run_names_a_chapter_a_preset_and_parameters_of_the_book():
    runs = campaign.read()
    assert [run.name for run in runs[:4]] == [ONE, "simclr-lesson-s0", "captured", "cuda-tests"]
    assert len({run.name for run in runs}) == len(runs)
    trained = [run for run in runs if run.chapter]
    kept = {(one.chapter, one.given["PRESET"], one.label, one.given["SEED"]) for one in trained}
    assert len(kept) == len(trained), "no two are kept under one name"
    for run in {run.chapter: run for run in trained}.values():
        path = toc.find(run.chapter, NOTEBOOKS).path
        words = [f"{key}={value}" for key, value in run.given.items()]
        assert plan.parse(words, parameters.known_parameters(path)) == run.given
        presets.resolve(parameters.read(path), run.given["PRESET"], run.given)
    with pytest.raises(SystemExit, match="no run nothing_such"):
        campaign.read(only=f"{ONE},nothing_such")


def test_a_finished_run_is_kept_and_neither_is_done_twice(loop, tmp_path):
    code, told = loop("--only", f"{ONE},{TWO}", "--budget", 9)
    assert (code, len(told)) == (0, 8)
    assert told[0].startswith("run barlow_twins -p PRESET=lesson -p DATASET=pack:cifar10/")
    assert 8 < float(told[0].partition("--timeout ")[2]) <= 9
    assert told[1].startswith("nb keep ")
    assert told[1].endswith("barlow_twins/id0 --name cifar10-jpeg")
    assert loop("--only", f"{ONE},{TWO}") == (0, [])
    next(tmp_path.rglob("kept")).unlink()  # as of a run that came from another machine
    assert len(loop("--budget", 0)[1]) == 1, "it is kept, and without time nothing is begun"


def test_what_was_cut_off_is_resumed_and_what_failed_is_said(loop, capsys):
    assert loop("--only", ONE, "--miniature", ends=(5, "interrupted"))[0] == 0
    code, (told,) = loop("--only", ONE, "--miniature", ends=(4, "failed"))
    assert (code, told) == (1, "run barlow_twins -p PRESET=check -p SEED=0 --resume id0")
    lines = capsys.readouterr().out.splitlines()
    assert ("out of time" in lines[1], "failed (4), see " in lines[4]) == (True, True)
    assert len(loop("--only", ONE, "--miniature")[1]) == 1, "a miniature is not kept"
    loop("--list", "--miniature")
    assert f"{ONE:<28}   3 min  finished" in capsys.readouterr().out


def test_results_are_packed_into_files_of_a_size(loop, tmp_path):
    loop("--only", TWO, "--pack", tmp_path / "out", "--size", 0.004)
    parts = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    assert {len(part) for part in parts[:-1]} == {4000}
    names = zipfile.ZipFile(io.BytesIO(b"".join(parts))).namelist()
    assert {f"build/campaign/home/{name}" for name in (
        "runs/graphmae/id1/record.json", f"logs/{TWO}-s2.txt")} <= set(names)


def test_a_command_that_has_no_time_is_ended_and_begins_anew(tmp_path):
    run = campaign.Run("wait", "", 0, tmp_path, ("timeit", "import time; time.sleep(99)"))
    assert campaign.execute(run, 0.01) == 5
    assert run.status() == ""


@pytest.mark.slow
def test_a_chapter_is_cut_off_resumed_kept_and_packed(book, gate, tmp_path, monkeypatch):
    (tmp_path / "list.yml").write_text(json.dumps(TINY))
    monkeypatch.setattr(campaign, "LIST", tmp_path / "list.yml")
    monkeypatch.setattr(campaign, "ROOT", book)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("SSLBOOK_DEVICE", "cpu")
    assert campaign.main(["--budget", "0.3"]) == 0
    gate.unlink()
    assert campaign.main(["--pack", str(tmp_path / "out"), "--size", "1"]) == 0
    (kept,) = (book / "data" / "records" / "tiny").iterdir()
    assert kept.name == "smoke-drawn-tau0.3-cpu-s0.json"
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert len(list(book.rglob("runs/tiny/*/record.json"))) == 1, "resumed, not begun again"
