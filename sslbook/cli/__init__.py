"""The command line. Exit codes: 0 done, 2 usage, 3 data missing, 4 the notebook failed,
5 out of time, 130 and 143 interrupted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbook.cli import course, nb, running, runs, sweeping
from sslbook.cli.options import AsJson, ChapterName, Force, examples, fit, refuse_overwriting
from sslbook.core.version import __version__
from sslbook.errors import UsageError, UserError

# Without rich's markup: help appears sooner, and a flag does not read <bool>.
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
                  help="The workbook of self-supervised learning, from the command line.",
                  epilog=examples("sslbook list", "sslbook params simclr",
                                  "sslbook run simclr --preset smoke -p SEED=1"))
data_app = typer.Typer(no_args_is_help=True, help="Data sets: fetch ahead, pack a folder.")
app.command(epilog=running.EXAMPLES)(running.run)
app.command(epilog=sweeping.EXAMPLES)(sweeping.sweep)
app.add_typer(runs.app, name="runs")
app.add_typer(course.app, name="course")
app.add_typer(data_app, name="data")
app.add_typer(nb.app, name="nb")


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"sslbook {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    pass


@app.command(epilog=examples("sslbook doctor"))
def doctor() -> None:
    """Say what this machine can run; paste the output into bug reports."""
    from sslbook.cli.doctor import examine

    bad = 0
    for what, finding, fine in examine():
        bad += not fine
        typer.echo(f"{'ok ' if fine else 'BAD'}  {what:<14}{finding}")
    raise typer.Exit(4 if bad else 0)


@app.command("list", epilog=examples("sslbook list", "sslbook list --json"))
def list_chapters(as_json: AsJson = False) -> None:
    """List the chapters in the order of the book."""
    from sslbook.book import toc

    rows = [{"name": c.name, "part": c.part, "form": c.form, "idea": c.idea,
             "needs": list(c.needs)} for c in toc.chapters()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        place = f"{row['part']}/{row['name']}"
        typer.echo(fit(row["idea"], f"{place:<34}{row['form']:<7}", 41 * " "))


@app.command(epilog=examples("sslbook params simclr", "sslbook params simclr --json"))
def params(chapter: ChapterName, as_json: AsJson = False) -> None:
    """Print a chapter's parameters: type, default, meaning, and what the presets say."""
    from sslbook.book import parameters, toc

    path = toc.find(chapter).path
    known, presets = parameters.accepted(path).values(), parameters.read(path)
    told = {one.name: {preset: values[one.name.lower()] for preset, values in presets.items()
                       if one.name.lower() in values} for one in known}
    if as_json:
        typer.echo(json.dumps([{**one._asdict(), "presets": told[one.name]} for one in known],
                              indent=1))
        return
    for one in known:
        typer.echo(f"{one.name}: {one.kind} = {one.default!r}")
        typer.echo(fit(one.help, 4 * " ", 4 * " "))
        if told[one.name]:
            typer.echo(fit(", ".join(f"{preset} {value!r}" for preset, value
                                     in told[one.name].items()), "    presets: ", 13 * " "))


@app.command(epilog=examples(
    "sslbook report", "sslbook report dcl --json", "sslbook report --html scores.html",
    "sslbook report --csv scores --force"))
def report(
    chapter: Annotated[str, typer.Argument(
        metavar="CHAPTER", help="Only this chapter's records (default: all).")] = "",
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write the scoreboard, executed on all records, as one page.")] = None,
    csv: Annotated[Path | None, typer.Option(
        metavar="NAME", help="Write NAME-claims.csv and NAME-scores.csv.")] = None,
    force: Force = False,
) -> None:
    """Print the ledger of claims and the scoreboard, from shipped records and this machine's."""
    from sslbook.records import report as reports
    from sslbook.records import tables

    if chapter and html:
        raise UsageError("A page holds all chapters.", "Nothing was written.",
                         "Leave the chapter out, or print it: sslbook report " + chapter)
    written = [*(tables.files_of(csv) if csv else ()), *([html] if html else ())]
    refuse_overwriting(*written, force=force)
    found, skipped = reports.collect(chapter)
    typer.echo("".join(f"{line}\n" for line in skipped), err=True, nl=False)
    if csv:
        tables.write(csv, found)
    if html:
        from sslbook.headless import page

        page.write(html)
    if as_json:
        typer.echo(json.dumps(reports.plain(found), indent=1))
    elif written:
        typer.echo(f"Written: {', '.join(path.name for path in written)}")
    else:
        typer.echo(fit(reports.text(found)))


@app.command(epilog=examples(
    "sslbook embed simclr folder:photos features.npz",
    "sslbook embed ID cifar10 features.npz --split test --force"))
def embed(
    run: Annotated[str, typer.Argument(
        metavar="RUN", help="A run's id (see: sslbook runs) or folder, or a chapter.")],
    data: Annotated[str, typer.Argument(
        metavar="DATA", help="folder:PATH, csv:FILE or a data set; see: sslbook data list")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .npz to write.")],
    split: Annotated[str, typer.Option(
        metavar="SPLIT", help="train or test (default: all, each row with its split).")] = "",
    force: Force = False,
) -> None:
    """Write the features of images, rows or nodes under a pretrained encoder to an .npz file."""
    from sslbook.run import encoders

    refuse_overwriting(out, force=force)
    values = encoders.embed(run, data, split)
    encoders.write_embedding(out, values)
    count, width = values["features"].shape
    typer.echo(f"{count} rows, {width} features each, written to {out.name}")


@data_app.command("list", epilog=examples("sslbook data list"))
def data_list() -> None:
    """List the data sets that have a name."""
    from sslbook import datasets

    for name, about in datasets.names().items():
        typer.echo(fit(about, f"{name:<16}", 16 * " "))


@data_app.command("get", epilog=examples("sslbook data get cifar10 cora"))
def data_get(names: Annotated[list[str], typer.Argument(
        metavar="NAME...", help="Data sets, such as cifar10; see: sslbook data list")]) -> None:
    """Download data sets ahead of time."""
    from sslbook import datasets

    for name in names:
        datasets.get(name)
        typer.echo(f"{name}: here")


@data_app.command("pack", epilog=examples(
    "sslbook data pack photos photos.npz",
    "sslbook data pack photos small.npz --size 64 --force"))
def data_pack(
    folder: Annotated[Path, typer.Argument(
        metavar="FOLDER", help="Holds the images, in a sub-folder per class where they have one.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .npz to write.")],
    size: Annotated[int, typer.Option(
        min=0, metavar="PIXELS",
        help="Store square images of this side; 0 keeps every file as it is.")] = 0,
    force: Force = False,
) -> None:
    """Put a folder of images into one pack (.npz) that every chapter can read."""
    from sslbook.datasets.packs import write_pack

    refuse_overwriting(out, force=force)
    write_pack(folder, out, size=size)
    typer.echo(f"Written: {out.name}. Use it with -p DATASET=pack:{out}")


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

