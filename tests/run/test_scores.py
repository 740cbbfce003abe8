"""The table of a run and the probe on the way: with labels, without them, and computed once."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch

from sslbook import datasets, judging, nets
from sslbook.core.streams import Streams
from sslbook.judging import OnlineProbe, calibrate_batchnorm, embeddings, features, knn
from sslbook.judging.diagnostics import alignment, rankme
from sslbook.nets import heads
from sslbook.run import scores
from sslbook.views import Augment, Recipe, prepare

SETTINGS = SimpleNamespace(seed=0, epochs=1, batch_size=16, lr=1e-3, max_steps=2)


@pytest.fixture(scope="module")
def sets():
    train, test = datasets.load("shapes", limit=64), datasets.load("shapes", "test", limit=32)
    return train, test, Augment(Recipe(size=32), train.mean, train.std)


def unlabelled(one):
    return dataclasses.replace(one, labels=None, classes=())


def make_encoder():
    return nets.build("resnet8", width=8)


def table(**changes):
    settings = SimpleNamespace(**{**vars(SETTINGS), **changes})
    return scores.Scores("one", settings, torch.device("cpu"))


def test_controls_are_computed_once_for_all_chapters(sets, monkeypatch):
    train, test, augment = sets
    first = table()
    first.controls(make_encoder, train, test, augment)
    assert list(first.rows)[0] == "chance"
    assert len(first.rows) == 4
    assert first.lines()["chance"] == pytest.approx(1 / 8, abs=0.1)

    def never(*arguments, **named):
        raise AssertionError("computed again")

    monkeypatch.setattr(judging, "control_scores", never, raising=False)
    again = table()
    again.controls(make_encoder, train, test, augment)
    assert again.rows == first.rows
    smaller, narrower = train.take(60), lambda: nets.build("resnet8", width=5)
    others = [({key: value}, make_encoder, train)
              for key, value in (("seed", 1), ("lr", 1e-2), ("batch_size", 8))]
    for other, make, seen in (*others, ({}, make_encoder, smaller), ({}, narrower, train)):
        with pytest.raises(AssertionError, match="computed again"):
            table(**other).controls(make, seen, test, augment)


def test_without_labels_only_what_needs_none_is_measured(sets, capsys):
    train, test, augment = map(lambda s: s if isinstance(s, Augment) else unlabelled(s), sets)
    found = table()
    found.controls(make_encoder, train, test, augment)
    assert found.rows == {}
    assert "no labels" in capsys.readouterr().out
    row = found.judge("mine", make_encoder(), train, test)
    assert set(row) == {"rank"}
    assert "kNN and linear probe are left out" in capsys.readouterr().out
    assert math.isnan(found.knn(make_encoder(), train, test))
    found.show("mine")


def test_an_encoder_is_judged_and_shown(sets, capsys):
    train, test, _ = sets
    found = table()
    row = found.judge("mine", make_encoder(), train, test)
    assert {"rank", "knn20"} < set(row)
    assert all(0 <= value <= 1 for key, value in row.items() if key != "rank")
    assert found.knn(make_encoder(), train, test) <= 1
    found.show("mine")
    assert found.method == "mine"
    assert "effective rank of h" in capsys.readouterr().out


@pytest.mark.parametrize(("chance", "classes", "says"), [
    (0.25, 4, ""), (0.2501, 4, ""), (0.319, 7, "one of 7 classes at random: 14.3 %"), (0.5, 0, ""),
])
def test_chance_says_what_it_is_where_it_is_not_one_in_k(capsys, chance, classes, says):
    found = table()
    found.classes = classes
    found.add("chance", {"knn20": chance})
    found.show("mine")
    said = capsys.readouterr().out
    assert ("most frequent in training" in said) == bool(says)
    assert says in said


def test_chance_is_counted_anew_whatever_a_record_says(sets, monkeypatch):
    train, test, augment = sets
    old = {"chance": {"knn20": 0.9}, "pixels": {"knn20": 0.5}}
    monkeypatch.setattr(scores.controls, "cached", lambda parts, compute: old)
    found = table()
    found.controls(make_encoder, train, test, augment)
    assert found.rows["chance"]["knn20"] == judging.chance(train.labels, test.labels)


def model():
    with Streams(0).seeded("model"):
        encoder = make_encoder()
        return heads.Siamese(encoder, heads.projector(encoder.out_dim, 16, 16)).eval()


def test_the_probe_on_the_way_measures_fixed_samples(sets):
    train, test, augment = sets
    probe = OnlineProbe(train, test, augment, Streams(0), bank=40, queries=20, pairs=24)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    found = probe(model(), 0)
    assert torch.equal(torch.get_rng_state(), before)
    controls = {key: found.pop(key) for key in ("knn_pixels", "knn_random")}
    assert set(found) == {"knn", "rank", "rank_z", "alignment", "uniformity"}
    assert found == probe(model(), 7)
    bank, asked = train.take(40), test.take(20)
    ready = [prepare(part.images, 32, train.mean, train.std) for part in (bank, asked)]
    fresh = calibrate_batchnorm(model(), ready[0])
    for name, encode in (("pixels", torch.nn.Flatten()), ("random", fresh)):
        x, y = (features(encode, part) for part in ready)
        assert controls[f"knn_{name}"] == knn(x, bank.labels, y, asked.labels)
    z1, z2 = (embeddings(model(), view) for view in probe.views)
    assert z1.shape == (24, 16)
    assert found["rank"] == pytest.approx(rankme(z1))
    assert found["alignment"] == pytest.approx(alignment(z1, z2))


def test_the_probe_on_the_way_without_labels(sets):
    train, test, augment = sets
    probe = OnlineProbe(unlabelled(train), unlabelled(test), augment, Streams(0), bank=9)
    assert set(probe(model(), 0)) == {"rank", "rank_z", "alignment", "uniformity"}


def test_the_probe_on_the_way_asks_all_where_there_are_few(sets):
    train, test, augment = sets
    probe = OnlineProbe(train, test, augment, Streams(0), bank=9)
    x, y = features(model().encode, probe.bank_x), features(model().encode, probe.query_x)
    assert probe(model(), 0)["knn"] == knn(x, probe.bank.labels, y, probe.queries.labels, k=9)


def test_embeddings_of_a_module_without_a_projector(sets):
    x = torch.randn(5, 3, 32, 32, generator=Streams(0).torch("x"))
    module = SimpleNamespace(encode=model().encoder)
    torch.testing.assert_close(embeddings(module, x), model().encoder(x))


def test_elsewhere_shows_the_books_records_on_other_data_beside_their_controls(monkeypatch, capsys):
    def kept(dataset, seed):
        rows = {"random": 0.2, "pixels": 0.3, "ours": 0.5 + 0.01 * seed, "supervised": 0.9}
        return {"schema": 1, "chapter": "one", "status": "finished", "preset": "smoke",
                "trained_with": "notebook", "tried": 1, "seed": seed,
                "started": f"2026-01-0{seed + 1}",
                "parameters": {"dataset": dataset}, "code": {"version": "0.1.0"}, "claims": {},
                "data": {"train": {"name": dataset, "count": 9, "sha256": dataset}},
                "method": "ours", "scores": {row: {"linear": v} for row, v in rows.items()}}

    both = [kept(name, seed) for name in ("shapes", "photos") for seed in (0, 1)]
    monkeypatch.setattr(scores.records, "shipped", lambda chapter: both)
    table(dataset="shapes").elsewhere()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "linear (%); gains in points; means with their 95 % intervals."
    assert len(lines) == 3
    assert "photos, 9 " in lines[2]
    assert "+30.5 [" in lines[2]
    assert "+20.5 [" in lines[2]
    monkeypatch.setattr(scores.records, "shipped", lambda chapter: [])
    table().elsewhere()
    assert "no record of this chapter on other data" in capsys.readouterr().out
