"""`sslbook runs`: what lies on this machine, and what may go."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from sslbook.cli.options import AsJson

app = typer.Typer(help="The runs on this machine.")


@app.callback(invoke_without_command=True)
def runs(context: typer.Context, as_json: AsJson = False) -> None:
    """List the runs on this machine, oldest first, with how they ended; or prune them."""
    if context.invoked_subcommand is None:
        runs_list("", as_json)


@app.command("list")
def runs_list(chapter: str = typer.Argument(""), as_json: AsJson = False) -> None:
    """List the runs, oldest first; of one chapter where its name is given."""
    from sslbook.headless import runs

    rows = [{"chapter": folder.parent.name, "id": folder.name, "status": stands,
             "said": runs.status_line(folder, stands)} for folder, stands in runs.runs(chapter)]
    if as_json:
        typer.echo(json.dumps(
            [{k: v for k, v in row.items() if k != "said"} for row in rows], indent=1))
        return
    for row in rows:
        typer.echo(f"{row['chapter']:<24}{row['id']:<36}{row['said']}")
    if not rows:
        typer.echo("No runs yet. Make one with: sslbook run barlow_twins")


@app.command("prune")
def runs_prune(
    chapter: str = typer.Argument("", help="Only this chapter's runs."),
    keep: Annotated[int, typer.Option(min=0, help="How many of each chapter stay.")] = 3,
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
