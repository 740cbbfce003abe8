"""A sweep whose workers are SLURM jobs. Set JOB to what your cluster has, then, on a login node:

    python docs/slurm.py dcl -p BATCH_SIZE=32,64 --seeds 0-2 --preset lesson --jobs 8

Options and exit codes are those of `sslbook sweep`. The folder of runs (SSLBOOK_HOME, or the
checkout) must be one that login node and jobs share. It needs: pip install "sslbook[cluster]"
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sslbook.core import paths
from sslbook.errors import UserError
from sslbook.headless.sweep.engine import sweep
from sslbook.headless.sweep.grid import parse

CPUS = 4  # of one run
JOB: dict[str, Any] = dict(
    queue="gpu",  # the partition; account="..." where your cluster wants one
    walltime="04:00:00",
    memory="16GB",
    cores=1, processes=1, job_cpu=CPUS,  # one run at a time, with CPUS threads of its own
    job_extra_directives=["--gres=gpu:1"],
    job_script_prologue=[f"export OMP_NUM_THREADS={CPUS}"],
    # Workers leave before the walltime ends, so that a run can write its checkpoint.
    worker_extra_args=["--lifetime", "230m", "--lifetime-stagger", "5m"],
    interface=None,  # the network that login node and jobs share, such as "ib0"
)


def cluster(**changes: Any) -> Any:
    """A dask-jobqueue cluster without jobs yet; all talk TLS, with certificates made for it."""
    from dask_jobqueue import SLURMCluster

    shared = paths.runs() / "sweeps"
    shared.mkdir(parents=True, exist_ok=True)
    return SLURMCluster(**{"security": True, "shared_temp_directory": str(shared),
                           "log_directory": str(shared / "slurm"),
                           "scheduler_options": {"dashboard": False}, **JOB, **changes})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("chapter")
    parser.add_argument("-p", dest="values", metavar="NAME=V1,V2", action="append", default=[])
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--preset", default="")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--budget", type=float, default=0.0, help="minutes")
    options = parser.parse_args()
    try:
        grid = parse(options.chapter, options.values, options.seeds, options.preset)
        with cluster() as jobs:
            jobs.scale(jobs=options.jobs)
            return sweep(grid, lambda _: jobs.get_client(), options.budget)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
