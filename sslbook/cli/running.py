"""`sslbook run`: execute a chapter, or say what executing it would do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sslbook.cli.options import PRESETS, AsJson, ChapterName, examples, fit

EXAMPLES = examples(
    "sslbook run simclr --preset smoke -p SEED=1",
    "sslbook run simclr -p DATASET=folder:photos -p IMAGES=500 --dry-run",
    "sslbook run simclr --preset check --json",
    "sslbook run simclr --nproc 4 --timeout 110 --log-file simclr.log",
    "sslbook run simclr --resume ID --quiet",
)


def run(
    chapter: ChapterName,
    parameters: Annotated[list[str] | None, typer.Option(
        "-p", "--parameter", metavar="NAME=VALUE",
        help="A parameter of the chapter; repeatable. See: sslbook params CHAPTER")] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help=PRESETS)] = "",
    resume: Annotated[str, typer.Option(
        metavar="ID", help="Continue an unfinished run; see: sslbook runs")] = "",
    nproc: Annotated[int, typer.Option(
        metavar="N", help="Train on N ranks at once: one GPU each, or a part of the cores.")] = 1,
    timeout: Annotated[float, typer.Option(
        min=0, metavar="MINUTES", help="Stop after so long, with a checkpoint (exit code 5).")] = 0,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="Check everything, say what would be done, start nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not stream the log.")] = False,
    log_file: Annotated[typer.FileTextWrite | None, typer.Option(
        mode="a", encoding="utf-8", metavar="FILE",
        help="Keep the log in this file, below what it holds.")] = None,
    as_json: AsJson = False,
) -> None:
    """Execute a chapter headlessly; the result lies in its own folder under runs/."""
    from sslbook.headless import execute
    from sslbook.headless.log import Screen
    from sslbook.headless.plan import describe, plan

    planned = plan(chapter, parameters or [], preset, resume, dry_run, nproc)
    if dry_run:
        about = describe(planned)
        typer.echo(json.dumps(about, indent=1) if as_json else _plan_text(about))
        return
    stream = None if quiet else sys.stderr if as_json else sys.stdout
    outcome = execute.execute(planned, Screen(stream, log_file), timeout)
    if as_json:
        typer.echo(json.dumps(execute.as_dict(outcome), indent=1))
    elif not outcome.code:
        _summary(outcome.folder, chapter)
    if outcome.code:
        typer.echo(outcome.message, err=True)
        raise typer.Exit(outcome.code)


def _plan_text(about: dict[str, Any]) -> str:
    """What a dry run prints."""
    def said(value: Any, unit: str) -> str:
        return "not known" if value is None else f"{value:,} {unit}"

    data = about["data"] + ("" if about["data_is_here"] else " (to be downloaded)")
    told = f"as a run of this preset on {about['told_by']} took, scaled to these data"
    rows = {
        "chapter": about["chapter"], "preset": about["preset"], "device": about["device"],
        "seed": about["seed"], "data": data,
        "training": said(about["steps"], f"steps of {about['batch_size'] or 'the whole set'}"),
        "time": said(about["seconds"], f"s, {told}"),
        "memory": said(about["memory_mb"], f"MB, {told.partition(',')[0]}"),
    }
    return "\n".join(f"{name:<10}{value}" for name, value in rows.items())


def _summary(folder: Path, chapter: str) -> None:
    from sslbook import records
    from sslbook.records import report

    record = records.read(folder / "record.json")
    typer.echo("\n" + fit(report.run_text(record, folder.parents[1])))
    notebook = folder / f"{chapter}.ipynb"
    typer.echo(f"\nThe run: {folder.name}\nOpen it: {sys.executable} -m jupyterlab {notebook}")
