"""The picture that opens a chapter: one image, two views, two branches, one comparison."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sslbook.lesson.viz import diagrams as draw
from sslbook.lesson.viz import style
from sslbook.lesson.viz.diagrams import Box


def two_view_diagram(
    *,
    image: object = None,
    views: tuple[object, object] | None = None,
    view_names: tuple[str, str] = ("view 1", "view 2"),
    augment: str = "random crop,\nflip, colour",
    encoder: str = "encoder",
    projector: str = "projector",
    predictor: str = "",
    features: tuple[str, str] = ("$h_1$", "$h_2$"),
    projections: tuple[str, str] = ("$z_1$", "$z_2$"),
    branches: tuple[str, str] = ("", ""),
    shared: str = "same weights",
    teacher: bool = False,
    stop_gradient: bool = False,
    comparison: str = "compare",
    matrix: object = None,
    loss: str = "loss",
    kept: str = "kept: the representation",
    dropped: str = "only for pretraining, then thrown away",
    title: str = "",
) -> Figure:
    """Two branches from one image to one loss; the parts that differ between methods are options.

    image, views: (3, H, W) pictures, uint8 or 0-1; drawn by code where not given. branches:
    names above and below the branches ("student", "teacher"). shared: the text between the
    encoders; "" for separate weights. teacher: the lower branch is a moving average (EMA) of the
    upper one. predictor: a further box on the upper branch. stop_gradient: two strokes across
    the lower branch. matrix: (R, C) in -1..1, drawn as the comparison (a correlation or
    similarity matrix); without it the comparison is a box. comparison: its name. loss: the text
    at the far right, formulas allowed. kept, dropped: what the two brackets below say.
    """
    height = 2.62 + 0.28 * bool(title)
    fig, ax = draw.canvas(height, title)
    ys = (2.0, 0.92)
    middle = sum(ys) / 2
    xs = _columns(bool(predictor))
    source = _example() if image is None else image
    shown = views or _views_of(source)
    whole = draw.picture(ax, source, xs["image"], middle, 0.84)
    draw.note(ax, xs["image"], middle - 0.5, "image $x$", va="top")
    tones = ((style.COLOURS["student"], style.COLOURS["teacher"]) if teacher
             else (style.COLOURS["ours"],) * 2)
    ends = []
    for i, y in enumerate(ys):
        view = draw.picture(ax, shown[i], xs["view"], y, 0.62)
        fork = (whole.right[0] + 0.16, middle)
        draw.arrow(ax, (whole.right[0] + 0.04, middle), (view.left[0] - 0.04, y),
                   via=[fork, (fork[0], y)])
        up = 1 if i == 0 else -1
        draw.note(ax, xs["view"], y + up * 0.37, view_names[i], va="bottom" if up > 0 else "top")
        ends.append(_branch(ax, i, y, xs, view, tones[i], encoder, projector,
                            predictor if i == 0 else "", features[i], projections[i],
                            stop_gradient and i == 1))
        if branches[i]:
            draw.note(ax, xs["encoder"], y + up * 0.37, branches[i], colour=style.ink(tones[i]),
                      va="bottom" if up > 0 else "top")
    draw.note(ax, whole.x, middle + 0.5, augment, va="bottom", colour=style.QUIET)
    _between(ax, xs, ys, shared, teacher, tones)
    _compare(ax, xs, ys, ends, comparison, matrix, loss)
    _brackets(ax, xs, kept, dropped)
    return fig


def _columns(predictor: bool) -> dict[str, float]:
    """Centres of the columns in inches; a predictor moves its neighbours closer."""
    if predictor:
        return {"image": 0.52, "view": 1.56, "encoder": 2.36, "h": 2.93, "projector": 3.45,
                "z": 3.99, "predictor": 4.5, "p": 5.04, "compare": 5.72, "loss": 6.62}
    return {"image": 0.52, "view": 1.62, "encoder": 2.62, "h": 3.32, "projector": 3.98,
            "z": 4.62, "compare": 5.52, "loss": 6.54}


def _branch(ax: Axes, i: int, y: float, xs: dict[str, float], view: Box, tone: str, encoder: str,
            projector: str, predictor: str, feature: str, projection: str, stop: bool) -> Box:
    """One branch from its view to the vector that is compared; returns that vector's frame."""
    tight = "p" in xs
    wide = 0.68 if tight else 0.86
    up = 1 if i == 0 else -1
    net = Box(xs["encoder"], y, wide, 0.62, encoder, tone, "funnel", 7.6 if tight else 8.2).draw(ax)
    head = Box(xs["projector"], y, 0.64 if tight else 0.74, 0.4, projector, style.QUIET,
               size=7.2 if tight else 7.8).draw(ax)
    first = draw.vector(ax, xs["h"], y, colour=tone, phase=1.3 * i)
    last = draw.vector(ax, xs["z"], y, colour=tone, phase=2.1 + 0.5 * i)
    chain = [view, net, first, head, last]
    names = [(first, feature), (last, projection)]
    if predictor:
        chain.append(Box(xs["predictor"], y, 0.62, 0.4, predictor, style.VERMILION,
                         size=7.2).draw(ax))
        chain.append(draw.vector(ax, xs["p"], y, colour=tone, phase=4.0))
        names.append((chain[-1], "$p_1$"))
    for a, b in zip(chain, chain[1:], strict=False):
        draw.arrow(ax, (a.right[0] + 0.03, y), (b.left[0] - 0.03, y))
    for frame, name in names:
        draw.note(ax, frame.x, y + up * 0.36, name, va="bottom" if up > 0 else "top", size=8.6)
    if stop:
        x = last.right[0] + 0.2
        for shift in (-0.025, 0.025):
            ax.plot([x + shift - 0.025, x + shift + 0.025], [y - 0.09, y + 0.09],
                    color=style.VERMILION, lw=draw.points(ax, 1.6), zorder=6)
        draw.note(ax, x + 0.02, y - 0.13, "stop-gradient", va="top", ha="left",
                  colour=style.ink(style.VERMILION), size=7.2)
    return chain[-1]


