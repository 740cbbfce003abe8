"""Every chapter with figures has a slider beside a printed strip; `check` moves them all."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from notebook_factory import source_of

from sslbook.book import syntax, toc

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("chapter", toc.chapters(), ids=lambda chapter: chapter.name)
def test_a_chapter_has_a_slider_beside_a_strip(chapter):
    code = source_of(chapter).code
    if not any(cell.pictures for cell in code):
        assert chapter.form == "guide", "a chapter without figures"
        return
    moved = [i for i, cell in enumerate(code) if any(syntax.calls(cell.tree, "explore"))]
    assert moved, "no call of explore"
    for i in moved:  # the strip is in the same cell, or in the one before it
        assert code[i].pictures or code[i - 1].pictures


@pytest.mark.parametrize(("preset", "tried"), [("check", "1"), ("smoke", "0")])
def test_the_step_check_tries_the_sliders(preset, tried, monkeypatch):
    spec = importlib.util.spec_from_file_location("checks", ROOT / "tools" / "checks.py")
    checks = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "checks", checks)
    spec.loader.exec_module(checks)
    ran = []
    monkeypatch.setattr(checks, "call", lambda line, *, env: ran.append(env) or True)
    assert checks.execute(preset, toc.chapters()[:1])
    (env,) = ran
    assert (env["SSLBOOK_PRESET"], env["SSLBOOK_TRY_SLIDERS"]) == (preset, tried)
