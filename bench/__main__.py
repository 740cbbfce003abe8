"""`python -m bench`: measure, print tables, leave one JSON file."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from importlib import import_module
from pathlib import Path

PARTS = ("augmentation", "step", "loop", "probes", "growth")
_INTERRUPTED, _USAGE = 130, 2


class Parser(argparse.ArgumentParser):
    """Errors in one line, without the usage."""

    def error(self, message: str) -> None:
        self.exit(_USAGE, f"bench: {message}\n")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; `parts` becomes the chosen parts in the order of the bench."""
    parser = Parser(prog="python -m bench", description="The speed tables of the book.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", default="", metavar="1,2", help="thread counts to measure")
    parser.add_argument("--rounds", type=int, default=0, help="0: each part's own number")
    parser.add_argument(
        "--seconds", type=float, default=20.0,
        help="no further round of a comparison begins after these (0: no limit)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does every path run?")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: below runs/bench")
    parser.add_argument("--data", type=Path, metavar="PACK.npz", help="real images")
    parser.add_argument("--show", type=Path, metavar="FILE.json", help="print an earlier run")
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if options.rounds < 0 or options.seconds < 0:
        parser.error("--rounds and --seconds are 0 or more")
    options.parts = [part for part in PARTS if part in (options.parts or PARTS)]
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the parts and return the exit code."""
    asked = parse(arguments)
    os.environ.setdefault("SSLBOOK_HEADLESS", "1")  # no progress bars
    from sslbook.errors import UserError  # torch is imported from here on

    try:
        return show(asked.show) if asked.show else measure(asked)
    except UserError as error:
        print(f"bench: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return error.exit_code


def measure(asked: argparse.Namespace) -> int:
    """Measure and print part by part; what is there is written even when a part breaks."""
    from bench import records, tables
    from bench.options import Options, choose_device, choose_threads
    from bench.pictures import pictures
    from sslbook import paths

    device = choose_device(asked.device)
    options = Options(
        device, choose_threads(asked.threads, device), asked.rounds, asked.seconds, asked.quick,
        asked.data,
    )  # fmt: skip
    pictures(options.data, 1)  # a pack that cannot be used ends the run here
    about, rows, code = records.surroundings(options), [], 0
    out = asked.out or paths.runs() / "bench" / f"{datetime.now():%Y%m%d-%H%M%S}.json"
    records.write(out, about, rows)  # a place that cannot be written to ends the run here
    print(tables.heading(about), flush=True)
    for part in asked.parts:
        found: list[records.Row] = []
        try:
            for row in import_module(f"bench.{part}").run(options):
                found.append(row)
        except KeyboardInterrupt:
            code = _INTERRUPTED
        except Exception as error:  # the other parts' figures are kept
            found.append(records.failed(part, {}, part, error))
            code = 1
        rows += found
        records.write(out, about, rows)
        print(f"\n{tables.tell(part, found)}", flush=True)
        if code == _INTERRUPTED:
            break
    print(f"\n{len(rows)} rows: {out}", flush=True)
    return code


def show(file: Path) -> int:
    """Print the tables of an earlier run."""
    from bench import records, tables
    from sslbook.errors import UsageError

    try:
        about, rows = records.read(file)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file} is no record of the bench: {error}") from error
    print(tables.heading(about))
    for part in PARTS:
        if found := [row for row in rows if row.part == part]:
            print(f"\n{tables.tell(part, found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
