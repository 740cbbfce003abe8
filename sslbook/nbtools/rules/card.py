"""Rules about the title card."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.contract import Finding, rule

_OBJECTIVES = re.compile(r"^.*objectives.*\n+((?:[-*+] .*\n?(?:[ \t]+\S.*\n?)*)+)", re.I | re.M)
_BULLET = re.compile(r"^[-*+] ", re.M)
_LICENCE = r"\b(licen[cs]ed?|CC|MIT|BSD|Apache|public domain)\b"


def _lines(chapter: NotebookSource, word: str) -> str:
    """The lines of the card that have `word`."""
    lines = chapter.text("card").splitlines()
    return "\n".join(line for line in lines if re.search(rf"\b{word}\b", line, re.I))


@rule()
def card_title(chapter: NotebookSource) -> Iterator[Finding]:
    """The card's H1 holds the title of the table of contents."""
    heading = re.search(r"^# (.+)$", chapter.text("card"), re.M)
    if heading and chapter.chapter.title.lower() not in heading.group(1).lower():
        yield 0, f"the title does not hold {chapter.chapter.title!r}, as toc.yml has it"


@rule()
def card_colab(chapter: NotebookSource) -> Iterator[Finding]:
    """The card has a Colab badge for this very notebook."""
    address = chapter.chapter.colab
    if not re.search(rf"\[!\[[^\]]+\]\([^)]+\)\]\({re.escape(address)}\)", chapter.text("card")):
        yield 0, f"no badge in the card links to {address}"


@rule()
def card_lines(chapter: NotebookSource) -> Iterator[Finding]:
    """Lines with: the chapters needed; the minutes; paper; data and licence; family and year."""
    about = chapter.chapter
    asked = [("needs", need) for need in ("needs", *about.needs)]
    asked += [("minutes", word) for word in ("reading", "doing", "machine")]
    if about.form != "guide":
        asked += [("paper", re.escape(f"({about.paper or 'no paper in the metadata'}")),
                  ("data", _LICENCE), ("family", r"\b(19|20)\d\d\b")]
    for word, said in asked:
        if not re.search(said, _lines(chapter, word), re.I):
            yield 0, f"the card's line with the word {word} does not say {said}"


@rule()
def card_objectives(chapter: NotebookSource) -> Iterator[Finding]:
    """Three or four objectives, as a list under a line that has the word."""
    listed = _OBJECTIVES.search(chapter.text("card"))
    count = len(_BULLET.findall(listed.group(1))) if listed else 0
    if not 3 <= count <= 4:
        yield 0, f"3 or 4 objectives in a list under that word are asked for; found {count}"
