"""Exercises, sliders and figures: what a lesson is made of."""

from __future__ import annotations

import io
import sys
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sslbook.errors import UsageError, UserError
from sslbook.judging import rankme
from sslbook.lesson import checks, exercises, viz, widgets
from sslbook.lesson.exercises import check_same
from sslbook.lesson.viz import labels as direct
from sslbook.lesson.viz import style, tiles
from sslbook.lesson.viz.show import pixels, png_bytes

RNG = np.random.default_rng(0)


# ---------------------------------------------------------------- check_same


def off_diagonal(c):
    return (c**2).sum() - (c.diagonal() ** 2).sum()


def kept_diagonal(c):
    return (c**2).sum()


def matrices(*sizes):
    makers = [torch.Generator().manual_seed(n) for n in sizes]
    return [(torch.randn(n, n, generator=g, dtype=torch.float64),)
            for n, g in zip(sizes, makers, strict=True)]


def in_place(c):
    c.diagonal().zero_()
    return (c**2).sum()


def cut(c):
    return off_diagonal(c.detach()) + 0 * c.sum() * 0


MUTANTS = {
    "the diagonal is kept": (kept_diagonal, "the value differs on case 1"),
    "a factor is lost": (lambda c: 0.5 * off_diagonal(c), "the value differs on case 1"),
    "a hair too much": (lambda c: off_diagonal(c) * (1 + 1e-7), "the value differs"),
    "the mean, on one case alone": (
        lambda c: off_diagonal(c) * (1 if len(c) == 3 else 2), "on case 2"),
    "a wrong gradient": (cut, "no gradient flows into c on case 1"),
    "half the gradient": (
        lambda c: 0.5 * (off_diagonal(c) + off_diagonal(c.detach())), "the gradient with"),
    "a graph cut off": (lambda c: off_diagonal(c).detach(), "no gradient flows back"),
    "an item": (lambda c: off_diagonal(c).item(), "is a float on case 1, not a tensor"),
    "nothing returned": (lambda c: None, "None on case 1: is the return line missing?"),
    "a vector": (lambda c: (c**2).sum(dim=0), "has shape (3,) on case 1, expected ()"),
    "whole numbers": (lambda c: off_diagonal(c).long(), "whole numbers"),
    "NaN": (lambda c: off_diagonal(c) * float("nan"), "NaN on case 1"),
    "NaN in the gradient": (
        lambda c: off_diagonal(c) + 0 * torch.sqrt(0 * c).sum(), "is NaN on case 1"),
    "a change in place": (in_place, "changes its input c in place on case 1"),
    "float32": (lambda c: off_diagonal(c.float()), "computed in float32"),
    "an error": (lambda c: c @ None, "your function stopped on case 1 with TypeError: "),
    "no function": (3.0, "your answer is a float, not a function"),
}


def test_the_same_function_is_the_same(capsys):
    assert check_same(lambda c: ((c - torch.diag(c.diag())) ** 2).sum(), off_diagonal,
                      *matrices(3, 5, 7))
    line = "same: value and gradient agree within 1e-09 on 3 cases\n"
    assert capsys.readouterr().out == line


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_rejected(name, capsys):
    mutant, words = MUTANTS[name]
    assert not check_same(mutant, off_diagonal, *matrices(3, 5))
    out = capsys.readouterr().out
    assert out.startswith("not the same: ")
    assert out.count("\n") == 1
    assert words in out


def test_a_known_mistake_is_named(capsys):
    known = {"you kept the diagonal": kept_diagonal, "you stopped": lambda c: 1 / 0}
    assert not check_same(kept_diagonal, off_diagonal, *matrices(3), known_mistakes=known)
    assert capsys.readouterr().out.endswith("; this matches: you kept the diagonal\n")
    assert not check_same(lambda c: c.sum(), off_diagonal, *matrices(3), known_mistakes=known)
    assert "this matches" not in capsys.readouterr().out


