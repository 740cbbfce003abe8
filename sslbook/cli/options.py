"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Parameter = Annotated[list[str] | None, typer.Option(
    "-p", "--parameter", metavar="NAME=VALUE", help="A parameter of the chapter; repeatable.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
