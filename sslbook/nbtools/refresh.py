"""What follows from the contents and the chapters' metadata, and is never written by hand.

README's table of chapters, the weeks of docs/teaching.md, and in each notebook what `normalise`
writes: badge, install cell, metadata, symbol tables, collapsed cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sslbook import files, paths
from sslbook.errors import UsageError
from sslbook.nbtools import presets, routes, toc
from sslbook.nbtools.normalise import normal_form
from sslbook.nbtools.toc import Chapter

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
        from sslbook.judging import records

        book, root = toc.chapters(), paths.notebooks().parent
        notebooks = [one.path for one in book]
        pages = {
            root / "README.md": chapter_table(book, records.shipped()),
            root / "docs" / "teaching.md": routes.weeks_table(book),
        }
    texts = [(path, *normal_form(path)) for path in notebooks]
    for path, table in pages.items():
        if path.is_file():
            before = path.read_text(encoding="utf-8")
            texts.append((path, before, spliced(before, table, path.name)))
    return {path: after for path, before, after in texts if after != before}


def chapter_table(book: Sequence[Chapter], records: Iterable[Mapping[str, Any]] = ()) -> str:
    """The README's table of chapters.

    records: finished runs; where a chapter has some of preset smoke on a CPU, with the preset's
    own data, their median time stands in its column, else "not measured".
    """
    head = ("chapter", "idea", "paper", "form", "smoke on a CPU", "Colab")
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    records = list(records)
    for chapter in book:
        cells = (
            f"[{chapter.title}]({chapter.inside})",
            chapter.idea,
            f"[paper]({chapter.paper})" if chapter.paper else "",
            chapter.form,
            _seconds(chapter, records),
            f"[![Open in Colab]({_BADGE})]({chapter.colab})",
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _seconds(chapter: Chapter, records: Sequence[Mapping[str, Any]]) -> str:
    from sslbook.judging.records import took

    wanted = (chapter.name, "smoke", "finished", "cpu")
    same = [one for one in records if wanted
            == (one["chapter"], one["preset"], one["status"], one["device"]["kind"])]
    own = presets.read(chapter.path).get("smoke", {}).get("dataset") if same else ""
    times = sorted(took(one) for one in same
                   if not own or one["parameters"].get("dataset") == own)
    return f"{times[len(times) // 2]:.0f} s" if times else "not measured"


def spliced(text: str, table: str, name: str = "README.md") -> str:
    """A page's text with `table` between its markers; UsageError where they are not there once."""
    begin, finish = "<!-- generated:start -->", "<!-- generated:end -->"
    before, start, rest = text.partition(begin)
    _, end, after = rest.partition(finish)
    if not (start and end) or begin in rest or finish in after:
        raise UsageError(f"{name} does not have the two markers of its table once.",
                         "It was left as it is.", f"Put {begin} and {finish} on own lines.")
    return f"{before}{begin}\n{table}\n{finish}{after}"