def test_a_missing_stop_gradient_is_named(capsys):
    def with_stop(p, z):
        return ((p - z.detach()) ** 2).sum()

    case = (torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    assert check_same(with_stop, with_stop, case)
    assert not check_same(lambda p, z: ((p - z) ** 2).sum(), with_stop, case)
    assert "a gradient flows into z and should not" in capsys.readouterr().out


def test_cases_are_left_alone_and_may_be_float32_on_another_device():
    given = torch.ones(3, 3)
    assert checks.compare(off_diagonal, off_diagonal, [(given,)])[0]
    assert given.dtype == torch.float32
    assert not given.requires_grad
    assert torch.equal(given, torch.ones(3, 3))


def test_samplers_get_equal_generators_and_global_draws():
    def mask(n, generator):
        return torch.rand(n, generator=generator) < 0.5

    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    before = generator.get_state()
    same, line = checks.compare(lambda n, generator: torch.rand(n, generator=generator) < 0.5,
                                mask, [(64, generator)])
    assert (same, line) == (True, "same: value agrees within 1e-09 on 1 case")
    assert torch.equal(before, generator.get_state())
    assert not checks.compare(lambda n, generator: torch.rand(n, generator=generator) < 0.4, mask,
                              [(64, generator)])[0]
    state = torch.get_rng_state()
    assert checks.compare(lambda n: torch.rand(n), lambda n: torch.rand(n), [(4,)])[0]
    assert torch.equal(state, torch.get_rng_state())


def test_an_update_rule_may_change_its_arguments():
    def update(teacher, student, m):
        with torch.no_grad():
            for a, b in zip(teacher.parameters(), student.parameters(), strict=True):
                a.mul_(m).add_(b, alpha=1 - m)

    def swapped(teacher, student, m):
        update(teacher, student, 1 - m)

    case = (torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), 0.9)
    weight = case[0].weight.detach().clone()
    assert checks.compare(update, update, [case])[0]
    same, line = checks.compare(swapped, update, [case])
    assert not same
    assert "teacher after the call" in line
    assert torch.equal(weight, case[0].weight)


def test_values_and_nested_results_are_compared():
    assert checks.compare(0.25, 0.25, ()) == (True, "same: value agrees within 1e-09")
    assert not checks.compare(None, 0.25, ())[0]
    assert not checks.compare((1, 2), (1, 3), ())[0]
    right = {"loss": torch.ones(()), "parts": [1, "a"]}
    assert checks.compare(dict(right), right, ())[0]
    assert not checks.compare({**right, "parts": [1, "b"]}, right, ())[0]
    assert not checks.compare({"loss": torch.ones(())}, right, ())[0]
    assert checks.compare(torch.ones(3), torch.ones(3), ())[0]
    assert not checks.compare(0.1 + 1e-8, 0.1, ())[0]


def test_no_case_is_a_usage_error():
    with pytest.raises(UsageError, match="no case"):
        check_same(off_diagonal, off_diagonal)


# ---------------------------------------------------------------- solve


@pytest.fixture
def exercise():
    exercises.reset()
    exercises.register("off_diagonal", off_diagonal, lambda: matrices(3, 4),
                       hint="Subtract the diagonal.",
                       known_mistakes={"you kept the diagonal": kept_diagonal})
    yield "off_diagonal"
    exercises.reset()


def test_a_right_answer_is_used_itself(exercise, capsys):
    def mine(c):
        return off_diagonal(c)

    assert exercises.solve(exercise, mine) is mine
    assert exercises.fallbacks() == ()
    assert exercises.trained_with_note() == ""
    assert capsys.readouterr().out.startswith("off_diagonal: same: value and gradient agree")


