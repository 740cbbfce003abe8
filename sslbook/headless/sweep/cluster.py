"""Workers for a sweep: some on this machine, or those of a Dask scheduler that runs already."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sslbook.errors import UsageError

_SECONDS = 10  # until a scheduler must have answered
# Ctrl-C in a terminal reaches every process; a worker has to live until its run is saved.
_DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@contextlib.contextmanager
def connect(address: str = "", workers: int = 1) -> Iterator[Any]:
    """A Dask client for a scheduler's address, or for `workers` processes on this machine.

    The own workers listen on loopback, talk TLS with certificates of their own (so that no other
    user of the machine can send them code) and have one thread each. address: one that
    `check_address` let pass. Raises UsageError without Dask, and where nobody answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError("A sweep needs Dask, which is not installed.", "Nothing was started.",
                         'Type: pip install "sslbook[cluster]"') from error
    if address:
        try:
            client = Client(address, timeout=_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise UsageError(f"The scheduler {address} does not answer: {first_line(error)[:80]}.",
                             "Nothing was started.",
                             "Check the address, and for tls:// the certificates "
                             "(distributed.comm.tls in Dask's configuration).") from error
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", security=True,
            # Without a dashboard there still is a server, so it gets any port that is free.
            dashboard_address=None, scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=0,  # the runs are processes of their own, which no worker can count
            preload=[_DEAF], env={"OMP_NUM_THREADS": "1"}, silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def check_address(address: str) -> None:
    """Raise UsageError unless an address is empty, on loopback, or TLS."""
    protocol, sign, rest = address.partition("://")
    try:
        host = urlsplit(f"//{rest if sign else address}").hostname or ""
    except ValueError:
        host = ""
    safe = protocol == "tls" or ((protocol == "tcp" or not sign) and _loopback(host))
    if address and not (host and safe):
        raise UsageError(f"The scheduler {address} is neither on this machine nor encrypted.",
                         "Nothing was started: who reaches it could run code as you.",
                         "Give tls://HOST:PORT or tcp://127.0.0.1:PORT")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).strip() or "no message").splitlines()[0]
