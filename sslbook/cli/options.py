"""What several commands share: options, examples below the help, lines that fit the screen."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from sslbook.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
ChapterName = Annotated[str, typer.Argument(
    metavar="CHAPTER", help="A chapter's name, such as simclr; see: sslbook list")]
PRESETS = "check, smoke, lesson, full or auto (default: auto, the longest that suits the machine)."


def examples(*lines: str) -> str:
    """The end of a command's help: what to type, line by line (\\b: not to be wrapped)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def refuse_overwriting(*paths: Path, force: bool) -> None:
    """Raise UsageError where a file is there already (unless `force`), before any work is done."""
    there = [path for path in paths if path.is_file()]  # a folder is refused when it is written
    if there and not force:
        raise UsageError(f"{there[0]} is there already.", "Nothing was written.",
                         "Give another name, or add --force.")


def fit(text: str, first: str = "", rest: str | None = None) -> str:
    """Text of which no line is wider than the screen (80 columns where there is none), but a path.

    first: what stands before the first line. rest: before those that follow it; None leaves each
    line its own indentation and four more.
    """
    width = shutil.get_terminal_size().columns
    made = []
    for line in (first + text).splitlines():
        own = line[: len(line) - len(line.lstrip())] + 4 * " "
        made += textwrap.wrap(line, width, subsequent_indent=own if rest is None else rest,
                              break_on_hyphens=False, break_long_words=False) or [""]
    return "\n".join(made)
