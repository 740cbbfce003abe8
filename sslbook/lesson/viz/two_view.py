"""The picture that opens a chapter: one image, two views, two branches, one comparison."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.lesson.viz import diagrams as draw
from sslbook.lesson.viz import style
from sslbook.lesson.viz.diagrams import Box

_TOP, _BOTTOM = 2.0, 0.92  # heights of the branches, in inches
_MIDDLE = (_TOP + _BOTTOM) / 2
# Centres of the columns in inches; a predictor moves its neighbours closer.
_WIDE = {"image": 0.52, "view": 1.62, "encoder": 2.62, "h": 3.32, "projector": 3.98, "z": 4.62,
         "compare": 5.52, "loss": 6.54}
_TIGHT = {"image": 0.52, "view": 1.56, "encoder": 2.36, "h": 2.93, "projector": 3.45, "z": 3.99,
          "predictor": 4.5, "p": 5.04, "compare": 5.72, "loss": 6.62}


def two_view_diagram(*, predictor: str = "", branches: tuple[str, str] = ("", ""),
                     teacher: bool = False, stop_gradient: bool = False,
                     comparison: str = "compare", matrix: object = None, loss: str = "loss",
                     title: str = "") -> Figure:
    """Two branches from one image to one loss; the parts that differ between methods are options.

    The image is one of the book's shapes. branches: names above and below the branches
    ("student", "teacher"). teacher: the lower branch is a moving average (EMA) of the upper one,
    else both share their weights. predictor: a further box on the upper branch. stop_gradient:
    two strokes across the lower branch. matrix: (R, C) in -1..1, drawn as the comparison (a
    correlation or similarity matrix); without it the comparison is a box. comparison: its name.
    loss: the text at the far right, formulas allowed.
    """
    fig, ax = draw.canvas(2.62 + 0.28 * bool(title), title)
    xs = _TIGHT if predictor else _WIDE
    image, *views = _example()
    whole = draw.picture(ax, image, xs["image"], _MIDDLE, 0.84)
    draw.note(ax, whole.x, _MIDDLE - 0.5, "image $x$", va="top")
    draw.note(ax, whole.x, _MIDDLE + 0.5, "random crop,\nflip, colour", va="bottom",
              colour=style.QUIET)
    tones = [style.COLOURS["ours"]] * 2
    if teacher:
        tones = [style.COLOURS["student"], style.COLOURS["teacher"]]
    fork = whole.right + 0.16
    ax.plot([whole.right + 0.04, fork], [_MIDDLE, _MIDDLE], color=style.QUIET, lw=1.0)
    ends = []
    for i, y in enumerate((_TOP, _BOTTOM)):
        view = draw.picture(ax, views[i], xs["view"], y, 0.62)
        draw.arrow(ax, (fork, _MIDDLE), (view.left - 0.04, y), way=draw.UPRIGHT)
        _outside(ax, xs["view"], y, f"view {i + 1}")
        _outside(ax, xs["encoder"], y, branches[i], colour=style.ink(tones[i]))
        ends.append(_branch(ax, i, y, xs, view, tones[i], "" if i else predictor))
    if stop_gradient:
        _stop(ax, ends[1].right + 0.2)
    _between(ax, xs["encoder"], teacher, tones)
    _compare(ax, xs, ends, comparison, matrix, loss)
    draw.brace(ax, xs["encoder"] - 0.42, xs["h"] + 0.06, 0.3, "kept: the representation",
               style.COLOURS["ours"])
    draw.brace(ax, xs["projector"] - 0.36, 6.9, 0.3, "only for pretraining, then thrown away")
    return fig


def _outside(ax: Axes, x: float, y: float, text: str, **look: object) -> None:
    """A text above the upper branch or below the lower one."""
    above = y > _MIDDLE
    draw.note(ax, x, y + (0.37 if above else -0.37), text, va="bottom" if above else "top", **look)


def _branch(ax: Axes, i: int, y: float, xs: dict[str, float], view: Box, tone: str,
            predictor: str) -> Box:
    """One branch from its view to the vector that is compared; returns that vector's frame."""
    tight = "p" in xs
    size = 7.2 if tight else 8.0
    chain = [
        view,
        Box(xs["encoder"], y, 0.68 if tight else 0.86, 0.62, "encoder", tone, "funnel",
            size).draw(ax),
        draw.vector(ax, xs["h"], y, colour=tone, phase=1.3 * i),
        Box(xs["projector"], y, 0.64 if tight else 0.74, 0.4, "projector", style.QUIET,
            size=size).draw(ax),
        draw.vector(ax, xs["z"], y, colour=tone, phase=2.1 + 0.5 * i),
    ]
    names = {"h": f"$h_{i + 1}$", "z": f"$z_{i + 1}$"}
    if predictor:
        chain.append(Box(xs["predictor"], y, 0.62, 0.4, predictor, style.VERMILION,
                         size=size).draw(ax))
        chain.append(draw.vector(ax, xs["p"], y, colour=tone, phase=4.0))
        names["p"] = "$p_1$"
    for a, b in zip(chain, chain[1:], strict=False):
        draw.arrow(ax, (a.right + 0.03, y), (b.left - 0.03, y))
    for column, name in names.items():
        _outside(ax, xs[column], y, name, size=8.6)
    return chain[-1]


