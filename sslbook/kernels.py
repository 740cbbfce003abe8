"""A Papermill engine that lets the runner reach its kernel."""

from __future__ import annotations

from typing import Any


def engine(base: type, holder: Any) -> type:
    """An engine like `base` (Papermill's) that leaves its client in `holder.client`."""
    from papermill.clientwrap import PapermillNotebookClient

    class Engine(base):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **named: Any) -> Any:
            client = PapermillNotebookClient(
                nb_man, kernel_name=kernel_name, timeout=None, startup_timeout=120,
                stdout_file=named.get("stdout_file"),
            )
            holder.client = client
            return client.execute()

    return Engine
