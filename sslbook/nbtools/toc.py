"""The table of contents: which chapters there are, in order, and what each one needs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sslbook import paths
from sslbook.errors import UsageError

FORMS = ("long", "short", "study", "guide")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Chapter:
    """One chapter as `toc.yml` lists it.

    name, part: `notebooks/<part>/<name>.ipynb`. twin: modules of `sslbook.methods`.
    data: modules of `sslbook.datasets`. number: place in the book, from 0.
    parents: (chapter, the one thing changed) for every method that this one comes from.
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
    parents: tuple[tuple[str, str], ...] = ()
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
    def inside(self) -> str:
        """The notebook's path inside the repository, with forward slashes."""
        return f"notebooks/{self.part}/{self.name}.ipynb"

    @property
    def colab(self) -> str:
        """The address that opens the notebook in Colab."""
        base = "https://colab.research.google.com/github"
        return f"{base}/{self.repository}/blob/{self.ref}/{self.inside}"


def chapters(folder: Path | None = None) -> list[Chapter]:
    """All chapters in the order of the book; `folder` holds `toc.yml` (default: the book's).

    Raises UsageError that names the entry where the file is missing or wrong.
    """
    folder = Path(folder) if folder is not None else paths.notebooks()
    toc = _read(folder / "toc.yml")
    found: list[Chapter] = []
    for part in _list(toc, "parts", "toc.yml"):
        name = _name(part, "part")
        about = {**toc, "part_title": part.get("title", "")}
        for entry in _list(part, "chapters", name):
            found.append(_inside(_chapter(entry, name, len(found), about, folder)))
    _connected(found)
    return found


def address(file: str) -> str:
    """The address of a file of the book's repository, at the tag that the contents name.

    file: its path inside the repository, with forward slashes.
    """
    toc = _read(paths.notebooks() / "toc.yml")
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


def _read(path: Path) -> dict[str, Any]:
    try:
        toc = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _wrong(f"it cannot be read ({type(error).__name__})") from error
    if not isinstance(toc, dict):
        raise _wrong("it is not a mapping")
    return toc


def _chapter(entry: Any, part: str, number: int, toc: dict[str, Any], folder: Path) -> Chapter:
    name = _name(entry, "name")
    allowed = {"name", "form", "title", "idea", "paper", "needs", "twin", "data", "parents"}
    if extra := set(entry) - allowed:
        raise _wrong(f"chapter {name} has unknown keys: {', '.join(sorted(extra))}")
    if entry.get("form") not in FORMS:
        raise _wrong(f"chapter {name} has form {entry.get('form')!r}, not {', '.join(FORMS)}")
    texts = {key: entry.get(key, "") for key in ("title", "idea", "paper")}
    texts |= {key: toc.get(key, "") for key in ("part_title", "repository", "ref")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise _wrong(f"{key} of chapter {name} is not text")
    lists = {key: _names(entry, key, name) for key in ("needs", "twin", "data")}
    parents = _parents(entry.get("parents", {}), name)
    return Chapter(name, part, entry["form"], number=number, folder=folder, parents=parents,
                   **texts, **lists)


def _parents(entry: Any, chapter: str) -> tuple[tuple[str, str], ...]:
    """What `parents: {chapter: what was changed}` says."""
    if not isinstance(entry, dict) or not all(isinstance(text, str) for text in entry.values()):
        raise _wrong(f"parents of {chapter} do not say chapter: change")
    return tuple((_name({"parent": name}, "parent"), text) for name, text in entry.items())


def _inside(chapter: Chapter) -> Chapter:
    """The chapter itself, unless a link leads to a notebook outside of the notebooks' folder."""
    if not chapter.path.resolve().is_relative_to(chapter.folder.resolve()):
        raise _wrong(f"chapter {chapter.name} is a link out of the folder of notebooks")
    return chapter


def _connected(found: list[Chapter]) -> None:
    """Names are unique, a chapter needs only chapters before it, and parents are chapters."""
    seen: set[str] = set()
    names = {chapter.name for chapter in found}
    for chapter in found:
        if chapter.name in seen:
            raise _wrong(f"chapter {chapter.name} is listed twice")
        if missing := [need for need in chapter.needs if need not in seen]:
            raise _wrong(f"chapter {chapter.name} needs {missing[0]}, which does not come before")
        if strange := [name for name, _ in chapter.parents if name not in names - {chapter.name}]:
            raise _wrong(f"chapter {chapter.name} has a parent {strange[0]}, which is no chapter")
        seen.add(chapter.name)


def _name(entry: Any, key: str) -> str:
    """A name that is one plain word, so that no path can leave the notebooks' folder."""
    name = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong(f"{key} {name!r} is not a plain name (small letters, digits, underscores)")
    return name


def _names(entry: dict[str, Any], key: str, chapter: str) -> tuple[str, ...]:
    return tuple(_name({key: name}, key) for name in _list(entry, key, chapter))


def _list(entry: dict[str, Any], key: str, owner: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise _wrong(f"{key} of {owner} is not a list")
    return value


def _wrong(what: str) -> UsageError:
    return UsageError(
        f"The table of contents is wrong: {what}.", "Nothing was run.", "Mend notebooks/toc.yml."
    )