def test_a_wrong_answer_falls_back_until_it_is_right(exercise, capsys):
    for _ in range(2):  # a cell that is run again counts once
        assert exercises.solve(exercise, kept_diagonal) is off_diagonal
    out = capsys.readouterr().out
    assert "this matches: you kept the diagonal" in out
    assert "using the reference, not your code" in out
    assert exercises.fallbacks() == ("off_diagonal",)
    assert exercises.trained_with_note() == "trained with the reference, not with your code"
    exercises.solve(exercise, off_diagonal)
    assert exercises.fallbacks() == ()


def test_strict_makes_a_fallback_an_error(exercise, monkeypatch):
    monkeypatch.setenv("SSLBOOK_STRICT", "1")
    assert exercises.solve(exercise, off_diagonal) is off_diagonal
    with pytest.raises(UserError, match="off_diagonal: not the same"):
        exercises.solve(exercise, kept_diagonal)
    assert exercises.fallbacks() == ()


def test_hints_and_unknown_exercises(exercise, capsys):
    exercises.hint(exercise)
    assert capsys.readouterr().out == "Subtract the diagonal.\n"
    with pytest.raises(UsageError, match='Did you mean "off_diagonal"'):
        exercises.solve("of_diagonal", off_diagonal)


# ---------------------------------------------------------------- figures

SIZE = 16
IMAGES = RNG.integers(0, 256, size=(12, 3, SIZE, SIZE), dtype=np.uint8)
CONTROLS = {"chance": 0.125, "pixels": 0.27, "random": 0.22, "supervised": 0.8, "own": None}
ROWS = [{"step": s, "loss": 9.0 / (1 + s)} for s in range(0, 100, 5)]
ROWS[0] |= {"knn": 0.2, "rank": 3.0, "alignment": 0.1, "uniformity": -0.5}
ROWS[-1] |= {"knn": 0.6, "rank": 30.0, "alignment": 0.6, "uniformity": float("nan")}
Z0, Z1 = RNG.normal(size=(80, 3)) @ RNG.normal(size=(3, 24)), RNG.normal(size=(80, 24))
LABELS = np.repeat(np.arange(8), 10)
UNIT = np.stack([np.cos(np.arange(60)), np.sin(np.arange(60))], 1)
NAMES = ["circle", "square", "triangle", "diamond", "cross", "ring", "star", "bar"]
FIGURES = {
    "training_strip": lambda: viz.training_strip(ROWS, CONTROLS, title="kNN rises"),
    "collapse_panel": lambda: viz.collapse_panel({"before": Z0, "after": torch.tensor(Z1)}),
    "collapsed": lambda: viz.collapse_panel({"a point": np.ones((30, 8))}),
    "image_strip": lambda: viz.image_strip([("original", IMAGES[:6]), ("view\n1", IMAGES[6:])],
                                           title="views", headings=["a"] * 6),
    "filmstrip": lambda: viz.filmstrip([np.eye(24), Z1[:24]], ["step 0", "step 9"], title="C"),
    "embedding_map": lambda: viz.embedding_map({"random": Z0, "ours": Z1}, LABELS, NAMES),
    "neighbour_grid": lambda: viz.neighbour_grid(
        IMAGES[:3], IMAGES[None, :4].repeat(3, 0), np.eye(3, 4) > 0, title="neighbours"),
    "circles": lambda: viz.circles(
        [4, 3, 2, 2], {0: UNIT, 4: UNIT[::-1]}, np.arange(60) % 3, filled=np.arange(60) % 2,
        icons={0: IMAGES[0], 1: IMAGES[1]}, levels={"guessing": 4.2}, title="sorted"),
    "bars": lambda: viz.bars_with_controls({"a": [0.2, 0.3], "b": 0.5}, CONTROLS, guess=0.4),
    "two_view": lambda: viz.two_view_diagram(matrix=np.eye(5), comparison="C", title="twins"),
    "byol": lambda: viz.two_view_diagram(predictor="predictor", teacher=True,
                                         stop_gradient=True, branches=("student", "teacher")),
}
MEASURED = ("training_strip", "collapse_panel", "collapsed", "filmstrip", "embedding_map", "bars")
DRAWN = [(name, "page") for name in FIGURES if name != "collapsed"]
DRAWN += [("training_strip", "talk"), ("bars", "talk")]


