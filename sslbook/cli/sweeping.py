"""`sslbook sweep`: a grid of parameters and seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from sslbook.cli.options import ChapterName, examples

EXAMPLES = examples(
    "sslbook sweep dcl -p BATCH_SIZE=32,64 --seeds 0-2 --preset smoke",
    "sslbook sweep dcl -p BATCH_SIZE=32,64 --preset smoke --workers 1",
    "sslbook sweep dcl -p TEMPERATURE=0.1,0.5 --preset smoke --budget 60",
    "sslbook sweep dcl --seeds 0-4 --preset smoke --dry-run",
    "sslbook sweep dcl --preset full --scheduler tls://10.0.0.5:8786",
)


def sweep(
    chapter: ChapterName,
    parameters: Annotated[list[str] | None, typer.Option(
        "-p", "--parameter", metavar="NAME=V1,V2",
        help="A parameter and its values; repeatable. A value with a comma: 'NAME=\"a,b\"'.",
    )] = None,
    seeds: Annotated[str, typer.Option(
        metavar="LIST", help="Seeds and ranges of seeds, such as 0-2,5.")] = "0",
    preset: Annotated[str, typer.Option(
        metavar="NAME", help="check, smoke, lesson or full.")] = "",
    workers: Annotated[int, typer.Option(
        min=1, metavar="N", help="Runs at once on this machine.")] = 2,
    scheduler: Annotated[str, typer.Option(
        metavar="ADDRESS", help="A running Dask cluster: on loopback, or tls://.")] = "",
    budget: Annotated[float, typer.Option(
        min=0, metavar="MINUTES", help="Stop cleanly after so long; 0 means never.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run.")] = False,
) -> None:
    """Run a chapter for every combination of values and seeds, and compare; done ones are kept."""
    from sslbook.headless.sweep import cluster, engine, grid, results

    wanted = grid.parse(chapter, parameters or [], seeds, preset)
    cluster.check_address(scheduler)
    if dry_run:
        found = engine.plan_results(wanted)
        lines = [results.line(wanted, one) for one in found]
        typer.echo("\n".join([*lines, results.summary(found)]))
        return
    code = engine.sweep(wanted, lambda runs: cluster.connect(scheduler, min(workers, runs)),
                        budget, typer.echo)
    raise typer.Exit(code)
