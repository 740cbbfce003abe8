"""Reference records on a GPU: `python scripts/gpu_campaign.py --budget 9 --out FOLDER`.

    --list                 the runs in order of value, with minutes, and which are done
    --prepare              lay code of chapters and data sets into build/campaign/travel
    --budget M --out F     run what fits into M minutes; archives of results in F
    --ingest F             bring the archives of a folder into data/records

On the machine with the GPU the repository may lack `notebooks/`; torch, torchvision, timm,
scikit-learn, matplotlib, tqdm, PyYAML, safetensors and typer are enough. A chapter that is cut off
goes on with the next command, as long as build/campaign/home is there. See campaign/README.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from campaign import ingest, packing, plan, report, travel  # noqa: E402 (from this checkout)
from campaign.plan import Entry  # noqa: E402
from campaign.work import spent  # noqa: E402
from sslbook.errors import UserError  # noqa: E402
from sslbook.screen import progress  # noqa: E402

TICK, LINE = 0.5, 60.0  # seconds between two looks, and between two lines of progress
GRACE = 60.0  # seconds before the end of the budget at which the run is told to stop


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; exit code 1 where a run failed, 2 for a wrong use."""
    options = parse(arguments)
    try:
        entries = plan.entries(options.only, options.miniature)
        if options.ingest:
            lines = ingest.ingest(options.ingest, plan.FOLDER / "ingested")
            print("\n".join(lines) or "no results there")
        elif options.prepare:
            source = Path(os.environ["SSLBOOK_DATA"]) if "SSLBOOK_DATA" in os.environ else None
            size = travel.prepare([e for e in entries if not plan.done(e)], source)
            print(f"{size / 2**20:.1f} MiB will travel without notebooks/; {travel.LIMIT_MB} may")
        elif options.budget:
            return campaign(entries, options)
        else:
            print("\n".join(report.plan_lines(entries)))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the runs (the default)")
    parser.add_argument("--prepare", action="store_true", help="make ready what travels")
    parser.add_argument("--ingest", type=Path, metavar="FOLDER", help="bring results home")
    parser.add_argument("--budget", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--lease", type=float, default=0.0, metavar="MINUTES",
                        help="minutes that later commands on this machine will have")
    parser.add_argument("--out", type=Path, default=plan.FOLDER / "out", metavar="FOLDER")
    parser.add_argument("--only", default="", help="names, with commas between")
    parser.add_argument("--miniature", action="store_true", help="every path, tiny, on any device")
    return parser.parse_args(arguments)


def campaign(entries: list[Entry], options: argparse.Namespace) -> int:
    """Execute runs in order while the budget lasts, then print the table."""
    end = time.monotonic() + 60 * options.budget - min(GRACE, 15 * options.budget)
    waiting = [entry for entry in entries if not finished(entry) and not plan.done(entry)]
    say(f"{len(waiting)} of {len(entries)} runs to do, {options.budget:g} minutes")
    everything, failed = plan.entries(miniature=options.miniature), []
    for entry in waiting:
        left = (end - time.monotonic()) / 60
        if left <= 0:
            break
        if not fits(entry, left, options.lease):
            say(f"{entry.name}: needs {plan.minutes(entry):.0f} minutes, left for another time")
            continue
        if execute(entry, end):
            failed.append(entry.name)
        packing.pack(results(everything), options.out)  # the command may be ended before its end
    left_out = packing.pack(results(everything), options.out)
    print("\n".join(report.table(everything)))
    for name in left_out:
        say(f"no room in the archives: {name}")
    say(f"{sum(map(finished, entries))} of {len(entries)} runs done, {len(failed)} failed"
        + "".join(f"; {name}" for name in failed))
    return 1 if failed else 0


def say(text: str) -> None:
    """A line, seen at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def finished(entry: Entry) -> bool:
    """True where the run's result lies on this machine."""
    return (entry.folder / "result.json").is_file()


def fits(entry: Entry, left: float, lease: float) -> bool:
    """True where a run can end in the minutes left, here or, if it resumes, in later commands."""
    if entry.resumes:
        return plan.minutes(entry) - spent(entry) <= left + lease
    return plan.minutes(entry) <= left


def execute(entry: Entry, end: float) -> bool:
    """Begin or resume a run, follow it to its end or the budget's; True where it failed.

    It has a process of its own, whose words go to a file in its folder. At the end of the budget it
    is interrupted, on which a chapter writes its checkpoint; what does not end is killed.
    """
    entry.folder.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-u", "-m", "campaign.work", entry.name]
    line += ["--miniature"] if entry.miniature else []
    log = entry.folder / "output.txt"
    begun = told = time.monotonic()
    say(f"{entry.name}: goes on" if spent(entry) else f"{entry.name}: begins")
    with open(log, "ab") as words:
        process = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=words,
                                   stderr=words, start_new_session=os.name != "nt")
    try:
        while process.poll() is None and time.monotonic() < end:
            time.sleep(TICK)
            if time.monotonic() - told >= LINE:
                told = time.monotonic()
                where = progress(entry.folder) or "no step yet"
                say(f"{entry.name}: {(told - begun) / 60:.0f} min, {where}")
        cut = process.poll() is None
    finally:
        stop(process)
    if finished(entry):
        say(f"{entry.name}: done in {spent(entry):.1f} minutes")
    elif cut:
        say(f"{entry.name}: cut off after {spent(entry):.1f} minutes, {progress(entry.folder)}")
    else:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        say(f"{entry.name}: failed (exit code {process.returncode})\n    " + "\n    ".join(tail))
    return not finished(entry) and not cut


def stop(process: subprocess.Popen) -> None:
    """Interrupt a run that still goes on; after 40 seconds it is killed with all it started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        (os.killpg if os.name != "nt" else os.kill)(process.pid, signal.SIGKILL)
        process.wait()


def results(entries: list[Entry]) -> list[tuple[str, Path]]:
    """(name in the archive, file), the most valuable first: results, controls, figures, encoders.

    Small encoders come before large ones.
    """
    ready = [entry for entry in entries if finished(entry)]
    homes = sorted({entry.home for entry in entries})
    found = [(f"results/{entry.name}.json", entry.folder / "result.json") for entry in ready]
    found += [(f"controls/{path.name}", path) for home in homes
              for path in sorted((home / "data" / "cache" / "controls").glob("*.json"))]
    found += [(f"figures/{entry.name}/{path.name}", path) for entry in ready
              for path in sorted((entry.folder / "figures").glob("*.png"))]
    weights = [(f"encoders/{entry.name}/{name}", entry.folder / name) for entry in ready
               for name in ("encoder.json", "encoder.safetensors")]
    weights = [(name, path) for name, path in weights if path.is_file()]
    return found + sorted(weights, key=lambda item: item[1].stat().st_size)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a run is told, too
    sys.exit(main())
