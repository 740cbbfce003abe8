"""One run of a sweep: a Dask worker starts it in a process of its own and watches it.

The process, `python -m sslbook.headless.sweep.work JOB`, has a lifeline as its standard input:
when whoever started it closes it, or dies, the run is interrupted as by Ctrl-C. The last line that
it prints is the answer, as JSON.
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
import time
from pathlib import Path
from typing import Any

from sslbook.core.lock import is_locked
from sslbook.core.version import __version__
from sslbook.errors import UsageError, UserError
from sslbook.headless.worker import GRACE

_PATIENCE = GRACE + 15  # seconds until an interrupted run has surely ended


def answer(code: int | None = None, run: str = "", message: str = "") -> dict[str, Any]:
    """How a run ended: exit code (None: not begun), its id, what there is to say."""
    return {"code": code, "run": run, "message": message}


def run_point(job: dict[str, Any], stop: str) -> dict[str, Any]:
    """Run one point (see `run`); a Dask event of the name `stop` interrupts it.

    job also holds version, cwd and environment. When this worker dies, so does the run, with a
    checkpoint. Raises RuntimeError where the run's process was killed: Dask then tries again.
    """
    from distributed import Event

    asked = Event(stop)
    if asked.is_set():
        return answer()
    if job["version"] != __version__:
        return answer(2, message=f"The worker has sslbook {__version__}.\nNothing was started "
                      f"there.\nInstall sslbook {job['version']} for the workers.")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # Away from the terminal's Ctrl-C: that reaches it through its lifeline.
        process = subprocess.Popen(
            [sys.executable, "-m", "sslbook.headless.sweep.work", json.dumps(job)],
            stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT, cwd=job["cwd"],
            env={**os.environ, **job["environment"]}, start_new_session=True)
        try:
            while process.poll() is None and not asked.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:  # let go of the lifeline and wait for the checkpoint
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2 * GRACE)
            process.kill()
            process.wait()
        said.seek(0)
        return _last_line(said.read(), process.returncode)


def _last_line(said: str, code: int) -> dict[str, Any]:
    lines = said.strip().splitlines() or ["it said nothing"]
    with contextlib.suppress(ValueError, TypeError):
        return answer(**json.loads(lines[-1]))
    raise RuntimeError(f"the run's process ended with {code}: {lines[-1]}")


# -- the process of the run --------------------------------------------------------------------


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts us may ignore it
    threading.Thread(target=_leave_with_starter, daemon=True).start()
    try:
        said = run(json.loads(sys.argv[1]))
    except KeyboardInterrupt:
        said = answer(130, message="Interrupted before the run began.")
    print("\n" + json.dumps(said), flush=True)


def _leave_with_starter() -> None:
    # Not through sys.stdin: a thread that waits in it blocks the interpreter's own end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    signal.raise_signal(signal.SIGINT)
    time.sleep(2 * _PATIENCE)
    os._exit(130)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run the job's point, or go on with a run of it that was cut short; returns the `answer`.

    job: chapter, base (folder of its runs), given (name -> value), defaults, out_dir.
    """
    done, begun = _there(job)
    if done:  # its worker was lost after the last cell
        return answer(0, done.name)
    said = _execute(job, begun.name) if begun else None
    if said is None or said["code"] == UsageError.exit_code:  # the presets have changed since
        said = _execute(job, "")
    return said


def _there(job: dict[str, Any]) -> tuple[Path | None, Path | None]:
    """(finished run, unfinished run) of the job's point.

    The run of a lost worker may still write its checkpoint, so it is waited for.
    """
    from sslbook.headless.sweep import past

    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = past.index(Path(job["base"]), job["defaults"])
        done, begun = past.newest(found, job["given"], job["defaults"])
        if done or begun is None or not is_locked(begun):
            return done, begun
        time.sleep(0.5)
    return None, None


def _execute(job: dict[str, Any], resume: str) -> dict[str, Any]:
    from sslbook.headless import execute, plan

    given = job["given"] | ({"OUT_DIR": job["out_dir"]} if job["out_dir"] else {})
    texts = [f"{name}={value}" for name, value in given.items() if name != "PRESET"]
    try:
        planned = plan.plan(job["chapter"], texts, given["PRESET"], resume)
    except UserError as error:
        return answer(error.exit_code, message=str(error))
    outcome = execute.execute(planned)
    return answer(outcome.code, outcome.folder.name, outcome.message)


if __name__ == "__main__":
    main()