@cache
def figure_of(name, context="page"):
    style.use(context)
    try:
        return FIGURES[name]()
    finally:
        style.use("page")


def reopened(figure):
    small = Image.open(io.BytesIO(png_bytes(figure)))
    assert small.mode == "P"
    return np.asarray(small.convert("RGB"))


@pytest.mark.parametrize(("name", "context"), DRAWN)
def test_a_figure_is_drawn_small_and_uncut(name, context):
    figure = figure_of(name, context)
    drawn = reopened(figure)
    wide, high = figure.get_size_inches()
    assert drawn.shape[:2] == (int(high * figure.dpi + 1e-6), int(wide * figure.dpi + 1e-6))
    edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert (edge == 255).all(), "something is cut at the edge"
    assert (drawn == 255).all(axis=2).mean() > 0.15  # the paper is white
    assert (drawn != 255).any(axis=2).mean() > 0.01  # and something is on it
    if context == "page" and name not in ("image_strip", "neighbour_grid"):
        assert len(png_bytes(figure)) < 45_000


def test_long_titles_are_broken_and_a_note_stands_above():
    title = "a title that says so much that one line will never ever hold it, " * 2
    figure, _ = style.strip(1, title=title, note="a note")
    assert (pixels(figure)[:, -1] == 255).all()
    assert figure.get_suptitle().startswith("a note\na title")
    assert figure.get_suptitle().count("\n") == 2


def test_a_fallback_is_named_above_the_training_figure(exercise, capsys):
    exercises.solve(exercise, kept_diagonal)
    assert viz.training_strip(ROWS).get_suptitle() == exercises.NOTE


@pytest.mark.parametrize("name", MEASURED)
def test_axes_are_named_and_open(name):
    figure = figure_of(name)
    panels_ = [ax for ax in figure.axes if ax.has_data() and not ax.get_label() == "<colorbar>"]
    assert panels_
    named = [ax for ax in panels_ if ax.get_xlabel()]
    assert named
    if name != "filmstrip":  # there the first panel names the axes of all
        assert named == panels_
    for ax in panels_:
        if not ax.images:
            assert not ax.spines["top"].get_visible()
            assert not ax.spines["right"].get_visible()


def test_the_training_strip_draws_what_was_measured():
    figure = figure_of("training_strip")
    loss, knn, rank, geometry = figure.axes
    assert len(loss.lines[0].get_xdata()) == len(ROWS)
    assert list(knn.lines[0].get_ydata()) == pytest.approx([20, 60])
    assert sorted(float(line.get_ydata()[0]) for line in knn.lines[1:]) == pytest.approx(
        [12.5, 22, 27, 80])
    assert {t.get_text() for t in knn.texts} == {"chance", "raw input", "untrained net",
                                                 "supervised"}
    assert list(rank.lines[0].get_ydata()) == [3, 30]
    assert len(geometry.lines[1].get_ydata()) == 1  # the NaN is not drawn
    watched = [ROWS[0] | {"knn_pixels": 0.3, "knn_random": 0.24}, *ROWS[1:]]
    same = viz.training_strip(watched, CONTROLS).axes[1]  # on the images of the curve
    assert sorted(line.get_ydata()[0] for line in same.lines[1:]) == pytest.approx([12.5, 24, 30])
    empty = viz.training_strip([{"step": 0, "loss": 1.0}]).axes[1]
    assert [t.get_text() for t in empty.texts] == ["not measured"]


def test_the_collapse_panel_measures_what_it_says():
    bars = figure_of("collapse_panel").axes[0]
    texts = [t.get_text() for t in bars.texts]
    ranks = [rankme(torch.tensor(z)) for z in (Z0, Z1)]
    assert texts == ["before", f"{ranks[0]:.3g}", "after", f"{ranks[1]:.3g}"]
    with pytest.raises(UsageError, match="holds NaN"):
        viz.collapse_panel({"z": np.full((4, 4), np.nan)})


