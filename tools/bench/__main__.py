"""`python -m tools.bench`: measure, print tables, keep the figures in one JSON file."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from importlib import import_module
from pathlib import Path

import torch

import sslbook
from sslbook import datasets
from sslbook.core import device, paths
from sslbook.errors import UserError
from tools.bench import captured, rows
from tools.bench.step import half
from tools.bench.timing import Options


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("all", *rows.TITLES, "captured", "show"),
                        default="all", help="a part, captured, or show [FILE]")  # fmt: skip
    parser.add_argument("file", nargs="?", type=Path, help="results to show (default: the newest)")
    parser.add_argument("--threads", type=int, default=1, help="and as many loader processes")
    parser.add_argument("--rounds", type=int, default=5, help="of every comparison")
    parser.add_argument("--data", default="shapes", help="a data set's name")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does every path run?")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: below runs/bench")
    asked = parser.parse_args(arguments)
    if asked.file and asked.what != "show":
        parser.error(f"{asked.what} takes no file")
    if min(asked.threads, asked.rounds) < 1:
        parser.error("--threads and --rounds are 1 or more")
    return asked


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for and return the exit code."""
    asked = parse(arguments)
    os.environ.setdefault("SSLBOOK_HEADLESS", "1")  # no progress bars
    try:
        if asked.what == "show":
            return show(asked.file)
        torch.set_num_threads(asked.threads)
        options = Options(device.choose(), asked.threads, 1 if asked.quick else asked.rounds,
                          asked.data, asked.quick)  # fmt: skip
        if asked.what == "captured":
            return captured.run(options)
        datasets.get(options.data)  # data that cannot be used end the run here
        out = asked.out or paths.runs() / "bench" / f"{datetime.now():%Y%m%d-%H%M%S}.json"
        return measure(options, list(rows.TITLES) if asked.what == "all" else [asked.what], out)
    except UserError as error:
        print(f"bench: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return error.exit_code


def measure(options: Options, parts: list[str], out: Path) -> int:
    """Measure and print part by part; what is there is kept even when a part breaks."""
    about = rows.surroundings(
        str(device.describe(options.device)["name"]), device=options.device.type,
        sslbook=sslbook.__version__, data=options.data.split(":")[0], quick=options.quick,
        precision=str(half(options) or "float32").removeprefix("torch."),
    )  # fmt: skip
    print(rows.heading(about), flush=True)
    found: list[rows.Row] = []
    code = 0
    for part in parts:
        try:
            for row in import_module(f"tools.bench.{part}").run(options):
                found.append(row)
        except Exception as error:  # the other parts' figures are kept
            found.append(rows.Row(part, "", part, error=rows.describe(error)))
            code = 1
        rows.write(out, about, found)
        print(f"\n{rows.tables(part, [row for row in found if row.part == part])}", flush=True)
    print(f"\n{len(found)} rows: {out}")
    return code


def show(file: Path | None) -> int:
    """Print results again: of the file, else the newest that came with the checkout."""
    shipped = sorted((Path(__file__).parent / "results").glob("*.json"))
    about, found = rows.read(file or shipped[-1])
    print(rows.heading(about))
    for part in rows.TITLES:
        if chosen := [row for row in found if row.part == part]:
            print(f"\n{rows.tables(part, chosen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
