"""The chapter `compare_PART` that closes a part with two methods, written from their notebooks.

`sslbook nb compare` writes all of them again; a test finds one that its part has left behind.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from sslbook import files, paths
from sslbook.nbtools import scaffold, source
from sslbook.nbtools.normalise import normalised
from sslbook.nbtools.toc import Chapter

PREFIX = "compare_"
_PAGE = Path(__file__).with_name("comparison.txt")
_ALIKE = 0.3  # share of equal lines from which on a difference is easier to read than both codes


def parts(book: Sequence[Chapter]) -> Iterator[tuple[Chapter, list[Chapter]]]:
    """(the chapter that compares, the methods it compares) for every part that has one."""
    for chapter in book:
        if chapter.name == PREFIX + chapter.part:
            yield chapter, methods(book, chapter.part)


def methods(book: Sequence[Chapter], part: str) -> list[Chapter]:
    """The chapters of a part that have a twin: its methods."""
    return [one for one in book if one.part == part and one.twin]


def text(chapter: Chapter, compared: Sequence[Chapter]) -> str:
    """The notebook of a comparing chapter as JSON, with the outputs of the file that is there.

    Outputs stay with the cells whose source stays.
    """
    titles = "".join(f'    "{one.name}": "{one.title}",\n' for one in compared)
    encoders = [one for one in compared if _reads_images(one)]
    blocks = scaffold.read(
        _PAGE, chapter, "images" if len(encoders) > 1 else "other",
        methods=f"{{\n{titles}}}", lines="\n\n".join(_lines(compared)),
    )
    made = json.loads(normalised(scaffold.notebook(blocks), chapter.part, chapter))
    if chapter.path.is_file():
        _keep_outputs(json.loads(chapter.path.read_text(encoding="utf-8")), made)
    return normalised(json.dumps(made), chapter.part, chapter)


def write(book: Sequence[Chapter]) -> list[Path]:
    """Write every comparing chapter anew; returns the files that changed."""
    changed = []
    for chapter, compared in parts(book):
        should_be = text(chapter, compared)
        if not chapter.path.is_file() or chapter.path.read_text(encoding="utf-8") != should_be:
            files.write_text(chapter.path, should_be)
            changed.append(chapter.path)
    return changed


def _reads_images(chapter: Chapter) -> bool:
    """True where the book ships an encoder of images of this chapter."""
    folder = paths.records() / chapter.name
    if not (folder / "encoder.json").is_file():
        return False
    return "resnet" in (folder / "encoder.json").read_text(encoding="utf-8")


def _keep_outputs(old: dict, new: dict) -> None:
    """Give cells of `new` the outputs and counts of equal cells of `old`."""
    known = {source.joined(cell["source"]): cell for cell in old["cells"]}
    for cell in new["cells"]:
        if (before := known.get(source.joined(cell["source"]))) and cell["cell_type"] == "code":
            cell |= {key: before[key] for key in ("outputs", "execution_count")}


def _lines(compared: Sequence[Chapter]) -> Iterator[str]:
    """The methods' code in markdown: the first whole, the next as a difference where that helps."""
    codes = [(one, _code(one)) for one in compared]
    yield _shown(*codes[0])
    for (before, old), (chapter, new) in pairwise(codes):
        alike = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines()).ratio()
        if alike >= _ALIKE:
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=99)
            body = "\n".join(list(lines)[3:])
            yield f"From {before.title} to **{chapter.title}**:\n\n```diff\n{body}\n```"
        else:
            yield _shown(chapter, new)


def _shown(chapter: Chapter, code: str) -> str:
    return f"**{chapter.title}**:\n\n```python\n{code}\n```"


def _code(chapter: Chapter) -> str:
    """The chapter's first solved exercise, that of its equation, without the marks around it."""
    found = source.read(chapter.path, chapter)
    cells = [*found.section("equation", kind="code"), *found.code]
    solved = next(cell for cell in cells if cell.tagged("exercise:"))
    lines = solved.source.splitlines()
    marks = (source.BEGIN, source.END, source.BLANK)
    return "\n".join(line for line in lines if not line.strip().startswith(marks))
