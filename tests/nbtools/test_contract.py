"""The contract: valid notebooks pass, and for every rule a broken one shows that the rule bites."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import notebook_factory as factory
import pytest

from sslbook.book import symbols, toc
from sslbook.book.collapse import collapse
from sslbook.book.notebook import NotebookSource, blank, paragraphs, words
from sslbook.errors import UsageError
from sslbook.nbtools import contract, install
from sslbook.nbtools.rules.code import public_imports

ROOT = Path(__file__).resolve().parents[2]
Mutation = Callable[[dict[str, Any]], Any]
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "Slider()"}
FORMS = ("long", "short", "study", "guide")


def swap(name: str, old: str, new: str) -> Mutation:
    """Replace text in a cell's source; the text must be there."""

    def mutate(document):
        one = factory.cell(document, name)
        assert old in one["source"]
        one["source"] = one["source"].replace(old, new)

    return mutate


def tags(name: str, *new: str) -> Mutation:
    """Give a cell other tags, collapsed as they say."""

    def mutate(document):
        one = factory.cell(document, name)
        one["metadata"]["tags"] = list(new)
        if one["cell_type"] == "code":
            collapse(one)

    return mutate


def drop(*names: str) -> Mutation:
    """Remove cells."""
    return lambda document: document.update(
        cells=[one for one in document["cells"] if one["id"] not in names]
    )


def add(after: str, *new: dict[str, Any]) -> Mutation:
    """Insert cells after another one, with ids of their own."""

    def mutate(document):
        names = [one["id"] for one in document["cells"]]
        place = names.index(after) + 1
        copies = [json.loads(json.dumps(one)) | {"id": f"new-{i}"} for i, one in enumerate(new)]
        document["cells"][place:place] = copies

    return mutate


def prints(name: str, *outputs: Any) -> Mutation:
    """Store other outputs in a cell: texts for stdout, or whole outputs."""
    stored = [factory.stream(out) if isinstance(out, str) else out for out in outputs]
    return lambda document: factory.cell(document, name).update(outputs=stored)


def meta(name: str = "", **values: Any) -> Mutation:
    """Set metadata of a cell, or of the notebook; None removes a key."""

    def mutate(document):
        target = (factory.cell(document, name) if name else document)["metadata"]
        target.update(values)
        for key in [key for key, value in values.items() if value is None]:
            del target[key]

    return mutate


def both(*mutations: Mutation) -> Mutation:
    """One mutation after the other."""
    return lambda document: [mutate(document) for mutate in mutations]


