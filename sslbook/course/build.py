"""`sslbook course build`: which files a course gets, and that none is written over by accident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sslbook.book import toc
from sslbook.book.toc import Chapter
from sslbook.core import files, paths
from sslbook.course import editions
from sslbook.errors import UsageError
from sslbook.nbtools import git


def chosen(names: str) -> list[Chapter]:
    """The chapters that a list with commas names, in the order of the book ("": all).

    Raises UsageError for a name that is not in the book.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    found = {toc.find(name).name for name in wanted}
    return [chapter for chapter in toc.chapters() if not wanted or chapter.name in found]


def editions_of(out: Path, chapters: Sequence[Chapter], edition: str,
                ref: str = "") -> dict[Path, str]:
    """The file in OUT/<edition>/<part>/ and the text of one edition of each chapter.

    Raises UsageError as `editions.make` does.
    """
    ending = "py" if edition == "script" else "ipynb"
    return {out / edition / one.part / f"{one.name}.{ending}": editions.make(one, edition, ref)
            for one in chapters}


def unknown(ref: str) -> list[str]:
    """A line where this checkout's git knows no such tag, branch or commit; [] else.

    Links to it open nothing until it is pushed, and Colab installs nothing.
    """
    root = paths.checkout()
    if not ref or root is None:
        return []
    if git.said(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
        return []
    return [f"Not known to git here: {ref}. Its links work once it is published."]


def write(made: dict[Path, str], replace: bool) -> list[Path]:
    """Write the texts, each in one step; UsageError where another is there (unless `replace`)."""
    check(made, replace)
    for path, text in made.items():
        files.write_text(path, text)
    return list(made)


def check(made: dict[Path, str], replace: bool) -> None:
    """Raise UsageError where another text is in one of the files (unless `replace`)."""
    other = [path for path, text in made.items()
             if path.exists() and (path.is_dir() or path.read_bytes() != text.encode())]
    if other and not replace:
        raise UsageError(f"{other[0]} is there already.", "Nothing was written.",
                         "Give another folder, or add --force.")
