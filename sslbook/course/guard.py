"""What a submission must not do while it is graded: read the twin, use the network, start programs.

    guard.close()   # in the kernel, before the first cell

An audit hook, which Python code cannot take back. It keeps honest work honest and accidents
small; it is no wall against an attacker (native code passes it): see docs/teaching.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sslbook.core import paths

HIDDEN = ("sslbook.methods", "sslbook.course")  # the twins; what draws variants
_LOOPBACK = ("127.0.0.1", "::1", "localhost", "")
_PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.spawn",
             "os.posix_spawn", "os.startfile", "pty.spawn"}
_NETWORK = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.bind": 1,
            "socket.getaddrinfo": 0, "socket.gethostbyname": 0}  # where the address stands


def close() -> None:
    """Close this process, for good. Raises RuntimeError where a hidden module is loaded already."""
    for name in sys.modules:
        if name.startswith(HIDDEN[0]):
            raise RuntimeError(f"{name} was imported before the guard closed")
    folders = [str(Path(paths.PACKAGE, *name.split(".")[1:])) + os.sep for name in HIDDEN]
    sys.addaudithook(lambda event, arguments: _refuse(event, arguments, folders))


def _refuse(event: str, arguments: tuple[Any, ...], folders: list[str]) -> None:
    if event == "import":
        if arguments[0].startswith(HIDDEN):
            raise ModuleNotFoundError(f"{arguments[0]} is not there while a submission is graded")
    elif event == "open":
        if isinstance(arguments[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if path.startswith(tuple(folders)):
                raise PermissionError("the package's twins cannot be read while grading")
    elif event in _PROGRAMS:
        raise PermissionError("no program can be started while a submission is graded")
    elif event in _NETWORK:
        address = arguments[_NETWORK[event]]
        host = address[0] if isinstance(address, tuple) else address
        if (host or "") not in _LOOPBACK:
            raise PermissionError("there is no network while a submission is graded")
