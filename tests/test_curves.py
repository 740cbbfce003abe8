"""Curves while a training runs: seldom, for under 1 % of the time, and only for a reader."""

from __future__ import annotations

import base64
import itertools
import sys

import pytest
import torch
from torch.nn import functional as F

from sslbook.lesson import widgets
from sslbook.training import Batches, History, curves, train


class Clock:
    """Stands still until told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def drawings(costs, step=0.125, until=1000.0):
    """When a training of `until` seconds, that asks after every step, draws: [(time, cost)]."""
    clock, found, costs = Clock(), [], itertools.chain(costs, itertools.repeat(costs[-1]))
    allowance = curves.Allowance(clock)
    while clock.now < until:
        clock.now += step
        if allowance.due():
            cost = next(costs)
            found.append((clock.now, cost))
            with allowance.spend():
                clock.now += cost
    return found


@pytest.mark.parametrize("cost", [0.001, 0.02, 0.05, 0.3, 2.0])
def test_drawing_costs_under_one_per_cent(cost):
    found = drawings([cost])
    assert found[0][0] == 10.0  # at first a drawing is taken to cost 0.1 s
    for i, (at, _) in enumerate(found[1:], 1):
        assert sum(cost for _, cost in found[: i + 1]) <= 0.01 * at + 1e-9
        assert at - found[i - 1][0] >= 2.0 + cost - 1e-6
    assert len(found) >= min(400, 7 / cost)  # and then it does draw


def test_one_slow_drawing_is_paid_for():
    (_, second, third, fourth, *_) = (at for at, _ in drawings([0.01, 3.0, 0.01]))
    assert second < 13
    assert third >= 600  # as if the next one cost as much
    assert fourth < third + 3


class Front:
    """Stands for the front end: what was shown, in order, by place."""

    def __init__(self, monkeypatch):
        self.sent = []
        monkeypatch.setattr(widgets, "is_live", lambda: True)
        monkeypatch.setattr("IPython.display.display", self.display)

    def display(self, data, *, raw, display_id):
        assert (raw, display_id) == (True, True)
        self.sent.append(("new", data))
        return self

    def update(self, data, *, raw):
        assert raw
        self.sent.append(("update", data))


def trained(run, knn=True):
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = torch.nn.Linear(3, 3)

        def forward(self, batch, loss):
            return {"loss": loss(self.encode(batch), batch)}

    return train(run, Net, Batches(x, 16, run.streams), name="a", loss=F.mse_loss, steps=12,
                 probe=(lambda module, step: {"knn": step / 12}) if knn else None)


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(curves.Allowance, "due", lambda self: True)


def test_a_reader_sees_curves_that_are_gone_in_the_end(small_run, monkeypatch, always, capsys):
    front = Front(monkeypatch)
    trained(small_run())
    kinds = [kind for kind, _ in front.sent]
    assert kinds == ["new", *["update"] * 12]  # twelve drawings in one place, then nothing there
    assert front.sent[-1][1] == {"text/html": "", "text/plain": ""}
    first, last = front.sent[0][1], front.sent[-2][1]
    assert first["text/plain"].startswith("a: step 1 of 12, loss ")
    assert last["text/plain"].startswith("a: step 12 of 12, loss ")
    pictures = [base64.b64decode(data["image/png"]) for data in (first, last)]
    assert all(png.startswith(b"\x89PNG") for png in pictures)
    assert pictures[0] != pictures[1]


def test_curves_change_nothing_of_the_training(small_run, monkeypatch, always, capsys):
    quiet = trained(small_run(place="quiet"))
    front = Front(monkeypatch)
    watched = trained(small_run(place="watched"))
    assert front.sent
    assert watched.rows == quiet.rows
    assert all(torch.equal(a, b) for a, b in zip(
        watched.module.parameters(), quiet.module.parameters(), strict=True))


def test_a_failed_training_leaves_no_curves(monkeypatch, always):
    front = Front(monkeypatch)

    def interrupted():
        with curves.curves(History("a", steps=9)) as draw:
            draw(1, 0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert front.sent[-1] == ("update", {"text/html": "", "text/plain": ""})


def test_a_short_training_shows_nothing(small_run, monkeypatch, capsys):
    front = Front(monkeypatch)
    monkeypatch.setattr(curves.Allowance, "due", lambda self: False)
    trained(small_run())
    assert front.sent == []


@pytest.mark.parametrize(("rows", "panels"), [([{"step": 0, "knn": 0.2}], 2), ([], 1)])
def test_the_probes_knn_stands_beside_the_loss(rows, panels, monkeypatch):
    from sslbook.lesson.viz import style

    made = []
    real = style.figure
    monkeypatch.setattr(style, "figure", lambda *a, **b: made.append(real(*a, **b)) or made[-1])
    curves._picture(History("a", steps=9, rows=rows), [(1, 3.0), (2, 2.0)])
    (figure,) = made
    names = [ax.get_ylabel() for ax in figure.axes]
    assert names == ["loss", "kNN accuracy (%)"][:panels]
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1, 3], [2, 2]]


def test_headless_nothing_is_drawn(small_run, monkeypatch, always, capsys):
    def refuse(*arguments):
        raise AssertionError("drawn")

    monkeypatch.setattr(curves, "_picture", refuse)
    trained(small_run())
    monkeypatch.delenv("SSLBOOK_HEADLESS")
    monkeypatch.setitem(sys.modules, "IPython", None)  # no kernel either
    trained(small_run(place="script"))
