"""Rules about stored outputs: there, in order, free of errors, noise and traces of a machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sslbook.book.notebook import NotebookSource, joined
from sslbook.nbtools.contract import Finding, rule

CHECKED = "nbval-check-output"
PLACES = re.compile(
    r"(?<![\w.~-])/(?:home|Users|root|tmp|mnt|content|private|var/folders)/[\w.-]"
    r"|(?<!\w)[A-Za-z]:(?:\\\\?|/)(?:Users|Documents)\b"
)
_VOLATILE = re.compile(
    r"\b(cpu|cuda|gpu|mps)\b|\b(smoke|lesson)\b|\b\d+(\.\d+)?\s?(ms|s|sec|secs|seconds|minutes)\b"
    r"|0x[0-9a-f]{6,}",
    re.I,
)
_SHOWN_BY = ("train", "verdict")


@rule()
def execution_order(chapter: NotebookSource) -> Iterator[Finding]:
    """The notebook was run once, from top to bottom."""
    for number, cell in enumerate(chapter.code, 1):
        found = cell.raw.get("execution_count")
        if found != number:
            yield cell.index, f"execution count {found}, {number} is asked for: run all cells anew"
            return


@rule()
def outputs_stored(chapter: NotebookSource) -> Iterator[Finding]:
    """The sections that show a result have stored outputs."""
    for name in _SHOWN_BY:
        cells = chapter.section(name, kind="code")
        if cells and not any(cell.outputs for cell in cells):
            yield cells[0].index, f"section {name} has no stored output"


@rule()
def checked_outputs(chapter: NotebookSource) -> Iterator[Finding]:
    """A checked cell has stored text, else the check is vacuous, and it is the same anywhere."""
    for cell in (cell for cell in chapter.cells if CHECKED in cell.tags):
        text = "\n".join(cell.texts())
        if not text.strip():
            yield cell.index, f"tagged {CHECKED}, but no text is stored"
        if match := _VOLATILE.search(text):
            yield cell.index, f"checked, and {match.group()!r} depends on device, preset or time"
        if cell.pictures:
            yield cell.index, "checked, and shows a figure"
    toy = chapter.section("toy", kind="code")
    if toy and not any(CHECKED in cell.tags for cell in toy):
        yield toy[0].index, f"no cell of the toy by hand is tagged {CHECKED}"


@rule()
def no_machine_traces(chapter: NotebookSource) -> Iterator[Finding]:
    """No absolute paths, which would name a user, too."""
    for cell in chapter.cells:
        for text in (cell.source, *cell.texts(), *_alternatives(cell.outputs)):
            if match := PLACES.search(text):
                yield cell.index, f"a path of one machine: {text[match.start() :][:30]!r}"


def _alternatives(outputs: list[dict]) -> Iterator[str]:
    for out in outputs:
        yield str(out.get("metadata", {}))
        yield "\n".join(joined(line) for line in out.get("traceback", []))


@rule()
def no_errors_or_bare_values(chapter: NotebookSource) -> Iterator[Finding]:
    """No cell ends in an error, or in an object's description such as <module.Class at 0x...>."""
    for cell in chapter.code:
        for out in cell.outputs:
            text = joined(out.get("data", {}).get("text/plain", ""))
            bare = out.get("output_type") == "execute_result" and re.match(r"[\[(]?<|Text\(", text)
            if out.get("output_type") == "error":
                yield cell.index, f"the cell ended in {out.get('ename', 'an error')}"
            if bare or re.search(r"\bat 0x[0-9a-f.]{3,}", "\n".join(cell.texts())):
                yield cell.index, f"a bare object in the output: {text[:40]}"
