"""The book's words: docs/glossary.yml says what each means, and which chapter defines it.

`sslbook nb refresh` writes docs/glossary.md from it; the contract sees that no chapter uses a word
before it was defined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sslbook.book import metadata, toc
from sslbook.core import paths


@dataclass(frozen=True)
class Term:
    """A word, what it means, the chapter that defines it, and how else it is written."""

    name: str
    meaning: str
    chapter: str
    also: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The word's anchor in docs/glossary.md, made as GitHub and the site make it."""
        return re.sub(r"[^\w\- ]", "", self.name.lower()).replace(" ", "-")


def terms() -> dict[str, Term]:
    """Every word by its name; none where the file is not there, as in a wheel.

    Raises UsageError where the file is not as metadata.schema.json has it, and for a word of a
    chapter that is not in the book.
    """
    path = paths.notebooks().parent / "docs" / "glossary.yml"
    if not path.is_file():
        return {}
    known = {one.name for one in toc.chapters()}
    found = {name: Term(name, about["meaning"], about["chapter"], tuple(about.get("also", ())))
             for name, about in metadata.read(path).items()}
    for term in found.values():
        if term.chapter not in known:
            raise metadata.wrong(path, f"{term.name} is of {term.chapter}, which is no chapter")
    return found


def page() -> str:
    """The words in alphabetical order as markdown, each under a heading that can be linked to."""
    book = {one.name: one for one in toc.chapters()}
    parts = []
    for term in sorted(terms().values(), key=lambda one: one.name.lower()):
        chapter = book[term.chapter]
        also = f" Also: {', '.join(term.also)}." if term.also else ""
        parts.append(f"## {term.name}\n\n{term.meaning}{also} "
                     f"Defined in [{chapter.title}](../{chapter.inside}).")
    return "\n\n".join(parts)


def uses(text: str, known: Mapping[str, Term]) -> Iterator[tuple[Term, re.Match[str]]]:
    """Every use of a word in a text, in order: whole words, any case, plurals too.

    Where one word holds another ("mask token"), the longer one is meant.
    """
    spelled = {spelling: term for term in known.values() for spelling in (term.name, *term.also)}
    if not spelled:
        return
    one_of = "|".join(map(re.escape, sorted(spelled, key=len, reverse=True)))
    named = {re.sub(r"\s+", " ", key.lower()): term for key, term in spelled.items()}
    pattern = re.compile(rf"(?<![\w-])({one_of})(?:s|es)?(?![\w-])".replace(r"\ ", r"\s+"), re.I)
    for match in pattern.finditer(text):
        yield named[" ".join(match[1].lower().split())], match