def test_small_images_stay_crisp():
    """Not smoothed: every pixel of the figure is one of the image, enlarged more than 8 times."""
    drawn = pixels(viz.image_strip([("", IMAGES[0])]))
    small, top, left = tiles.to_rgb(IMAGES[0])[0], tiles.MARGIN, tiles.MARGIN
    where = (np.arange(131) + 0.5) * 16 // 131
    enlarged = small[where.astype(int)][:, where.astype(int)]
    assert np.array_equal(drawn[top : top + 131, left : left + 131], enlarged)
    big = small.repeat(6, axis=0).repeat(6, axis=1)
    assert tiles.fit(big, 40).shape == (40, 40, 3)
    assert tiles.mosaic([[big, big]], 64).shape == (64, 2 * 64 + tiles.GUTTER, 3)


@pytest.mark.parametrize(("images", "says"), [
    (torch.randn(2, 3, 8, 8) * 2, "not from 0 to 1"),  # normalised
    (torch.full((1, 3, 8, 8), float("nan")), "not from 0 to 1"),
    (torch.zeros(2, 5, 8, 8), "cannot be drawn"),
])
def test_images_that_would_look_wrong_are_refused(images, says):
    with pytest.raises(UsageError, match=says):
        viz.image_strip([("", images)])


def test_labels_never_touch():
    for wanted in ([0.5, 0.5, 0.51, 0.0], [0.9, 1.0, 0.95], [0.3], []):
        placed = direct.spread(wanted, 0.1, 0.0, 1.0)
        assert all(gap > 0.099 for gap in np.diff(sorted(placed)))
        assert all(0 <= place <= 1 for place in placed)
        assert np.array_equal(np.argsort(placed), np.argsort(wanted, kind="stable"))


def test_colours_of_roles_and_families():
    assert len(set(viz.FAMILIES.values())) == len(viz.FAMILIES)
    for colour in {*viz.COLOURS.values(), *viz.FAMILIES.values(), *style.CYCLE}:
        assert style.contrast(style.ink(colour)) >= 4.5
    with pytest.raises(UsageError, match="page, talk"):
        style.use("tlak")


def test_the_style_sheet_and_the_code_have_the_same_sizes():
    import matplotlib as mpl

    style.use("talk")
    talk = mpl.rcParams["figure.dpi"]
    style.use()
    assert talk > mpl.rcParams["figure.dpi"] == 150
    keys = ("legend.fontsize", "font.size", "axes.titlesize", "lines.linewidth")
    sizes = (style.SMALL, style.BASE, style.TITLE, style.LINE)
    assert tuple(mpl.rcParams[key] for key in keys) == sizes


SCORES = [{"name": "chance", "knn20": 0.125}, {"name": "pixels", "knn20": 0.27},
          {"name": "random", "knn20": 0.223, "knn200": 0.2, "linear": 0.3, "rank": 12.34},
          {"name": "Barlow|Twins", "knn20": 0.6, "ours": True}]


def test_the_table_fits_a_terminal_and_names_the_controls(capsys):
    viz.scores_table(SCORES)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split("  ")[-1] == "effective rank of h"
    assert lines[1].split() == ["chance", "12.5", "–", "–", "–"]
    assert lines[2].startswith("raw input ")
    assert lines[3].split() == ["untrained", "net", "22.3", "20.0", "30.0", "12.3"]


# ---------------------------------------------------------------- show


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    made = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield made
    InteractiveShell.clear_instance()


def captured(function, *arguments, **options):
    from IPython.utils.capture import capture_output

    with capture_output() as caught:
        assert function(*arguments, **options) is None
    assert caught.stdout == ""
    return [(output.data, output.metadata) for output in caught.outputs]


