"""`sslbook course`: a course from the chapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sslbook.cli.options import Force, examples

app = typer.Typer(no_args_is_help=True, help="A course: editions, graded assignments, slides.")


@app.command(epilog=examples("sslbook course plan"))
def plan() -> None:
    """Print the six weeks: chapters of each week, and their minutes."""
    from sslbook.book import routes, toc

    typer.echo(routes.weeks_table(toc.chapters()))


@app.command(epilog=examples(
    "sslbook course build autumn --chapters simclr,dcl --ref v0.1.0",
    "sslbook course build autumn --edition instructor --force",
    "sslbook course build autumn --nbgrader --seed 2026",
    "sslbook course build autumn --slides --preset smoke --vendor node_modules"))
def build(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The course's folder.")],
    chapters: Annotated[str, typer.Option(
        metavar="A,B", help="Chapters, commas and no spaces between (default: all).")] = "",
    edition: Annotated[str, typer.Option(
        metavar="NAME",
        help="student (blanks), instructor (solved, with notes) or script.")] = "student",
    ref: Annotated[str, typer.Option(
        metavar="TAG", help="Pin badges and install cells to this tag.")] = "",
    nbgrader: Annotated[bool, typer.Option(
        "--nbgrader", help="Write graded assignments too, into OUT/nbgrader.")] = False,
    seed: Annotated[str, typer.Option(
        metavar="TEXT",
        help="Draws the assignments' variants; keep it (default: a new one).")] = "",
    slides: Annotated[bool, typer.Option(
        "--slides", help="Run the chapters and write slides, into OUT/slides.")] = False,
    preset: Annotated[str, typer.Option(
        metavar="NAME", help="Of the slides' runs: check, smoke, lesson or full.")] = "smoke",
    vendor: Annotated[str, typer.Option(
        metavar="FOLDER", help="Holds reveal.js and mathjax; without it npm gets them.")] = "",
    force: Force = False,
) -> None:
    """Write chapters for a class: an edition, and where asked for assignments and slides."""
    from sslbook.course import build as course

    picked = course.chosen(chapters)
    made, said = course.editions_of(out, picked, edition, ref), course.unknown(ref)
    course.check(made, force)  # so that nothing is written where a part of it cannot be
    if nbgrader:
        from sslbook.course import grading

        said += grading.write_course(out / "nbgrader", picked, seed, force)
    course.write(made, force)
    typer.echo(f"{len(made)} chapters, edition {edition}: {out / edition}")
    for line in said:
        typer.echo(line)
    if slides:
        from sslbook.course import slides as decks

        for line in decks.write_decks(out / "slides", picked, preset, vendor, force):
            typer.echo(line)
