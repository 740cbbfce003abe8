"""Two changes of a cell on its way through nbgrader; a course's `nbgrader_config.py` calls them."""

from __future__ import annotations

from typing import Any

from sslbook.book.notebook import BEGIN, blank

TEXT = "*Your answer:*"
HIDE, HIDE_END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def released(cell: Any) -> Any:
    """What students get of a solution: the book's running blank, or room for a text."""
    if cell.metadata.get("nbgrader", {}).get("solution"):
        cell.source = blank(cell.source) if BEGIN in cell.source else TEXT
    return cell


def discreet(cell: Any) -> Any:
    """What feedback shows of a test: the verdict. Hidden cases, seeds and tracebacks stay.

    Of a hidden test nothing is left but whether it passed: a submission can print, raise or draw
    the cases that it is called with.
    """
    if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("grade"):
        return cell
    if HIDE in cell.source:
        before, rest = cell.source.split(HIDE, 1)
        cell.source = before.rstrip() + rest.split(HIDE_END, 1)[-1]
        passed = not any(one.output_type == "error" for one in cell.outputs)
        cell.outputs = [_line("passed" if passed else "did not pass")]
    for output in cell.outputs:
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}".rstrip(": ")]
    return cell


def _line(text: str) -> Any:
    import nbformat

    return nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n")