def test_show_sends_a_png_with_its_text_its_size_and_a_caption(shell):
    import base64

    (data, metadata), (caption, _) = captured(
        viz.show, style.strip()[0], see="kNN rose by\n 20 points.", how_to_read="up is\n better",
        alt="kNN accuracy by step:  it rises")
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == "kNN accuracy by step: it rises"
    about = {"alt": "kNN accuracy by step: it rises", "width": 770, "height": 242}
    assert metadata == {"image/png": about}
    picture = base64.b64decode(data["image/png"])
    assert Image.open(io.BytesIO(picture)).size == (1050, 330)
    assert len(picture) < 40_000
    assert caption["text/markdown"] == (
        "*How to read it: up is better*\n\n**What we see.** kNN rose by 20 points.")
    assert caption["text/plain"] == (
        "How to read it: up is better\nWhat we see. kNN rose by 20 points.")


@pytest.mark.parametrize(("said", "markdown"), [
    ({"see": "It fell."}, "**What we see.** It fell."),
    ({"how_to_read": "down is better"}, "*How to read it: down is better*"),
])
def test_one_sentence_is_enough_below_a_figure_but_none_is_not(shell, said, markdown):
    _, (caption, _) = captured(viz.show, style.square()[0], alt="loss by step", **said)
    assert caption["text/markdown"] == markdown
    with pytest.raises(UsageError, match="neither what we see"):
        viz.show(style.square()[0], alt="loss by step", **dict.fromkeys(said, "  "))


def test_show_outside_ipython_prints_the_text_and_closes_the_figure(capsys, monkeypatch):
    closed, figure = [], style.square()[0]
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", SimpleNamespace(close=closed.append))
    viz.show(figure, how_to_read="left to right", alt="boxes joined by arrows")
    assert capsys.readouterr().out == "Figure: boxes joined by arrows\n"
    viz.show(figure, see="They are joined.", alt="boxes joined by arrows")
    assert capsys.readouterr().out.endswith("arrows\nWhat we see. They are joined.\n")
    assert closed == [figure, figure]


def test_few_colours_are_exact_and_many_keep_the_paper_white():
    figure = figure_of("image_strip")
    full, reduced = pixels(figure), reopened(figure)
    assert (reduced[(full == 255).all(axis=2)] == 255).all()
    assert np.abs(reduced.astype(float) - full).mean() < 8  # of noise, the worst case
    plain = style.square()[0]
    assert np.array_equal(reopened(plain), pixels(plain))


def test_the_table_in_a_notebook_is_markdown(shell):
    (data, _), = captured(viz.scores_table, SCORES[::3])
    assert data["text/plain"].split()[-4:] == ["chance", "12.5", "Barlow|Twins", "60.0"]
    assert data["text/markdown"].splitlines() == [
        "| encoder | kNN k=20 (%) |", "| :-- | --: |", "| chance | 12.5 |",
        r"| **Barlow\|Twins** | **60.0** |"]


# ---------------------------------------------------------------- sliders


@pytest.mark.parametrize(("stdin", "headless", "live"), [
    (True, "", True), (False, "", False), (True, "1", False), (None, "0", True)])
def test_who_counts_as_a_reader(stdin, headless, live, monkeypatch):
    kernel = SimpleNamespace() if stdin is None else SimpleNamespace(_allow_stdin=stdin)
    fake = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=kernel))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setenv("SSLBOOK_HEADLESS", headless)
    assert widgets.is_live() is live
    fake.get_ipython = lambda: None  # imported, but there is no kernel
    assert not widgets.is_live()


