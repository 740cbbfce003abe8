"""A Papermill engine that lets the runner reach its kernel."""

from __future__ import annotations

import os
from typing import Any


def engine(base: type, holder: Any) -> type:
    """An engine like `base` (Papermill's) that leaves its client in `holder.client`."""
    from jupyter_client.manager import AsyncKernelManager
    from papermill.clientwrap import PapermillNotebookClient

    class Engine(base):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **named: Any) -> Any:
            # Sockets in a private folder instead of TCP ports, where the system has them.
            transport = "tcp" if os.name == "nt" else "ipc"
            holder.client = PapermillNotebookClient(
                nb_man, km=AsyncKernelManager(kernel_name=kernel_name, transport=transport),
                timeout=None, startup_timeout=120, stdout_file=named.get("stdout_file"),
            )
            holder.client.owns_km = True  # nbclient then ends the kernel with the notebook
            return holder.client.execute()

    return Engine
