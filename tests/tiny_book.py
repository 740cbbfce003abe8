"""A book of two small chapters in a temporary folder, for tests that execute notebooks.

`tiny` is a chapter as the book has them: it trains for about a second, slowly while a gate file
is there. `plain` runs the code that its parameter CODE holds and needs no torch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

CHAPTERS = {
    "tiny": "form: guide\nidea: A training that takes a second.",
    "plain": "form: guide\nidea: A cell that does what it is told.",
    "absent": "form: guide\nidea: A chapter without its notebook.",
}
STANDARD = '''\
PRESET: str = "auto"  # check, smoke, lesson, full or auto
DATASET: str = ""  # empty: the preset's
EPOCHS: int = 0  # passes over the data; 0 means from the preset
BATCH_SIZE: int = 0  # images of a step
MINUTES: float = 0.0  # instead of EPOCHS
SEED: int = 0  # of every random stream
OUT_DIR: str = ""  # where runs are kept
'''
TINY = [
    """\
import os, time
import sslbook, torch
from sslbook import Rule, nets, train
from sslbook.methods.barlow_twins import barlow_twins_loss
from sslbook.nets import heads

SMOKE = dict(dataset="shapes", images=64, test_images=16, size=32, epochs=25, batch_size=16,
             lr=1e-3, width=8, picture=4, tau=0.5, crop=(0.4, 1.0))
PRESETS = {"check": {**SMOKE, "max_steps": 2}, "smoke": SMOKE}
run = sslbook.start("tiny", PRESETS, globals())
cfg = run.settings
run.claim("a", "It trains", source="none", measures="steps", rule=Rule(">=", 1.0),
          presets=("check", "smoke"))
(run.folder / "pid").write_text(str(os.getpid()))""",
    """\
train_set = run.load()


def two_views(images, generator):
    x = images.float() / 255
    return tuple(x + 0.1 * torch.randn(x.shape, generator=generator) for _ in range(2))


def make_model():
    encoder = nets.build("resnet8", width=cfg.width)
    return heads.Siamese(encoder, heads.projector(encoder.out_dim, 16, 16))


def pace(module, step, steps):
    if os.path.exists(os.environ.get("TINY_GATE", "")):
        time.sleep(0.03 if step < 50 else 0.2)


def probe(module, step):
    return {"picture": torch.zeros(cfg.picture)}


history = train(run, make_model, run.batches(train_set.images, two_views), name="pretrain",
                loss=barlow_twins_loss, after_step=[pace], probe=probe)
second = train(run, make_model, run.batches(train_set.images, two_views), name="second",
               loss=barlow_twins_loss, after_step=[pace], steps=20)""",
    """\
run.measure("a", history.steps)
run.scores.add("tiny", {"knn20": 0.5})
run.save_encoder(history.module.encoder, train_set)
run.finish()""",
]
MORE = {
    "tiny": "PICTURE: int = -1  # numbers in a snapshot\nTAU: float = -1.0  # a temperature\n",
    "plain": 'CODE: str = ""  # what to do\n',
}


def write_contents(folder: Path, parts: dict[str, dict[str, str]], ref: str = "main",
                   repository: str = "sslbook/sslbook") -> None:
    """Write a table of contents into `folder`, and every chapter's metadata.

    parts: part -> chapter -> the text of its metadata file.
    """
    toc = f"repository: {repository}\nref: {ref}\nparts:\n"
    for part, chapters in parts.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        names = ", ".join(chapters)
        toc += f"- part: {part}\n  title: {part.capitalize()}\n  chapters: [{names}]\n"
        for name, text in chapters.items():
            (folder / part / f"{name}.yml").write_text(text + "\n", encoding="utf-8")
    (folder / "toc.yml").write_text(toc, encoding="utf-8")


def write(folder: Path) -> Path:
    """Write the book into `folder`, which then counts as a checkout."""
    part = folder / "notebooks" / "small"
    (folder / "sslbook").mkdir(parents=True)
    write_contents(folder / "notebooks", {"small": CHAPTERS})
    for name, cells in (("tiny", TINY), ("plain", ["x = 1", "exec(CODE)"])):
        parameters = nbformat.v4.new_code_cell(STANDARD + MORE[name])
        parameters.metadata["tags"] = ["parameters"]
        notebook = nbformat.v4.new_notebook(
            cells=[parameters, *map(nbformat.v4.new_code_cell, cells)]
        )
        notebook.metadata["kernelspec"] = {
            "name": "python3", "display_name": "Python 3", "language": "python"
        }
        nbformat.write(notebook, part / f"{name}.ipynb")
    return folder


def here(**parameters: object) -> dict[str, object]:
    """Execute the chapter `tiny` in this process; returns its names."""
    space: dict[str, object] = {"__name__": "tiny"}
    exec(STANDARD + MORE["tiny"], space)
    space.update({"PRESET": "smoke", **parameters})
    for cell in TINY:
        exec(compile(cell, "tiny", "exec"), space)
    return space


def sslbook(*arguments: str, **options: object) -> subprocess.Popen:
    """Start `sslbook ARGUMENTS` in a process of its own, with its output in pipes."""
    line = [sys.executable, "-m", "sslbook.cli", *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            encoding="utf-8", **options)


def wait_for(found: Callable[[], object], what: str, seconds: float = 120) -> object:
    """Poll until `found()` is true; fails with `what` where it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


def alive(pid: int) -> bool:
    """True while a process runs (one that ended and waits for its parent does not)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # no /proc here
        return True
    return state != "Z"
