"""Rules about the title card, and the install cell that goes with its badge."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sslbook.book.notebook import NotebookSource
from sslbook.nbtools.contract import Finding, rule

_OBJECTIVES = re.compile(r"^.*objectives.*\n+((?:[-*+] .*\n?(?:[ \t]+\S.*\n?)*)+)", re.I | re.M)
_BULLET = re.compile(r"^[-*+] ", re.M)
_LICENCE = re.compile(r"\b(licen[cs]e|licen[cs]ed|CC|MIT|BSD|Apache|public domain)\b", re.I)
_YEAR = re.compile(r"\b(19|20)\d\d\b")


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
    """The card has a Colab badge for this very notebook, and an install cell that goes with it."""
    address = chapter.chapter.colab
    if not re.search(rf"\[!\[[^\]]+\]\([^)]+\)\]\({re.escape(address)}\)", chapter.text("card")):
        yield 0, f"no badge in the card links to {address}"
    if "install" not in chapter.order:
        yield 0, "the card opens in Colab, and no cell is tagged sec:install"


@rule("long", "short", "study")
def card_sources(chapter: NotebookSource) -> Iterator[Finding]:
    """The card links the paper, and names the data with their licence."""
    text = chapter.text("card")
    if not chapter.chapter.paper or f"({chapter.chapter.paper}" not in text:
        yield 0, f"the card does not link the paper of toc.yml ({chapter.chapter.paper or 'none'})"
    if not _LICENCE.search(_lines(chapter, "data")):
        yield 0, "no line of the card names the data and their licence"


@rule("long", "short", "study")
def card_family(chapter: NotebookSource) -> Iterator[Finding]:
    """One line: comes from, the one thing changed, led to, year."""
    if not _YEAR.search(_lines(chapter, "family")):
        yield 0, "no line of the card with the word family and a year"


@rule()
def card_lines(chapter: NotebookSource) -> Iterator[Finding]:
    """One line with every chapter that is needed, one with reading, doing and machine minutes."""
    asked = {"needs": chapter.chapter.needs, "minutes": ("reading", "doing", "machine")}
    for word, said in asked.items():
        line = _lines(chapter, word)
        if missing := [one for one in said if one not in line.lower()] or ([] if line else [word]):
            yield 0, f"the card's line with the word {word} does not say {', '.join(missing)}"


@rule()
def card_objectives(chapter: NotebookSource) -> Iterator[Finding]:
    """Three or four objectives, as a list under a line that has the word."""
    listed = _OBJECTIVES.search(chapter.text("card"))
    count = len(_BULLET.findall(listed.group(1))) if listed else 0
    if not 3 <= count <= 4:
        yield 0, f"3 or 4 objectives in a list under that word are asked for; found {count}"


@rule()
def install_cell(chapter: NotebookSource) -> Iterator[Finding]:
    """The install cell runs before all others: code before it finds no book in Colab."""
    for cell in chapter.section("install", kind="code"):
        if cell is not chapter.code[0]:
            yield chapter.code[0].index, "code before the install cell finds no book in Colab"
