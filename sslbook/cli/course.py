"""`sslbook course`: a course from the chapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="A course: editions, graded assignments, slides.")


@app.command()
def plan() -> None:
    """Print the six weeks: chapters of each week, and their minutes."""
    from sslbook.book import routes, toc

    typer.echo(routes.weeks_table(toc.chapters()))


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="The course's folder.")],
    chapters: Annotated[str, typer.Option(
        metavar="A,B", help="Chapters, commas and no spaces between (default: all).")] = "",
    edition: Annotated[str, typer.Option(
        help="student (blanks), instructor (solved, with notes) or script.")] = "student",
    ref: Annotated[str, typer.Option(
        metavar="TAG", help="Pin badges and install cells to this tag.")] = "",
    nbgrader: Annotated[bool, typer.Option(
        "--nbgrader", help="Write graded assignments too, into OUT/nbgrader.")] = False,
    seed: Annotated[str, typer.Option(
        help="Draws the assignments' variants; keep it (default: a new one).")] = "",
    slides: Annotated[bool, typer.Option(
        "--slides", help="Run the chapters and write slides, into OUT/slides.")] = False,
    preset: Annotated[str, typer.Option(help="Of the slides' runs.")] = "smoke",
    vendor: Annotated[str, typer.Option(
        metavar="FOLDER", help="Holds reveal.js and mathjax; without it npm gets them.")] = "",
    replace: Annotated[bool, typer.Option(
        "--replace", help="Write over files that are there.")] = False,
) -> None:
    """Write chapters for a class: an edition, and where asked for assignments and slides."""
    from sslbook.course import build as course

    picked = course.chosen(chapters)
    made, said = course.editions_of(out, picked, edition, ref), course.unknown(ref)
    course.check(made, replace)  # so that nothing is written where a part of it cannot be
    if nbgrader:
        from sslbook.course import grading

        said += grading.write_course(out / "nbgrader", picked, seed, replace)
    course.write(made, replace)
    typer.echo(f"{len(made)} chapters, edition {edition}: {out / edition}")
    for line in said:
        typer.echo(line)
    if slides:
        from sslbook.course import slides as decks

        for line in decks.write_decks(out / "slides", picked, preset, vendor, replace):
            typer.echo(line)
