"""The table of contents: which chapters there are, in order, and what each one needs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sslbook.book import metadata
from sslbook.book.metadata import wrong
from sslbook.core import paths
from sslbook.errors import UsageError

FORMS = ("long", "short", "study", "guide")
_COLAB = "https://colab.research.google.com/github"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Chapter:
    """One chapter: its place in `toc.yml`, and what its metadata file says (see `metadata.py`).

    name, part: `notebooks/<part>/<name>.ipynb`. number: place in the book, from 0.
    parents: (chapter, the one thing changed) for every method that this one comes from.
    takes: the kinds of data that its DATASET may name; None where its file does not say.
    learns: "no: reason" for a chapter that need not beat its controls.
    edition: 1 for a chapter that still has the first pattern, whose limits hold for it.
    repository, ref: the GitHub repository and the tag that badges and install cells name.
    """

    name: str
    part: str
    form: str
    title: str = ""
    idea: str = ""
    paper: str = ""
    needs: tuple[str, ...] = ()
    twin: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    takes: tuple[str, ...] | None = None
    parents: tuple[tuple[str, str], ...] = ()
    measure: str = ""
    learns: str = ""
    edition: int = 2
    number: int = 0
    part_title: str = ""
    repository: str = ""
    ref: str = ""
    folder: Path = Path("notebooks")

    @property
    def path(self) -> Path:
        """The notebook's file."""
        return self.folder / self.part / f"{self.name}.ipynb"

    @property
    def metadata(self) -> dict[str, Any]:
        """All that the file beside the notebook says: read it, do not change it."""
        return metadata.read(self.path.with_suffix(".yml"))

    @property
    def inside(self) -> str:
        """The notebook's path inside the repository, with forward slashes."""
        return f"notebooks/{self.part}/{self.name}.ipynb"

    @property
    def colab(self) -> str:
        """The address that opens the notebook in Colab."""
        return f"{_COLAB}/{self.repository}/blob/{self.ref}/{self.inside}"

    @property
    def blank(self) -> str:
        """The address that opens it in Colab with blanks (the workflow `student` publishes it)."""
        return f"{_COLAB}/{self.repository}/blob/student/{self.inside}"


def chapters(folder: Path | None = None) -> list[Chapter]:
    """All chapters in the order of the book; `folder` holds `toc.yml` (default: the book's).

    Raises UsageError that names the file where one is missing or wrong.
    """
    folder = Path(folder) if folder is not None else paths.notebooks()
    path = folder / "toc.yml"
    toc = metadata.read(path)
    texts = {key: toc.get(key, "") for key in ("repository", "ref")}
    found: list[Chapter] = []
    for part in toc["parts"]:
        for name in part["chapters"]:
            place = Chapter(name, part["part"], "", folder=folder, number=len(found),
                            part_title=part.get("title", ""), **texts)
            found.append(_filled(place))
    _connected(found, path)
    return found


def address(file: str) -> str:
    """The address of a file of the book's repository, at the tag that the contents name.

    file: its path inside the repository, with forward slashes.
    """
    toc = metadata.read(paths.notebooks() / "toc.yml")
    return f"https://github.com/{toc.get('repository')}/blob/{toc.get('ref')}/{file}"


def at(path: Path) -> Chapter | None:
    """The chapter of the book whose notebook lies at `path`, None where it is no chapter's."""
    return next((one for one in chapters() if one.path.resolve() == path.resolve()), None)


def find(name: str, folder: Path | None = None) -> Chapter:
    """The chapter of that name; raises UsageError with close matches when there is none."""
    known = {chapter.name: chapter for chapter in chapters(folder)}
    if name in known:
        return known[name]
    if not _NAME.fullmatch(name):
        hint = "A chapter's name has small letters, digits and underscores, and no folder."
    else:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(known)}."
    raise UsageError(f"No chapter is called {name!r}.", hint, "List them with: sslbook list")


def _filled(chapter: Chapter) -> Chapter:
    """The chapter with what its metadata file says; no link leads out of the notebooks' folder."""
    if not chapter.path.resolve().is_relative_to(chapter.folder.resolve()):
        raise wrong(chapter.folder / "toc.yml", f"{chapter.name} is a link out of the folder")
    about = chapter.metadata
    twin = [chapter.name] if about["form"] in ("long", "short") else []
    texts = {key: about.get(key, "")
             for key in ("title", "form", "idea", "paper", "measure", "learns")}
    return replace(chapter, **texts, edition=about.get("edition", 2),
                   needs=tuple(about.get("needs", ())),
                   twin=tuple(about.get("twin", twin)), data=tuple(about.get("data", ())),
                   takes=tuple(about["takes"]) if "takes" in about else None,
                   parents=tuple(about.get("parents", {}).items()))


def _connected(found: list[Chapter], path: Path) -> None:
    """Names are unique, a chapter needs only chapters before it, and parents are chapters."""
    seen: set[str] = set()
    names = {chapter.name for chapter in found}
    for chapter in found:
        if chapter.name in seen:
            raise wrong(path, f"chapter {chapter.name} is listed twice")
        if missing := [need for need in chapter.needs if need not in seen]:
            raise wrong(path, f"{chapter.name} needs {missing[0]}, which does not come before")
        if strange := [name for name, _ in chapter.parents if name not in names - {chapter.name}]:
            raise wrong(path, f"{chapter.name} has a parent {strange[0]}, which is no chapter")
        seen.add(chapter.name)
