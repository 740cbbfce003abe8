"""The exemplar's own code: what the reader writes is checked, wrong answers are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from changes import two_views
from test_barlow_twins import RIGHT, WRONG

from sslbook.book import toc
from sslbook.book.notebook import blank, read
from sslbook.errors import UserError
from sslbook.lesson import exercises

NAME = "barlow_twins_loss"
CHAPTER = toc.find("barlow_twins", Path(__file__).resolve().parents[2] / "notebooks")
SOURCE = read(CHAPTER.path, CHAPTER)


def exact(source):
    """A cell without the chapter's epsilon and dead feature, which the answers here do not have."""
    return source.replace("EPS = 1e-5", "EPS = 0.0").replace("cases[0][0][:, 0] = 1.0", "pass")


CELLS = {tag: exact(cell.source) for cell in SOURCE.code for tag in cell.tags if ":" in tag}
EXERCISES = [tag.partition(":")[2] for tag in CELLS if tag.startswith("exercise:")]


def execute(code, space):
    exec(compile(code, "chapter", "exec"), space)
    return space


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """The names of the chapter after its twin check, in preset check."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSLBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        patched.setenv("SSLBOOK_STRICT", "1")
        patched.setenv("MPLBACKEND", "Agg")
        space = {"__name__": "__main__"}
        for cell in SOURCE.code:
            if cell.section != "install":  # for Colab and Kaggle alone
                execute(exact(cell.source), space)
            if "parameters" in cell.tags:
                space["PRESET"] = "check"
            if f"check:{NAME}" in cell.tags:
                return space
    raise AssertionError("the chapter has no twin check")


@pytest.fixture
def space(chapter):
    exercises.reset()
    yield dict(chapter)
    exercises.reset()


def answer(space, function):
    """What the chapter's check cell does with this function as the reader's."""
    return execute(CELLS[f"check:{NAME}"], {**space, NAME: function})


@pytest.mark.parametrize("name", [NAME, *RIGHT])
def test_a_right_answer_is_what_trains(space, capsys, name):
    own = RIGHT.get(name, space[NAME])
    after = answer(space, own)
    assert after["same"]
    assert after["own_loss"] is own is not after["reference"]
    assert exercises.fallbacks() == ()
    assert capsys.readouterr().out.count("same: value and gradient agree") == 1
    assert space[NAME].__code__.co_filename == "chapter"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_loss_is_rejected_and_the_reference_trains(space, capsys, monkeypatch, name):
    after = answer(space, WRONG[name])
    assert (after["same"], after["own_loss"]) == (False, after["reference"])
    assert exercises.fallbacks() == (NAME,)
    out = capsys.readouterr().out
    assert out.count("not the same") == 1
    assert "using the reference, not your code" in out
    kept = name == "the diagonal is kept in the second sum"
    assert ("this matches: you kept the diagonal" in out) == kept
    monkeypatch.setenv("SSLBOOK_STRICT", "1")
    with pytest.raises(UserError, match="not the same"):
        answer(space, WRONG[name])


def test_the_blank_runs_falls_back_and_says_so(space, capsys):
    execute(blank(CELLS[f"exercise:{NAME}"]), space)
    assert "SOLUTION" not in blank(CELLS[f"exercise:{NAME}"])
    assert torch.isfinite(space[NAME](*two_views(1, 8, 3), 0.1))
    assert answer(space, space[NAME])["own_loss"] is not space[NAME]
    assert exercises.trained_with_note() == "trained with the reference, not with your code"
    run = space["run"]
    assert run.record("finished")["trained_with"] == "reference"
    capsys.readouterr()
    run.show_verdicts()
    assert exercises.NOTE in capsys.readouterr().out
    execute(CELLS[f"exercise:{NAME}"], space)  # the learner finds the answer
    assert answer(space, space[NAME])["own_loss"] is space[NAME]
    assert run.record("finished")["trained_with"] == "notebook"
    assert exercises.trained_with_note() == ""


def test_the_blank_is_an_error_when_strict_and_has_a_hint(space, capsys, monkeypatch):
    exercises.hint(NAME)
    assert "diagonal" in capsys.readouterr().out
    monkeypatch.setenv("SSLBOOK_STRICT", "1")
    execute(blank(CELLS[f"exercise:{NAME}"]), space)
    with pytest.raises(UserError, match="SSLBOOK_STRICT=1"):
        answer(space, space[NAME])


def test_every_solution_is_right_and_every_blank_is_wrong_but_runs(space, capsys):
    assert len(EXERCISES) >= 2
    for solved in (True, False):
        for name in EXERCISES:
            source = CELLS[f"exercise:{name}"]
            execute(source if solved else blank(source), space)
            capsys.readouterr()
            execute(CELLS[f"check:{name}"], space)
            assert ("not the same: " in capsys.readouterr().out) != solved, name
