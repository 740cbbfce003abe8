"""Reference records on a GPU: `python scripts/gpu_campaign.py --budget 9 --out FOLDER`.

    --list                 the runs in order of value, with minutes, and which are done
    --prepare              lay code of chapters and data sets into build/campaign, which travels
    --budget M --out F     run what fits into M minutes; archives of results in F
    --ingest F             bring the archives of a folder into data/records

On the machine with the GPU the repository may lack `notebooks/`; torch, torchvision, timm,
scikit-learn, matplotlib, tqdm, PyYAML, safetensors, fastjsonschema and typer are enough. A run that
is cut off goes on with the next command, as long as build/campaign is there. campaign/README.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from campaign import ingest, packing, plan, report, travel  # noqa: E402 (from this checkout)
from campaign.plan import Entry  # noqa: E402
from campaign.work import spent  # noqa: E402
from sslbook.errors import UserError  # noqa: E402
from sslbook.screen import progress  # noqa: E402

TICK, LINE = 0.5, 60.0  # seconds between two looks, and between two lines of progress
GRACE = 40.0  # seconds before the end of the budget at which runs are told to stop


@dataclass
class Child:
    """A run that is executed now."""

    entry: Entry
    process: subprocess.Popen
    begun: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)


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
            print(f"{size / 2**20:.1f} MiB will travel; at most {travel.LIMIT_MB} may")
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
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time on the one GPU")
    parser.add_argument("--only", default="", help="names, with commas between")
    parser.add_argument("--miniature", action="store_true", help="every path, tiny, on any device")
    return parser.parse_args(arguments)


def campaign(entries: list[Entry], options: argparse.Namespace) -> int:
    """Execute runs in order while the budget lasts, then print the table."""
    end = time.monotonic() + 60 * options.budget - min(GRACE, 15 * options.budget)
    waiting = [entry for entry in entries if not finished(entry) and not plan.done(entry)]
    running: list[Child] = []
    failed: list[str] = []
    say(f"{len(waiting)} of {len(entries)} runs to do, {options.budget:g} minutes")
    try:
        while running or waiting:
            left = (end - time.monotonic()) / 60
            while waiting and len(running) < options.jobs and left > 0:
                entry = waiting.pop(0)
                needed = max(0.0, plan.minutes(entry) - spent(entry))
                if needed > left + options.lease:
                    say(f"{entry.name}: needs {needed:.0f} minutes, left for another time")
                    continue
                running.append(start(entry, options))
            if not running:
                break
            time.sleep(TICK)
            follow(running, failed, options.out, entries)
            if left <= 0:
                break
    finally:
        stop(running)
    left_out = packing.pack(results(entries), options.out)
    print("\n".join(report.table(entries)))
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


def start(entry: Entry, options: argparse.Namespace) -> Child:
    """Begin or resume a run in a process of its own; its words go to a file beside its folder."""
    entry.folder.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "campaign.work", entry.name]
    line += ["--miniature"] if options.miniature else []
    with open(entry.folder / "output.txt", "ab") as log:
        process = subprocess.Popen(
            line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "CAMPAIGN_JOBS": str(options.jobs), "PYTHONUNBUFFERED": "1"},
            start_new_session=os.name != "nt",
        )
    say(f"{entry.name}: begun" if not spent(entry) else f"{entry.name}: goes on")
    return Child(entry, process)


def follow(running: list[Child], failed: list[str], out: Path, entries: list[Entry]) -> None:
    """One line a minute for each run; what has ended is taken away, and its result packed."""
    for child in list(running):
        name, code = child.entry.name, child.process.poll()
        if code is None:
            if time.monotonic() - child.told >= LINE:
                child.told = time.monotonic()
                where = progress(child.entry.folder) or "no step yet"
                say(f"{name}: {(child.told - child.begun) / 60:.0f} min, {where}")
            continue
        running.remove(child)
        if finished(child.entry):
            say(f"{name}: done in {spent(child.entry):.1f} minutes")
            packing.pack(results(entries), out)  # the command may be ended before its own end
        else:
            failed.append(name)
            tail = (child.entry.folder / "output.txt").read_text(errors="replace").splitlines()
            say(f"{name}: failed (exit code {code})\n    " + "\n    ".join(tail[-5:]))


def stop(running: list[Child]) -> None:
    """Interrupt what still runs: a chapter writes its checkpoint. After half a minute: kill."""
    for child in running:
        child.process.send_signal(signal.SIGINT)
    for child in running:
        try:
            child.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        say(f"{child.entry.name}: " + ("done" if finished(child.entry) else
            f"cut off after {spent(child.entry):.1f} minutes, {progress(child.entry.folder)}"))


def results(entries: list[Entry]) -> list[tuple[str, Path]]:
    """(name in the archive, file), the most valuable first: results, controls, figures, encoders.

    Small encoders come before large ones.
    """
    ready = [entry for entry in entries if finished(entry)]
    found = [(f"results/{entry.name}.json", entry.folder / "result.json") for entry in ready]
    found += [(f"controls/{path.name}", path)
              for path in sorted((plan.HOME / "data" / "cache" / "controls").glob("*.json"))]
    found += [(f"figures/{entry.name}/{path.name}", path) for entry in ready
              for path in sorted((entry.folder / "figures").glob("*.png"))]
    weights = [(f"encoders/{entry.name}/{name}", entry.folder / name) for entry in ready
               for name in ("encoder.json", "encoder.safetensors")]
    weights = [(name, path) for name, path in weights if path.is_file()]
    return found + sorted(weights, key=lambda item: item[1].stat().st_size)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that running runs are told, too
    sys.exit(main())
