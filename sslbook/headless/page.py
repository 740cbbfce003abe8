"""The scoreboard chapter, executed here, as one HTML page that needs nothing else."""

from __future__ import annotations

import copy
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sslbook.book.collapse import is_collapsed
from sslbook.core import files, paths
from sslbook.errors import UserError
from sslbook.headless import execute
from sslbook.headless.plan import plan

if TYPE_CHECKING:
    from nbformat import NotebookNode

CHAPTER = "scoreboard"
# What tells nothing about scores, beside the collapsed cells: run.finish(), and what was given.
HIDDEN = {"sec:stamp", "injected-parameters"}
_BADGE = re.compile(r"\[!\[([^\]]*)\]\([^)]*\)\]")  # a link that is a picture from elsewhere


def write(path: Path) -> None:
    """Execute the scoreboard on the shipped records and this machine's, and write it as a page.

    Raises UserError where the chapter fails or the file cannot be written.
    """
    files.write_text(path, html(executed()))


def executed() -> NotebookNode:
    """The scoreboard's notebook, executed in a run folder that is removed again."""
    import nbformat

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        mine = any(paths.runs().glob("*/*/record.json"))
        planned = plan(CHAPTER, [f"MINE={mine}", f"OUT_DIR={folder}"], "smoke")
        outcome = execute.execute(planned)
        if outcome.code:
            raise UserError("The scoreboard could not be computed.", "No page was written.",
                            outcome.message)
        return nbformat.read(outcome.folder / f"{CHAPTER}.ipynb", as_version=4)


def html(notebook: NotebookNode) -> str:
    """An executed notebook as a page without scripts, and without a file beside it.

    Texts of records are shown as they are, never as markup; a browser loads nothing, which the
    page's own content security policy forbids, too.
    """
    from nbconvert import HTMLExporter

    made = copy.deepcopy(notebook)
    made.metadata = {"title": "sslbook: claims and scores"}
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = _BADGE.sub(r"[\1]", cell.source)
        elif is_collapsed(cell.metadata) or HIDDEN & set(cell.metadata.get("tags", ())):
            cell.metadata["transient"] = {"remove_source": True}
        for data in (output.data for output in cell.get("outputs", ()) if "data" in output):
            if "text/markdown" in data:
                data["text/markdown"] = data["text/markdown"].replace("<", "&lt;")
    template = Path(__file__).with_name("page.html.j2")
    page, _ = HTMLExporter(template_file=str(template)).from_notebook_node(made)
    return page