def _stop(ax: Axes, x: float) -> None:
    """Two strokes across the lower branch."""
    for shift in (-0.05, 0.0):
        ax.plot([x + shift, x + shift + 0.05], [_BOTTOM - 0.09, _BOTTOM + 0.09],
                color=style.VERMILION, lw=1.6, zorder=6)
    draw.note(ax, x + 0.02, _BOTTOM - 0.13, "stop-gradient", va="top", ha="left",
              colour=style.ink(style.VERMILION), size=7.2)


def _between(ax: Axes, x: float, teacher: bool, tones: list[str]) -> None:
    """What ties the two encoders: shared weights, or a moving average."""
    top, bottom = _TOP - 0.34, _BOTTOM + 0.34
    if teacher:
        draw.arrow(ax, (x, top), (x, bottom), colour=tones[1], dashed=True)
        draw.note(ax, x + 0.07, _MIDDLE, "moving average\n(EMA)", ha="left",
                  colour=style.ink(tones[1]), size=7.2)
        return
    draw.arrow(ax, (x, _MIDDLE + 0.09), (x, top), colour=tones[0])
    draw.arrow(ax, (x, _MIDDLE - 0.09), (x, bottom), colour=tones[0])
    draw.note(ax, x, _MIDDLE, "same weights", colour=style.ink(tones[0]))


def _compare(ax: Axes, xs: dict[str, float], ends: list[Box], comparison: str, matrix: object,
             loss: str) -> None:
    """The comparison, entered from above and below, and the loss at its right."""
    x = xs["compare"]
    if matrix is None:
        box = Box(x, _MIDDLE, 0.8, 0.46, comparison, style.QUIET, size=7.8).draw(ax)
    else:
        box = draw.matrix(ax, matrix, x, _MIDDLE, 0.66)
        draw.note(ax, x - 0.4, _MIDDLE, comparison, ha="right")
    draw.arrow(ax, (ends[0].right + 0.03, _TOP), (x, box.top + 0.04), way=draw.ACROSS)
    draw.arrow(ax, (ends[1].right + 0.03, _BOTTOM), (x, box.bottom - 0.04), way=draw.ACROSS)
    goal = Box(xs["loss"], _MIDDLE, 0.66, 0.4, loss, style.INK, "goal").draw(ax)
    draw.arrow(ax, (box.right + 0.04, _MIDDLE), (goal.left - 0.03, _MIDDLE))


def _example() -> list[object]:
    """A shape of the book (3, H, W) and two views of it."""
    from sslbook import datasets
    from sslbook.core.streams import Streams
    from sslbook.views import Augment, Recipe

    shapes = datasets.load("shapes", "train", limit=7, size=48)
    image = shapes.images[6]
    recipe = Recipe(size=48, crop=(0.35, 0.8), jitter=(0.4, 0.4, 0.4, 0.5), jitter_p=1.0,
                    gray=0.0, hue="chroma")
    views = Augment(recipe, shapes.mean, shapes.std).pictures(
        image[None], Streams(0, "picture").torch("views", 1))
    return [image, *(view[0] for view in views)]
