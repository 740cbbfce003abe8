"""Live curves: loss and kNN accuracy while a training runs, where somebody watches it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from sslbook.core.screen import is_live, is_watched
from sslbook.training.history import History

PAUSE = 2.0  # seconds between two drawings, at least

Draw = Callable[[int, float], object]


@contextlib.contextmanager
def curves(history: History) -> Iterator[Draw]:
    """Yield `draw(step, loss)`, to be called often; the figure is gone when the block ends.

    history: of the training; its rows give the kNN accuracies, and the losses of a resumed one.
    In a terminal there is a bar instead. Without either nothing is shown, and matplotlib is not
    imported.
    """
    if not is_live():
        with _bar(history) as draw:
            yield draw
        return
    from IPython.display import display

    losses = [(int(row["step"]), row["loss"]) for row in history.rows if "loss" in row]
    place: Any = None  # of the cell's output, filled again and again
    last = time.monotonic()

    def draw(step: int, loss: float) -> None:
        nonlocal place, last
        losses.append((step, loss))
        if time.monotonic() - last >= PAUSE:
            data, about = _picture(history, losses)
            if place is None:
                place = display(data, raw=True, metadata=about, display_id=True)
            else:
                place.update(data, raw=True, metadata=about)
            last = time.monotonic()

    try:
        yield draw
    finally:
        if place is not None:
            place.update({"text/html": "", "text/plain": ""}, raw=True)


@contextlib.contextmanager
def _bar(history: History) -> Iterator[Draw]:
    """A progress bar in a terminal, and nothing in stored outputs."""
    from tqdm import tqdm

    done = int(history.rows[-1]["step"]) if history.rows else 0
    with tqdm(desc=history.name, initial=done, total=history.steps, leave=False,
              disable=not is_watched()) as bar:
        yield lambda step, loss: bar.update(step - bar.n)


def _picture(history: History,
             losses: list[tuple[int, float]]) -> tuple[dict[str, str], dict[str, Any]]:
    """The curves so far as an output; drawn by the quickest way there is."""
    from sslbook.lesson.viz import style
    from sslbook.lesson.viz.show import as_output

    steps, values = history.column("knn")
    panels = [("loss", *zip(*losses, strict=True)), ("kNN accuracy (%)", steps, 100 * values)]
    panels = panels[: 1 + bool(len(steps))]
    step, loss = losses[-1]
    minutes = history.seconds * (history.steps / step - 1) / 60
    title = (f"{history.name}: step {step} of {history.steps}, loss {loss:.3g}, "
             f"about {minutes:.0f} minutes to go")
    figure = style.figure(style.active().strip[0], 1.7, layout="none")
    figure.text(0.06, 0.9, title, fontsize=style.BASE)
    for i, (name, x, y) in enumerate(panels):
        ax = figure.add_axes((0.06 + 0.49 * i, 0.25, 0.42, 0.46))
        ax.plot(x, y, color=style.COLOURS["ours"], marker="o" if i else "")
        ax.set_xlim(0, history.steps)
        style.name_axes(ax, "step", name)
    return as_output(figure, title)
