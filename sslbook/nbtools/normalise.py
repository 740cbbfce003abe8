"""Make a saved notebook fit to commit: the same document whatever machine and editor wrote it."""

from __future__ import annotations

import hashlib
import re
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from sslbook.book import collapse, symbols, toc
from sslbook.core import files, paths
from sslbook.errors import UsageError
from sslbook.nbtools import install

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
KEEP = {"sslbook", "title"}
KEEP_IN_CELL = {"tags", "jupyter", "cellView", "slideshow", "nbgrader"}
WIDGET = "application/vnd.jupyter.widget-view+json"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
BAR = re.compile(r"\d%\||\bit/s\]|minutes to go, as measured over")
WARNING = re.compile(r"^.*\b\w*Warning: .*\n?(?:^[ \t]+.*warn\w*\(.*\n?)?", re.M)
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_START = r"(?<![\w.~>-])"  # where a path may begin: not inside another one
_HOMES = re.compile(
    _START + r"(?:/(?:home|Users)/[\w.-]+|/root\b|[A-Za-z]:\\{1,2}Users\\{1,2}[\w.-]+)"
)
_TEMPORARY = re.compile(_START + r"(?:/private)?/(?:tmp|var/folders)(?=/)")


def normalise(path: str | Path) -> bool:
    """Rewrite the notebook at `path` in the book's form; True where that changed the file.

    Removes widget state, timings, injected parameters, stderr, warnings, progress bars, empty
    cells and the paths of this machine; fills in missing cell ids and tables of symbols; makes a
    chapter's badge, install cell and metadata name the tag of the table of contents; collapses
    plumbing, drawing and solutions; closes gaps in the execution counts, unless cells were run out
    of order (the contract is to see that). Doing it twice is doing it once. Raises UsageError where
    the file is no notebook of format 4.
    """
    before, after = normal_form(Path(path))
    if after != before:
        files.write_text(Path(path), after)
    return after != before


def normal_form(path: Path) -> tuple[str, str]:
    """(the text of the notebook at `path`, its normal form); UsageError as for `normalise`."""
    try:
        before = path.read_bytes().decode("utf-8")
        return before, normalised(before, path.parent.name, toc.at(path))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path.name} is not a readable notebook ({type(error).__name__}).",
            "It was left as it is.",
            "Save it again from JupyterLab, or take it from git.",
        ) from error


def normalised(text: str, part: str = "", chapter: toc.Chapter | None = None) -> str:
    """The normal form of a notebook's JSON text; raises ValueError where it is no notebook.

    part: of the book; it can give a symbol another meaning in the tables of symbols. chapter: its
    entry in the table of contents, which badge, install cell and metadata then agree with.
    """
    import nbformat

    try:
        notebook = nbformat.reader.reads(text)
        if notebook.nbformat != 4:
            raise ValueError("not of notebook format 4")
        _tidy(notebook)
        if chapter:
            install.pin(notebook, chapter)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = symbols.filled(cell.source, part)
        return nbformat.v4.writes(notebook).rstrip("\n") + "\n"
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


def _tidy(notebook: Any) -> None:
    """Bring a notebook's cells and metadata into shape, in place."""
    metadata = {key: value for key, value in notebook.metadata.items() if key in KEEP}
    metadata |= {"kernelspec": _KERNEL, "language_info": _LANGUAGE}
    notebook.metadata = type(notebook)(metadata)
    notebook.nbformat_minor = 5
    notebook.cells = [cell for cell in notebook.cells if _belongs(cell)]
    for cell in notebook.cells:
        _clean(cell)
    _number([cell for cell in notebook.cells if cell.cell_type == "code"])
    _identify(notebook.cells)


def _belongs(cell: Any) -> bool:
    injected = "injected-parameters" in cell.metadata.get("tags", [])
    return bool(collapse.opened(cell.source).strip()) and not injected


