"""Gains of many methods on one axis, and the map of verdicts: every number and word is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from uncut import drawn

from sslbook.errors import UsageError
from sslbook.lesson import viz
from sslbook.lesson.viz import board
from sslbook.lesson.viz.show import pixels
from sslbook.records.claims import interval

GAINS = {"MAE": [0.5, -0.5, 0.1], "SimCLR": [17.0, 18.0, 19.0], "one run": [4.0],
         "exemplar": [-6.0, -7.0, -6.5], "a method with a name as long as this": [9.0, 8.0, 8.5],
         "never measured": [float("nan")]}
RAW = {"SimCLR": [14.0, 15.0, 16.0], "MAE": [-3.0, 2.0, 0.0], "of another world": [1.0]}
ORDER = ["SimCLR", "a method with a name as long as this", "one run", "MAE", "exemplar"]
WORDS = {"simclr": {"a": "supported", "b": "too small"}, "mae": {"a": "open (9 more seeds)"},
         "byol": {"a": "refuted", "c": "not run"}, "formulas": {},
         "judging_representations": {"b": "not at this scale", "a": "supported"}}
MANY = {f"chapter {i}": {"a": "supported", "b": "open", "c": "refuted"} for i in range(30)}
FIGURES = {
    "forest": lambda: viz.forest(GAINS, title="One of five gains is large"),
    "with raw": lambda: viz.forest(GAINS, raw=RAW, title="Beside raw input" * 9),
    "one row": lambda: viz.forest({"SimCLR": [1.0, 2.0]}),
    "map": lambda: viz.verdict_map(WORDS, title="Two of seven claims are supported"),
    "large map": lambda: viz.verdict_map(MANY),
}


@pytest.mark.parametrize("context", ["page", "talk"])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_small_and_uncut_and_no_two_texts_touch(name, context):
    with drawn(FIGURES[name], context, 80_000) as figure:
        texts = [text for text in [figure._suptitle, *figure.axes[0].texts] if text]
        boxes = [text.get_window_extent() for text in texts]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i]), texts[i]


def test_the_forest_has_every_number_and_sorts_by_the_mean():
    ax = viz.forest(GAINS, raw=RAW).axes[0]
    names = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert names == ORDER
    dots = np.concatenate([one.get_offsets() for one in ax.collections if hasattr(one, "get_sizes")
                           and len(one.get_offsets()) and one.get_sizes()[0] < 10])
    raw = [*RAW["SimCLR"], *RAW["MAE"]]
    assert sorted(dots[:, 0]) == sorted([x for row in ORDER for x in GAINS[row]] + raw)
    lines = {tuple(np.round(part[:, 0], 9)) for one in ax.collections
             if hasattr(one, "get_segments") for part in one.get_segments()}
    assert lines == {tuple(np.round(interval(v), 9)) for v in [
        *(GAINS[row] for row in ORDER if len(GAINS[row]) > 1), RAW["SimCLR"], RAW["MAE"]]}
    said = [text.get_text() for text in ax.texts]
    assert "+18.0  [15.5, 20.5]" in said
    assert "+4.0  one seed" in said
    assert "−6.5  [−7.7, −5.3]" in said
    assert "+0.0  [−1.2, 1.3]" in said
    key = [text.get_text() for text in ax.get_legend().get_texts()]
    assert key == ["above 0", "below 0", "may be 0", "over the raw input", "95 % interval",
                   "one seed"]


@pytest.mark.parametrize(("values", "mark", "filled"), [
    ([1.0, 2.0, 1.5], "o", True), ([-1.0, -2.0, -1.5], "v", True), ([1.0, -1.0, 3.0], "o", False),
    ([50.0], "o", False)])
def test_a_gain_that_may_be_zero_is_hollow_and_grey_and_a_loss_points_down(values, mark, filled):
    colour, *rest = board.look(values)
    assert rest == [mark, filled]
    assert (colour == board.UNSURE) is not filled
    mean = next(one for one in viz.forest({"row": values}).axes[0].collections
                if hasattr(one, "get_sizes") and one.get_sizes()[0] > 50)
    assert (mean.get_facecolor()[0].tolist() == [1, 1, 1, 1]) is not filled


def test_the_map_has_a_sign_for_each_claim_and_a_legend_for_each_sign():
    signs = [sign for sign, _, _ in board.VERDICTS.values()]
    assert len(set(signs)) == len(signs)
    said = [text.get_text() for text in viz.verdict_map(WORDS).axes[0].texts]
    for sign, count in zip(signs, (2, 1, 1, 1, 1, 1), strict=True):
        assert said.count(sign) == count + 1, sign  # the claims, and the legend
    assert set(board.VERDICTS) <= set(said)
    assert "formulas" not in said, "a chapter without claims"
    assert said.index("simclr") < said.index("mae") < said.index("byol")


def test_a_name_from_outside_is_no_formula():
    name = r"$\\nonsense{$ & 100 % of $x_1$"
    pixels(viz.forest({name: [1.0, 2.0]}))
    pixels(viz.verdict_map({name: {"a": "open"}}))


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UsageError, match="no gain"):
        viz.forest({"a": [float("nan")], "b": []})
    with pytest.raises(UsageError, match="holds is no verdict"):
        viz.verdict_map({"mae": {"a": "holds"}})
    with pytest.raises(UsageError, match="no claim"):
        viz.verdict_map({"mae": {}})
