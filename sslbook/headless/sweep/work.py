"""What a Dask worker does for a sweep: start one run in a process of its own and watch it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from sslbook.core.version import __version__
from sslbook.headless.worker import GRACE

WAITING = {"code": None, "run": "", "message": ""}  # the answer of a run that was not begun


def run_point(job: dict[str, Any], stop: str) -> dict[str, Any]:
    """Run one point (see `runner.run`); a Dask event of the name `stop` interrupts it.

    job also holds version, cwd and environment. When this worker dies, so does the run, with a
    checkpoint. Raises RuntimeError where the runner was killed: Dask then tries again.
    """
    from distributed import Event

    asked = Event(stop)
    if asked.is_set():
        return WAITING
    if job["version"] != __version__:
        return {"code": 2, "run": "", "message": f"The worker has sslbook {__version__}.\n"
                "Nothing was started there.\n"
                f"Install sslbook {job['version']} for the workers."}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = _start(job, said)
        try:
            while process.poll() is None and not asked.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            _end(process)
        said.seek(0)
        return _answer(said.read(), process.returncode)


def _start(job: dict[str, Any], said: Any) -> subprocess.Popen:
    """The runner, away from the terminal's Ctrl-C: that reaches it through its lifeline."""
    line = [sys.executable, "-m", "sslbook.headless.sweep.runner", json.dumps(job)]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT,
                            cwd=job["cwd"], env={**os.environ, **job["environment"]},
                            start_new_session=True)


def _end(process: subprocess.Popen) -> None:
    """Let go of the lifeline and wait for the checkpoint."""
    process.stdin.close()
    end = time.monotonic() + 2 * GRACE
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    process.kill()
    process.wait()


def _answer(said: str, code: int) -> dict[str, Any]:
    lines = said.strip().splitlines() or ["it said nothing"]
    with contextlib.suppress(ValueError):
        answer = json.loads(lines[-1])
        if isinstance(answer, dict) and answer.keys() == WAITING.keys():
            return answer
    raise RuntimeError(f"the run's process ended with {code}: {lines[-1]}")
