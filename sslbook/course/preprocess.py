"""Two changes of a cell on its way through nbgrader; a course's `nbgrader_config.py` calls them."""

from __future__ import annotations

from typing import Any

from sslbook.nbtools.source import BEGIN, blank

TEXT = "*Your answer:*"
HIDE, HIDE_END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def released(cell: Any) -> Any:
    """What students get of a solution: the book's running blank, or room for a text."""
    if cell.metadata.get("nbgrader", {}).get("solution"):
        cell.source = blank(cell.source) if BEGIN in cell.source else TEXT
    return cell


def discreet(cell: Any) -> Any:
    """What feedback shows of a test: the verdict. Hidden cases, seeds and tracebacks stay."""
    if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("grade"):
        return cell
    hidden = HIDE in cell.source
    if hidden:
        before, rest = cell.source.split(HIDE, 1)
        cell.source = before.rstrip() + rest.split(HIDE_END, 1)[-1]
    for output in cell.outputs:
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}".rstrip(": ")]
        elif output.output_type == "stream" and hidden:
            # A submission can print the cases that it is called with; the verdict comes last.
            output.text = (output.text.strip().splitlines() or [""])[-1] + "\n"
    if hidden:  # nor can it draw or display them
        cell.outputs = [one for one in cell.outputs if one.output_type in ("error", "stream")]
    return cell
