"""Rules about the prose: headings, no typed results, plain markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sslbook.book import symbols
from sslbook.book.notebook import NotebookSource, prose
from sslbook.nbtools.contract import Finding, rule

_HEADING = re.compile(r"^(#{1,6})\s+\S", re.M)
_NUMBER = re.compile(r"(?<![\w.])(\d+(\.\d+)?\s?(%|percent(age points)?\b)|\d+\.\d+ points\b)")
_SOURCED = re.compile(r"\b(table|paper|papers|arxiv|source)\b", re.I)
_AFTER_TRAINING = ("train", "experiment", "collapse", "learned", "measure", "verdict", "break")
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u26ff\u2705\u274c\u2728\u2b50]")
_RULE = re.compile(r"(?:\A|\n[ \t]*\n)[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*(?:\n|\Z)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(\s*(?:https?:)?//|<img\b", re.I)


@rule()
def headings(chapter: NotebookSource) -> Iterator[Finding]:
    """One H1, in the first cell; below it headings go down one level at a time."""
    found = [(cell.index, len(match.group(1))) for cell in chapter.markdown
             for match in _HEADING.finditer(prose(cell.source))]
    titles = [cell for cell, level in found if level == 1]
    if titles != [0]:
        yield None, f"one H1 is asked for, in the first cell; found H1 in cells {titles}"
    for (_, before), (cell, level) in pairwise(found):
        if level > before + 1:
            yield cell, f"a heading of level {level} under one of level {before}"


@rule("long", "short", "study")
def no_typed_results(chapter: NotebookSource) -> Iterator[Finding]:
    """No result's number is typed in prose; a line that names its table or paper may quote it."""
    for cell in chapter.section(*_AFTER_TRAINING, kind="markdown"):
        for line in prose(cell.source).splitlines():
            number = _NUMBER.search(line)
            if number and not _SOURCED.search(line):
                yield cell.index, f"a typed result {number.group()!r}: let code print it"


@rule()
def plain_markdown(chapter: NotebookSource) -> Iterator[Finding]:
    """No emoji, horizontal rules or HTML tables; pictures are drawn by code, but for badges."""
    for cell in chapter.markdown:
        for what, found in (
            ("an emoji", _EMOJI.search(cell.source)),
            ("a horizontal rule", _RULE.search(prose(cell.source))),
            ("an HTML table", "<table" in cell.source.lower()),
            ("a picture from an address", cell.section != "card" and _PICTURE.search(cell.source)),
            ("a picture attached", cell.raw.get("attachments")),
            ("a typed table of symbols (ask for it by <!-- symbols: a; b -->)",
             cell.source.count(symbols.HEADING) > len(symbols.asked(cell.source))),
        ):
            if found:
                yield cell.index, f"{what} in the text"
