"""The figures of what an encoder knows: marks where the numbers are, names, nothing cut."""

from __future__ import annotations

import numpy as np
import pytest
from uncut import drawn

from sslbook.errors import UsageError
from sslbook.lesson import viz
from sslbook.lesson.viz import knowledge


def table(**factors):
    return {name: {"linear": linear, "knn": knn} for name, (linear, knn) in factors.items()}


OURS = table(colour=(0.1, 0.05), turn=(0.5, 0.3), **{"class": (0.8, 0.6)})
RANDOM = table(colour=(0.7, 0.6), turn=(0.5, 0.2), **{"class": (0.2, 0.1)})
RAW = table(colour=(0.9, 0.8), turn=(0.0, 0.0), **{"class": (0.1, 0.1)})
PROFILES = {"random": RANDOM, "ours": RAW, "Barlow Twins": OURS, "pixels": RAW}


def curve(*means, spread=0.05):
    points = {}
    for labels, mean in zip((1, 5, 50), means, strict=True):
        word = "all" if labels == 50 else str(labels)
        draws = [mean] if word == "all" else [mean - spread, mean, mean + spread]
        points[word] = {"labels": labels, "mean": mean, "spread": spread, "draws": draws}
    return points


CURVES = {"Barlow Twins": curve(0.4, 0.6, 0.8), "random": curve(0.2, 0.22, 0.3),
          "pixels": curve(0.15, 0.2, 0.25), "scratch": curve(0.13, 0.25, 0.95)}
FIGURES = {
    "profile": lambda: viz.factor_profile(
        {"Barlow Twins": OURS, "random": RANDOM, "pixels": RAW}, title="It forgets the colour"),
    "seeds": lambda: viz.factor_profile({"a": [OURS, RAW], "b": OURS, "random": [RANDOM]}),
    "matrix": lambda: viz.factor_matrix(
        {"random": RANDOM, "SimCLR": RAW, "MAE": table(place=(0.5, 0.5))}, title="Kept"),
    "curve": lambda: viz.label_curve(CURVES, title="Few labels are enough", chance=0.125),
}


@pytest.mark.parametrize("context", ["page", "talk"])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_small_and_uncut(name, context):
    with drawn(FIGURES[name], context, 60_000) as figure:
        wide = figure.get_size_inches()[0]
        assert all(ax.get_position().width * wide >= 2.2 for ax in figure.axes)
        assert all(ax.get_xlabel() for ax in figure.axes)
        title, key = figure._suptitle, figure.axes[0].get_legend()
        if title and key:
            assert not title.get_window_extent().overlaps(key.get_window_extent())


def test_the_profile_has_a_mark_for_each_number_and_sorts_by_the_method():
    figure = FIGURES["profile"]()
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["class", "turn", "colour"]
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == ["Barlow Twins", "untrained net", "raw input"]
    for ax, which in ((left, "linear"), (right, "knn")):
        marks = {one.get_label(): one.get_offsets()[:, 0] for one in ax.collections}
        for name, source in (("Barlow Twins", OURS), ("untrained net", RANDOM),
                             ("raw input", RAW)):
            assert marks[name].tolist() == pytest.approx(
                [100 * source[row][which] for row in ("class", "turn", "colour")])
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for bar in left.patches}
    assert [bars[i].get_width() for i in range(3)] == pytest.approx([60, 0, -60])
    assert [bool(bars[i].get_hatch()) for i in range(3)] == [False, False, True]


def test_marks_differ_in_shape_and_seeds_are_averaged():
    looks = [knowledge._look(name, [*"abcdefg", "random", "pixels"], "a")
             for name in [*"abcdefg", "random", "pixels"]]
    assert len({mark for _, mark in looks}) == len(looks)
    left = FIGURES["seeds"]().axes[0]
    found = {one.get_label(): one for one in left.collections}
    # The mean of both seeds: colour 10 and 90, class 80 and 10, turn 50 and 0.
    assert found["a"].get_offsets()[:, 0].tolist() == pytest.approx([50, 45, 25])
    spans = [one for one in left.collections if one.get_label().startswith("_")]
    assert len(spans) == 1  # a line for the one that has several seeds
    assert spans[0].get_segments()[0][:, 0].tolist() == pytest.approx([10, 90])


def test_the_matrix_has_a_number_for_each_factor_and_controls_below():
    ax = FIGURES["matrix"]().axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "SimCLR", "MAE", "untrained net"]
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "colour", "place", "class", "turn"]
    assert [text.get_text() for text in ax.texts] == [
        "90", "–", "10", "0", "–", "50", "–", "–", "70", "–", "20", "50"]
    near = viz.factor_matrix({"a": table(x=(0.9, 0.1), y=(0.1, 0.8))}, read_out="knn").axes[0]
    assert [text.get_text() for text in near.texts] == ["80", "10"]
    heights = ax.get_yticks()
    assert heights[2] - heights[1] > 1.2 > heights[1] - heights[0]


def test_the_label_curve_draws_means_bands_and_names():
    ax = FIGURES["curve"]().axes[0]
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "5", "all (50)"]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert len({line.get_marker() for line in lines}) == len(lines) == 4
    assert list(lines[0].get_ydata()) == pytest.approx([40, 60, 80])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((35, 80))
    assert {text.get_text() for text in ax.texts} == {
        "Barlow Twins", "untrained net", "raw input", "from scratch", "chance"}


def test_the_draws_of_several_seeds_are_one_band():
    ax = viz.label_curve({"ours": [curve(0.4, 0.6, 0.8), curve(0.1, 0.2, 0.6)]}).axes[0]
    assert list(ax.lines[0].get_ydata())[2] == pytest.approx(70)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((5, 80))


def test_no_factor_is_a_usage_error():
    with pytest.raises(UsageError, match="no factor to draw"):
        viz.factor_profile({"ours": {}, "random": {}})
    with pytest.raises(UsageError, match="no factor to draw"):
        viz.factor_matrix({"ours": {}})


@pytest.mark.parametrize(("rows", "of", "says"), [
    ({}, "", ""), ({"rank_z": 3.0}, "", " of z"), ({"rank_h": 3.0}, "", " of h"),
    ({}, "h", " of h"), ({"rank_h": 3.0}, "z", " of z")])
def test_an_effective_rank_says_of_what(rows, of, says):
    strip = viz.training_strip([{"step": 0, "rank": 3.0, **rows}, {"step": 1, "rank": 4.0}], of=of)
    assert strip.axes[2].get_ylabel() == f"effective rank{says}"
    panel = viz.collapse_panel({"a": np.eye(6)}, of=of)
    said = f" of {of}" * bool(of)
    assert panel.axes[0].get_ylabel() == f"effective rank{said} (D = 6)"
    assert panel.axes[2].get_ylabel() == f"columns{said} (%)"
