"""What follows from the contents and the chapters' metadata, and is never written by hand.

README's table of chapters, the weeks of docs/teaching.md, docs/glossary.md, and in each notebook
what `normalise` writes: badge, install cell, metadata, symbol tables, collapsed cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sslbook.book import glossary, parameters, routes, toc
from sslbook.book.toc import Chapter
from sslbook.core import files, paths
from sslbook.errors import UsageError
from sslbook.nbtools.normalise import normal_form

_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def refresh(notebooks: Sequence[Path] = ()) -> list[Path]:
    """Write the files that are not as they should be; returns them. See `outdated`."""
    found = outdated(notebooks)
    for path, text in found.items():
        files.write_text(path, text)
    return list(found)


def outdated(notebooks: Sequence[Path] = ()) -> dict[Path, str]:
    """Every file that is not as it should be -> its text as it should be.

    notebooks: look at these alone; none means the whole book. A page that is not there, as in a
    wheel, is left out. Raises UsageError for a notebook that cannot be read, and for a page without
    its markers.
    """
    pages: dict[Path, str] = {}
    if not notebooks:
        book, root = toc.chapters(), paths.notebooks().parent
        notebooks = [one.path for one in book]
        pages = {
            root / "README.md": chapter_table(book),
            root / "docs" / "teaching.md": routes.weeks_table(book),
            root / "docs" / "glossary.md": glossary.page(),
        }
    texts = [(path, *normal_form(path)) for path in notebooks]
    for path, table in pages.items():
        if path.is_file():
            before = path.read_text(encoding="utf-8")
            texts.append((path, before, spliced(before, table, path.name)))
    return {path: after for path, before, after in texts if after != before}


def chapter_table(book: Sequence[Chapter]) -> str:
    """The README's table of chapters.

    Where a chapter has reference records of preset smoke on a CPU and on the data set that this
    preset names, their median time stands in its column, else "not measured".
    """
    head = ("chapter", "idea", "paper", "form", "smoke on a CPU", "Colab")
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for chapter in book:
        cells = (
            f"[{chapter.title}]({chapter.inside})",
            chapter.idea,
            f"[paper]({chapter.paper})" if chapter.paper else "",
            chapter.form,
            _seconds(chapter),
            f"[![Open in Colab]({_BADGE})]({chapter.colab})",
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _seconds(chapter: Chapter) -> str:
    from sslbook import records

    found = records.shipped(chapter.name)
    dataset = parameters.read(chapter.path).get("smoke", {}).get("dataset", "") if found else ""
    seconds = records.typical_seconds(records.alike(found, "smoke", "cpu", dataset))
    return "not measured" if seconds is None else f"{seconds:.0f} s"


def spliced(text: str, table: str, name: str = "README.md") -> str:
    """A page's text with `table` between its markers; UsageError where they are not there once."""
    begin, finish = "<!-- generated:start -->", "<!-- generated:end -->"
    before, start, rest = text.partition(begin)
    _, end, after = rest.partition(finish)
    if not (start and end) or begin in rest or finish in after:
        raise UsageError(f"{name} does not have the two markers of its table once.",
                         "It was left as it is.", f"Put {begin} and {finish} on own lines.")
    return f"{before}{begin}\n{table}\n{finish}{after}"
