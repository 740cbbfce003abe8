"""The pages for people: their messages, commands and links are those of the book."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer

from sslbook import cli
from sslbook.nbtools import install

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/troubleshooting.md", "docs/headless.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
MESSAGES = re.findall(r"^> (.+)$", TEXTS["docs/troubleshooting.md"], re.M)


@pytest.fixture(scope="module")
def said():
    """All texts in the code, those of an f-string in pieces."""
    files = [*(ROOT / "sslbook").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    return [node.value for tree in [*trees, ast.parse(install._CELL.format(repository="", ref=""))]
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_is_printed_by_the_code(said, message):
    pieces = [piece.strip() for piece in message.split("…") if piece.strip(" .")]
    assert pieces
    for piece in pieces:
        assert any(piece in text for text in said), piece


def test_the_page_would_notice_a_message_that_is_gone(said):
    assert len(MESSAGES) >= 20
    assert not any("The data set fell off the table" in text for text in said)


def commands(group: typer.main.TyperGroup, *before: str):
    """Every command of the command line as a tuple of words."""
    for name, command in group.commands.items():
        yield (*before, name)
        yield from commands(command, *before, name) if hasattr(command, "commands") else ()


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_exist(page):
    known = {" ".join(words) for words in commands(typer.main.get_command(cli.app))}
    groups = {"data", "nb", "runs"}
    for words in re.findall(r"(?:^|[`/ ])sslbook ((?:[a-z]+ ?){1,2})", TEXTS[page], re.M):
        first, *rest = words.split()
        if first in {one.split()[0] for one in known}:
            line = f"{first} {rest[0]}" if first in groups and rest else first
            assert line in known, line
    for name in re.findall(r"tools/(\w+\.py)", TEXTS[page]):
        assert (ROOT / "tools" / name).is_file(), name
    targets = set(re.findall(r"`make ([a-z-]+)", TEXTS[page]))
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#\s]+)", TEXTS[page]):
        if "://" not in link:
            assert ((ROOT / page).parent / link).exists(), link
