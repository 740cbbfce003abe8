"""A new chapter that keeps the contract: notebook, metadata, line in toc.yml, twin and its test.

What is written stands in chapter.txt, one page for all forms. Its cells run as they are, so that
an author replaces one after the other and always has a chapter that works.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sslbook.book import metadata, toc
from sslbook.core import files, paths
from sslbook.errors import UsageError, UserError
from sslbook.nbtools import install
from sslbook.nbtools.normalise import normalised

_PAGE = Path(__file__).with_name("chapter.txt")
_HEAD = re.compile(r"^=== (.+)\n", re.M)


@dataclass(frozen=True)
class Block:
    """One block of the page. kind: markdown, code or file; words: its tags, or the file's name."""

    kind: str
    words: tuple[str, ...]
    text: str


def new(part: str, name: str, form: str, title: str = "", paper: str = "") -> list[Path]:
    """Write a chapter of that form into the checkout and list it; returns the files written.

    part: listed already, or new at the end of the book. Raises UsageError, before anything is
    written, without a checkout, for a name or form that cannot be, and where a file is there.
    """
    root = paths.checkout()
    if root is None:
        raise UsageError("This is no checkout of the book.", "Nothing was written.",
                         "Clone the repository, and type the command inside of it.")
    folder = root / "notebooks"
    known = toc.chapters(folder)
    _possible(part, name, form, {one.name for one in known})
    path = folder / "toc.yml"
    book = metadata.read(path)
    chapter = toc.Chapter(
        name, part, form, title=title or name.replace("_", " ").capitalize(), folder=folder,
        idea="One sentence that says the idea.", needs=tuple(one.name for one in known[:1]),
        paper=paper or ("" if form == "guide" else "https://arxiv.org/abs/0000.00000"),
        repository=book.get("repository", ""), ref=book.get("ref", ""),
    )
    blocks = list(read(_PAGE, chapter, form))
    made = {root / one.words[0]: one.text + "\n" for one in blocks if one.kind == "file"}
    made[chapter.path] = normalised(notebook(blocks), part, chapter)
    for file in made:
        if file.exists():
            raise UsageError(f"{file.relative_to(root).as_posix()} is there already.",
                             "Nothing was written.", "Choose another name, or remove the file.")
    made[path] = listed(path.read_text(encoding="utf-8"), part, name)
    for file, content in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(file, content)
    return list(made)


def _possible(part: str, name: str, form: str, taken: set[str]) -> None:
    plain = re.compile(r"[a-z][a-z0-9_]*")
    if form in toc.FORMS and name not in taken and plain.fullmatch(name) and plain.fullmatch(part):
        return
    raise UsageError(
        f"No chapter {name!r} of form {form!r} can be added to part {part!r}"
        + (": the name is taken." if name in taken else "."),
        "Nothing was written.",
        f"Forms: {', '.join(toc.FORMS)}. Names have small letters, digits and underscores.",
    )


def listed(contents: str, part: str, name: str) -> str:
    """The text of toc.yml with the new chapter at the end of its part, comments kept."""
    contents = contents.rstrip("\n") + "\n"
    head = f"  - part: {part}\n"
    if head not in contents:
        contents += f"\n{head}    title: {part.capitalize()}\n    chapters:\n"
    before, _, rest = contents.partition(head)
    inside, gap, after = rest.partition("\n  - part: ")
    return f"{before}{head}{inside}      - {name}\n{gap}{after}"


def read(page: Path, chapter: toc.Chapter, form: str) -> Iterator[Block]:
    """A page's blocks for a form, filled in for the chapter."""
    _, *parts = _HEAD.split(page.read_text(encoding="utf-8"))
    given = {key: getattr(chapter, key) for key in ("name", "part", "form", "title", "idea",
                                                    "paper", "colab")}
    # A text in JSON's quotes is a text in YAML, whatever signs it has.
    given |= {"quoted": json.dumps(chapter.title, ensure_ascii=False), "today": str(date.today()),
              "needs": ", ".join(chapter.needs) or "nothing", "needed": ", ".join(chapter.needs),
              "install": install.cell(chapter)}
    fill = {f"@{key}@": value for key, value in given.items()}
    for head, body in zip(parts[::2], parts[1::2], strict=True):
        head, lines = _kept([head], " | ", form), body.strip("\n").split("\n")
        text = "\n".join([*head, *_kept(lines, " || ", form)])
        for key, value in fill.items():
            text = text.replace(key, value)
        if head:
            first, _, source = text.partition("\n")
            kind, *words = first.split()
            yield Block(kind, tuple(words), source)


def _kept(lines: list[str], sign: str, form: str) -> list[str]:
    """The lines for that form, without the sign and the forms that stand after it."""
    parts = [line.rpartition(sign) for line in lines]
    return [(text if marked else end) for text, marked, end in parts
            if not marked or form in end.split()]


def notebook(blocks: Iterable[Block]) -> str:
    """The notebook's JSON text."""
    import nbformat

    make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    cells = []
    for number, one in enumerate(block for block in blocks if block.kind in make):
        name = f"{one.words[0].removeprefix('sec:')}-{number}"
        cells.append(make[one.kind](one.text, id=name, metadata={"tags": list(one.words)}))
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def execute(path: Path) -> None:
    """Execute a chapter in preset check and store its outputs, normalised.

    The kernel imports the checkout's own package, and runs and caches go to a folder that is
    removed. Raises UserError that names the error of the cell that failed.
    """
    import nbclient
    import nbformat

    document: Any = nbformat.read(path, as_version=4)
    chapter = toc.at(path)
    root = path.resolve().parents[2]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        env = {**os.environ, "PYTHONPATH": str(root), "SSLBOOK_PRESET": "check",
               "SSLBOOK_HEADLESS": "1", "SSLBOOK_STRICT": "1", "SSLBOOK_HOME": home}
        client = nbclient.NotebookClient(document, timeout=600, kernel_name="python3",
                                         resources={"metadata": {"path": str(path.parent)}},
                                         extra_arguments=["--IPKernelApp.log_level=50"])
        try:
            client.execute(env=env)
        except nbclient.exceptions.CellExecutionError as error:
            raise UserError(f"A cell of {path.name} ends in {error.ename}: {error.evalue}.",
                            "The chapter lies there without outputs.",
                            "Mend the cell, and execute the notebook.") from error
    files.write_text(path, normalised(nbformat.writes(document), path.parent.name, chapter))
