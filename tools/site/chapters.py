"""A committed notebook as a page: pictures are files, collapsed cells are folded."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from sslbook.book.collapse import TITLE, is_collapsed, opened
from sslbook.book.notebook import NotebookSource, joined, read
from sslbook.book.toc import Chapter

FIGURES, DOWNLOADS = "_static/figures", "_downloads_of_chapters"
LAB = "http://localhost:8888/lab/tree"
_BADGES = re.compile(r"^\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\).*$", re.M)
_NEEDS = re.compile(r"^(\| needs \|)(.*)\|$", re.M)


def write(chapter: Chapter, book: Sequence[Chapter], source: Path, after: str) -> None:
    """Write a chapter's page, its figures and its file to download below `source`.

    after: markdown that stands at the end of the page.
    """
    found = read(chapter.path, chapter)
    notebook = json.loads(json.dumps(found.notebook))
    for cell, raw in zip(found.cells, notebook["cells"], strict=True):
        raw["source"] = joined(raw["source"])
        if cell.kind == "markdown":
            raw["source"] = _card(raw["source"], chapter, book)
            continue
        raw["outputs"] = [out for i, one in enumerate(raw["outputs"])
                          for out in _output(one, chapter, source, f"{cell.index}-{i}")]
        raw["metadata"] = _fold(raw) if is_collapsed(raw["metadata"]) else {}
        raw["source"] = opened(raw["source"])
    if after:
        end = {"cell_type": "markdown", "id": "end-of-page", "metadata": {}, "source": after}
        notebook["cells"].append(end)
    notebook["metadata"].pop("widgets", None)
    _save(source / chapter.inside, json.dumps(notebook).encode())
    _save(source / DOWNLOADS / chapter.inside, chapter.path.read_bytes())


def _fold(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a collapsed cell: the page folds it under its own title."""
    first = cell["source"].partition("\n")[0]
    name = first.removeprefix(TITLE) if first.startswith(TITLE) else "Parameters"
    return {"tags": ["hide-input"], "mystnb": {"code_prompt_show": f"Show: {name}",
                                               "code_prompt_hide": f"Hide: {name}"}}


def _save(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _card(text: str, chapter: Chapter, book: Sequence[Chapter]) -> str:
    """Badges and needs of a card as links of a page; other cells come back as they are."""
    blank = f"[with blanks]({chapter.blank}) · " if chapter.edition > 1 else ""
    opened = (f"[Open in Colab]({chapter.colab}) · {blank}"
              f"[JupyterLab]({LAB}/{chapter.inside}) (after `make lab`) · "
              f'<a href="{chapter.name}.ipynb" download>Download</a>')
    text = _BADGES.sub(opened, text)

    def linked(row: re.Match[str]) -> str:
        needs = row[2]
        for need in chapter.needs:
            (other,) = [one for one in book if one.name == need]
            target = f"../{other.part}/{other.name}.ipynb"
            needs = re.sub(rf"\b{need}\b", f"[{other.title}]({target})", needs, count=1)
        return f"{row[1]}{needs}|"

    return _NEEDS.sub(linked, text)


def _output(out: dict[str, Any], chapter: Chapter, source: Path, name: str) -> list[dict[str, Any]]:
    """The output as a page shows it: a PNG becomes a file, and an <img> with its alt text."""
    if "image/png" not in out.get("data", {}):
        return [out]
    png = base64.b64decode(joined(out["data"]["image/png"]))
    about = out.get("metadata", {}).get("image/png", {})
    alt = about.get("alt", "")
    if not alt:
        raise ValueError(f"{chapter.name}: figure {name} has no alternative text")
    file = f"{FIGURES}/{chapter.name}-{name}.png"
    _save(source / file, png)
    width, height = Image.open(io.BytesIO(png)).size  # but of a sharp one each pixel is smaller
    width, height = about.get("width", width), about.get("height", height)
    image = (f'<img class="figure" src="../../{file}" alt="{html.escape(alt)}" width="{width}" '
             f'height="{height}" loading="lazy">')
    return [{"output_type": "display_data", "metadata": {}, "data": {"text/html": image}}]


def thumbnail(chapter: Chapter) -> tuple[str, str]:
    """(file, alternative text) of the picture that stands for a chapter: what was learned."""
    found: NotebookSource = read(chapter.path, chapter)
    cells = [*found.section("learned", kind="code"), *found.code]
    for cell in cells:
        for i, out in enumerate(cell.outputs):
            if "image/png" in out.get("data", {}):
                alt = out["metadata"]["image/png"]["alt"]
                return f"{FIGURES}/{chapter.name}-{cell.index}-{i}.png", alt
    return "", ""
