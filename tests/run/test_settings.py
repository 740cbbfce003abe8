"""What a run is told: precedence, sentinels, and what is refused before anything starts."""

from __future__ import annotations

import math

import pytest

from sslbook.errors import UsageError
from sslbook.run import presets

PRESETS = {
    "check": {"dataset": "shapes", "epochs": 1, "batch_size": 8, "lambd": 0.01, "net": "resnet8"},
    "smoke": {"dataset": "shapes", "epochs": 26, "batch_size": 64, "lambd": 0.01, "width": 0},
}


def resolve(**parameters):
    return presets.resolve(PRESETS, "smoke", parameters)


@pytest.mark.parametrize(
    ("given", "variable", "used"),
    [
        ("check", "lesson", "check"),  # an explicit one wins
        ("auto", "lesson", "lesson"),  # "auto" is the parameters cell's default: not explicit
        ("", "lesson", "lesson"),
        ("auto", "", "auto"),
        ("", "", "auto"),
        ("auto", "auto", "auto"),
    ],
)
def test_preset_is_the_explicit_one_then_the_variable_then_auto(
    monkeypatch, given, variable, used
):
    monkeypatch.setenv("SSLBOOK_PRESET", variable)
    assert presets.wanted_preset(given) == used


@pytest.mark.parametrize(("name", "hint"), [("smok", "smoke"), ("Lessons", "lesson"), (5, "")])
def test_an_unknown_preset_is_named_with_a_close_one(name, hint):
    with pytest.raises(UsageError) as caught:
        presets.wanted_preset(name)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"Unknown preset {name!r}."
    assert "check, smoke, lesson, full and auto" in lines[2]
    assert lines[2].endswith(f"Did you mean {hint}?" if hint else "auto.")


def test_a_chapter_without_the_preset_says_which_it_has():
    with pytest.raises(UsageError, match="It has: check, smoke") as caught:
        presets.resolve(PRESETS, "full", {})
    assert len(str(caught.value).splitlines()) == 3


def test_an_unknown_preset_in_the_variable_is_refused_too(monkeypatch):
    monkeypatch.setenv("SSLBOOK_PRESET", "fast")
    with pytest.raises(UsageError, match="Unknown preset 'fast'"):
        presets.wanted_preset("auto")


def test_text_stays_text():
    with pytest.raises(UsageError, match="NET takes text, not 8"):
        presets.resolve(PRESETS, "check", {"NET": 8})


def test_parameters_override_the_preset_and_sentinels_do_not():
    values = resolve(PRESET="auto", DATASET="", EPOCHS=0, BATCH_SIZE=32, MINUTES=0.0, SEED=0,
                     OUT_DIR="", LAMBD=-1.0, NET="", WIDTH=-1)
    assert vars(values) == {
        "dataset": "shapes", "epochs": 26, "batch_size": 32, "lambd": 0.01, "width": 0,
        "minutes": 0.0, "seed": 0, "preset": "smoke", "net": "",
    }
    assert resolve(DATASET="digits", EPOCHS=3).dataset == "digits"


@pytest.mark.parametrize(("dataset", "tried"), [("", 37), ("shapes", 37), ("folder:x", 1)])
def test_what_was_tuned_was_tuned_on_the_presets_data(dataset, tried):
    tuned = {"smoke": {"dataset": "shapes", "tried": 37}}
    assert presets.resolve(tuned, "smoke", {"DATASET": dataset}).tried == tried


def test_zero_is_a_value_of_a_knob_but_not_of_a_standard_parameter():
    assert resolve(LAMBD=0.0).lambd == 0.0
    assert resolve(EPOCHS=0).epochs == 26
    assert resolve(LAMBD=0).lambd == 0
    assert resolve(SEED=7).seed == 7
    assert resolve(TEMPERATURE=-1.0).temperature == -1.0  # the preset lacks it
    assert resolve(MINUTES=2).minutes == 2
    assert PRESETS["smoke"]["epochs"] == 26


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EPOCHS", True, "EPOCHS takes a whole number, not True"),
        ("SEED", False, "SEED takes a whole number, not False"),
        ("EPOCHS", 2.5, "EPOCHS takes a whole number, not 2.5"),
        ("BATCH_SIZE", "64", "BATCH_SIZE takes a whole number, not '64'"),
        ("MINUTES", "2", "MINUTES takes a number, not '2'"),
        ("DATASET", 3, "DATASET takes text, not 3"),
        ("OUT_DIR", None, "OUT_DIR takes text, not None"),
        ("EPOCHS", -1, "EPOCHS cannot be negative"),
        ("SEED", -3, "SEED cannot be negative"),
        ("MINUTES", -0.5, "MINUTES cannot be negative"),
        ("MINUTES", math.nan, "MINUTES takes a finite number"),
        ("MINUTES", math.inf, "MINUTES takes a finite number"),
        ("LAMBD", "strong", "LAMBD takes a number, not 'strong'"),
        ("LAMBD", math.inf, "LAMBD takes a finite number"),
        ("LAMBD", math.nan, "LAMBD takes a finite number"),
    ],
)
def test_wrong_types_and_values_are_named_in_three_lines(name, value, says):
    with pytest.raises(UsageError) as caught:
        resolve(**{name: value})
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(says)
    assert lines[1] == "Nothing was started."
    assert lines[2].startswith("Example: ")
    assert len(lines) == 3


def test_parameters_are_taken_out_of_a_notebooks_names():
    names = {"PRESET": "auto", "EPOCHS": 3, "LAMBD": 0.5, "WIDTH": -1, "COLOURS": 9, "lambd": 1,
             "PRESETS": PRESETS, "math": math}
    assert presets.chapter_parameters(PRESETS, names) == {
        "PRESET": "auto", "EPOCHS": 3, "LAMBD": 0.5, "WIDTH": -1}
    assert presets.chapter_parameters(PRESETS, {}) == {}
