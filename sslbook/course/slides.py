"""Slides of a chapter: which cells become slides, and the one file they are written to.

One idea a slide: a heading with its first sentence and formula; a blank, and then its solution;
one figure, drawn again in the look for a room; a table. The full text and the teacher's notes
stand beside the slides when the file is opened with `?showNotes=true`.
"""

from __future__ import annotations

import ast
import html
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbook.course import build, notes, variants, vendored
from sslbook.errors import UserError
from sslbook.nbtools import syntax
from sslbook.nbtools.source import Cell, NotebookSource, blank, joined, read
from sslbook.nbtools.toc import Chapter

SKIPPED = {"install", "parameters", "setup", "paper", "stamp"}
LINES, WORDS = 20, 30  # of code and of text that a room reads on one slide
_DETAILS = re.compile(r"<details>.*?</details>|<!--.*?-->|^```.*?^```\s*$", re.S | re.M)
_FORMULA = re.compile(r"\$\$.*?\$\$", re.S)
_QUESTION = re.compile(r"\*\*([^*]+\?)\*\*")
_TABLE = re.compile(r"^\|.*(?:\n\|.*)+", re.M)
_SENTENCE = re.compile(r"(?<=[.?!:])\s+(?=[A-Z$*\"(])")
_NARROW = ("measured", "rule")  # columns of the verdicts that a slide leaves out


@dataclass(frozen=True)
class Slide:
    """kind: title, text, code, figure or table. body: markdown, but for code plain text.

    picture: base64 of a PNG, with its alternative text in `alt`. notes: markdown.
    """

    kind: str
    heading: str
    body: str = ""
    notes: str = ""
    picture: str = ""
    alt: str = ""


def write_decks(out: Path, chapters: Sequence[Chapter], preset: str = "smoke", vendor: str = "",
                replace: bool = False) -> list[str]:
    """Run each chapter for its figures and write its deck; returns lines that say what is there.

    Raises UserError where a chapter's run fails or what slides are made with is missing, and
    UsageError where a deck is there already (unless `replace`).
    """
    made = {out / f"{one.name}.html": "" for one in chapters}
    build.check_free(made, replace)
    parts = vendored.texts(vendor)
    said = []
    for path, chapter in zip(made, chapters, strict=True):
        slides = list(deck(executed(chapter, preset)))
        build.write({path: page(chapter.title, slides, parts)}, replace=True)
        said.append(f"{path}: {len(slides)} slides")
    return said


def executed(chapter: Chapter, preset: str) -> NotebookSource:
    """The chapter after a run of its own, its figures in the look for a room."""
    from sslbook import headless
    from sslbook.plan import plan

    before = os.environ.get("SSLBOOK_FIGURES")
    os.environ["SSLBOOK_FIGURES"] = "talk"
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            done = headless.execute(plan(chapter.name, [f"OUT_DIR={folder}"], preset))
            if done.code:
                raise UserError(f"{chapter.name} did not run: {done.message.splitlines()[0]}",
                                "Its slides were not written.",
                                f"See: sslbook run {chapter.name} --preset {preset}")
            return read(done.folder / f"{chapter.name}.ipynb", chapter)
    finally:
        os.environ.pop("SSLBOOK_FIGURES")
        if before is not None:
            os.environ["SSLBOOK_FIGURES"] = before


def deck(source: NotebookSource) -> Iterator[Slide]:
    """The slides of an executed chapter, in its order; the first of a section has its notes."""
    told = {name: notes.text(note) for name, note in notes.of(source).items()}
    heading = source.chapter.title
    for cell in source.cells:
        if cell.section in SKIPPED:
            continue
        found = re.search(r"^##? (.+)$", cell.source, re.M) if cell.kind == "markdown" else None
        heading = found[1] if found else heading
        for slide in _of(cell, heading, source.chapter):
            yield Slide(**{**vars(slide), "notes": "\n\n".join(filter(None, [
                told.pop(cell.section, ""), slide.notes]))})


def _of(cell: Cell, heading: str, chapter: Chapter) -> Iterator[Slide]:
    if cell.section == "card":
        yield from _card(cell, chapter)
    elif cell.section == "claims":
        if claims := _claims(cell):
            yield Slide("text", heading, claims)
    elif cell.kind == "markdown":
        yield from _text(cell, heading)
    elif cell.tagged("exercise:"):
        yield Slide("code", "Your turn", _short(blank(cell.source)))
        yield Slide("code", "One answer", _short(cell.source))
    else:
        yield from _outputs(cell, heading)


def _card(cell: Cell, chapter: Chapter) -> Iterator[Slide]:
    paper = re.search(r"^\| paper \| (.*?) \|$", cell.source, re.M)
    yield Slide("title", chapter.title, f"{chapter.idea}\n\n{paper[1] if paper else ''}")
    goals = re.search(r"^.*objectives.*\n+((?:[-*] .*\n?)+)", cell.source, re.I | re.M)
    if goals:
        yield Slide("text", "At the end we can", goals[1])