def _clean(cell: Any) -> None:
    """Bring one cell's metadata and outputs into shape, in place."""
    metadata = {key: value for key, value in cell.metadata.items() if key in KEEP_IN_CELL}
    if "tags" in metadata:
        metadata["tags"] = list(dict.fromkeys(metadata["tags"]))
    cell.metadata = type(cell)({key: value for key, value in metadata.items() if value})
    cell.source = cell.source.replace("\r\n", "\n").rstrip()
    if cell.cell_type != "code":
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
        for key in ("jupyter", "cellView"):
            cell.metadata.pop(key, None)
        return
    collapse.collapse(cell)
    cell.setdefault("execution_count", None)
    kept = [out for out in cell.get("outputs", []) if _worth(out)]
    for out in kept:
        if out.output_type != "stream":
            _clean_output(out)
    # What says nothing goes first: it would keep two pieces of a stream apart.
    merged = _merged([out for out in kept if out.output_type == "stream" or _says(out)])
    for out in merged:
        if out.output_type == "stream":
            _clean_output(out)
    cell.outputs = [out for out in merged if _says(out)]


def _worth(out: Any) -> bool:
    """Take the widget out of an output; False where nothing worth keeping is left."""
    if out.output_type == "stream":
        return out.name != "stderr"
    if out.output_type == "error":
        return True
    if WIDGET not in out.data:
        return bool(out.data)
    del out.data[WIDGET]
    return bool(set(out.data) - {"text/plain"})


def _says(out: Any) -> bool:
    """False for an empty stream, and for the empty place that live curves leave behind."""
    if out.output_type == "stream":
        return bool(out.text.strip())
    return out.output_type == "error" or any(out.data.values())


def _clean_output(out: Any) -> None:
    if out.output_type == "stream":
        out.text = _text(out.text)
    elif out.output_type == "error":
        out.traceback = [_places(line) for line in out.traceback]
    else:
        for mime in out.data:
            if mime.startswith("text/"):
                out.data[mime] = _text(out.data[mime])
        out.metadata = _replaced(out.get("metadata", {}), type(out))


def _text(text: str) -> str:
    """Text without progress bars, warnings, overwritten lines, paths and memory addresses."""
    lines = [line.rstrip("\r").split("\r")[-1] for line in text.split("\n")]
    kept = "\n".join(line for line in lines if not BAR.search(line))
    return _ADDRESS.sub("0x...", _places(WARNING.sub("", kept)))


def _places(text: str) -> str:
    """Text in which this machine's folders are named by what they are."""
    for find, name in ((paths.home, "."), (Path.home, "~")):
        try:
            folder = find()
        except (UsageError, RuntimeError):  # a user without a home folder
            continue
        if len(folder.parts) > 2:
            text = re.sub(rf"{_START}{re.escape(str(folder))}(?![\w-])", name, text)
    return _TEMPORARY.sub("<tmp>", _HOMES.sub("~", text))


def _replaced(value: Any, kind: type) -> Any:
    """Output metadata with its texts cleaned."""
    if isinstance(value, dict):
        return kind({key: _replaced(inner, kind) for key, inner in value.items()})
    return _places(value) if isinstance(value, str) else value


def _merged(outputs: list[Any]) -> list[Any]:
    """Adjacent pieces of stdout as one: how a stream is cut depends on timing."""
    merged: list[Any] = []
    for out in outputs:
        before = merged[-1] if merged else None
        if before and before.output_type == out.output_type == "stream" and before.name == out.name:
            before.text += out.text
        else:
            merged.append(out)
    return merged


def _number(cells: list[Any]) -> None:
    """Execution counts 1..n over the cells that were run, where they were run in order."""
    done = [cell for cell in cells if cell.execution_count is not None]
    in_order = all(a.execution_count < b.execution_count for a, b in pairwise(done))
    for number, cell in enumerate(done, 1):
        cell.execution_count = number if in_order else cell.execution_count
        for out in cell.outputs:
            if out.output_type == "execute_result":
                out.execution_count = cell.execution_count


def _identify(cells: list[Any]) -> None:
    """Every cell keeps its id; a missing, malformed or second one is made from the source."""
    taken: set[str] = set()
    wanting = []
    for cell in cells:
        name = cell.get("id", "")
        if isinstance(name, str) and _ID.fullmatch(name) and name not in taken:
            taken.add(name)
        else:
            wanting.append(cell)
    for cell in wanting:
        base = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        names = (base if number == 1 else f"{base}-{number}" for number in count(1))
        cell.id = next(name for name in names if name not in taken)
        taken.add(cell.id)
