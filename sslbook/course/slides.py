"""Slides of a chapter: its cells get slide types by their tags; nbconvert's slides do the rest.

One idea a slide: a heading with its first paragraph, formulas and questions; a blank, and then its
solution; one figure, drawn again in the look for a room; a table. The full text and the teacher's
notes stand beside the slides when the file is opened with `?showNotes=true`.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sslbook.book import syntax
from sslbook.book.notebook import Cell, NotebookSource, blank, read, solved
from sslbook.book.toc import Chapter
from sslbook.course import build, notes, vendored
from sslbook.errors import UserError

WORDS = 160  # of a slide, its title apart
SKIPPED = {"install", "parameters", "setup", "paper", "stamp"}
_ASIDE = re.compile(r"<details>.*?</details>|<!--.*?-->|^```.*?^```\s*$", re.S | re.M)
Slide = tuple[str, NotebookNode, str]  # heading, what is shown, its full text for the notes


def write_decks(out: Path, chapters: Sequence[Chapter], preset: str = "smoke", vendor: str = "",
                replace: bool = False) -> list[str]:
    """Run each chapter for its figures and write its deck; returns lines that say what is there.

    Raises UserError where a chapter's run fails or what slides are made with is missing, and
    UsageError where a deck is there already (unless `replace`).
    """
    made = {out / f"{one.name}.html": "" for one in chapters}
    build.check(made, replace)
    parts = vendored.texts(vendor)
    said = []
    for path, chapter in zip(made, chapters, strict=True):
        slides = deck(executed(chapter, preset))
        build.write({path: page(slides, parts)}, replace=True)
        said.append(f"{path}: {count(slides)} slides")
    return said


def executed(chapter: Chapter, preset: str) -> NotebookSource:
    """The chapter after a run of its own, its figures in the look for a room."""
    from sslbook.headless import execute
    from sslbook.headless.plan import plan

    before = os.environ.get("SSLBOOK_FIGURES")
    os.environ["SSLBOOK_FIGURES"] = "talk"
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            done = execute.execute(plan(chapter.name, [f"OUT_DIR={folder}"], preset))
            if done.code:
                raise UserError(f"{chapter.name} did not run: {done.message.splitlines()[0]}",
                                "Its slides were not written.",
                                f"See: sslbook run {chapter.name} --preset {preset}")
            return read(done.folder / f"{chapter.name}.ipynb", chapter)
    finally:
        os.environ.pop("SSLBOOK_FIGURES")
        if before is not None:
            os.environ["SSLBOOK_FIGURES"] = before


def deck(source: NotebookSource) -> NotebookNode:
    """The slides of an executed chapter as a notebook, in its order, each cell with a slide type.

    The teacher's note of a section stands beside its first slide.
    """
    told = {name: notes.text(note) for name, note in notes.of(source).items()}
    whole = nbformat.reads(json.dumps(source.notebook), as_version=4)  # joins lines of text
    cells, heading = [], ""
    for cell in NotebookSource(whole, source.chapter).cells:
        if cell.section in SKIPPED:
            continue
        for title, shown, text in _slides(cell, heading):
            heading = f"## {title.lstrip('# ')}" if cell.kind == "markdown" else heading
            cells.append(_typed("slide", new_markdown_cell(title)))
            cells.append(_typed("-", shown))
            if note := "\n\n".join(filter(None, [told.pop(cell.section, ""), text])):
                cells.append(_typed("notes", new_markdown_cell(note)))
    language = {"name": "python", "pygments_lexer": "python"}
    return new_notebook(cells=cells, metadata={
        "title": source.chapter.title, "language_info": language})


def count(slides: NotebookNode) -> int:
    """Slides of a deck."""
    return sum(cell.metadata.slideshow.slide_type == "slide" for cell in slides.cells)


def _typed(kind: str, cell: NotebookNode) -> NotebookNode:
    cell.metadata.slideshow = {"slide_type": kind}
    return cell


def _slides(cell: Cell, heading: str) -> Iterator[Slide]:
    if cell.kind == "markdown":
        yield from _text(cell)
    elif cell.section == "claims":
        claims = [[_said(one) for one in call.args[:2]]
                  for call in syntax.calls(cell.tree, "claim")]
        lines = [f"- ({letter}) {statement}" for letter, statement in claims]
        yield heading, new_markdown_cell("\n".join(lines)), ""
    elif cell.tagged("exercise:"):
        yield "## Your turn", new_code_cell(blank(cell.source)), ""
        yield "## One answer", new_code_cell(solved(cell.source)), ""
    else:
        yield from ((heading, one, "") for one in _shown(cell))


def _text(cell: Cell) -> Iterator[Slide]:
    """Under a heading its first paragraph, formulas, lists, bold ones; each table apart.

    What is more than a slide holds goes on on another one.
    """
    for part in re.split(r"^(?=##? )", _ASIDE.sub("", cell.source), flags=re.M):
        title, _, text = part.partition("\n")
        if not title.startswith("#"):
            continue
        blocks = [one.strip() for one in re.split(r"\n\s*\n", text) if one.strip()]
        blocks = [one for one in blocks if not one.startswith("[![")]  # a badge
        tables = [one for one in blocks if one.startswith("|")]
        prose = [one for one in blocks if not one.startswith(("|", "$$", "- ", "**"))]
        kept = [one for one in blocks if one not in tables and one not in prose[1:]]
        first, *more = _filled(kept)
        yield title, new_markdown_cell(first), "\n\n".join(prose[1:])
        for text in more:
            yield f"## {title.lstrip('# ')}", new_markdown_cell(text), ""
        for table in tables:
            yield f"## {title.lstrip('# ')}", new_markdown_cell(table), ""


def _filled(blocks: Sequence[str]) -> list[str]:
    """The blocks as texts of at most `WORDS` words; one text, "", for none."""
    texts = [""]
    for block in blocks:
        both = "\n\n".join(filter(None, [texts[-1], block]))
        if texts[-1] and len(both.split()) > WORDS:
            texts.append(block)
        else:
            texts[-1] = both
    return texts


def _shown(cell: Cell) -> Iterator[NotebookNode]:
    """A code cell without its code for each picture, with its caption, and for each table."""
    groups: list[list] = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data or data.get("text/markdown", "").startswith("|"):
            groups.append([output])
        elif "text/markdown" in data and groups:
            groups[-1].append(output)
    for outputs in groups:
        yield new_code_cell(outputs=outputs, metadata={"transient": {"remove_source": True}})


def page(slides: NotebookNode, parts: dict[str, str]) -> str:
    """The deck as one file that asks for no other: scripts, styles and pictures are in it."""
    from nbconvert.exporters import SlidesExporter
    from traitlets.config import Config

    exporter = SlidesExporter(
        template_file=str(Path(__file__).with_name("slides.html.j2")),
        exclude_input_prompt=True, exclude_output_prompt=True,
        config=Config(CSSHTMLHeaderPreprocessor={"style": "default"}))
    about = {"parts": parts, "metadata": {"name": slides.metadata.title}}
    return exporter.from_notebook_node(slides, about)[0]


def _said(node: ast.expr) -> str:
    """A text as written; of one that is put together, its code."""
    return node.value if isinstance(node, ast.Constant) else ast.unparse(node)
