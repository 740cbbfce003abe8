"""A rule about the book's words: each is defined before it is used (docs/glossary.yml)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sslbook.book import glossary, toc
from sslbook.book.notebook import NotebookSource, prose
from sslbook.nbtools.contract import Finding, rule

_CODE = re.compile(r"(`+)[^`].*?\1", re.S)
_LINK_HERE = re.compile(r"\[([^\]\n]+)\]\([^)\s]*glossary\.md#([\w-]+)\)")
_LINK = re.compile(r"!?\[(?:[^\[\]]|!?\[[^\]]*\]\([^)]*\))*\]\([^)]*\)")
_HEADING = re.compile(r"^#{1,6} .*$", re.M)
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.S)
_LONGER = 16  # characters beside the word in its bold: "**embedding**", "**the embedding z**"


@rule()
def defined_words(chapter: NotebookSource) -> Iterator[Finding]:
    """A word of the glossary is bold where it is defined, known from before, or a link to it.

    Known from before: one that a chapter defines which this one needs, or which that one needs. The
    chapter that the glossary names has the word, and defines it.
    """
    about = chapter.chapter
    if about.edition == 1:
        return
    known = glossary.terms()
    before, seen = _before(about), set()
    for cell in chapter.markdown:
        text, linked = _words(cell.source)
        bold = [(found.start(), found.end()) for found in _BOLD.finditer(text)]
        seen |= {name for name, term in known.items() if term.anchor in linked}
        for term, use in glossary.uses(text, known):
            if term.name in seen or term.chapter in before:
                continue
            seen.add(term.name)
            if not any(a < use.start() and use.end() < b and b - a <= len(use[0]) + _LONGER
                       for a, b in bold):
                yield cell.index, (f"{use[0]!r} comes before its definition: define it in bold, or "
                                   f"link to docs/glossary.md#{term.anchor}")
    for term in known.values():
        if term.chapter == about.name and term.name not in seen:
            yield None, f"docs/glossary.yml says that it defines {term.name!r}: it never has it"


def _words(markdown: str) -> tuple[str, set[str]]:
    """The prose without headings, code, formulas and links, and the anchors that it links to."""
    linked = {found[2] for found in _LINK_HERE.finditer(markdown)}
    text = _LINK.sub(" link ", _CODE.sub(" code ", _HEADING.sub("", markdown)))
    return prose(text), linked


def _before(chapter: toc.Chapter) -> set[str]:
    """All that a chapter needs, and what that needs."""
    book = {one.name: one for one in toc.chapters()}
    found: set[str] = set()
    wanted = list(chapter.needs)
    while wanted:
        name = wanted.pop()
        if name not in found and name in book:
            found.add(name)
            wanted += book[name].needs
    return found
