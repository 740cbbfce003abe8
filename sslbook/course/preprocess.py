"""Two steps of nbgrader that are the book's own; `nbgrader_config.py` of a course names them."""

from __future__ import annotations

from typing import Any

from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution

from sslbook.nbtools.source import BEGIN, blank

TEXT = "*Your answer:*"
HIDE, HIDE_END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


class Blank(ClearSolutions):
    """What students get: the book's running blanks in place of solutions, room for a text."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        if is_solution(cell):
            cell.source = blank(cell.source) if BEGIN in cell.source else TEXT
        return cell, resources


class Discreet(NbGraderPreprocessor):
    """What feedback shows of a test: the verdict. Hidden cases, seeds and tracebacks stay."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        if cell.cell_type != "code" or not is_grade(cell):
            return cell, resources
        if HIDE in cell.source:
            before, rest = cell.source.split(HIDE, 1)
            cell.source = before.rstrip() + rest.split(HIDE_END, 1)[-1]
            # A submission can print the cases that it is called with; the verdict comes last.
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = (output.text.strip().splitlines() or [""])[-1] + "\n"
        for output in cell.outputs:
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}".rstrip(": ")]
        return cell, resources
