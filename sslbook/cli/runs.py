"""`sslbook runs`: what lies on this machine, and what may go."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sslbook.cli.options import AsJson, examples, fit

app = typer.Typer(help="The runs on this machine.")
_LINE = "{:<30} {:<11} {:<13} {:<12} {:>5} {:>4}"


@app.callback(invoke_without_command=True,
              epilog=examples("sslbook runs", "sslbook runs --json", "sslbook runs list simclr"))
def runs(context: typer.Context, as_json: AsJson = False) -> None:
    """List the runs on this machine, oldest first, with how they ended; or prune them."""
    if context.invoked_subcommand is None:
        runs_list("", as_json)


@app.command("list", epilog=examples("sslbook runs list", "sslbook runs list simclr --json"))
def runs_list(
    chapter: Annotated[str, typer.Argument(
        metavar="CHAPTER", help="Only this chapter's runs, such as simclr (default: all).")] = "",
    as_json: AsJson = False,
) -> None:
    """List the runs, oldest first; of one chapter where its name is given."""
    from sslbook.core import paths
    from sslbook.headless import runs

    rows = [runs.about(*found) for found in runs.runs(chapter)]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    home, why = paths.home_and_why()
    typer.echo(fit(f"Runs lie in {paths.shortened(home / 'runs')} ({why})."))
    if not rows:
        typer.echo("No runs yet. Make one with: sslbook run barlow_twins")
        return
    typer.echo(_LINE.format("id", "status", "data", "score", "min", "seed"))
    before = ""
    for row in sorted(rows, key=lambda row: row["chapter"]):
        if row["chapter"] != before:
            typer.echo(f"{row['chapter']}:")
            before = row["chapter"]
        typer.echo(_line(row))


def _line(row: dict[str, Any]) -> str:
    """One run in 80 columns; below it, why it failed or how far it is."""
    score = "{} {:.3f}".format(*row["score"]) if row["score"] else ""
    told = ("" if row[key] is None else str(row[key]) for key in ("minutes", "seed"))
    status = row["status"].removesuffix(" record")
    line = _LINE.format(row["id"], status, _cut(row["data"], 13), _cut(score, 12), *told)
    return "\n".join([line.rstrip(), *([fit(row["reason"], "    ", "    ")] * bool(row["reason"]))])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


@app.command("prune", epilog=examples("sslbook runs prune --keep 3",
                                     "sslbook runs prune simclr --keep 0 --yes"))
def runs_prune(
    chapter: Annotated[str, typer.Argument(
        metavar="CHAPTER", help="Only this chapter's runs, such as simclr (default: all).")] = "",
    keep: Annotated[int, typer.Option(
        min=0, metavar="N", help="How many of each chapter stay.")] = 3,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
) -> None:
    """Delete old runs: of each chapter all but the newest; one that is running stays."""
    from sslbook.headless import runs

    old = runs.to_prune(keep, chapter)
    for folder in old:
        typer.echo(f"{folder.parent.name:<24}{folder.name}")
    if not old:
        typer.echo("Nothing to delete.")
    elif yes or typer.confirm(f"Delete these {len(old)} runs?"):
        runs.prune(old)
        typer.echo(f"{len(old)} runs deleted.")
