"""Loss and kNN accuracy as curves while a training runs, where somebody watches it."""

from __future__ import annotations

import base64
import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

from sslbook.training.history import History

_PAUSE, _SHARE = 2.0, 0.01  # seconds between two drawings; what all of them may take
_GUESS = 0.1  # seconds that the first drawing will cost; so no training under 10 s has one


class Allowance:
    """Says when a drawing is due: once it and those before it fit into 1 % of the time so far.

    A drawing is expected to cost what the last one did, so a slow one is paid for by waiting,
    100 times as long. clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.clock, self.cost, self.spent = clock, _GUESS, 0.0
        self.began = self.last = clock()

    def due(self) -> bool:
        now = self.clock()
        fits = self.spent + self.cost <= _SHARE * (now - self.began)
        return fits and now - self.last >= _PAUSE

    @contextlib.contextmanager
    def spend(self) -> Iterator[None]:
        """Measure the drawing inside the block."""
        began = self.clock()
        yield
        self.last = self.clock()
        self.cost = self.last - began
        self.spent += self.cost


@contextlib.contextmanager
def curves(history: History) -> Iterator[Callable[[int, float], None]]:
    """Yield `draw(step, loss)`, to be called often; the figure is gone when the block ends.

    history: of the training; its rows give the kNN accuracies, and the losses of a resumed one.
    Without a live front end nothing is drawn, and matplotlib is not imported.
    """
    from sslbook.lesson.widgets import is_live

    if not is_live():
        yield lambda step, loss: None
        return
    losses = [(int(row["step"]), row["loss"]) for row in history.rows if "loss" in row]
    allowance, shown = Allowance(), _Place()

    def draw(step: int, loss: float) -> None:
        losses.append((step, loss))
        if allowance.due():
            with allowance.spend():
                shown.put(_picture(history, losses))

    try:
        yield draw
    finally:
        shown.clear()


class _Place:
    """One place of a cell's output, filled again and again."""

    def __init__(self) -> None:
        self.handle: Any = None

    def put(self, data: dict[str, str]) -> None:
        from IPython.display import display

        if self.handle is None:
            self.handle = display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)

    def clear(self) -> None:
        if self.handle is not None:
            self.put({"text/html": "", "text/plain": ""})


def _picture(history: History, losses: list[tuple[int, float]]) -> dict[str, str]:
    """The curves so far as a PNG with its text; drawn by the quickest way there is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from sslbook.lesson.viz import style

    steps, values = history.column("knn")
    panels = [("loss", *zip(*losses, strict=True)), ("kNN accuracy (%)", steps, 100 * values)]
    panels = panels[: 1 + bool(len(steps))]
    title = f"{history.name}: step {losses[-1][0]} of {history.steps}, loss {losses[-1][1]:.3g}"
    figure = style.figure(style.active().strip[0], 1.7, layout="none")
    figure.text(0.06, 0.9, title, fontsize=style.BASE)
    for i, (name, x, y) in enumerate(panels):
        ax = figure.add_axes((0.06 + 0.49 * i, 0.25, 0.42, 0.46))
        ax.plot(x, y, color=style.COLOURS["ours"], marker="o" if i else "")
        ax.set_xlim(0, history.steps)
        style.name_axes(ax, "step", name)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return {"image/png": base64.b64encode(png.getvalue()).decode("ascii"), "text/plain": title}
