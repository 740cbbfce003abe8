"""The command line. Exit codes: 0 done, 2 usage, 3 data missing, 4 the notebook failed,
5 out of time, 130 and 143 interrupted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbook.cli import course, runs
from sslbook.cli.options import AsJson
from sslbook.cli.running import run
from sslbook.cli.sweeping import sweep
from sslbook.core.version import __version__
from sslbook.errors import UsageError, UserError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="The workbook of self-supervised learning, from the command line.")
data_app = typer.Typer(no_args_is_help=True, help="Data sets: fetch ahead, pack a folder.")
nb_app = typer.Typer(no_args_is_help=True, help="Notebooks and their records: write, check, keep.")
app.command()(run)
app.command()(sweep)
app.add_typer(runs.app, name="runs")
app.add_typer(course.app, name="course")
app.add_typer(data_app, name="data")
app.add_typer(nb_app, name="nb")


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"sslbook {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    pass


@app.command()
def doctor() -> None:
    """Say what this machine can run; paste the output into bug reports."""
    from sslbook.cli.doctor import examine

    bad = 0
    for what, finding, fine in examine():
        bad += not fine
        typer.echo(f"{'ok ' if fine else 'BAD'}  {what:<14}{finding}")
    raise typer.Exit(4 if bad else 0)


@app.command("list")
def list_chapters(as_json: AsJson = False) -> None:
    """List the chapters in the order of the book."""
    from sslbook.book import toc

    rows = [{"name": c.name, "part": c.part, "form": c.form, "idea": c.idea,
             "needs": list(c.needs)} for c in toc.chapters()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(f"{row['part'] + '/' + row['name']:<34}{row['form']:<7}{row['idea']}")


@app.command()
def report(
    chapter: Annotated[str, typer.Argument(help="Only this chapter's records.")] = "",
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write the scoreboard, executed on all records, as one page.")] = None,
    csv: Annotated[Path | None, typer.Option(
        metavar="NAME", help="Write NAME-claims.csv and NAME-scores.csv.")] = None,
) -> None:
    """Print the ledger of claims and the scoreboard, from shipped records and this machine's."""
    from sslbook.records import report as reports

    if chapter and html:
        raise UsageError("A page holds all chapters.", "Nothing was written.",
                         "Leave the chapter out, or print it: sslbook report " + chapter)
    found, skipped = reports.collect(chapter)
    typer.echo("".join(f"{line}\n" for line in skipped), err=True, nl=False)
    written = []
    if csv:
        from sslbook.records import tables

        written += tables.write(csv, found)
    if html:
        from sslbook.headless import page

        page.write(html)
        written.append(html)
    if as_json:
        typer.echo(json.dumps(reports.plain(found), indent=1))
    elif written:
        typer.echo(f"Written: {', '.join(path.name for path in written)}")
    else:
        typer.echo(reports.text(found))


@app.command()
def embed(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a chapter.")],
    data: Annotated[str, typer.Argument(help="folder:PATH, csv:FILE or another data set.")],
    out: Annotated[Path, typer.Argument(help="The .npz to write.")],
    split: Annotated[str, typer.Option(
        help="train or test (default: all, each row with its split)")] = "",
) -> None:
    """Write the features of images, rows or nodes under a pretrained encoder to an .npz file."""
    from sslbook.run import encoders

    values = encoders.embed(run, data, split)
    encoders.write_embedding(out, values)
    count, width = values["features"].shape
    typer.echo(f"{count} rows, {width} features each, written to {out.name}")


@data_app.command("list")
def data_list() -> None:
    """List the data sets that have a name."""
    from sslbook import datasets

    for name, about in datasets.names().items():
        typer.echo(f"{name:<16}{about}")


@data_app.command("get")
def data_get(names: list[str]) -> None:
    """Download data sets ahead of time."""
    from sslbook import datasets

    for name in names:
        datasets.get(name)
        typer.echo(f"{name}: here")


@data_app.command("pack")
def data_pack(folder: Path, out: Path, size: int = 0) -> None:
    """Put a folder of images into one pack (.npz) that every chapter can read."""
    from sslbook.datasets.packs import write_pack

    write_pack(folder, out, size=size)
    typer.echo(f"Written: {out.name}. Use it with -p DATASET=pack:{out}")


@nb_app.command("normalise")
def nb_normalise(notebooks: list[Path]) -> None:
    """Make saved notebooks fit to commit: no widget state, timings, paths or progress bars."""
    from sslbook.nbtools.normalise import normalise

    for path in notebooks:
        typer.echo(f"{path.name}: {'changed' if normalise(path) else 'as it was'}")


@nb_app.command("refresh")
def nb_refresh(
    notebooks: Annotated[list[Path] | None, typer.Argument(
        help="Notebooks (default: the whole book, README and docs/teaching.md too).")] = None,
) -> None:
    """Write all that follows from toc.yml and the files beside the notebooks."""
    from sslbook.nbtools import refresh

    changed = refresh.refresh(notebooks or ())
    typer.echo("\n".join(f"{path.name}: changed" for path in changed) or "as it was")


@nb_app.command("check")
def nb_check(notebooks: list[Path]) -> None:
    """Hold notebooks against the book's contract."""
    from sslbook.nbtools import contract

    problems = [f"{path.name}: {p}" for path in notebooks for p in contract.check(path)]
    typer.echo("\n".join(problems) or "no problems")
    raise typer.Exit(4 if problems else 0)


@nb_app.command("keep")
def nb_keep(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of finished runs.")] = None,
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


@nb_app.command("new")
def nb_new(
    part: Annotated[str, typer.Argument(help="A part of the book, or a new one.")],
    name: Annotated[str, typer.Argument(help="The chapter's name, such as my_method.")],
    form: Annotated[str, typer.Option(help="long, short, study or guide")] = "short",
    title: Annotated[str, typer.Option(help="The title (default: from the name)")] = "",
    paper: Annotated[str, typer.Option(help="The paper's address")] = "",
    execute: Annotated[bool, typer.Option(help="Execute it in preset check.")] = True,
) -> None:
    """Write a new chapter that runs and keeps the contract, its twin and test, and list it."""
    from sslbook.nbtools import scaffold

    made = scaffold.new(part, name, form, title, paper)
    typer.echo("\n".join(f"Written: {path.name}" for path in made))
    if execute:
        scaffold.execute(scaffold.toc.find(name).path)
        typer.echo("Executed in preset check. Next: CONTRIBUTING.md, from step 3 on.")


def main() -> None:
    """Entry point: expected errors become three lines and an exit code."""
    try:
        app()
    except UserError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        sys.exit(130)

