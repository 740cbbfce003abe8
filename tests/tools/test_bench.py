"""The bench: timing, tables, files, the comparison of captured steps, a quick run of each part."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the bench is run from the checkout and is no part of the package

from sslbook.book import toc  # noqa: E402
from sslbook.core import paths  # noqa: E402
from tools.bench import captured, growth, rows, step, timing  # noqa: E402
from tools.bench.__main__ import main  # noqa: E402
from tools.bench.rows import Row  # noqa: E402

CPU = torch.device("cpu")
QUICK = timing.Options(CPU, quick=True)
OLD = ROOT / "tools" / "bench" / "results" / "2026-11-21-xeon-2-cores.json"
CASE = "ResNet-8 w16, batch 64"
ROWS = [Row("step", CASE, "backbone", [1.0, 2.0, 1.0], 1, "process time", 64),
        Row("step", CASE, "step", [1.25, 2.5, 1.25], 1, "process time", 64),
        Row("step", CASE, "lightly", error="ModuleNotFoundError: No module")]  # fmt: skip


def test_contenders_take_turns_and_who_fails_is_left_out():
    calls = []

    def clocked(name):
        calls.append(name)
        if name == "c" and calls.count("c") == 2:
            raise ValueError("broken")
        return 2.0

    makers = {name: lambda name=name: lambda: clocked(name) for name in "abc"}
    makers["peer"] = lambda: importlib.import_module("no_such_peer")
    made = timing.compared("loop", "case", 1, makers, timing.Options(CPU, rounds=3))
    assert calls == list("abc" "cba" "ab")
    assert [row.seconds for row in made] == [[2.0] * 3, [2.0] * 3, [], []]
    assert made[2].error == "ValueError: broken"
    assert made[3].error == "ModuleNotFoundError: No module named 'no_such_peer'"


def test_work_is_warm_before_it_is_timed_and_one_thread_by_its_cpu_seconds():
    calls = []
    clocked = timing.timed(lambda: calls.append(1), QUICK)
    assert calls == [1]
    assert clocked() > 0
    clocks = [(options.clock, options.workers) for options in (QUICK, timing.Options(CPU, 2))]
    assert clocks == [("process time", 0), ("wall time", 2)]


def test_the_stopwatch_sees_blocks_of_steps_and_what_runs_beside_them():
    clock = iter(range(100))
    watch = step.Stopwatch(SimpleNamespace(now=lambda: next(clock)), warm=2, block=3, blocks=2)
    for number in range(2 + 2 * 3 - 1):
        watch(None, number)
    with pytest.raises(step.Enough):
        watch(None, number + 1)
    assert watch.seconds == watch.floor == [1 / 3] * 2


def test_tables_show_times_ratios_and_who_is_missing():
    text = rows.tables("step", ROWS)
    assert re.search(r"w16, batch 64 +\| +1\.0 +\| +1\.[23]", text)
    assert "51 a second, 1.25 x the time of backbone (1.25-1.25), 80 % of it is the" in text
    assert text.endswith("! lightly: ModuleNotFoundError: No module")


def test_the_first_form_of_results_is_shown(capsys):
    about, found = rows.read(OLD)
    stored = json.loads(OLD.read_text(encoding="utf-8"))["rows"]
    assert [row.seconds for row in found] == [row["seconds"] for row in stored]
    assert main(["show"]) == 0
    shown = capsys.readouterr().out
    wanted = (*rows.TITLES.values(), about["torch"], "stable-pretraining", "x the time of bare")
    assert [text for text in wanted if text not in shown] == []


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', '{"schema": 1, "rows": [{}]}'])
def test_other_files_and_wrong_commands_are_refused(text, tmp_path, capsys):
    (tmp_path / "other.json").write_text(text)
    assert main(["show", str(tmp_path / "other.json")]) == 2
    assert "other.json holds no results" in capsys.readouterr().err
    for arguments in (["nonsense"], ["step", "a file"], ["--rounds", "0"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)


def test_a_part_that_breaks_costs_no_other_and_names_no_place(monkeypatch, tmp_path):
    def breaks(_options):
        yield ROWS[0]
        raise FileNotFoundError("no " + "/".join(["", "somewhere", "deep", "file.npz"]))

    monkeypatch.setattr(step, "run", breaks)
    for part in ("augmentation", "loop", "growth"):
        monkeypatch.setattr(f"tools.bench.{part}.run", lambda _options: iter([]))
    assert main(["--quick", "--out", str(tmp_path / "out.json")]) == 1
    _, found = rows.read(tmp_path / "out.json")
    assert [row.error for row in found] == ["", "FileNotFoundError: no (path)", *[""] * 4]
    assert [row.who for row in found[2:]] == ["ours", "scikit-learn"] * 2


@pytest.mark.parametrize("part", ["step", pytest.param("augmentation", marks=pytest.mark.slow),
                                  pytest.param("loop", marks=pytest.mark.slow)])  # fmt: skip
def test_a_quick_run_of_a_part(part, tmp_path):
    assert main([part, "--quick", "--out", str(tmp_path / "out.json")]) == 0
    for row in rows.read(tmp_path / "out.json")[1]:
        assert row.seconds or row.error.startswith("ModuleNotFoundError"), row


def test_a_book_of_twice_the_chapters(tmp_path):
    assert growth.copy_book(ROOT, tmp_path, 2) == 2 * len(toc.chapters(ROOT / "notebooks"))
    assert all(one.path.is_file() for one in toc.chapters(tmp_path / "notebooks"))
    made, kept = (list((one / "data/records").rglob("*.json")) for one in (tmp_path, ROOT))
    assert len(made) == 2 * len(kept)
    for code in growth.JOBS.values():
        exec(code.split(";")[0], {})  # what the fresh processes import is there
    assert growth.seconds("pass", tmp_path) > 0


@pytest.mark.parametrize(("other", "equal", "largest"), [
    ([5.0, 4.0], True, 0.0), ([5.0, 4.0 + 1e-7], True, 1e-7), ([5.0, 4.001], False, 0.001),
    ([5.0, float("nan")], False, None)])  # fmt: skip
def test_losses_are_compared_step_by_step_and_kept(other, equal, largest):
    found = captured.compare([5.0, 4.0], other)
    kept = captured.record(found, "NVIDIA H200")
    assert kept == {"schema": 1, "device": {"kind": "cuda", "name": "NVIDIA H200"}, "captured": {
        "equal": equal, "steps": 2, "largest_difference": largest and pytest.approx(largest),
        "torch": torch.__version__.split("+")[0], "date": kept["captured"]["date"]}}  # fmt: skip
    assert captured.record_file("NVIDIA H200") == paths.records() / "bench" / "nvidia-h200.json"


def test_captured_steps_need_cuda_and_losses_of_every_step(monkeypatch, capsys):
    with pytest.raises(ValueError, match="shorter"):
        captured.compare([1.0, 2.0], [1.0])
    first, second = (captured.losses(QUICK, "off", 4) for _ in range(2))
    assert (len(set(first)), first) == (4, second)
    with pytest.raises(captured.UserError, match="eager"):
        captured.losses(QUICK, "graph", 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["captured"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