def _text(cell: Cell, heading: str) -> Iterator[Slide]:
    """A heading's first sentence, question and formulas; a table of symbols on its own slide."""
    for part in re.split(r"^(?=##? )", cell.source, flags=re.M):
        if not part.startswith("#"):
            continue
        text = _DETAILS.sub("", part.partition("\n")[2]).strip()
        formulas = _FORMULA.findall(text)
        plain = _TABLE.sub("", _FORMULA.sub("", text)).strip()
        first = _first(plain, cell.section == "recap")
        asked = [f"**{one}**" for one in _QUESTION.findall(plain) if one not in first]
        shown = [*formulas[:2], first] if text.startswith("$$") else [first, *formulas[:2]]
        yield Slide("text", part.partition("\n")[0].lstrip("# "), "\n\n".join(shown + asked), plain)
        for table in _TABLE.findall(text):
            yield Slide("table", heading, table)


def _first(text: str, whole: bool) -> str:
    """The first sentences of a text, about WORDS of words; with `whole` its first paragraph as a
    list of sentences."""
    sentences = _SENTENCE.split(" ".join(text.split("\n\n")[0].split()))
    if whole:
        return "\n".join(f"- {one}" for one in sentences)
    shown = sentences[:1]
    for one in sentences[1:]:
        told = len(" ".join(shown).split())
        if told >= 8 and told + len(one.split()) > WORDS:
            break
        shown.append(one)
    return " ".join(shown)


def _claims(cell: Cell) -> str:
    """The claims' statements, as a list."""
    lines = []
    for call in syntax.calls(cell.tree, "claim"):
        letter, statement = (one.value for one in call.args[:2] if isinstance(one, ast.Constant))
        lines.append(f"- ({letter}) {statement}")
    return "\n".join(lines)


def _short(code: str) -> str:
    """Code that fits: without marks, one empty line at a time, cut at LINES."""
    kept = variants.solved(re.sub(r"\n{3,}", "\n\n", code)).splitlines()
    return "\n".join(kept[:LINES] + ["..."] * (len(kept) > LINES))


def _outputs(cell: Cell, heading: str) -> Iterator[Slide]:
    """A slide for each figure, with its caption, and for each table."""
    yield from reversed(list(_backwards(cell, heading)))  # a caption follows its figure


def _backwards(cell: Cell, heading: str) -> Iterator[Slide]:
    caption = ""
    for output in reversed(cell.outputs):
        data = output.get("data", {})
        if "text/markdown" in data:
            text = joined(data["text/markdown"])
            if text.startswith("*How to read it"):
                caption = text
            elif text.startswith("|"):
                yield Slide("table", heading, _narrow(text))
        elif "image/png" in data:
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", heading)
            yield Slide("figure", heading, caption, picture="".join(
                joined(data["image/png"]).split()), alt=alt)
            caption = ""


def _narrow(table: str) -> str:
    """A markdown table without the columns that a slide has no room for."""
    rows = [line.strip().strip("|").split(" | ") for line in table.splitlines()]
    names = [name.strip() for name in rows[0]]
    keep = [i for i, name in enumerate(names) if name not in _NARROW]
    rows[1] = [":--"] + ["--:"] * (len(names) - 1)
    return "\n".join("| " + " | ".join(row[i].strip() for i in keep) + " |" for row in rows)


def _size(slide: Slide) -> int:
    """Pixels of a slide's type, so that its longest line and its last one are seen; 0: as usual."""
    lines = slide.body.splitlines()
    if slide.kind == "text":
        rows = sum(1 + len(line) // 52 for line in lines if line)
        return 0 if rows <= 8 else max(30, 44 * 8 // rows)
    if slide.kind != "code":
        return 0
    return int(min(30, 1100 / (0.605 * max(map(len, lines))), 560 / (1.4 * len(lines))))


def page(title: str, slides: Sequence[Slide], parts: dict[str, str]) -> str:
    """The deck as one file that asks for no other: scripts, styles and pictures are in it."""
    import jinja2
    from nbconvert.filters.highlight import Highlight2HTML
    from nbconvert.filters.markdown_mistune import markdown2html_mistune
    from pygments.formatters import HtmlFormatter

    paint = Highlight2HTML()
    render: dict[str, Any] = {"code": lambda text: paint(text, language="python")}
    shown = [{**vars(slide), "body": render.get(slide.kind, markdown2html_mistune)(slide.body),
              "heading": markdown2html_mistune(html.escape(slide.heading, quote=False)),
              "notes": markdown2html_mistune(slide.notes), "size": _size(slide)}
             for slide in slides]
    maker = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined,
                               trim_blocks=True, lstrip_blocks=True)
    template = Path(__file__).with_name("slides.html").read_text(encoding="utf-8")
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    return maker.from_string(template).render(title=title, slides=shown, part=parts,
                                              colours=colours)
