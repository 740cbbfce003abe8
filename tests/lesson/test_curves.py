"""Live curves while a training runs: seldom, in one place, and only for a reader."""

from __future__ import annotations

import base64
import sys

import pytest
import torch
from torch.nn import functional as F

from sslbook.lesson import live
from sslbook.lesson.viz import style
from sslbook.training import Batches, History, train

NOTHING = {"text/html": "", "text/plain": ""}


class Front:
    """Stands for the front end: what was shown, in order, by place. The clock is `now`."""

    def __init__(self, monkeypatch):
        self.sent, self.now = [], 0.0
        monkeypatch.setattr(live, "is_live", lambda: True)
        monkeypatch.setattr("IPython.display.display", self.display)
        monkeypatch.setattr(live.time, "monotonic", lambda: self.now)

    def display(self, data, *, raw, metadata, display_id):
        assert (raw, display_id) == (True, True)
        assert metadata["image/png"]["width"] == 770  # as wide as any figure of a page
        self.sent.append(("new", data))
        return self

    def update(self, data, *, raw, metadata=None):
        assert raw
        assert ("image/png" in data) == bool(metadata)
        self.sent.append(("update", data))


@pytest.fixture
def front(monkeypatch):
    return Front(monkeypatch)


def test_curves_are_redrawn_at_most_every_two_seconds_and_gone_in_the_end(front):
    with live.curves(History("a", steps=9)) as draw:
        for step in range(1, 10):
            front.now += 0.75
            draw(step, 9.0 - step)
    shown = [data["text/plain"].partition(",")[0] for _, data in front.sent[:-1]]
    assert shown == ["a: step 3 of 9", "a: step 6 of 9", "a: step 9 of 9"]
    assert [kind for kind, _ in front.sent] == ["new", "update", "update", "update"]
    assert front.sent[-1][1] == NOTHING
    pictures = {base64.b64decode(data["image/png"]) for _, data in front.sent[:-1]}
    assert len(pictures) == 3
    assert all(png.startswith(b"\x89PNG") for png in pictures)


def test_a_short_training_shows_nothing_and_a_failed_one_leaves_nothing(front):
    def interrupted(seconds):
        with live.curves(History("a", steps=9)) as draw:
            front.now += seconds
            draw(1, 0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(1.9)
    assert front.sent == []
    with pytest.raises(KeyboardInterrupt):
        interrupted(2.0)
    assert front.sent[1:] == [("update", NOTHING)]


@pytest.mark.parametrize(("rows", "panels"), [([{"step": 0, "knn": 0.2}], 2), ([], 1)])
def test_the_probes_knn_stands_beside_the_loss(rows, panels, monkeypatch):
    made = []
    real = style.figure
    monkeypatch.setattr(style, "figure", lambda *a, **b: made.append(real(*a, **b)) or made[-1])
    live._picture(History("a", steps=9, rows=rows), [(1, 3.0), (2, 2.0)])
    (figure,) = made
    names = [ax.get_ylabel() for ax in figure.axes]
    assert names == ["loss", "kNN accuracy (%)"][:panels]
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1, 3], [2, 2]]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = torch.nn.Linear(3, 3)

    def forward(self, batch, loss):
        return {"loss": loss(self.encode(batch), batch)}


def trained(run, curves):
    run.curves = curves
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    return train(run, Net, Batches(x, 16, run.streams), name="a", loss=F.mse_loss, steps=12,
                 probe=lambda module, step: {"knn": step / 12})


def test_curves_change_nothing_of_the_training(small_run, monkeypatch, front):
    monkeypatch.setattr(live, "PAUSE", 0.0)
    watched = trained(small_run(place="watched"), live.curves)
    assert len(front.sent) == 13  # every look, and nothing in the end
    monkeypatch.setattr(live, "is_live", lambda: False)
    quiet = trained(small_run(place="quiet"), live.curves)
    assert len(front.sent) == 13
    assert watched.rows == quiet.rows
    torch.testing.assert_close(watched.module.state_dict(), quiet.module.state_dict(),
                               atol=0, rtol=0)


@pytest.mark.parametrize(("headless", "screen", "bar"),
                         [("0", True, True), ("1", True, False), ("0", False, False)])
def test_without_a_front_end_a_terminal_has_a_bar(monkeypatch, capsys, headless, screen, bar):
    monkeypatch.setenv("SSLBOOK_HEADLESS", headless)
    monkeypatch.setitem(sys.modules, "IPython", None)  # no kernel
    monkeypatch.setattr(sys.stderr, "isatty", lambda: screen)
    monkeypatch.setattr(live, "_picture", None)
    with live.curves(History("a", steps=9)) as draw:
        draw(5, 1.0)
    assert ("a:" in capsys.readouterr().err) == bar
