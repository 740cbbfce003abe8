"""The chapters that compare the methods of a part are written from the methods' chapters."""

from __future__ import annotations

import json

import pytest

from sslbook.nbtools import compare, source, toc

BOOK = toc.chapters()
PAIRS = list(compare.parts(BOOK))


def test_every_part_with_two_methods_is_compared_at_its_end():
    for part in {one.part for one in BOOK}:
        members = [one for one in BOOK if one.part == part]
        if len(compare.methods(BOOK, part)) > 1:
            assert members[-1].name == compare.PREFIX + part
            assert set(members[-1].needs) == {one.name for one in compare.methods(BOOK, part)}


@pytest.mark.parametrize(("chapter", "compared"), PAIRS, ids=[one.name for one, _ in PAIRS])
def test_a_comparison_is_what_its_part_makes_of_it(chapter, compared):
    said = compare.text(chapter, compared)
    assert chapter.path.read_text(encoding="utf-8") == said, "run: sslbook nb compare"


def test_code_is_shown_without_the_marks_of_the_exercise():
    for _, compared in PAIRS:
        for line in "\n".join(compare._lines(compared)).splitlines():
            assert not line.lstrip("+- ").startswith((source.BEGIN, source.END, source.BLANK))


def test_methods_that_share_lines_are_shown_as_a_difference():
    (compared,) = [found for one, found in PAIRS if one.part == "contrast"]
    first, second = compare._lines(compared)
    assert "def nt_xent_loss" in first
    assert "```diff" in second
    assert "-def nt_xent_loss(z1, z2, tau):" in second
    assert " def similarities(z1, z2):" in second  # what both have


def test_outputs_go_when_the_source_of_their_cell_changes():
    old = {"cells": [{"cell_type": "code", "source": "1", "outputs": ["a"], "execution_count": 1},
                     {"cell_type": "code", "source": "2", "outputs": ["b"], "execution_count": 2}]}
    new = {"cells": [{"cell_type": "code", "source": "1", "outputs": [], "execution_count": None},
                     {"cell_type": "code", "source": "3", "outputs": [], "execution_count": None}]}
    compare._keep_outputs(old, new)
    assert [cell["outputs"] for cell in json.loads(json.dumps(new))["cells"]] == [["a"], []]
