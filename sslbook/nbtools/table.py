"""The README's table of chapters: `python -m sslbook.nbtools.table` brings it up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sslbook import files, paths
from sslbook.errors import UsageError
from sslbook.nbtools.toc import Chapter, chapters

START, END = "<!-- chapters:start -->", "<!-- chapters:end -->"
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def chapter_table(listed: Sequence[Chapter], records: Iterable[Mapping[str, Any]] = ()) -> str:
    """The table as markdown, without markers.

    records: finished runs; where a chapter has some of preset smoke on a CPU, its median time
    stands in its column, else "not measured".
    """
    head = ("chapter", "idea", "paper", "form", "smoke on a CPU", "Colab")
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    records = list(records)
    for chapter in listed:
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


def _seconds(chapter: Chapter, records: Iterable[Mapping[str, Any]]) -> str:
    from sslbook.judging.records import took

    wanted = (chapter.name, "smoke", "finished", "cpu")
    times = sorted(
        took(record)
        for record in records
        if wanted
        == (record["chapter"], record["preset"], record["status"], record["device"]["kind"])
    )
    return f"{times[len(times) // 2]:.0f} s" if times else "not measured"


def spliced(text: str, table: str) -> str:
    """`text` with `table` between the markers; raises UsageError where they are not there once."""
    before, start, rest = text.partition(START)
    inside, end, after = rest.partition(END)
    if not (start and end) or START in rest or END in after:
        raise UsageError(
            "README.md does not have the two markers of the chapter table once.",
            "It was left as it is.",
            f"Put {START} and {END} on lines of their own.",
        )
    return f"{before}{START}\n{table}\n{END}{after}"


def current(readme: Path | None = None) -> tuple[str, str]:
    """(the README as it is, the README as it should be)."""
    from sslbook.judging import records

    readme = readme or paths.notebooks().parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    return text, spliced(text, chapter_table(chapters(), records.shipped()))


if __name__ == "__main__":
    is_now, should_be = current()
    if is_now != should_be:
        files.write_text(paths.notebooks().parent / "README.md", should_be)
    print("README.md:", "as it was" if is_now == should_be else "changed")
