"""Comparisons: arms from one beginning, each with its budget, and what is unequal is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import sslbook
from sslbook.errors import UsageError

PRESETS = {"smoke": {"dataset": "shapes", "images": 64, "test_images": 16, "epochs": 1,
                     "batch_size": 16, "lr": 1e-2}}


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, 4)

    def forward(self, batch, loss):
        return {"loss": loss(self.encoder(batch))}


@pytest.fixture
def run():
    return sslbook.start("one", PRESETS, PRESET="smoke")


def square(z):
    return z.square().mean()


def compared(run, arms, **more):
    data = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    return run.compare("pair", arms, **{"change": "the loss", "module": Tiny, "steps": 3,
                                        "batches": run.batches(data), **more})


def test_arms_begin_alike_and_see_the_same_batches(run, capsys):
    found = compared(run, {"one": {"loss": square}, "same": {"loss": square},
                           "other": {"loss": lambda z: F.softplus(z).mean()}})
    ends = {arm: history.module.encoder.weight for arm, history in found.items()}
    assert torch.equal(ends["one"], ends["same"])
    assert not torch.equal(ends["one"], ends["other"])
    assert "pair: one, same, other.\nThey differ in the loss; each 3 steps of 16 samples" in (
        capsys.readouterr().out)
    kept = run.record("running")["comparisons"]["pair"]
    assert kept["change"] == "the loss"
    one = kept["arms"]["one"]
    assert one == kept["arms"]["other"]
    assert {key: one[key] for key in ("images", "seen", "steps", "passes", "tried")} == {
        "images": 64, "seen": 48, "steps": 3, "passes": 1, "tried": 1}
    assert one["optimizer"]["lr"] == 1e-2


def test_arms_begin_where_a_finished_training_began(run):
    data = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    before = sslbook.train(run, Tiny, run.batches(data), name="pretrain", loss=square, steps=3)
    found = compared(run, {"before": before, "again": {"loss": square}})
    assert found["before"] is before
    assert torch.equal(before.module.encoder.weight, found["again"].module.encoder.weight)


def test_an_arm_may_say_what_differs_of_the_optimiser_alone(run):
    found = compared(run, {"one": {"loss": square},
                           "slow": {"loss": square, "optimizer": {"lr": 5e-3}}},
                     differs={"optimizer": "it is asked"})
    one, slow = (found[arm].optimizer for arm in ("one", "slow"))
    assert slow == {**one, "lr": 5e-3}


@pytest.mark.parametrize(("own", "word"), [
    ({"steps": 4}, "images seen"), ({"passes": 4}, "passes at test time"),
    ({"tried": 3}, "configurations tried"), ({"module": lambda: Wider()}, "initial weights"),
    ({"optimizer": {"lr": 5e-3}}, "settings of the optimiser"),
])
def test_an_unequal_budget_is_refused_unless_a_reason_is_given(run, own, word, capsys):
    arms = {"one": {"loss": square}, "other": {"loss": square, **own}}
    with pytest.raises(UsageError, match=word):
        compared(run, arms)
    assert "pair" not in run.comparisons
    keys = {"steps": ("seen", "steps")}.get(*own, ()) or tuple(
        "initial" if key == "module" else key for key in own)
    compared(run, arms, differs=dict.fromkeys(keys, "it is the question"))
    assert "it is the question" in capsys.readouterr().out
    assert set(run.comparisons["pair"]["differs"]) == set(keys)


class Wider(Tiny):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(3, 5)


def test_what_no_budget_holds_is_no_reason(run):
    with pytest.raises(UsageError, match="weather"):
        compared(run, {"one": {"loss": square}}, differs={"weather": "rain"})
