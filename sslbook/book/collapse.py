"""Collapsed cells: what a reader need not see at first, in JupyterLab, on Colab and on the site.

The tags say which: `plumbing` (install, imports, presets, start), `drawing` (a long cell that only
draws), `parameters`, and `exercise:NAME`, whose solution waits behind a blank to think about. Each
gets `jupyter.source_hidden`, and for Colab's form `cellView` and a first line `# @title ...`, which
an author may write; the parameters cell gets no such line, for papermill reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLE = "# @title "


def title(tags: list[str]) -> str | None:
    """The title of a cell that is collapsed, "" for one without; None: the cell stays open."""
    if "parameters" in tags:
        return ""
    if "sec:install" in tags:
        return "Install"
    if any(tag.startswith("exercise:") for tag in tags):
        return "Solution"
    kinds = {"plumbing": "Setup", "drawing": "Figure"}
    return next((kinds[tag] for tag in tags if tag in kinds), None)


def collapse(cell: Any) -> None:
    """Collapse a code cell, or open it, as its tags say, in place.

    cell: as nbformat reads it, or of a JSON document whose source is one string.
    """
    name = title(cell["metadata"].get("tags", []))
    if not name:
        cell["source"] = opened(cell["source"])
    elif not cell["source"].startswith(TITLE):
        cell["source"] = f"{TITLE}{name}\n{cell['source']}"
    for key in ("jupyter", "cellView"):
        cell["metadata"].pop(key, None)
    if name is not None:
        cell["metadata"].update(jupyter={"source_hidden": True}, cellView="form")


def opened(source: str) -> str:
    """A cell's source without its title line."""
    return source.partition("\n")[2] if source.startswith(TITLE) else source


def is_collapsed(metadata: Mapping[str, Any]) -> bool:
    """True for the metadata of a cell that is collapsed."""
    return bool(metadata.get("jupyter", {}).get("source_hidden"))
