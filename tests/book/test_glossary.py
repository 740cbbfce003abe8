"""The book's words: where they are defined, the page made of them, and how they are found."""

from __future__ import annotations

import re

import notebook_factory as factory
import pytest
from tiny_book import write_contents

from sslbook.book import glossary, toc
from sslbook.book.notebook import NotebookSource
from sslbook.errors import UsageError
from sslbook.nbtools.rules.words import defined_words

TERMS = """\
token: {meaning: A vector., chapter: one}
mask token: {meaning: A learned vector., chapter: two, also: [mask vector]}
"""


def test_the_books_own_words():
    known = glossary.terms()
    assert len({term.anchor for term in known.values()}) == len(known) >= 30
    spellings = [word.lower() for term in known.values() for word in (term.name, *term.also)]
    assert len(set(spellings)) == len(spellings)
    for term in known.values():
        assert term.meaning.endswith("."), term.name


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of three chapters that build on each other, with two words; its folder."""
    (tmp_path / "sslbook").mkdir()
    write_contents(tmp_path / "notebooks", {"start": {
        "one": "{form: guide, title: One}", "two": "{form: guide, needs: [one]}",
        "three": "{form: guide, needs: [two]}", "apart": "{form: guide}"}})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "glossary.yml").write_text(TERMS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(name: str, text: str) -> list[str]:
    """What the rule says of a chapter whose card has that text."""
    document = factory.notebook("guide")
    document["cells"] = [factory.text("card", "card", "# Tokens\n\n" + text)]
    return [said for _, said in defined_words(NotebookSource(document, toc.find(name)))]


def test_a_word_is_known_from_a_chapter_that_this_one_builds_on(book):
    assert found("three", "A token and two mask tokens.") == []
    (said,) = found("two", "Every token, then a mask\ntoken, and a mask token.")
    assert said.startswith("'mask\\ntoken' comes before its definition")
    assert said.endswith("docs/glossary.md#mask-token")
    assert len(found("apart", "Mask Tokens and TOKENS")) == 2


@pytest.mark.parametrize("text", [
    "Here **tokens** are vectors; a token has D numbers.", "**a token $x$** is a vector",
    "As in [tokens](../../docs/glossary.md#token). A token.",
    "`token` and $token$ and [a token](https://x.y/token) and\n```\ntoken\n```", "Tokenise it.",
    "A token-free way.", "[![A token](https://x.y/a.svg)](https://x.y/token)",
])
def test_bold_links_code_and_longer_words_pass(book, text):
    assert found("apart", text) == []


@pytest.mark.parametrize("text", [
    "A token. A **token** is a vector.", "**In this chapter a token is a vector of numbers**",
    "See [this](https://x.y/a) token.", "A **vector** token", "A mask vector.",
])
def test_a_use_before_the_definition_is_named(book, text):
    assert len(found("apart", text)) == 1


def test_the_chapter_of_a_word_has_it_and_defines_it(book):
    assert found("one", "A **token** is a vector.") == []
    (said,) = found("one", "Nothing.")
    assert "it defines 'token'" in said
    assert len(found("one", "A token.")) == 1


def test_the_first_edition_is_let_alone(book):
    (book / "notebooks" / "start" / "apart.yml").write_text("{form: guide, edition: 1}")
    assert found("apart", "A token.") == []


def test_the_page(book):
    page = glossary.page()
    assert page.startswith("## mask token\n\nA learned vector. Also: mask vector. Defined in [")
    assert page.endswith("A vector. Defined in [One](../notebooks/start/one.ipynb).")
    (book / "docs" / "glossary.yml").unlink()
    assert (glossary.page(), glossary.terms()) == ("", {})


def test_anchors_are_those_of_github():
    assert glossary.Term("95 % interval", "", "").anchor == "95--interval"
    assert glossary.Term("stop-gradient", "", "").anchor == "stop-gradient"


@pytest.mark.parametrize(("wrong", "says"), [
    ("a: {meaning: Yes., chapter: never}", "of never, which is no chapter"),
    ("a: yes", "a must be"),
    ("a: {meaning: Yes.}", "chapter"),
])
def test_a_wrong_file_is_named(book, wrong, says):
    (book / "docs" / "glossary.yml").write_text(wrong, encoding="utf-8")
    with pytest.raises(UsageError, match=rf"docs/glossary\.yml.*{re.escape(says)}"):
        glossary.terms()
