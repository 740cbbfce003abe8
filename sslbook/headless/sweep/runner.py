"""One run of a sweep in a process of its own: `python -m sslbook.headless.sweep.runner JOB`.

Its standard input is a lifeline: when whoever started it closes it, or dies, the run is
interrupted as by Ctrl-C. The last line that it prints is the answer, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sslbook.errors import UsageError, UserError
from sslbook.headless import execute
from sslbook.headless.plan import plan
from sslbook.headless.sweep import past
from sslbook.headless.worker import GRACE

_PATIENCE = GRACE + 15  # seconds until an interrupted run has surely ended


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts us may ignore it
    threading.Thread(target=_leave_with_starter, daemon=True).start()
    try:
        answer = run(json.loads(sys.argv[1]))
    except UserError as error:
        answer = {"code": error.exit_code, "run": "", "message": str(error)}
    except KeyboardInterrupt:
        answer = {"code": 130, "run": "", "message": "Interrupted before the run began."}
    print("\n" + json.dumps(answer), flush=True)


def _leave_with_starter() -> None:
    # Not through sys.stdin: a thread that waits in it blocks the interpreter's own end.
    while os.read(sys.stdin.fileno(), 1):
        pass
    signal.raise_signal(signal.SIGINT)
    time.sleep(2 * _PATIENCE)
    os._exit(130)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run the job's point, or go on with a run of it that was cut short.

    job: chapter, base (folder of its runs), given (name -> value), defaults, out_dir.
    Returns {"code", "run" (its id), "message"}. Raises UserError where nothing could be started.
    """
    found, unfinished = _there(job)
    if found:  # its worker was lost after the last cell
        return {"code": 0, "run": found.name, "message": ""}
    if unfinished:
        try:
            answer = _execute(job, unfinished.name)
            if answer["code"] != UsageError.exit_code:
                return answer
        except UsageError:  # the chapter's presets have changed since: begin anew
            pass
    return _execute(job, "")


def _there(job: dict[str, Any]) -> tuple[Path | None, Path | None]:
    """(finished run, unfinished run) of the job's point.

    The run of a lost worker may still write its checkpoint, so it is waited for.
    """
    key = past.key(job["given"], job["defaults"])
    end = time.monotonic() + _PATIENCE
    while True:
        runs = past.index(Path(job["base"]), job["defaults"]).get(key, [])
        found = past.finished(runs, job["given"].get("DATASET", ""))
        unfinished = past.unfinished(runs)
        if found or unfinished is None or past.free(unfinished):
            return found, unfinished
        if time.monotonic() > end:
            return None, None
        time.sleep(0.5)


def _execute(job: dict[str, Any], resume: str) -> dict[str, Any]:
    given = job["given"] | ({"OUT_DIR": job["out_dir"]} if job["out_dir"] else {})
    texts = [f"{name}={value}" for name, value in given.items() if name != "PRESET"]
    planned = plan(job["chapter"], texts, given["PRESET"], resume)
    outcome = execute.execute(planned)
    return {"code": outcome.code, "run": outcome.folder.name, "message": outcome.message}


if __name__ == "__main__":
    main()
