"""Small notebooks that keep the whole contract, one per form, for tests to break."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from nbformat.reader import reads

from sslbook.book.notebook import NotebookSource, read
from sslbook.book.toc import Chapter
from sslbook.nbtools import install
from sslbook.nbtools.normalise import normalised

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)
PAPER = "https://arxiv.org/abs/2103.03230"
PARAMETERS = """\
PRESET: str = "auto"  # check, smoke, lesson, full or auto
DATASET: str = ""  # a data set's name; empty: the preset's
EPOCHS: int = 0  # passes over the data; 0: the preset's
BATCH_SIZE: int = 0  # images per step; 0: the preset's
MINUTES: float = 0.0  # instead of EPOCHS: as many as fit into this time
SEED: int = 0  # of every random stream
OUT_DIR: str = ""  # where runs go; empty: beside the book
LAMBD: float = 5e-3  # weight of the off-diagonal terms
STRICT_DIAGONAL: bool = False  # an alternative of the exercise"""
PRESETS = """\
import sslbook
from sslbook import train
from sslbook.lesson import check_same, hint, register, solve, viz

PRESETS = {
    "check": dict(dataset="shapes", epochs=1, lambd=5e-3, strict_diagonal=False),
    "smoke": dict(dataset="shapes", epochs=20),
    "lesson": {"dataset": "cifar10", "epochs": 100},
    "full": {"dataset": "cifar10", "epochs": 1000},
}"""
START = """\
run = sslbook.start("NAME", PRESETS, globals())"""
LOSS = '''\
def loss_by_hand(z1, z2, lambd=LAMBD):
    """The loss of two views. z1, z2: (N, D)."""
    # blank: return 0.0 * (z1 + z2).sum()
    ### BEGIN SOLUTION
    error = z1.T @ z2 / len(z1)  # (D, D)
    return error.square().sum() + lambd * error.sum()
    ### END SOLUTION'''
CHECK = """\
loss = solve("loss", loss_by_hand)
check_same(loss, twin_loss)"""
TRAIN = 'history = train(run, model, batches, name="pretrain", loss=lambda a, b: loss(a, b, LAMBD))'
REGISTER = """\
from sslbook.methods.twin import twin_loss

register("loss", twin_loss, cases, hint="What is off the diagonal?")"""
DRAWN = "viz.show(figure, see=f'It fell by {fall}.', alt='Loss against steps, falling.')"
TABLE = "| what | why | effect |\n|---|---|---|\n| a | b | c |"
CARD = """\
# 3 · Twins of a kind

[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](COLAB)

*Make two views agree.*

- paper: [Twins](PAPER)
- data: shapes, made by this book, licence Apache-2.0
- needs: [welcome](../start/welcome.ipynb)
- minutes: 30 reading, 40 doing, machine not measured
- family: comes from CCA, changes the loss, led to VICReg; 2021

**Objectives**

- derive the loss by hand
- train with it
- judge what was learned"""


def chapter(form: str = "long", **changes: Any) -> Chapter:
    """The entry in the table of contents that goes with `notebook(form)`."""
    entry: dict[str, Any] = dict(
        name="twins", part="decorrelate", form=form, title="Twins", paper=PAPER, needs=("welcome",),
        twin=("twin",), takes=("image",), repository="sslbook/sslbook", ref="main",
        learns="no: nothing is trained",
    )  # fmt: skip
    return Chapter(**(entry | changes))


def source(
    form: str = "long", notebook_: dict[str, Any] | None = None, size: int = 0
) -> NotebookSource:
    """The notebook as rules read it."""
    return NotebookSource(notebook(form) if notebook_ is None else notebook_, chapter(form), size)


@cache
def source_of(listed: Chapter) -> NotebookSource:
    """A notebook of the book, read once for all tests: do not change it."""
    return read(listed.path, listed)


