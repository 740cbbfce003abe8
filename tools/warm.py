"""Kernels that are forked from one process in which the book is imported already.

Every chapter imports torch and the book anew, which costs more than what it does in preset check.
`serving(folder)` starts a process that imports them once and writes a kernel specification named
`warm` below the folder; each kernel of that name is a fork of it. Only where a fork is safe, which
is Linux with one thread per process: elsewhere nothing is started, and kernels start as always.

The process that Jupyter starts (`python warm.py SOCKET CONNECTION_FILE`) hands its folder,
variables and streams to the server, passes interrupts on to the fork and ends when the fork does;
the fork ends when that process does, however that happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

NAME = "warm"
# What chapters import: the kernel, figures, a run with all below it, what scikit-learn brings.
PRELOADED = ("ipykernel.kernelapp", "IPython.core.completer", "matplotlib.figure",
             "matplotlib_inline.backend_inline", "sslbook.run.run", "sslbook.lesson.viz",
             "sklearn.datasets", "sklearn.linear_model", "sklearn.manifold", "scipy.stats")
_LARGEST = 1 << 20  # bytes of a request: a process's variables
_INLINE = "module://matplotlib_inline.backend_inline"  # what ipykernel would set before the import


@contextlib.contextmanager
def serving(folder: Path, env: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield variables with which Jupyter finds the kernel `warm`; {} where nothing was started."""
    if sys.platform != "linux":
        yield {}
        return
    place = folder / "kernel.sock"  # Unix sockets have short names
    spec = folder / "jupyter" / "kernels" / NAME / "kernel.json"
    spec.parent.mkdir(parents=True)
    line = [sys.executable, "-S", "-E", str(Path(__file__).resolve()), str(place)]
    spec.write_text(json.dumps({"argv": [*line, "{connection_file}"], "language": "python",
                                "display_name": "Python 3, warm"}), encoding="utf-8")
    server = subprocess.Popen([sys.executable, __file__, str(place)], env=env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        ready = server.stdout.readline() == b"ready\n"
        yield {"JUPYTER_PATH": str(folder / "jupyter")} if ready else {}
    finally:
        server.stdin.close()  # on which it ends
        server.wait()


def serve(place: str) -> None:
    """Import the book, then fork a kernel for every request, until standard input ends."""
    os.environ["MPLBACKEND"] = _INLINE
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    if threading.active_count() > 1:
        sys.exit("a thread was started by an import, so a fork is not safe")
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            asked, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _become_kernel(asked)
            asked.close()


def _reap(_number: int, _frame: object) -> None:
    """Take note of forks that have ended, so that their CPU seconds count as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_kernel(asked: socket.socket) -> None:
    """In the fork: take the client's place and run a kernel there."""
    content, streams, _, _ = socket.recv_fds(asked, _LARGEST, 3)
    about = json.loads(content)
    os.setsid()
    os.chdir(about["folder"])
    os.environ.clear()
    os.environ.update(about["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(which, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked.sendall(f"{os.getpid()}\n".encode())

    def end_with_client() -> None:
        asked.recv(1)
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end_with_client, daemon=True).start()
    from ipykernel.kernelapp import launch_new_instance

    sys.path[0] = ""
    sys.argv = ["ipykernel_launcher", "-f", about["connection"]]
    launch_new_instance()
    os._exit(0)


def ask(place: str, connection: str) -> None:
    """In the process that Jupyter started: have a kernel made, and live as long as it does."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(place)
        variables = {k: v for k, v in os.environ.items() if k != "JPY_PARENT_PID"}
        about = {"folder": os.getcwd(), "environment": variables, "connection": connection}
        socket.send_fds(server, [json.dumps(about).encode()], [0, 1, 2])
        kernel = int(server.makefile().readline())
        for which in (signal.SIGINT, signal.SIGTERM):
            signal.signal(which, lambda number, _frame: os.kill(kernel, number))
        while True:
            with contextlib.suppress(InterruptedError):
                if not server.recv(1):
                    return


if __name__ == "__main__":
    ask(*sys.argv[1:]) if len(sys.argv) == 3 else serve(sys.argv[1])