def code(source: str, tags: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return factory.code("new", "", source, *tags, **more)


def data(**bundle: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": bundle, "metadata": {}}


def result(text: str) -> dict[str, Any]:
    out = {"output_type": "execute_result", "data": {"text/plain": text}, "metadata": {}}
    return out | {"execution_count": 1}


def text(source: str) -> dict[str, Any]:
    return factory.text("new", "", source)


KNOBS = "".join(f"{name}: int = 1  # a knob\n" for name in "ABCD")
PLOT = code("viz.show(figure, see='It fell.')", picture=True)
SCREEN = "\n".join("x = 1" for _ in range(29))
PARAGRAPHS = text(("word " * 70 + "\n\n") * 4)
ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["no"]}
OWN = "loss=lambda a, b: loss(a, b, LAMBD))"
SECOND = code('train(run, model, batches, name="second", loss=twin_loss)')
PARENT = code("from sslbook.methods.simclr import nt_xent_loss\n"
              'train(run, model, batches, name="parent", loss=nt_xent_loss)')  # fmt: skip
STORED = (  # wrong metadata.sslbook
    {"chapter": "twins", "form": "short", "ref": "main"}, None,
    {"chapter": "twin", "form": "long", "ref": "main"}, {"chapter": "twins", "form": "long"},
    {"chapter": "twins", "form": "long", "ref": "v9"},
)
BLOCK = "# blank: x = 2\n### BEGIN SOLUTION\nx = 2\n### END SOLUTION"
PICTURE = {"attachments": {"a.png": {"image/png": factory.PNG}}}

# rule -> code cells, or texts, any of which breaks it in a guide.
BROKEN_CODE = {
    "plain_python": ["x = = 1", "%timeit 1", "!pip install numpy", "%%time\nx = 1"],
    "stamp_finishes": ["run.finish()"],
    "start_call": [factory.START],
    "public_imports": ["import sslbook.book.toc"],
    "cell_length": [SCREEN + "\n\nx = 2\nx = 3"],
    "exercise_names": ['solve("other", 1)'],
    "no_machine_traces": [f"folder = '/{'tmp'}/x'"],
    "seeded_draws": [
        "import torch\ntorch.manual_seed(0)", "import torch\nx = torch.randn(2, 2)",
        "from torch import rand\nx = rand(2)", "import torch\nx = torch.rand_like(y)",
        "import torch\nx = torch.empty(2).normal_()",
        "import numpy as np\nx = np.random.default_rng().normal()",
    ],
}
BROKEN_TEXT = {
    "headings": ["#### Deep", "# Another"],
    "paragraph_length": ["word " * 81, "- short\n- " + "word " * 81, "## Heading\n" + "word " * 81],
    "plain_markdown": [
        "Well done \U0001f389", "One.\n\n---\n\nTwo.", "<table><tr><td>1</td></tr></table>",
        "![net](https://example.org/net.png)", '<img src="net.png">',
        f"{symbols.HEADING}\n| $N$ | `n` | scalar | samples |",
    ],
    "normal_form": [
        f"<!-- symbols: N -->\n{symbols.HEADING}\n| $N$ | | | old |", "<!-- symbols: N -->",
        "<!-- symbols: nothing -->",
    ],
}
# rule -> what a cell of a guide printed or showed.
BROKEN_OUTPUT = {
    "normal_form": [
        factory.stream("hm", "stderr"), "cell.py:3: UserWarning: mind the gap", data(**WIDGET),
        "100%|##########| 10/10 [00:01<00:00]", "epoch 1\repoch 2",
    ],
    "no_errors_or_bare_values": [
        ERROR, result("<Figure size 640x480 with 1 Axes>"), "run at 0x...",
        result("[<matplotlib.lines.Line2D at 0x...>]"),
    ],
    "file_size": [data(**{"text/html": "x" * 300_000})],
    "no_machine_traces": [f"saved in /{'home'}/ann/runs", f"saved in C:\\{'Users'}\\ann"],
}
BROKEN_CHECK = ["equal on cuda", "equal after 0.3 s", "equal in preset smoke"]

# rule -> (form, mutation, other rules that it cannot help breaking): this rule reports it, and no
# other than those named.
BROKEN: dict[str, list[tuple[Any, ...]]] = {
    # the document
    "notebook_format": [
        ("guide", lambda d: factory.cell(d, "recap").update(surprise=1)),
        ("guide", lambda d: factory.cell(d, "recap").update(id=""), "normal_form"),
        ("guide", lambda d: d.update(nbformat_minor=4), "normal_form"),
    ],
    "normal_form": [
        ("guide", lambda d: d["metadata"]["kernelspec"].update(name="my-env")),
        ("guide", lambda d: d["metadata"]["language_info"].update(name="julia")),
        ("guide", lambda d: factory.cell(d, "recap").update(id="stamp")),
        *(("long", meta(sslbook=stored)) for stored in STORED),
        ("guide", meta(widgets={"state": {}})),
        ("guide", meta(papermill={"duration": 1})),
        ("guide", meta("start", execution={"iopub.status.busy": "now"})),
        ("guide", tags("register", "injected-parameters")),
        ("guide", meta("presets", cellView=None)),
        ("guide", meta("parameters", jupyter=None)),
        ("guide", swap("loss", "# @title Solution\n", "")),
        ("guide", meta("stamp", jupyter={"source_hidden": True})),
        ("guide", swap("install", "@main", "@v9")),
        ("guide", swap("install", "sslbook/sslbook", "someone/sslbook")),
        ("guide", swap("install", 'if "google.colab" in sys.modules or', "if True or")),
        ("guide", swap("install", '"--no-deps", ', "")),
        ("guide", swap("install", "import sys", "import sys\n\nprint(sys.version)")),
        ("guide", add("start", code("   \n"))),
    ],
    # sections
    "core_sections": [
        ("short", both(drop("train-title"), tags("train")), "pretrain_call"),
        ("study", tags("derivation")),
        ("study", both(tags("train"))),
    ],
    "known_sections": [
        ("long", tags("strip", "sec:aside")),
        ("short", tags("equation", "sec:equation", "sec:derivation")),
    ],
    "section_order": [
        (
            "long",
            both(drop("verdict"),
                 add("claims", factory.code("", "verdict", "run.show_verdicts()", says="1"))),
        ),
        (
            "long",
            add("strip", factory.text("", "claims", "A."), factory.text("", "train", "B.")),
        ),
        ("guide", lambda d: d["cells"].insert(0, text("Before it all.")), "headings"),
        ("guide", add("stamp", factory.text("x", "after", "The end."))),
    ],
    "section_content": [
        ("study", both(drop("train"), add("check", factory.text("", "experiment", "It trains.")))),
        (
            "long",
            lambda d: factory.cell(d, "paper").update(
                code(f'"""\n{factory.TABLE}\n"""') | {"metadata": {"tags": ["sec:paper"]}}
            ),
        ),
    ],  # fmt: skip
    "section_holds": [
        ("short", swap("paper", "| what | why | effect |", "")),
        ("long", swap("recap", "load_encoder", "start")),
        ("short", tags("loss", "sec:turn1", "exercise:loss")),
    ],
    "stamp_finishes": [
        ("guide", swap("stamp", "run.finish()", "print(run)")),
        ("guide", add("stamp", code("print(1)"))),
    ],
    "claims": [
        ("study", swap("claims", "run.claim(", "print(")),
        ("long", add("check", *[code("run.claim('b', 'more', rule=rule)")] * 3)),
        ("short", swap("verdict", "run.show_verdicts()", "print(1)")),
        ("long", add("strip", code("run.claim('b', 'it was so', rule=rule)"))),
    ],
    # the first screen
    "first_screen": [
        ("short", swap("equation", "$$L = 1$$", "$L = 1$")),
        ("long", add("start", *[text("It works.")] * 2)),
    ],
    "one_block": [
        ("guide", add("install", text("What can be changed."))),
        ("long", tags("start")),
    ],
    # the card
    "card_title": [("guide", swap("card", "Twins of a kind", "Something else"))],
    "card_colab": [("long", swap("card", "twins.ipynb", "other.ipynb"))],
    "card_lines": [
        ("long", swap("card", factory.PAPER, "https://example.org")),
        ("study", swap("card", ", licence Apache-2.0", "")),
        ("long", swap("card", "family", "kin")),
        ("short", swap("card", "; 2021", "")),
        ("guide", swap("card", "needs: [welcome](../start/welcome.ipynb)", "needs: nothing")),
        ("long", swap("card", "needs", "wants")),
        ("guide", swap("card", "30 reading, ", "")),
        ("guide", swap("card", "minutes", "time")),
    ],
    "card_objectives": [
        ("guide", swap("card", "- train with it\n", "")),
        ("guide", swap("card", "- train with it", "- train\n- stop\n- look")),
        ("guide", swap("card", "**Objectives**", "**What for**")),
    ],
    # limits
    "chapter_length": [
        ("long", add("strip", *[text("On.")] * 24)),
        ("short", add("strip", *[text("On.")] * 6)),
        ("study", add("train", *[text("On.")] * 18)),
        ("guide", add("start", *[text("On.")] * 26)),
        ("long", add("strip", *[PARAGRAPHS] * 8)),
        ("short", add("strip", *[PARAGRAPHS] * 4)),
        ("guide", add("start", *[PARAGRAPHS] * 6)),
        ("long", add("strip", *[PLOT] * 9)),
        ("short", add("train", *[PLOT] * 5)),
        ("long", add("strip", *[code(SCREEN)] * 7)),
        ("short", add("strip", *[code(SCREEN)] * 4)),
        ("guide", add("start", *[code(SCREEN)] * 6)),
    ],
    "drawing": [
        ("long", add("strip", code("viz.show(\n" + "    1,\n" * 6 + "    see='It fell.',\n)"))),
        ("guide", add("start", *[code(SCREEN, ("drawing",))] * 2)),
    ],
    "log_rows": [
        ("long", prints("train", "\n".join(["row"] * 17))),
        ("long", prints("train", "-" * 81)),
        ("study", prints("train", *["row"] * 17)),
    ],
    # the prose
    "defined_words": [
        ("long", swap("card", "Make two views agree.", "Make a mask token.")),
        ("guide", add("start", text("Each token is a vector. The **token** stays."))),
    ],
    "headings": [("guide", swap("card", "# 3", "## 3"))],
    "plain_markdown": [("guide", add("start", text("![a](attachment:a.png)") | PICTURE))],
    "no_typed_results": [
        ("long", add("strip", text("The encoder reaches 73.2 % here."))),
        ("long", add("measure", text("A gain of 12 percentage points."))),
        ("study", add("train", text("That is 4.5 points more."))),
    ],
    # parameters, presets, start
    "parameters_cell": [
        ("guide", drop("install")),
        ("guide", add("card", code("import sslbook"))),
        ("long", add("card", factory.code("", "picture", "import sslbook"))),
        ("long", tags("parameters", "sec:parameters"), "one_block"),
        ("long", add("start", code("X: int = 1  # knob", tags=("parameters",)))),
        ("long", tags("parameters", "parameters", "sec:setup"), "core_sections"),
        ("long", add("install", code("x = 1")), "one_block"),
    ],
    "parameters_plain": [
        ("long", swap("parameters", "LAMBD: float = 5e-3 ", "LAMBD: float = 5 ")),
        ("long", swap("parameters", "  # weight of the off-diagonal terms", "")),
        ("long", swap("parameters", "LAMBD: float = 5e-3 ", "LAMBD: float = 1 / 200 ")),
        ("long", swap("parameters", "LAMBD: float = 5e-3", "print(1)\nLAMBD: float = 5e-3")),
        ("guide", swap("parameters", "LAMBD", "lambd")),
        ("guide", swap("parameters", "LAMBD: float = 5e-3 ", "LAMBD: float | None = 5e-3 ")),
    ],
    "parameters_standard": [
        ("long", swap("parameters", "EPOCHS: int = 0", "EPOCHS: int = 3")),
        ("long", swap("parameters", 'PRESET: str = "auto"', 'PRESET: str = "smoke"')),
        ("long", swap("parameters", "# check, smoke, lesson, full or auto", "# the preset")),
        ("guide", swap("parameters", "MINUTES: float = 0.0 ", "MINUTES: int = 0 ")),
        ("guide", swap("parameters", "SEED: int = 0  # of every random stream\n", "")),
    ],
    "parameters_knobs": [
        ("short", swap("parameters", "STRICT_DIAGONAL: bool = False", "# none: bool")),
        (
            "guide",
            both(
                swap("parameters", "LAMBD: float", KNOBS + "LAMBD: float"),
                swap("presets", "lambd=5e-3", "lambd=5e-3, a=1, b=1, c=1, d=1"),
            ),
        ),
    ],
    "presets": [
        ("guide", swap("presets", '"smoke"', '"quick"')),
        ("guide", swap("presets", 'dict(dataset="shapes", epochs=20)', "1")),
        ("guide", swap("presets", "PRESETS = {", "PRESETS = other or {"), "start_call"),
        ("guide", swap("presets", "PRESETS = {", "SIZES = {"), "start_call"),
    ],
    "data_kinds": [
        ("guide", swap("presets", 'dict(dataset="shapes", epochs=20)', 'dict(dataset="wine")')),
    ],
    "start_call": [
        ("long", swap("start", "globals()", "vars()")),
        ("long", swap("presets", "lambd=5e-3", "lamb=5e-3")),
        ("long", swap("start", '"twins"', '"twin"')),
        ("long", swap("start", "PRESETS", "{}")),
        ("guide", swap("start", "run = ", "it = ")),
    ],
    # what is trained
    "pretrain_call": [
        ("long", swap("train", "pretrain", "main")),
        ("long", add("strip", code(factory.TRAIN))),
        ("short", both(swap("train", factory.TRAIN, "1"), add("measure", code(factory.TRAIN)))),
    ],
    "trains_own_code": [
        ("long", swap("loss", "error = z1.T", "error = twin_loss(z1, z2)"), "twin_only_checks"),
        ("long", swap("train", OWN, "loss=twin_loss)"), "twin_only_checks"),
        ("long", swap("train", OWN, "loss=model.loss)")),
        ("long", swap("train", OWN, "loss=torch.nn.functional.mse_loss)")),
        ("long", swap("train", ", " + OWN, ")")),
        (
            "long",
            both(
                swap("check", "check_same(loss, ", "helper = twin_loss\ncheck_same(helper, "),
                swap("train", OWN, "loss=lambda a, b: helper(a, b))"),
            ),
        ),
        ("long", add("strip", SECOND), "twin_only_checks"),
        ("short", add("strip", SECOND), "twin_only_checks"),
    ],  # fmt: skip
    "twin_checked": [
        ("long", swap("check", "check_same(loss, twin_loss)", "print(twin_loss)")),
        ("long", swap("check", "check_same(loss, twin_loss)", "check_same(loss, loss)")),
        ("short", tags("check", "check:loss")),
        ("short", meta("check", jupyter={"source_hidden": True}), "normal_form"),
    ],
    "twin_only_checks": [
        ("long", add("strip", code("x = twin_loss(z1, z2)"))),
        ("long", add("strip", code("from sslbook.methods import simclr"))),
        ("study", add("train", code("import sslbook.methods.twin as t\nx = t.twin_loss(1, 2)"))),
        ("short", add("strip", code("import sslbook\nx = sslbook.methods.twin.twin_loss(1, 2)"))),
    ],
    # exercises
    "solution_tagged": [
        ("guide", both(tags("loss"), drop("register", "hint", "check"))),
        ("guide", swap("loss", factory.LOSS, "loss_by_hand = max")),
    ],
    "blank_runs": [
        ("guide", swap("loss", "# blank: return 0.0 * (z1 + z2).sum()", "# blank: return (")),
        ("guide", swap("loss", "    # blank: return 0.0 * (z1 + z2).sum()\n", "")),
        ("guide", swap("loss", "    ### END SOLUTION", "")),
        ("guide", swap("loss", factory.LOSS, BLOCK)),
    ],  # fmt: skip
    "blank_is_value": [
        ("guide", swap("loss", "# blank: return 0.0 * (z1 + z2).sum()", f"# blank: {stub}"))
        for stub in ("...", "pass", "return None", "raise NotImplementedError")
    ],
    "exercise_cells": [
        ("guide", drop("hint")),
        ("guide", drop("check")),
        ("guide", add("start", text("So?") | {"metadata": {"tags": ["check:loss"]}})),
        ("guide", add("start", code("1") | {"metadata": {"tags": ["hint:other"]}})),
        (
            "guide",
            lambda d: d["cells"].sort(
                key=lambda c: (c["id"] == "stamp", c["id"] == "recap", c["id"] == "loss")
            ),
        ),
    ],  # fmt: skip
    "exercise_names": [
        ("guide", swap("hint", '"loss"', '"lose"')),
        ("guide", swap("hint", '"loss"', "name")),
        ("guide", swap("register", 'register("loss", ', "print(")),
    ],
    "check_checks": [
        ("guide", swap("check", factory.CHECK, "print(loss_by_hand)")),
    ],
    # outputs
    "checked_outputs": [
        ("long", prints("check")),
        ("long", add("claims", factory.code("", "toy", "print(1)", says="1"))),
        ("long", prints("check", "equal", factory.shown(), factory.caption())),
        *(("long", prints("check", said)) for said in BROKEN_CHECK),
    ],
    "no_machine_traces": [
        ("guide", prints("start", factory.shown(f"Files: /{'Users'}/ann, up"), factory.caption())),
    ],
    "execution_order": [
        ("guide", lambda d: factory.cell(d, "stamp").update(execution_count=99)),
        ("guide", lambda d: factory.cell(d, "start").update(execution_count=None)),
    ],
    "outputs_stored": [
        ("long", prints("verdict")),
        ("short", both(prints("train"), prints("strip"))),
    ],
    "pictures": [
        ("long", prints("strip", factory.shown(""), factory.caption())),
        ("long", prints("strip", factory.shown("A figure."), factory.caption())),
        ("long", prints("strip", data(**{"image/svg+xml": "<svg/>"}))),
        ("long", prints("strip", factory.shown())),
    ],
    "what_we_see": [("long", swap("strip", "see=f'It fell by {fall}.'", "how_to_read='Down.'"))],
}
for made, broken in ((code, BROKEN_CODE), (text, BROKEN_TEXT)):
    for name, sources in broken.items():
        BROKEN.setdefault(name, []).extend(("guide", add("start", made(one))) for one in sources)
for name, outputs in BROKEN_OUTPUT.items():
    BROKEN.setdefault(name, []).extend(("guide", prints("start", one)) for one in outputs)
CASES = [
    pytest.param(rule, form, mutate, {rule, *also}, id=f"{rule}-{number}")
    for rule, mutations in BROKEN.items()
    for number, (form, mutate, *also) in enumerate(mutations)
]


def renumbered(document: dict[str, Any]) -> dict[str, Any]:
    """Execution counts 1..n, as after running all cells."""
    cells = [one for one in document["cells"] if one["cell_type"] == "code"]
    for number, one in enumerate(cells, 1):
        one["execution_count"] = number
    return document


def found(document: dict[str, Any], form: str) -> set[str]:
    """The rules that a document breaks, but for that of the normal form: it was changed here."""
    return reported(document, form) - {"normal_form"}


def reported(document: dict[str, Any], form: str) -> set[str]:
    return {problem.rule for problem in contract.problems(factory.source(form, document))}


@pytest.mark.parametrize("form", FORMS)
def test_a_valid_notebook_has_no_problems(form):
    assert contract.problems(factory.source(form)) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_chapter_of_the_first_edition_keeps_its_limits(form):
    """What edition 2 refuses, it may have: more cells, more code, figures that say how to read."""
    document = factory.notebook(form)
    swap("recap", "In short", "Recap")(document)
    for one in document["cells"]:
        one["source"] = one["source"].replace("see=f", "how_to_read=f").replace("$$", "$")
    add("start", *[code(SCREEN)] * 7)(document)
    old = factory.chapter(form, edition=1)
    card = factory.cell(document, "card")
    card["source"] = install.badges(card["source"], old)
    assert contract.problems(NotebookSource(renumbered(document), old)) == []
    asked = {"chapter_length", "first_screen", "what_we_see"} if form in ("long", "short") else {
        "chapter_length"}
    assert found(document, form) == asked
    if form != "guide":
        drop("paper")(document)
        named = {one.rule for one in contract.problems(NotebookSource(document, old))}
        assert named == {"core_sections"}


@pytest.mark.parametrize(("rule", "form", "mutate", "expected"), CASES)
def test_the_rule_bites_and_no_other_does(rule, form, mutate, expected):
    document = factory.notebook(form)
    mutate(document)
    if rule != "execution_order":
        renumbered(document)
    named = reported(document, form)
    assert named - {"normal_form"} == expected - {"normal_form"}
    assert expected <= named


def test_every_rule_has_a_notebook_that_breaks_it():
    assert set(BROKEN) | {"gate"} == set(contract.rules())  # of records: see test_gate


def trained(loss: str, before: str = "", name: str = "pretrain") -> set[str]:
    """The rules that a notebook breaks whose pretraining takes another loss."""
    document = factory.notebook("long")
    line = factory.TRAIN.partition("loss=")[0].replace("pretrain", name) + f"loss={loss})"
    factory.cell(document, "train")["source"] = line
    if before:
        add("check", code(before))(document)
    return found(renumbered(document), "long")


@pytest.mark.parametrize(
    ("loss", "before"),
    [
        ("loss_by_hand", ""),
        ("loss", ""),
        ("partial(loss, lambd=LAMBD)", "from functools import partial"),
        ("weighted(LAMBD)", "def weighted(k):\n    return lambda a, b: k * loss_by_hand(a, b)"),
        ("Weighted(LAMBD)", "class Weighted:\n    def run(self, a):\n        return loss(a, a)"),
        ("chosen", "chosen = loss if LAMBD else loss_by_hand"),
    ],
)  # fmt: skip
def test_own_code_is_followed_to_where_it_is_defined(loss, before):
    assert trained(loss, before) == set()


def test_arms_of_a_comparison_are_followed():
    arms = """run.compare("target", {"with": dict(loss=loss), "without": dict(loss=%s)})"""
    for other, expected in (("lambda a, b: loss(a, b, 0.0)", set()),
                            ("twin_loss", {"trains_own_code", "twin_only_checks"})):
        document = factory.notebook("long")
        add("strip", code(arms % other))(document)
        assert found(renumbered(document), "long") == expected


def test_losses_in_a_loop_are_followed():
    document = factory.notebook("long")
    add("strip", code(
        'variants = {"plain": loss, "none": lambda a, b: loss(a, b, 0.0)}\n'
        "for name, variant in variants.items():\n"
        "    train(run, model, batches, name=name, loss=variant)",
    ))(document)  # fmt: skip
    assert found(renumbered(document), "long") == set()
    for one in document["cells"]:
        one["source"] = one["source"].replace("lambda a, b: loss(a, b, 0.0)", "model.loss")
    assert found(document, "long") == {"trains_own_code"}


@pytest.mark.parametrize("form", ["short", "study"])
def test_an_earlier_chapters_twin_may_be_trained_beside(form):
    document = factory.notebook(form)
    add("train", PARENT)(document)
    assert found(renumbered(document), form) == set()


def test_a_long_chapter_trains_nobody_elses_loss():
    document = factory.notebook("long")
    add("strip", PARENT)(document)
    assert found(renumbered(document), "long") == {"trains_own_code", "twin_only_checks"}


def test_shared_modules_of_methods_are_free():
    document = factory.notebook("long")
    add("strip", code("from sslbook.methods.common import unit_rows\nz = unit_rows(z)"))(document)
    assert found(renumbered(document), "long") == set()


def test_what_looks_like_a_break_and_is_none():
    document = factory.notebook("long")
    add("strip", code("model.train()\nx = torch.rand(2, generator=g)"),
        code("y = np.random.default_rng(run.seed)\nz = torch.Generator().manual_seed(0)"),
        text("The paper reports 73.2 % (Table 1); see https://example.org/home/a/b.\n\n"
             "```python\n# no title\n```\n\n| a | b |\n|---|---|\n| c |"))(document)  # fmt: skip
    assert found(renumbered(document), "long") == set()


def test_counting():
    assert words("# Two words\n\n```\nno code\n```\nAn $x^2$ and [a link](https://a.b/c).") == 7
    assert paragraphs("# T\nA b\nc\n\n- d\n- e\n\n| f |") == ["A b c", "- d", "- e"]
    marked = "A\n<!-- symbols: N -->\n| f |\n|---|\n<!-- end -->\n\nB"
    assert paragraphs(marked) == ["A", "B"]  # a generated table is a table


IMPORTS = {
    "import sslbook\nfrom sslbook import Rule, train": True,
    "from sslbook.judging import features\nfrom sslbook.lesson import viz": True,
    "from sslbook.methods import dcl\nfrom sslbook.methods.dcl import dcl_loss": True,
    "from sslbook import datasets, lesson, methods": True,
    "from sslbook.judging.probes import linear_probe": False,
    "from sslbook.judging import probes": False,
    "from sslbook.lesson.viz import style": False,
    "import sslbook.book.toc": False,
    "from sslbook import paths": False,
    "from sslbook.training import FullBatch": None,
    "from sslbook import records": None,
}


@pytest.mark.parametrize(("source", "public"), IMPORTS.items())
def test_imports_are_public(source, public):
    """None: public for a guide alone."""
    for form in ("short", "guide"):
        document = factory.notebook(form)
        add("start", code(source))(document)
        found = list(public_imports(factory.source(form, document)))
        known = {problem for _, problem in public_imports(factory.source(form))}
        new = [problem for _, problem in found if problem not in known]
        assert (new == []) == (form == "guide" if public is None else public), new


def test_ruff_sees_exits_networks_and_global_generators():
    broken = ["import random", "from urllib.request import urlopen", "import torch.hub",
              "import requests", "plt.show()", "sys.exit(1)", "quit()", "np.random.seed(0)"]
    lines = "\n".join(["import sys", "import matplotlib.pyplot as plt", "import numpy as np",
                       *broken])
    line = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json",
            "--stdin-filename", "notebooks/start/x.py", "-"]
    done = subprocess.run(line, input=lines, capture_output=True, text=True, cwd=ROOT, timeout=60)
    found = {one["location"]["row"] for one in json.loads(done.stdout)
             if one["code"] in ("TID251", "PLR1722", "NPY002")}
    assert found == set(range(4, 4 + len(broken)))


