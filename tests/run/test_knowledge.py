"""What a chapter's two short cells keep: factors and labels, beside untrained net and raw input."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest
import samples
import torch

import sslbook
from sslbook import datasets, judging, nets, records
from sslbook.core import paths
from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.judging import few_labels
from sslbook.records import schema
from sslbook.run.scores import Scores
from sslbook.views import Augment, Recipe, preparer

SETTINGS = SimpleNamespace(seed=0, epochs=1, batch_size=16, lr=1e-3, max_steps=2)
ROWS = ["mine", "random", "pixels"]


@pytest.fixture(scope="module")
def sets():
    return [datasets.load("shapes", split, limit=16, size=8) for split in ("train", "test")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """One held-out fifth in place of five."""
    monkeypatch.setattr(few_labels, "_SPLITS", 1)


def make_encoder(width=4, **more):
    return nets.build("resnet8", width=width, **more)


def encoder(seed=5):
    with Streams(seed).seeded("mine"):
        return make_encoder()


def table(**changes):
    return Scores("one", SimpleNamespace(**{**vars(SETTINGS), **changes}), torch.device("cpu"))


def never(*arguments, **named):
    raise AssertionError("computed again")


def test_a_profile_stands_beside_its_controls_which_are_computed_once(sets, monkeypatch):
    found = table()
    profiles = found.profile("mine", encoder(), *sets)
    assert list(profiles) == ROWS
    ready = {"prepare": preparer(sets[0])}
    assert profiles["mine"] == judging.factor_profile(encoder(), *sets, **ready)
    fresh = found.random_encoder(make_encoder, sets[0])
    assert profiles["random"] == judging.factor_profile(fresh, *sets, **ready)
    assert profiles["pixels"] == judging.factor_profile(lambda x: x, *sets, **ready)
    assert found.factors == profiles
    monkeypatch.setattr(Scores, "random_encoder", never)
    again = table().profile("other", encoder(6), *sets)
    assert [again["random"], again["pixels"]] == [profiles["random"], profiles["pixels"]]
    assert again["other"] != profiles["mine"]
    others = [(table(seed=1), encoder(), sets), (table(), make_encoder(width=5), sets),
              (table(), encoder(), (sets[0].take(12), sets[1])),
              (table(), encoder(), (dataclasses.replace(sets[0], factors={}), sets[1]))]
    for scores, net, seen in others:
        with pytest.raises(AssertionError, match="computed again"):
            scores.profile("mine", net, *seen)


def test_a_label_curve_stands_beside_its_controls(sets, monkeypatch):
    train, test = sets
    augment = Augment(Recipe(size=8), train.mean, train.std)
    found = table()
    curves = found.labels("mine", encoder(), train, test, scratch=augment, draws=1)
    assert list(curves) == [*ROWS, "scratch"]
    bank, queries = (judging.features(encoder(), one, prepare=preparer(train)) for one in sets)
    assert curves["mine"] == judging.label_curve(bank, train.labels, queries, test.labels, draws=1)
    assert [list(curve) for curve in curves.values()] == [["1", "all"]] * 3 + [["1"]]
    assert found.label_curves == curves
    monkeypatch.setattr(judging, "scratch_curve", never, raising=False)
    found = table()  # with all labels, a net from scratch is the supervised control
    found.add("supervised", {"linear": 0.9})
    again = found.labels("mine", encoder(), train, test, scratch=augment, draws=1)
    assert again["scratch"].pop("all") == {"labels": 2, "mean": 0.9, "spread": 0, "draws": [0.9]}
    assert again == curves
    tuned = []  # from a copy of what was learned without labels, by the same recipe
    monkeypatch.setattr(judging, "scratch_curve", lambda make, *splits, **recipe: tuned.append(
        (make(), recipe)) or curves["scratch"], raising=False)
    mine = encoder().requires_grad_(False)
    found.labels("mine", mine, train, test, scratch=augment, draws=1, finetune=True)
    (copied, recipe), = tuned
    assert all(torch.equal(*both) for both in zip(
        copied.parameters(), mine.parameters(), strict=True))
    assert all(one.requires_grad for one in copied.parameters())
    assert not any(one.requires_grad for one in mine.parameters())
    assert recipe["draws"] == 1
    assert found.label_curves["fine-tuned"] == curves["scratch"]
    monkeypatch.setattr(judging, "scratch_curve", never, raising=False)
    with pytest.raises(AssertionError, match="computed again"):
        table(max_steps=1).labels("mine", encoder(), train, test, scratch=augment, draws=1)


def test_without_labels_or_factors_each_says_so(sets, capsys):
    bare = [dataclasses.replace(one, labels=None, factors={}) for one in sets]
    found = table()
    assert found.profile("mine", encoder(), *bare) == {}
    assert found.labels("mine", encoder(), *bare) == {}
    said = capsys.readouterr().out
    assert "neither factors nor labels" in said
    assert "no label curve" in said
    assert found.factors == found.label_curves == {}


def test_graphs_and_tables_have_both_too():
    graph = [datasets.load("digits_knn", split, limit=80) for split in ("train", "test")]
    net = nets.build("graph_net", features=64, width=8)
    found = table()
    assert list(found.profile("mine", net, *graph)["pixels"]) == ["class"]
    assert found.labels("mine", net, *graph, draws=1)["mine"]["all"]["mean"] <= 1


def test_an_encoder_of_unknown_make_is_refused(sets):
    with pytest.raises(UsageError, match="does not say how to build it again"):
        table().profile("mine", torch.nn.Flatten(), *sets)


def test_a_record_keeps_both_and_older_ones_stay_readable(sets):
    found = table()
    found.profile("mine", encoder(), *sets)
    found.labels("mine", encoder(), *sets, draws=1)
    old = samples.record()
    kept = {**old, "factors": found.factors, "labels": found.label_curves}
    assert schema.parse(json.dumps(kept)) == kept
    assert schema.parse(json.dumps(old)) == old
    broken = json.loads(json.dumps(kept))
    broken["labels"]["mine"]["1"]["draws"] = []
    with pytest.raises(ValueError, match="draws"):
        schema.parse(json.dumps(broken))
    assert all(records.read(path) for path in records.shipped_files())


def test_a_run_is_shown_over_the_seeds_of_its_kind(sets):
    for seed, budget in ((0, 1), (1, 1), (2, 9)):
        presets = {"smoke": {**vars(SETTINGS), "epochs": budget}}
        run = sslbook.start("one", presets, PRESET="smoke", SEED=seed)
        run.scores.profile("mine", encoder(seed), *sets)
        if seed == 1:
            assert len(run.over_seeds("factors")["mine"]) == 2
            assert run.over_seeds("factors")["mine"][-1] == run.scores.factors["mine"]
            assert run.over_seeds("labels") == {}
        run.finish()
    assert len(run.over_seeds("factors")["mine"]) == 1  # the others had fewer epochs


def test_the_books_runs_on_another_data_set_are_shown_over_their_seeds(monkeypatch):
    def kept(seed, dataset, width):
        record = {**samples.record(), "seed": seed, "labels": {"mine": {"5": {"mean": seed}}}}
        return {**record, "parameters": {**record["parameters"], "dataset": dataset, "width": width,
                                         "seed": seed}}

    book = [kept(0, "cora", 8), kept(1, "cora", 8), kept(2, "cora", 9), kept(3, "shapes", 8)]
    monkeypatch.setattr(records, "shipped", lambda chapter: book if chapter == "one" else [])
    run = sslbook.start("one", {"smoke": vars(SETTINGS)}, PRESET="smoke")
    assert run.over_seeds("labels", "cora") == {"mine": [{"5": {"mean": 0}}, {"5": {"mean": 1}}]}
    assert run.over_seeds("labels", "digits") == {}


def test_the_supervised_control_may_choose_its_rate_and_keeps_the_old_key(sets, monkeypatch):
    train, test = sets
    augment = Augment(Recipe(size=8), train.mean, train.std)
    table().controls(make_encoder, train, test, augment)
    cached = paths.data() / "cache" / "controls"
    before = {path: json.loads(path.read_text())["parts"] for path in cached.glob("*.json")}
    old = [parts for parts in before.values() if "views" in parts and "panel" not in parts]
    keys = {"train", "test", "net", "views", "seed", "epochs", "lr", "batch_size"}
    assert any(set(parts) == keys for parts in old)
    tried = []
    real = judging.controls.supervised_encoder
    monkeypatch.setattr(judging.controls, "supervised_encoder", lambda *a, **b: (
        tried.append((len(a[2].images), b["lr"])), real(*a, **b))[1])
    chosen = table()
    chosen.controls(make_encoder, train, test, augment, rates=(1e-3, 1e-2, 1e-1))
    assert [lr for _, lr in tried[:3]] == [1e-3, 1e-2, 1e-1]
    assert len(tried) == 4
    assert tried[3][0] == 16 > tried[0][0]  # the rate is chosen on a split of the training set
    assert tried[3][1] in (1e-3, 1e-2, 1e-1)
    assert list(chosen.rows) == ["chance", "pixels", "random", "supervised"]
