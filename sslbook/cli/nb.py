"""`sslbook nb`: notebooks and their records, for authors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sslbook.cli.options import examples
from sslbook.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Notebooks and their records: write, check, keep.")
Notebooks = Annotated[list[Path], typer.Argument(metavar="NOTEBOOK...", help="Files .ipynb.")]


@app.command(epilog=examples("sslbook nb normalise notebooks/contrast/*.ipynb"))
def normalise(notebooks: Notebooks) -> None:
    """Make saved notebooks fit to commit: no widget state, timings, paths or progress bars."""
    from sslbook.nbtools.normalise import normalise

    for path in notebooks:
        typer.echo(f"{path.name}: {'changed' if normalise(path) else 'as it was'}")


@app.command(epilog=examples("sslbook nb refresh",
                             "sslbook nb refresh notebooks/contrast/dcl.ipynb"))
def refresh(
    notebooks: Annotated[list[Path] | None, typer.Argument(
        metavar="NOTEBOOK...",
        help="Files .ipynb (default: the whole book, README and docs/teaching.md too).")] = None,
) -> None:
    """Write all that follows from toc.yml and the files beside the notebooks."""
    from sslbook.nbtools import refresh

    changed = refresh.refresh(notebooks or ())
    typer.echo("\n".join(f"{path.name}: changed" for path in changed) or "as it was")


@app.command(epilog=examples("sslbook nb check notebooks/contrast/dcl.ipynb"))
def check(notebooks: Notebooks) -> None:
    """Hold notebooks against the book's contract."""
    from sslbook.nbtools import contract

    problems = [f"{path.name}: {p}" for path in notebooks for p in contract.check(path)]
    typer.echo("\n".join(problems) or "no problems")
    raise typer.Exit(4 if problems else 0)


@app.command(epilog=examples("sslbook nb keep runs/dcl/*-smoke-s*",
                             "sslbook nb keep runs/dcl/ID --name cifar10 --encoder"))
def keep(
    runs: Annotated[list[Path] | None, typer.Argument(
        metavar="FOLDER...", help="Folders of finished runs.")] = None,
    encoder: Annotated[bool, typer.Option("--encoder", help="Ship the encoder as well.")] = False,
    name: Annotated[str, typer.Option(
        metavar="DATA", help="A data set to name in the file: not the preset's own.")] = "",
) -> None:
    """Keep finished runs as reference records, and write what they change into the ledger."""
    from sslbook.nbtools import keep

    refused = 0
    for folder in runs or []:
        try:
            for path in keep.keep(folder, name, encoder):
                typer.echo(f"{path.parent.name}/{path.name}")
        except UserError as error:
            typer.echo(str(error), err=True)
            refused = error.exit_code
    typer.echo(f"ledger.jsonl: {keep.update_ledger()} new lines")
    raise typer.Exit(refused)


@app.command(epilog=examples(
    "sslbook nb new contrast my_method --form short --title 'My method'",
    "sslbook nb new masks mine --paper https://arxiv.org/abs/2111.06377",
    "sslbook nb new masks mine --no-execute"))
def new(
    part: Annotated[str, typer.Argument(
        metavar="PART", help="A part of the book, such as contrast, or a new one.")],
    name: Annotated[str, typer.Argument(
        metavar="NAME", help="The chapter's name, such as my_method.")],
    form: Annotated[str, typer.Option(
        metavar="FORM", help="long, short, study or guide.")] = "short",
    title: Annotated[str, typer.Option(
        metavar="TEXT", help="The title (default: from the name).")] = "",
    paper: Annotated[str, typer.Option(metavar="URL", help="The paper's address.")] = "",
    execute: Annotated[bool, typer.Option(
        "--execute/--no-execute", help="Execute it in preset check.")] = True,
) -> None:
    """Write a new chapter that runs and keeps the contract, its twin and test, and list it."""
    from sslbook.nbtools import scaffold

    made = scaffold.new(part, name, form, title, paper)
    typer.echo("\n".join(f"Written: {path.name}" for path in made))
    if execute:
        scaffold.execute(scaffold.toc.find(name).path)
        typer.echo("Executed in preset check. Next: CONTRIBUTING.md, from step 3 on.")
