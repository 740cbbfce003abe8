"""What every chapter says alike about where it comes from: badges, install cell and metadata.

They name the repository and the tag or branch of the table of contents; the second badge, of
chapters of edition 2, opens the edition with blanks.
"""

from __future__ import annotations

import re
from typing import Any

from sslbook.book.toc import Chapter

# Plain Python, since what `%pip` returns cannot be asked. `--no-deps` keeps pip from touching
# torch, numpy and ipywidgets, whose exchange would ask for a restart; of what the book needs
# Colab lacks papermill, which only `sslbook run` asks for. It comes first: once the book is there,
# pip would complain that jupyterlab is not.
_CELL = """\
# @title Install
# only on Colab and Kaggle: install the book, and leave their libraries as they are
import os
import subprocess
import sys

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    book = "git+https://github.com/{repository}@{ref}"
    for what in (["papermill"], ["--no-deps", os.environ.get("SSLBOOK_WHEEL", book)]):
        if subprocess.call([sys.executable, "-m", "pip", "install", "-q", *what]):
            raise OSError("pip failed. On Kaggle: Settings > Internet on; run again.")"""
_ADDRESS = re.compile(r"https://colab\.research\.google\.com/github/[^\s)]+\.ipynb")
_BADGE = re.compile(rf"\[!\[[^\]]*\]\([^)\s]*\)\]\({_ADDRESS.pattern}\)")
_PICTURE = "https://colab.research.google.com/assets/colab-badge.svg"
_SECOND = f" · with blanks: [![Open the blanks in Colab]({_PICTURE})]({{blank}})"
_BLANKS = re.compile(rf" · with blanks: {_BADGE.pattern}")


def cell(chapter: Chapter) -> str:
    """The source of the chapter's install cell."""
    return _CELL.format(repository=chapter.repository, ref=chapter.ref)


def badges(card: str, chapter: Chapter) -> str:
    """A card whose badge opens the chapter, and whose second one opens it with blanks."""
    text = _ADDRESS.sub(chapter.colab, _BLANKS.sub("", card))
    if chapter.edition == 1:
        return text
    return _BADGE.sub(lambda badge: badge[0] + _SECOND.format(blank=chapter.blank), text, count=1)


def pin(notebook: Any, chapter: Chapter) -> None:
    """Make badges, install cell and metadata of a notebook those of its chapter, in place.

    notebook: as nbformat reads it, or the JSON document with sources as strings. What is not
    there is not added; the contract asks for it.
    """
    listed = {"chapter": chapter.name, "form": chapter.form, "ref": chapter.ref}
    notebook["metadata"].setdefault("sslbook", {}).update(listed)
    for one in notebook["cells"]:
        tags = one["metadata"].get("tags", [])
        if "sec:card" in tags:
            one["source"] = badges(one["source"], chapter)
        if "sec:install" in tags and one["cell_type"] == "code":
            one["source"] = cell(chapter)