def test_a_live_slider_draws_again_when_moved(shell, monkeypatch):
    import ipywidgets

    monkeypatch.setattr(widgets, "is_live", lambda: True)
    drawn, boxes = [], []
    monkeypatch.setattr("IPython.display.display",
                        lambda *objects, **options: boxes.extend(objects))

    def draw(**values):
        drawn.append(values)
        return style.square()[0]

    widgets.explore(draw, crop_scale=(0.1, 1.0, 0.1, 0.5), views=(1, 8, 1, 2), probe=["kNN", "x"])
    box = next(one for one in boxes if isinstance(one, ipywidgets.VBox))
    scale, views, probe = box.children[:3]
    assert (scale.description, views.description) == ("crop scale", "views")
    assert isinstance(scale, ipywidgets.FloatSlider)
    assert isinstance(views, ipywidgets.IntSlider)
    assert all(one.readout and not one.continuous_update for one in (scale, views))
    scale.value, probe.value = 0.8, "x"
    assert [tuple(one.values()) for one in drawn] == [(0.5, 2, "kNN"), (0.8, 2, "kNN"),
                                                      (0.8, 2, "x")]
    pictures = [one["text/plain"] for one in boxes if isinstance(one, dict)]
    assert pictures[-1] == "The figure for crop scale 0.8, views 2, probe x."


def tried(draw, monkeypatch, **sliders):
    """The values that `draw` is called with where sliders are tried."""
    monkeypatch.setenv("SSLBOOK_TRY_SLIDERS", "1")
    calls = []

    def noted(**values):
        calls.append(values)
        return draw(**values)

    widgets.explore(noted, **sliders)
    return calls


def dot(**values):
    fig, ax = style.square()
    ax.plot([0, 1, *(0.3 if value == "a" else value for value in values.values())])
    return fig


def test_sliders_are_tried_at_both_ends(monkeypatch, capsys):
    calls = tried(dot, monkeypatch, views=(1, 8, 1, 2), scale=(0, 1, 0.5, 0.5), kind=["a", 2, 5])
    start = {"views": 2, "scale": 0.5, "kind": "a"}
    moved = [{"views": 1}, {"views": 8}, {"scale": 0.0}, {"scale": 1.0}, {"kind": "a"}, {"kind": 5}]
    assert calls == [start, *({**start, **one} for one in moved)]
    assert [type(one["views"]) for one in calls] == [int] * 7  # as the sliders give them
    assert [type(one["scale"]) for one in calls] == [float] * 7
    assert capsys.readouterr().out == ""


def test_a_slider_that_breaks_at_its_end_is_named(monkeypatch):
    with pytest.raises(ZeroDivisionError) as caught:
        tried(lambda x: dot(y=1 / x), monkeypatch, x=(0.0, 1.0, 0.1, 0.5))
    assert caught.value.__notes__ == ["drawn with {'x': 0.0}"]


def test_a_slider_that_does_nothing_is_named(monkeypatch):
    with pytest.raises(UsageError, match="Slider 'idle' changes nothing"):
        tried(lambda x, idle: dot(x=x), monkeypatch, x=(0, 5, 1, 1), idle=(0, 5, 1, 1))
    tried(dot, monkeypatch, x=(3, 3, 1, 3))  # a range of one number has nothing to change


def test_a_headless_cell_has_a_picture_with_its_text_and_no_widget(shell, monkeypatch):
    """As nbval and papermill run it, with nothing that says "headless" in the environment."""
    monkeypatch.delenv("SSLBOOK_HEADLESS")
    monkeypatch.setattr(shell, "kernel", SimpleNamespace(_allow_stdin=False), raising=False)
    from IPython.utils.capture import capture_output

    with capture_output() as caught:
        shell.run_cell(
            "from sslbook.lesson import explore, viz\n"
            "def draw(x):\n    return viz.style.square()[0]\n"
            "explore(draw, x=(0, 3, 1, 1))\n"
            "viz.show(draw(1), how_to_read='left to right', alt='two axes & no data')"
        ).raise_error()
    kinds = [sorted(output.data) for output in caught.outputs]
    assert kinds == [["image/png", "text/plain"], ["text/markdown", "text/plain"]]
    assert caught.outputs[0].metadata["image/png"]["alt"] == "two axes & no data"
