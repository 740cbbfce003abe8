"""Errors that a reader can act on: what happened, what was done about it, what to type."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text for any screen or file: bytes of a file's name that are no UTF-8 become \\udcxx."""
    return text.encode("utf-8", "backslashreplace").decode()


class UserError(Exception):
    """An expected error: at most three lines, shown without a traceback.

    what: what happened. done: what was done about it. todo: what to type or change.
    `exit_code` is what the command line returns for it (4: the notebook failed).
    """

    exit_code = 4

    def __init__(self, what: str, done: str = "", todo: str = ""):
        self.what, self.done, self.todo = map(printable, (what, done, todo))
        super().__init__(self.what, self.done, self.todo)

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.done, self.todo) if line)

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this: the message alone, no traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(UserError):
    """A wrong chapter, preset, parameter or option (exit code 2)."""

    exit_code = 2


class DataError(UserError):
    """A data set that is missing, damaged or not usable (exit code 3)."""

    exit_code = 3


class OutOfTime(UserError):
    """A run that passed its time limit (exit code 5)."""

    exit_code = 5
