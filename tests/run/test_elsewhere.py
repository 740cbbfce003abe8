"""A chapter's runs on other data as a table: means over seeds, gains over the untrained net."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from samples import record

from sslbook import records
from sslbook.run.scores import Scores


def run(seed, ours, data="folder:photos", **changes):
    rows = {"pixels": {"linear": 0.2}, "random": {"linear": 0.3}, "MAE": {"linear": ours}}
    return record(seed, scores=rows, data__train__name=data, **changes)


def shown(monkeypatch, capsys, *found):
    monkeypatch.setattr(records, "shipped", lambda chapter: list(found))
    settings = SimpleNamespace(seed=0, dataset="emblems")
    Scores("mae", settings, torch.device("cpu")).elsewhere("MAE")
    return capsys.readouterr().out


def test_seeds_are_averaged_and_the_gain_is_paired(monkeypatch, capsys):
    said = shown(monkeypatch, capsys, run(0, 0.5), run(1, 0.7), run(0, 0.9, data="emblems"))
    (line,) = [line for line in said.splitlines() if "folder:photos" in line]
    assert "60.0 [-67.1, 187.1]" in line
    assert "+30.0 [-97.1, +157.1]" in line
    assert " 2 " in line
    assert "emblems" not in said


def test_without_such_runs_it_says_so(monkeypatch, capsys):
    unlabelled = record(0, scores={"MAE": {"rank": 3.0}}, data__train__name="folder:photos")
    check = run(0, 0.5, preset="check")
    for found in ((), (run(0, 0.9, data="emblems"),), (unlabelled,), (check,)):
        assert "No run of mae on other data" in shown(monkeypatch, capsys, *found)
