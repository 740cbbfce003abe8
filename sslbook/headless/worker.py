"""A notebook executed in a thread, so that the main thread can hear signals and hand them on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sslbook.core import files

GRACE = 30  # seconds that a kernel has to write its checkpoint after an interrupt


@contextlib.contextmanager
def signals_to(handler: Callable[[int, Any], Any]) -> Iterator[None]:
    """Inside the block SIGINT and SIGTERM go to `handler`."""
    before = {one: signal.signal(one, handler) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, old in before.items():
            signal.signal(one, old)


class Worker(threading.Thread):
    """Executes a notebook through Papermill; `error` is what stopped it, `signal` who asked.

    environment: variables of the kernel, on top of this process's. stream: where the log goes.
    """

    def __init__(self, notebook: Path, output: Path, values: Mapping[str, Any],
                 environment: Mapping[str, str], stream: Any = None):
        super().__init__(daemon=True)
        self.notebook, self.output, self.values = notebook, output, dict(values)
        self.environment, self.stream = {**os.environ, **environment}, stream
        self.error: Any = None  # an exception, or what a rank told of one
        self.signal = 0
        self.place = ""  # which cell is being executed
        self.client: Any = None
        self._kernel = 0
        self._timer: threading.Timer | None = None

    def run(self) -> None:
        try:
            self.execute()
        except BaseException as error:  # handed to the main thread, which explains it
            self.error = error

    def execute(self) -> None:
        """Execute the notebook and write what came of it."""
        import papermill
        from papermill.engines import papermill_engines
        from papermill.iorw import papermill_io

        papermill_engines.register("sslbook", _engine(self))
        papermill_io.register(str(self.output), _whole())
        logging.getLogger("papermill").setLevel(logging.ERROR)  # `plan` knows which names may be
        papermill.execute_notebook(
            str(self.notebook), str(self.output), self.values, engine_name="sslbook",
            # Said here: git filters take both out of a notebook's metadata.
            kernel_name="python3", language="python", progress_bar=False, stdout_file=self.stream,
        )

    @property
    def kernel(self) -> int:
        """The kernel's process, 0 before there is one."""
        provisioner = getattr(getattr(self.client, "km", None), "provisioner", None)
        self._kernel = getattr(provisioner, "pid", None) or self._kernel
        return self._kernel

    def interrupt(self, number: int, _frame: Any = None) -> None:
        """Hand SIGINT or SIGTERM on to the kernel as an interrupt, and give it time to save.

        Before the kernel is there, and between two cells, the next cell is not begun.
        """
        if self.signal:
            return
        self.signal = number
        self._send(signal.SIGINT)
        self._timer = threading.Timer(GRACE, self._send, (signal.SIGTERM,))
        self._timer.daemon = True
        self._timer.start()

    def _send(self, number: int) -> None:
        if not self.kernel or not self.is_alive():
            return
        if os.name == "nt" and number == signal.SIGINT:  # os.kill would end the kernel there
            asyncio.run(self.client.km.provisioner.send_signal(number))
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.kernel, number)

    def end(self) -> None:
        """After the thread has ended: nothing that the kernel started lives on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._kernel and hasattr(os, "killpg"):  # a kernel leads a process group of its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._kernel, signal.SIGKILL)


def _whole() -> Any:
    """Papermill's way to a local file, but written whole or not at all."""
    from papermill.iorw import LocalHandler

    class Whole(LocalHandler):
        def write(self, text: str, path: str) -> None:
            with files.publish(path, sync=False) as temporary:  # many times a run
                temporary.write_text(text, encoding="utf-8")

    return Whole()


def _engine(worker: Worker) -> type:
    """Papermill's engine, with a client that the worker can reach."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine

    class Client(PapermillNotebookClient):
        def execute_cell(self, cell: Any, cell_index: int, *arguments: Any, **named: Any) -> Any:
            if worker.signal:
                raise KeyboardInterrupt
            _ = worker.kernel  # noted here, for the client forgets it
            worker.place = f"cell {cell_index + 1} of {len(self.nb.cells)}"
            return super().execute_cell(cell, cell_index, *arguments, **named)

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **named: Any) -> Any:
            worker.client = Client(
                nb_man, kernel_name=kernel_name, timeout=None, startup_timeout=120,
                stdout_file=named.get("stdout_file"),
                # Not its warnings, nor that an interrupt met it between two cells, an error to it.
                extra_arguments=["--IPKernelApp.log_level=50"],
            )
            return worker.client.execute(env=worker.environment)

    return Engine
