"""A notebook executed by several ranks under torchrun: one kernel each, of which one writes.

Rank 0 has the run's folder and its log; the others have folders of their own, which are thrown
away. All of them hold the reading end of a pipe: when this process ends, however that happens, the
pipe breaks and the ranks end their kernels.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sslbook.errors import UsageError
from sslbook.headless.worker import GRACE, Worker

if TYPE_CHECKING:
    import torch

_LOST = "RankLost"  # what a rank says that stopped because another one did
_DEAD = "DeadKernelError"
_NO_ANSWER = {"ename": "UserError", "evalue": "The ranks lost each other.\nThe last checkpoint is "
              "kept; the run can be resumed.\nTry it without --nproc."}


def check(count: int, where: torch.device) -> None:
    """Raise UsageError for a number of ranks that this machine cannot start.

    On CUDA every rank has a GPU of its own; on a CPU they share the cores.
    """
    if count < 1:
        raise UsageError(f"--nproc takes 1 or more, not {count}.", "Nothing was started.",
                         "Leave it out for one process.")
    if count == 1 or where.type == "cpu":
        return
    import torch

    have = torch.cuda.device_count() if where.type == "cuda" and where.index is None else 1
    if count > have:
        raise UsageError(f"--nproc {count} needs {count} GPUs, one per rank; there "
                         f"{'is' if have == 1 else 'are'} {have}.", "Nothing was started.",
                         f"Type --nproc {have}, or set SSLBOOK_DEVICE=cpu to share the cores.")


class TorchrunWorker(Worker):
    """A `Worker` that executes the notebook once per rank; rank 0's end is its own.

    count: of ranks. `error` is the first cause: a rank that died comes before one that failed, and
    that before the ranks which stopped because of it.
    """

    def __init__(self, count: int, *arguments: Any):
        super().__init__(*arguments)
        self.count = count
        self.scratch: Path | None = None
        self.torchrun: subprocess.Popen | None = None

    def execute(self) -> None:
        with tempfile.TemporaryDirectory(prefix="sslbook-", ignore_cleanup_errors=True) as name:
            self.scratch = Path(name)
            self._launch()
            self.error = self._cause()

    def _launch(self) -> None:
        job = {"notebook": str(self.notebook), "output": str(self.output), "values": self.values}
        (self.scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with open(self.scratch / "torchrun.log", "wb") as log:
            self.torchrun = subprocess.Popen(
                _command(self.count, self.scratch), env=_environment(self.environment, self.count),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                encoding="utf-8", errors="replace", start_new_session=True)
        if self.signal:  # it came while the process started
            self.torchrun.terminate()
        relay = threading.Thread(target=self._relay, daemon=True)
        relay.start()
        self.torchrun.wait()
        self.torchrun.stdin.close()
        relay.join(GRACE)  # until nobody is left who could say something

    def _relay(self) -> None:
        for line in self.torchrun.stdout:
            if self.stream is not None:
                self.stream.write(line)
                self.stream.flush()

    def _cause(self) -> Any:
        """What stopped the ranks, as a kernel's error says it: ename, evalue, source."""
        told = [_read(self.scratch / f"{rank}.json") for rank in range(self.count)]
        if told[0] is not None and not told[0]:
            return None
        started = [(self.scratch / f"{rank}.pid").exists() for rank in range(self.count)]
        if not any(started):
            lines = (self.scratch / "torchrun.log").read_text(errors="replace").splitlines()
            return RuntimeError(f"torchrun did not start: {lines[-1] if lines else 'no message'}")
        dead = [rank for rank, one in enumerate(told)
                if (started[rank] and one is None) or (one and one["ename"] == _DEAD)]
        failed = [one for one in told if one and one["ename"] not in (_DEAD, _LOST)]
        if dead or (not failed and self.torchrun.returncode < 0):
            who = f"Rank {dead[0]} of {self.count}" if dead else "torchrun"
            return SimpleNamespace(ename=_DEAD, who=who)
        return SimpleNamespace(**(failed[0] if failed else _NO_ANSWER))

    def _send(self, number: int) -> None:
        """An interrupt goes to rank 0, which saves; everything else ends all ranks."""
        if self.torchrun is None or self.torchrun.poll() is not None:
            return
        first = _read(self.scratch / "0.pid")
        if number == signal.SIGINT and first and os.name != "nt":
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGINT)
        else:
            self.torchrun.terminate()

    def end(self) -> None:
        """Nothing that was started lives on."""
        if self.torchrun is not None and self.torchrun.poll() is None:
            self.torchrun.terminate()
            self.join(2 * GRACE)
        super().end()