def test_the_learners_cell():
    assert blank(factory.LOSS).splitlines()[2:] == ["    return 0.0 * (z1 + z2).sum()  # your turn"]
    assert blank("x = 1\n# nothing") == "x = 1\n# nothing"
    two = "### BEGIN SOLUTION\n# blank: a = 0\n# blank: b = 0\na = b = 1\n### END SOLUTION\nc = 2"
    assert blank(two) == "a = 0  # your turn\nb = 0  # your turn\nc = 2"


@pytest.mark.parametrize(
    "source",
    ["### BEGIN SOLUTION\nx\n### END SOLUTION", "# blank: 1", "### END SOLUTION",
     "# blank: 1\n### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"],
)  # fmt: skip
def test_a_broken_solution_block_is_refused(source):
    with pytest.raises(UsageError):
        blank(source)


def test_a_notebook_outside_the_contents_needs_a_form(tmp_path):
    path = tmp_path / "twins.ipynb"
    path.write_text(json.dumps(factory.notebook("guide")), encoding="utf-8")
    with pytest.raises(UsageError, match=r"twins\.ipynb"):
        contract.check(path)
    unlisted = {"card_colab", "normal_form", "defined_words"}
    assert {p.rule for p in contract.check(path, "guide")} <= unlisted
    with pytest.raises(UsageError):
        contract.check(path, "poem")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"nbformat": 3}', "\xff"])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "twins.ipynb"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match=r"twins\.ipynb"):
        contract.check(path, "guide")


@pytest.mark.parametrize("chapter", toc.chapters(), ids=lambda one: one.name)
def test_the_books_notebooks_keep_the_contract(chapter):
    assert [str(problem) for problem in contract.problems(factory.source_of(chapter))] == []
