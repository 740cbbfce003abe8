"""The README's table of chapters: `python -m sslbook.nbtools.table` brings it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sslbook import files, paths
from sslbook.errors import UsageError
from sslbook.nbtools import presets
from sslbook.nbtools.toc import Chapter, chapters

START, END = "<!-- chapters:start -->", "<!-- chapters:end -->"
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def chapter_table(listed: Sequence[Chapter]) -> str:
    """The table as markdown, without markers.

    Where a chapter has reference records of preset smoke on a CPU and on the data set that this
    preset names, their median time stands in its column, else "not measured".
    """
    head = ("chapter", "idea", "paper", "form", "smoke on a CPU", "Colab")
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for chapter in listed:
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
    from sslbook.judging import records

    found = records.shipped(chapter.name)
    dataset = presets.read(chapter.path).get("smoke", {}).get("dataset", "") if found else ""
    seconds = records.typical_seconds(records.alike(found, "smoke", "cpu", dataset))
    return "not measured" if seconds is None else f"{seconds:.0f} s"


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
    readme = readme or paths.notebooks().parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    return text, spliced(text, chapter_table(chapters()))


if __name__ == "__main__":
    is_now, should_be = current()
    if is_now != should_be:
        files.write_text(paths.notebooks().parent / "README.md", should_be)
    print("README.md:", "as it was" if is_now == should_be else "changed")