def _between(ax: Axes, xs: dict[str, float], ys: tuple[float, float], shared: str, teacher: bool,
             tones: tuple[str, str]) -> None:
    """What ties the two encoders: shared weights, or a moving average."""
    x, top, bottom = xs["encoder"], ys[0] - 0.34, ys[1] + 0.34
    if teacher:
        draw.arrow(ax, (x, top), (x, bottom), colour=tones[1], dashed=True)
        draw.note(ax, x + 0.07, (top + bottom) / 2, "moving average\n(EMA)", ha="left",
                  colour=style.ink(tones[1]), size=7.2)
    elif shared:
        for end in (top, bottom):
            draw.arrow(ax, (x, (top + bottom) / 2 + (0.09 if end == top else -0.09)), (x, end),
                       colour=tones[0], dashed=False)
        draw.note(ax, x, (top + bottom) / 2, shared, colour=style.ink(tones[0]))


def _compare(ax: Axes, xs: dict[str, float], ys: tuple[float, float], ends: list[Box],
             comparison: str, matrix: object, loss: str) -> None:
    """The comparison, entered from above and below, and the loss at its right."""
    x, middle = xs["compare"], sum(ys) / 2
    if matrix is None:
        box = Box(x, middle, 0.8, 0.46, comparison, style.QUIET, size=7.8).draw(ax)
    else:
        box = draw.matrix(ax, matrix, x, middle, 0.66)
        draw.note(ax, x - 0.4, middle, comparison, ha="right", size=7.6)
    for end, y, entry in ((ends[0], ys[0], box.top), (ends[1], ys[1], box.bottom)):
        side = 0.04 if y > middle else -0.04
        draw.arrow(ax, (end.right[0] + 0.03, y), (entry[0], entry[1] + side), via=[(x, y)])
    goal = Box(xs["loss"], middle, 0.66, 0.4, loss, style.INK, "goal")
    draw.arrow(ax, (box.right[0] + 0.04, middle), (goal.left[0] - 0.03, middle))
    goal.draw(ax)


def _brackets(ax: Axes, xs: dict[str, float], kept: str, dropped: str) -> None:
    y = 0.3
    if kept:
        draw.brace(ax, xs["encoder"] - 0.42, xs["h"] + 0.06, y, kept, style.COLOURS["ours"])
    if dropped:
        draw.brace(ax, xs["projector"] - 0.36, 6.9, y, dropped, style.QUIET)


def _example(size: int = 48) -> np.ndarray:
    """A drawn picture, a ball on a field: (3, size, size) in 0-1."""
    down, across = np.mgrid[0:size, 0:size] / (size - 1)
    ground = down > 0.62
    image = np.where(ground, np.array([0.55, 0.72, 0.48])[:, None, None],
                     np.array([0.72, 0.86, 0.96])[:, None, None])
    shade = np.clip(1.15 - 0.9 * np.hypot(across - 0.44, down - 0.42), 0.55, 1.1)
    ball = np.hypot(across - 0.52, down - 0.52) < 0.27
    image = np.where(ball, np.array([0.86, 0.42, 0.16])[:, None, None] * shade, image)
    stripe = ball & (np.abs((down - 0.52) - 0.35 * (across - 0.52)) < 0.05)
    image = np.where(stripe, 0.97, image)
    return np.clip(image, 0, 1)


def _views_of(image: object) -> list[np.ndarray]:
    """Two illustrative views: a mirrored crop with other colours, and a grey, brighter crop."""
    picture = draw.to_rgb(image)[0].transpose(2, 0, 1) / 255.0
    high, wide = picture.shape[1:]
    first = picture[:, : int(0.72 * high), int(0.2 * wide) : int(0.92 * wide)][:, :, ::-1]
    first = np.clip(first[[2, 0, 1]] * 0.95 + 0.03, 0, 1)
    second = picture[:, int(0.3 * high) :, : int(0.7 * wide)]
    grey = second.mean(axis=0, keepdims=True)
    second = np.clip(0.25 * second + 0.75 * grey + 0.06, 0, 1)
    return [first, second]
