"""The index of papers is whole, says something about each one, and agrees with the contents."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from typing import Any

import pytest
import yaml

from sslbook.book.toc import chapters
from sslbook.core import paths

STATUSES = {"chapter", "section", "related"}
NEEDED = {"title", "part", "chapter", "status", "line"}
TEXT = (paths.notebooks().parent / "docs" / "papers.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def papers() -> list[dict[str, Any]]:
    return yaml.safe_load(TEXT)


def _repeated(papers, field):
    counts = Counter(paper[field].lower() for paper in papers)
    return [value for value, n in counts.items() if n > 1]


def test_every_paper_is_there_once_with_all_fields(papers):
    assert papers
    for paper in papers:
        assert NEEDED <= set(paper) <= NEEDED | {"year", "arxiv"}, paper
        assert all(isinstance(paper[field], str) for field in NEEDED), paper
    assert not _repeated(papers, "title")
    assert not _repeated(papers, "line")


def test_the_head_defines_the_statuses_and_no_other_word_occurs(papers):
    head = TEXT.split("\n- {")[0]
    defined = set(re.findall(r"^#(?: status:)? +(\w+)  \w", head, re.MULTILINE))
    assert defined == STATUSES == {paper["status"] for paper in papers}


def test_papers_stand_in_the_order_of_the_parts(papers):
    order = [part for part, _ in groupby(paper["part"] for paper in papers)]
    assert len(set(order)) == len(order), "the papers of a part stand together"
    assert order[-1] == "", "related work comes last"
    listed = list(dict.fromkeys(chapter.part for chapter in chapters()))
    assert [part for part in order if part in listed] == [p for p in listed if p in order]
    for paper in papers:
        placed = bool(paper["part"]), bool(paper["chapter"])
        assert placed == ((False, False) if paper["status"] == "related" else (True, True)), paper


def test_a_chapter_has_one_part_and_one_paper_of_its_own(papers):
    own = Counter(paper["chapter"] for paper in papers if paper["status"] == "chapter")
    assert not [name for name, n in own.items() if n > 1]
    parts = {(paper["chapter"], paper["part"]) for paper in papers}
    assert len(parts) == len({name for name, _ in parts})


def test_lines_are_one_sentence_of_a_plain_length(papers):
    for paper in papers:
        line = paper["line"]
        assert 6 <= len(line.split()) <= 30, line
        assert line[0].isupper(), line
        assert line.endswith("."), line
        assert ". " not in line, line
        assert line.lower().rstrip(".") != paper["title"].lower(), line


def test_years_and_arxiv_numbers_have_their_form(papers):
    numbers = [paper["arxiv"] for paper in papers if "arxiv" in paper]
    assert len(numbers) == len(set(numbers)) > 0
    for number in numbers:
        assert re.fullmatch(r"\d{2}(0[1-9]|1[0-2])\.\d{4,5}", number), number
    for paper in papers:
        assert 2010 <= paper.get("year", 2010) <= 2030, paper
        if {"year", "arxiv"} <= set(paper):
            assert paper["year"] >= 2000 + int(paper["arxiv"][:2]), paper


def test_index_and_table_of_contents_agree(papers):
    known = {chapter.name: chapter for chapter in chapters()}
    for paper in papers:
        if paper["chapter"] in known:
            assert paper["part"] == known[paper["chapter"]].part, paper
    own = {paper["chapter"]: paper for paper in papers if paper["status"] == "chapter"}
    assert set(own) & set(known)
    for name in set(own) & set(known):
        number = own[name].get("arxiv")
        assert number is None or known[name].paper.endswith(number), own[name]


def test_a_chapter_s_paper_is_indexed_under_that_chapter(papers):
    by_number = {paper["arxiv"]: paper for paper in papers if "arxiv" in paper}
    linked = [(chapter, by_number[number]) for chapter in chapters() if chapter.paper
              if (number := chapter.paper.rsplit("/", 1)[-1]) in by_number]
    assert linked
    for chapter, paper in linked:
        assert (paper["chapter"], paper["status"]) == (chapter.name, "chapter"), chapter.paper
