"""The presets for a GPU, tried without one: nets and settings as they are, on a handful of samples.

Nobody should wait for a GPU to learn that a lesson does not start. Each chapter runs whole with
its `lesson` settings, but for a batch of 4, data that come with the book, and the numbers of
samples and steps that make `check` smaller than `smoke`.
"""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from sslbook.book import toc

KEPT = {"net", "width", "inner", "depth"}  # what a dry run is there to try
OFFLINE = {"cifar10": "shapes", "cora": "digits_knn"}

CHANGE = f"""\
lesson, check, smoke = (PRESETS[name] for name in ("lesson", "check", "smoke"))
lesson |= {{k: v for k, v in check.items() if v != smoke.get(k) and k not in {KEPT!r}}}
lesson |= {{"batch_size": 4, "dataset": {OFFLINE!r}.get(lesson.get("dataset"),
                                                         lesson.get("dataset", ""))}}
"""
START = "run = sslbook.start("  # once in each chapter, says the contract


@pytest.mark.slow  # each executes a chapter
@pytest.mark.parametrize("chapter", toc.chapters(), ids=lambda chapter: chapter.name)
def test_the_lesson_runs_with_a_batch_of_four(chapter, tmp_path, monkeypatch):
    for name, value in {"PRESET": "lesson", "HOME": str(tmp_path), "HEADLESS": "1", "STRICT": "1",
                        "OFFLINE": "1"}.items():
        monkeypatch.setenv(f"SSLBOOK_{name}", value)
    notebook = nbformat.read(chapter.path, as_version=4)
    assert any(START in cell.source for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace(START, CHANGE + START)
    NotebookClient(
        notebook, timeout=300, startup_timeout=180, kernel_name="python3",
        resources={"metadata": {"path": str(chapter.path.parent)}},
    ).execute()