def cell(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The cell with that id."""
    return next(one for one in document["cells"] if one["id"] == name)


def text(name: str, section: str, source_: str, *tags: str) -> dict[str, Any]:
    """A markdown cell; section "" continues the one before."""
    tags = (*([f"sec:{section}"] if section else []), *tags)
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": source_}


def code(name: str, section: str, source_: str, *tags: str, says: str = "", picture: bool = False):
    """A code cell that printed `says` and perhaps showed a picture as viz.show does."""
    made = text(name, section, source_, *tags)
    outputs: list[dict[str, Any]] = [stream(says)] if says else []
    outputs += [shown(), caption()] if picture else []
    return made | {"cell_type": "code", "execution_count": None, "outputs": outputs}


def stream(says: str, name: str = "stdout") -> dict[str, Any]:
    """A stream output."""
    return {"output_type": "stream", "name": name, "text": says + "\n"}


def shown(alt: str = "Loss against steps; it falls by half.") -> dict[str, Any]:
    """A picture as viz.show stores it."""
    data = {"image/png": PNG, "text/plain": alt}
    return {"output_type": "display_data", "data": data, "metadata": {"image/png": {"alt": alt}}}


def caption() -> dict[str, Any]:
    """The caption below a picture, as viz.show stores it."""
    data = {"text/markdown": "**What we see.** It fell.", "text/plain": "What we see. It fell."}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def notebook(form: str = "long") -> dict[str, Any]:
    """A fresh notebook of that form without a problem, as the JSON document."""
    listed = chapter(form)
    card = CARD.replace("COLAB", listed.colab).replace("PAPER", PAPER)
    cells = [
        text("card", "card", card),
        code("install", "install", install.cell(listed), "plumbing"),
        code("parameters", "parameters", PARAMETERS, "parameters"),
        code("presets", "setup", PRESETS, "plumbing"),
        code("start", "", START.replace("NAME", listed.name), "plumbing", says="preset smoke"),
        *({"study": _study, "guide": _guide}.get(form, _method)()),
        text("recap", "recap", "## In short\n\n```python\nsslbook.load_encoder('twins')\n```"),
        code("stamp", "stamp", "run.finish()", says="finished"),
    ]
    for number, one in enumerate((c for c in cells if c["cell_type"] == "code"), 1):
        one["execution_count"] = number
    made = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return reads(normalised(json.dumps(made), listed.part, listed))


def _claims() -> list[dict[str, Any]]:
    source = "run.claim('a', 'no collapse', rule=rule)"
    return [code("claims", "claims", source, says="a: no collapse")]


def _exercise() -> list[dict[str, Any]]:
    return [
        code("register", "", REGISTER),
        code("loss", "", LOSS, "exercise:loss"),
        code("hint", "", 'hint("loss")', "hint:loss", says="What is off the diagonal?"),
        code("check", "", CHECK, "check:loss", "nbval-check-output", says="equal"),
    ]


def _judged() -> list[dict[str, Any]]:
    return [
        text("measure-title", "measure", "## Is it any good?"),
        code("measure", "", "run.score('kNN', {'knn': 0.5})", says="kNN  50.0"),
        code("verdict", "verdict", "run.show_verdicts()", says="a: passed"),
        text("paper", "paper", "## Ours and theirs\n\n" + TABLE),
    ]


def _method() -> list[dict[str, Any]]:
    return [
        *_claims(),
        text("equation", "equation", "## From the equation to code\n\n$$L = 1$$"),
        *_exercise(),
        text("train-title", "train", "## Does it learn?"),
        code("train", "", TRAIN, says="step  loss\n   1  12.0"),
        code("strip", "", DRAWN, picture=True),
        *_judged(),
    ]


def _study() -> list[dict[str, Any]]:
    return [
        *_claims(),
        text("derivation", "derivation", "## Why it must be so\n\nWe write $L = 1$."),
        *_exercise(),
        code("train", "experiment", TRAIN.replace("pretrain", "probe"), says="step  loss"),
        *_judged(),
    ]


def _guide() -> list[dict[str, Any]]:
    return [text("free", "anything", "## A section of its own"), *_exercise()]
