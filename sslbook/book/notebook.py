"""A chapter's notebook as the contract reads it: cells, sections by tag, counted code and words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sslbook.book import syntax
from sslbook.book.collapse import opened, title
from sslbook.book.toc import Chapter
from sslbook.errors import UsageError

BEGIN, END, BLANK = "### BEGIN SOLUTION", "### END SOLUTION", "# blank:"
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.M | re.S)
_MATH = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.S)
_ADDRESS = re.compile(r"\]\([^)]*\)|https?://\S+|<[^>\n]+>")
_HEADING = re.compile(r"^(#{1,6} .*)$", re.M)
_BLOCK_END = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+\.)\s)")


@dataclass(eq=False)
class Cell:
    """One cell. `section` is the name after the last `sec:` tag at or before it."""

    index: int
    kind: str
    source: str
    section: str
    raw: dict[str, Any] = field(repr=False)

    @property
    def tags(self) -> list[str]:
        return list(self.raw.get("metadata", {}).get("tags", []))

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return list(self.raw.get("outputs", []))

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of a code cell; empty for markdown and for code that does not parse."""
        return (syntax.parse(self.source) if self.kind == "code" else None) or ast.Module([], [])

    @property
    def collapsed(self) -> bool:
        """True for a code cell that a reader need not see at first, as its tags say."""
        return self.kind == "code" and title(self.tags) is not None

    @property
    def lines(self) -> int:
        """Lines that are not blank (comments count, the title of a collapsed cell does not)."""
        return sum(bool(line.strip()) for line in opened(self.source).splitlines())

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """Outputs that hold a PNG."""
        return [out for out in self.outputs if "image/png" in out.get("data", {})]

    def texts(self) -> Iterator[str]:
        """What the outputs say in words: streams and every text/* representation."""
        for out in self.outputs:
            if "text" in out:
                yield joined(out["text"])
            for mime, value in out.get("data", {}).items():
                if mime.startswith("text/"):
                    yield joined(value)

    @property
    def printed(self) -> str:
        """What the cell printed."""
        return "".join(joined(out["text"]) for out in self.outputs if "text" in out)

    def tagged(self, prefix: str) -> list[str]:
        """What follows `prefix` in the tags that begin with it."""
        return [tag.removeprefix(prefix) for tag in self.tags if tag.startswith(prefix)]


class NotebookSource:
    """A notebook together with its entry in the table of contents.

    notebook: the JSON document as a dict. size: bytes of the file (0: as it would be written).
    """

    def __init__(self, notebook: dict[str, Any], chapter: Chapter, size: int = 0):
        self.notebook, self.chapter = notebook, chapter
        self.size = size or len(json.dumps(notebook, indent=1, ensure_ascii=False).encode())
        self.metadata = notebook.get("metadata", {})
        self.cells: list[Cell] = []
        section = ""
        for index, raw in enumerate(notebook.get("cells", [])):
            tags = raw.get("metadata", {}).get("tags", [])
            section = next((tag[4:] for tag in tags if tag.startswith("sec:")), section)
            kind, source = raw.get("cell_type", ""), joined(raw.get("source", ""))
            self.cells.append(Cell(index, kind, source, section, raw))

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def markdown(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "markdown"]

    @property
    def order(self) -> list[str]:
        """Section names in order of appearance; one that is interrupted appears twice."""
        names = [cell.section for cell in self.cells if cell.section]
        return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]

    def section(self, *names: str, kind: str = "") -> list[Cell]:
        """The cells of the named sections, of one kind when given."""
        return [c for c in self.cells if c.section in names and (not kind or c.kind == kind)]

    def text(self, *names: str) -> str:
        """The sources of all cells of the named sections."""
        return "\n\n".join(cell.source for cell in self.section(*names))

    def calls(self, *names: str) -> list[tuple[Cell, ast.Call]]:
        """Every call in the notebook whose function's last name is one of `names`."""
        return [(cell, call) for cell in self.code for call in syntax.calls(cell.tree, *names)]

    @property
    def trainings(self) -> list[tuple[Cell, ast.Call]]:
        """The calls of `train` and `sslbook.train` (a module's own `.train()` is another thing)."""
        own = ("train", "sslbook.train")
        return [pair for pair in self.calls("train") if syntax.dotted(pair[1].func) in own]


def read(path: str | Path, chapter: Chapter) -> NotebookSource:
    """Read a notebook file; raises UsageError where it is missing or not a notebook of format 4."""
    path = Path(path)
    try:
        content = path.read_bytes()
        notebook = json.loads(content)
        if not (isinstance(notebook, dict) and notebook.get("nbformat") == 4):
            raise ValueError("not of notebook format 4")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path.name} is not a readable notebook: {getattr(error, 'strerror', None) or error}.",
            "It was not checked.",
            "Save it again from JupyterLab, or take it from git.",
        ) from error
    return NotebookSource(notebook, chapter, len(content))


def joined(text: str | list[str]) -> str:
    """Notebook files hold text as one string or as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def prose(markdown: str) -> str:
    """Markdown without code, formulas (each one word), addresses and HTML tags."""
    text = _FENCE.sub("\n\n", _COMMENT.sub("\n\n", markdown))
    return _ADDRESS.sub("]", _MATH.sub(" formula ", text))


def words(markdown: str) -> int:
    """Words of the prose."""
    return len(re.findall(r"[^\W_][\w'’-]*", prose(markdown)))


def paragraphs(markdown: str) -> list[str]:
    """Blocks of running text; each list item is one, headings and tables are none."""
    text = _HEADING.sub(r"\n\1\n", prose(markdown))
    blocks = (block.strip() for block in _BLOCK_END.split(text))
    return [" ".join(block.split()) for block in blocks if block and block[0] not in "#|"]


def blank(source: str) -> str:
    """The learner's cell: each solution gives way to the statements of its `# blank:` lines.

    The `# blank:` lines stand before the BEGIN line or inside the block; the learner's line keeps
    the indentation of BEGIN. Raises UsageError where a block is open, nested or has no blank.
    """
    kept: list[str] = []
    blanks: list[str] = []
    margin: str | None = None
    for line in source.splitlines():
        mark = line.strip()
        if mark.startswith(BLANK):
            blanks.append(mark.removeprefix(BLANK).strip())
        elif mark == BEGIN and margin is None:
            margin = line[: len(line) - len(line.lstrip())]
        elif mark == END and margin is not None and blanks:
            kept += [f"{margin}{statement}  # your turn" for statement in blanks]
            blanks, margin = [], None
        elif mark in (BEGIN, END):
            raise _bad_block("a BEGIN or END line without its partner, or no '# blank:' line")
        elif margin is None:
            kept.append(line)
    if margin is not None or blanks:
        raise _bad_block("a solution that does not end, or a '# blank:' line without a solution")
    return "\n".join(kept)


def solved(source: str) -> str:
    """A cell's code without the marks of blank and solution."""
    marks = (BEGIN, END, BLANK)
    return "\n".join(line for line in source.splitlines() if not line.strip().startswith(marks))


def _bad_block(what: str) -> UsageError:
    return UsageError(f"An exercise cell has {what}.", "", f"Write {BLANK} VALUE, {BEGIN}, {END}.")
