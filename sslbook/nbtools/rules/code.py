"""Rules about the code cells: plain Python that neither exits, goes online nor draws unseeded."""

from __future__ import annotations

from collections.abc import Iterator

from sslbook.nbtools import syntax
from sslbook.nbtools.contract import Finding, rule
from sslbook.nbtools.source import NotebookSource

_EXITS = {"sys.exit", "os._exit", "exit", "quit"}
_ONLINE = {"urllib", "requests", "httpx", "aiohttp", "wget", "http", "socket", "ftplib"}
_FETCHES = {"torch.hub", "gdown", "huggingface_hub"}


@rule()
def code_parses(chapter: NotebookSource) -> Iterator[Finding]:
    """Every code cell is Python that compiles, and none is empty."""
    for cell in chapter.code:
        if not cell.source.strip():
            yield cell.index, "an empty code cell"
        elif syntax.parse(cell.source) is None:
            yield cell.index, "the cell does not compile"


@rule()
def plain_python(chapter: NotebookSource) -> Iterator[Finding]:
    """No `%` and `!` lines: the script edition is plain Python."""
    for cell in chapter.code:
        for line in syntax.escapes(cell.source):
            yield cell.index, f"a line for IPython only: {line[:60]}"


@rule()
def no_exit(chapter: NotebookSource) -> Iterator[Finding]:
    """Nothing ends the kernel; expected errors are sslbook.UserError."""
    for cell in chapter.code:
        for call in syntax.calls(cell.tree, "exit", "_exit", "quit"):
            if syntax.dotted(call.func) in _EXITS:
                yield cell.index, f"{syntax.dotted(call.func)}() ends the reader's kernel"


@rule()
def no_global_random(chapter: NotebookSource) -> Iterator[Finding]:
    """Every draw names its generator, from the run's streams."""
    known = syntax.aliases(*(cell.tree for cell in chapter.code))
    for cell in chapter.code:
        for _, call in syntax.global_random(cell.tree, known):
            yield cell.index, f"{call} uses a global generator: pass generator=run's stream"


@rule()
def no_network(chapter: NotebookSource) -> Iterator[Finding]:
    """Data come from sslbook.datasets; no cell goes online by itself."""
    for cell in chapter.code:
        for _, full, _ in syntax.imports(cell.tree):
            online = full.split(".")[0] in _ONLINE or any(full.startswith(n) for n in _FETCHES)
            if online and cell.section != "install":
                yield cell.index, f"{full} goes online"
        for call in syntax.calls(cell.tree, "load_state_dict_from_url", "download_url"):
            yield cell.index, f"{syntax.dotted(call.func)} goes online"


@rule()
def figures_by_show(chapter: NotebookSource) -> Iterator[Finding]:
    """Figures are shown by viz.show, which adds the alternative text."""
    for cell in chapter.code:
        for call in syntax.calls(cell.tree, "show"):
            if syntax.dotted(call.func) in ("plt.show", "pyplot.show", "fig.show"):
                yield cell.index, f"{syntax.dotted(call.func)}(): use viz.show(fig, ...)"
