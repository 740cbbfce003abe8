"""A slider stands beside a printed strip, which pages show; `check` moves them all."""

from __future__ import annotations

import importlib
from contextlib import nullcontext

import pytest
from notebook_factory import source_of

from sslbook.book import syntax, toc


@pytest.mark.parametrize("chapter", toc.chapters(), ids=lambda chapter: chapter.name)
def test_a_slider_stands_beside_a_strip(chapter):
    code = source_of(chapter).code
    for i, cell in enumerate(code):
        if any(syntax.calls(cell.tree, "explore")):
            # the strip is in the same cell, or in the one before it
            assert cell.pictures or code[i - 1].pictures


def test_the_step_check_moves_every_slider_of_what_changed(monkeypatch):
    checks = importlib.import_module("tools.checks")
    one, other = toc.chapters()[:2]
    ran = []
    monkeypatch.setattr(checks, "call", lambda line, *, env: ran.append((line[-1], env)) or True)
    monkeypatch.setattr(checks, "chosen", lambda options: [one, other])
    monkeypatch.setattr(checks, "changed", lambda chapters: [other])
    monkeypatch.setattr(checks.warm, "serving", lambda folder, env: nullcontext({}))
    assert checks.check(checks.parse([]))
    assert checks.smoke(checks.parse([]))
    assert [(path, env["SSLBOOK_PRESET"], env["SSLBOOK_TRY_SLIDERS"]) for path, env in ran] == [
        (str(other.path), "check", "1"), (str(one.path), "check", "0"),
        (str(other.path), "smoke", "0")]