def _command(count: int, place: Path) -> list[str]:
    """torchrun for this machine alone. It meets in a file and listens nowhere."""
    options = {"nnodes": 1, "nproc-per-node": count, "log-dir": place / "logs",
               "rdzv-backend": "c10d", "rdzv-endpoint": place / "meet",
               "rdzv-conf": "store_type=file", "rdzv-id": "sslbook", "local-addr": "127.0.0.1"}
    given = [f"--{name}={value}" for name, value in options.items()]
    launcher = [sys.executable, "-m", "torch.distributed.run", *given]
    return [*launcher, "-m", "sslbook.headless.torchrun", str(place)]


def _environment(given: Mapping[str, str], count: int) -> dict[str, str]:
    # torchrun's own store would listen on every network; training/distributed.py makes one.
    made = {**given, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    made.setdefault("PYTHONIOENCODING", "utf-8")
    made.setdefault("OMP_NUM_THREADS", str(max(1, (cores or 1) // count)))
    return made


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


# -- the process of one rank -----------------------------------------------------------------


def main(place: Path) -> int:
    """Execute the notebook as the rank that torchrun says; leaves PLACE/RANK.json."""
    rank, job = int(os.environ["RANK"]), _read(place / "job.json")
    output = Path(job["output"])
    mine: dict[str, str] = {"CUDA_VISIBLE_DEVICES": _gpu(rank)}
    if rank:  # only rank 0 writes into the run's folder
        folder = Path(os.environ["SSLBOOK_RUN_FOLDER"])
        folder = place / str(rank) / folder.parent.name / folder.name
        output = folder / output.name
        folder.mkdir(parents=True)
        mine["SSLBOOK_RUN_FOLDER"] = str(folder)
    stream = None if rank else sys.stdout
    worker = Worker(Path(job["notebook"]), output, job["values"], mine, stream)
    over = threading.Event()  # somebody else ended, so this rank has no more to do
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN if rank else worker.interrupt)
    threading.Thread(target=_watch_pipe, args=(over,), daemon=True).start()
    (place / f"{rank}.pid").write_text(str(os.getpid()))
    worker.start()
    while worker.is_alive() and not over.is_set():
        worker.join(0.1)
    told = _told(worker)
    (place / f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    worker.end()
    return 1 if told else 0


def _gpu(rank: int) -> str:
    """The GPU of a rank: the one of its number among those that may be seen."""
    seen = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    return seen[rank] if rank < len(seen) else str(rank)


def _watch_pipe(over: threading.Event) -> None:
    sys.stdin.buffer.read()  # until the process that began it all is gone
    over.set()


def _told(worker: Worker) -> dict[str, Any]:
    """How a worker ended, {} where it is done."""
    if _dead(worker):  # or shut down after an error: the client is about to say which
        worker.join(5)
    if worker.is_alive():
        return {"ename": _DEAD if _dead(worker) else _LOST, "evalue": "stopped"}
    error = worker.error
    if error is None:
        return {}
    told = {"ename": getattr(error, "ename", type(error).__name__),
            "evalue": str(getattr(error, "evalue", error))}
    return told | {key: getattr(error, key) for key in ("exec_count", "source")
                   if hasattr(error, key)}


def _dead(worker: Worker) -> bool:
    """Whether a kernel has ended that its client still waits for."""
    provisioner = getattr(getattr(worker.client, "km", None), "provisioner", None)
    process = getattr(provisioner, "process", None)
    return bool(worker.kernel) and (process is None or process.poll() is not None)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
