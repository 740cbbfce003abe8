"""Which chapters a change touches: their notebook, metadata, twin, test or data differ in git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sslbook.book.toc import Chapter, chapters
from sslbook.core import paths


def changed_chapters(base: str | None = None, folder: Path | None = None) -> list[Chapter]:
    """The chapters that changed since the merge base with `base`, uncommitted changes included.

    base: a commit, branch or tag; None means origin/main or main, and the last commit where that is
    what is checked out. folder: the notebooks' folder. Where git is missing or the base unknown,
    every chapter counts as changed.
    """
    folder = Path(folder) if folder is not None else paths.notebooks()
    root, listed = folder.resolve().parent, chapters(folder)
    since = _merge_base(root, base) if base else _default_base(root)
    differing = since and said(root, "diff", "--name-only", "--relative", "-z", since, "--")
    new = said(root, "ls-files", "--others", "--exclude-standard", "-z")
    if differing is None or new is None:
        return listed
    changed = set((differing + new).split("\0"))
    return [chapter for chapter in listed if changed & set(_sources(chapter))]


def _sources(chapter: Chapter) -> list[str]:
    """The files that make a chapter what it is, as git names them."""
    twins = [f"sslbook/methods/{name}.py" for name in chapter.twin]
    tests = [f"tests/methods/test_{name}.py" for name in chapter.twin]
    data = [f"sslbook/datasets/worlds/{name}.py" for name in chapter.data]
    described = chapter.inside.removesuffix(".ipynb") + ".yml"
    return [chapter.inside, described, *twins, *tests, *data]


def _default_base(root: Path) -> str | None:
    head = said(root, "rev-parse", "HEAD")
    for name in ("origin/main", "main"):
        since = _merge_base(root, name)
        if since:
            return since if since != head else _merge_base(root, "HEAD~1")
    return None


def _merge_base(root: Path, base: str) -> str | None:
    # A name that begins with a dash would be read as an option.
    return None if base.startswith("-") else said(root, "merge-base", "HEAD", base)


def said(root: Path, *arguments: str) -> str | None:
    """What git prints, stripped; None where git is missing or says no."""
    try:
        done = subprocess.run(  # nosec B607 # the user's own git, as in a shell
            ["git", "-C", str(root), *arguments], capture_output=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape").strip()
