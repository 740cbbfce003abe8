"""The one loop: it trains what is not two views of an image, is exact, and stops when it must."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import kneighbors_graph
from torch import Tensor, nn
from torch.nn import functional as F

from sslbook import nets
from sslbook.core.streams import Streams
from sslbook.errors import DataError, UserError
from sslbook.training import Batches, FullBatch, History, OptimizerConfig, train
from sslbook.training.checkpoints import read_checkpoint
from sslbook.training.fingerprint import fingerprint
from sslbook.training.history import Log


class AutoEncoder(nn.Module):
    """A table's rows through a bottleneck."""

    def __init__(self, columns: int):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(columns, 16), nn.ReLU(), nn.Linear(16, 4))
        self.decode = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, columns))

    def forward(self, batch, loss):
        return {"loss": loss(self.decode(self.encode(batch)), batch)}


class GraphNet(nn.Module):
    """Two rounds of message passing that restore hidden node features; the graph is full-batch."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = nn.Linear(width, 32), nn.Linear(32, width)

    def encode(self, graph):
        adjacency, x = graph
        return F.relu(self.first(adjacency @ x))

    def forward(self, batch, loss):
        adjacency, x, hidden = batch
        shown = x.masked_fill(hidden[:, None], 0.0)
        restored = self.second(adjacency @ self.encode((adjacency, shown)))
        return {"loss": loss(restored[hidden], x[hidden])}


class MaskedTransformer(nn.Module):
    """Guesses hidden tokens of short sequences from those around them."""

    def __init__(self, words: int, length: int):
        super().__init__()
        self.words = nn.Embedding(words + 1, 32)
        self.places = nn.Parameter(torch.randn(length, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(32, words)
        self.blank = words

    def encode(self, tokens):
        return self.body(self.words(tokens) + self.places)

    def forward(self, batch, loss):
        tokens, hidden = batch
        guess = self.out(self.encode(tokens.masked_fill(hidden, self.blank)))
        return {"loss": loss(guess[hidden], tokens[hidden])}


def _table():
    x = torch.tensor(load_wine().data, dtype=torch.float32)
    return (x - x.mean(0)) / x.std(0)


def _graph():
    x = torch.tensor(load_digits().data[:300] / 16, dtype=torch.float32)
    adjacency = torch.tensor(kneighbors_graph(x, 8).toarray(), dtype=torch.float32)
    return (adjacency + torch.eye(300)) / (adjacency.sum(1, keepdim=True) + 1), x


def _hide_nodes(value, generator):
    return *value, torch.rand(300, generator=generator) < 0.5


def _sequences() -> Tensor:
    start = torch.arange(200)[:, None]
    return (start + 2 * torch.arange(8)) % 10  # each token follows from any other


def _hide(tokens: Tensor, generator: torch.Generator):
    hidden = torch.rand(tokens.shape, generator=generator) < 0.3
    hidden[:, 0] |= ~hidden.any(dim=1)
    return tokens, hidden


@pytest.mark.parametrize(("make", "batches", "loss", "epochs", "lr", "falls"), [
    (lambda: AutoEncoder(13), lambda streams: Batches(_table(), 32, streams), F.mse_loss,
     30, 2e-2, 0.6),
    (lambda: GraphNet(64), lambda streams: FullBatch(_graph(), 300, streams, _hide_nodes),
     F.mse_loss, 80, 1e-2, 0.6),
    (lambda: MaskedTransformer(10, 8), lambda streams: Batches(_sequences(), 50, streams, _hide),
     F.cross_entropy, 60, 1e-2, 0.7),
], ids=["table", "graph", "sequences"])
def test_trains_what_is_not_an_image(small_run, make, batches, loss, epochs, lr, falls):
    run = small_run(epochs=epochs, lr=lr)
    batches = batches(run.streams)
    history = train(run, make, batches, name="a", loss=loss)
    assert history.steps == epochs * len(batches)
    assert history.last("loss") < falls * history.column("loss")[1][0]
    assert run.trainings == [history]


def _small(run, name="small", loss=F.mse_loss, **named):
    x = torch.linspace(-1, 1, 64 * 3).reshape(64, 3)
    batches = Batches(x, 16, run.streams)
    return train(run, lambda: AutoEncoder(3), batches, name=name, loss=loss, **named)


def _weights(history: History) -> list[Tensor]:
    return list(history.module.state_dict().values())


def test_same_seed_same_weights_and_the_global_generator_is_left_alone(small_run):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = _small(small_run(place="a", epochs=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = _small(small_run(place="b", epochs=3))
    other = _small(small_run(place="c", epochs=3, seed=1))
    assert all(map(torch.equal, _weights(first), _weights(second)))
    assert not all(map(torch.equal, _weights(first), _weights(other)))


def test_a_probe_changes_nothing_and_keeps_numbers_and_arrays(small_run):
    def probe(module, step):
        assert not module.training
        torch.randn(3)
        return {"norm": sum(p.norm() for p in module.parameters()), "w": module.encode[0].weight}

    plain = _small(small_run(place="a", epochs=3))
    run = small_run(place="b", epochs=3)
    probed = _small(run, probe=probe)
    assert all(map(torch.equal, _weights(plain), _weights(probed)))
    steps, values = probed.column("norm")
    assert steps[0] == 0
    assert steps[-1] == probed.steps == 12
    assert len(values) == len(probed.snapshots["w"]) == len(probed.snapshot_steps["w"])
    assert probed.snapshots["w"][0].shape == (16, 3)
    again = _small(run, probe=probe)
    np.testing.assert_array_equal(again.snapshots["w"][-1], probed.snapshots["w"][-1])


def test_probe_every_counts_epochs(small_run):
    history = _small(small_run(epochs=6), probe=lambda m, s: {"one": 1.0}, probe_every=2)
    assert history.column("one")[0].tolist() == [0, 8, 16, 24]


def test_a_finished_training_is_loaded_and_a_changed_one_is_trained_again(small_run, capsys):
    run = small_run(epochs=2)
    first = _small(run)
    second = _small(run)
    assert "loaded, not trained again" in capsys.readouterr().out
    assert all(map(torch.equal, _weights(first), _weights(second)))
    assert second.rows == first.rows
    _small(run, loss=lambda a, b: F.mse_loss(a, b) * 2)
    assert "changed, so it is trained again" in capsys.readouterr().out
    assert (run.folder / "train" / "small.1" / "history.json").exists()


@pytest.mark.parametrize(("how", "kept"), [("signal", 9), ("in the middle of a step", 8)])
def test_stopped_training_resumes_bit_for_bit(small_run, how, kept):
    whole = _transformer(small_run(place="a", epochs=4))
    run = small_run(place="b", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        _transformer(run, stop_at=9, how=how)
    state = read_checkpoint(run.folder / "train" / "masked" / "checkpoint.pt")
    assert state["values"]["step"] == kept
    resumed = _transformer(run)
    assert all(map(torch.equal, _weights(whole), _weights(resumed)))
    assert resumed.rows[-1] == whole.rows[-1]


_STOP: dict[str, object] = {}  # not in the hook: it would change the fingerprint


def _transformer(run, stop_at=0, how="signal"):
    """Dropout and masks use randomness in every step; a hook stops the training on request."""
    _STOP.update(at=stop_at, how=how)

    def hook(module, step, steps):
        if step + 1 == _STOP["at"]:
            if _STOP["how"] != "signal":
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)

    batches = Batches(_sequences(), 50, run.streams, _hide)
    return train(run, lambda: MaskedTransformer(10, 8), batches, name="masked",
                 loss=F.cross_entropy, after_step=[hook])


def test_a_used_module_is_refused(small_run):
    run = small_run()
    module = AutoEncoder(3)
    batches = Batches(torch.zeros(8, 3), 4, run.streams)
    train(run, module, batches, name="one", loss=F.mse_loss)
    with pytest.raises(UserError, match="already trained as 'one'"):
        train(run, module, batches, name="two", loss=F.mse_loss)


def test_nan_stops_with_the_step_and_keeps_the_last_good_checkpoint(small_run):
    calls = {"n": 0}

    def loss(a, b):
        calls["n"] += 1
        return F.mse_loss(a, b) * (float("nan") if calls["n"] == 30 else 1.0)

    run = small_run(epochs=10)
    with pytest.raises(UserError, match="loss is nan at step 30") as caught:
        _small(run, loss=loss)
    kept = read_checkpoint(run.folder / "train" / "small" / "checkpoint.pt")
    assert 0 < kept["values"]["step"] < 30
    assert f"of step {kept['values']['step']}, is kept" in str(caught.value)
    assert all(torch.isfinite(p).all() for p in kept["parts"]["module"].values())


class Collapsing(nn.Module):
    """Pulls two views together and has nothing that keeps them apart."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(3, 8)

    def forward(self, batch, loss):
        z = self.encode(batch)
        return {"loss": loss(z), "z": z.detach()}


def _pull(z):
    return (z - 1).square().mean()


def test_collapse_stops_with_a_diagnosis_unless_allowed(small_run):
    x = torch.randn(64, 3, generator=Streams(0).torch("x"))
    run = small_run(epochs=30, lr=6e-2)
    batches = Batches(x, 16, run.streams)
    with pytest.raises(UserError, match="collapsed to one point"):
        train(run, Collapsing, batches, name="a", loss=_pull)
    history = train(run, Collapsing, batches, name="b", loss=_pull, allow_collapse=True)
    assert history.last("collapse") > 0.98


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lars"])
def test_every_optimizer_lowers_the_loss(small_run, optimizer):
    config = OptimizerConfig(optimizer, lr=0.5 if optimizer == "lars" else 0.02, clip=1.0)
    history = _small(small_run(epochs=20), optimizer=config)
    losses = history.column("loss")[1]
    assert losses[-1] < 0.8 * losses[0]


def test_rate_warms_up_and_falls_along_a_cosine():
    config = OptimizerConfig(lr=1.0, warmup=0.1)
    rates = [config.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.0, abs=1e-3)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_biases_and_norms_are_not_decayed():
    groups = OptimizerConfig(weight_decay=0.3).build(AutoEncoder(3)).param_groups
    seen = {(p.ndim, g["weight_decay"]) for g in groups for p in g["params"]}
    assert seen == {(2, 0.3), (1, 0.0)}


def test_minutes_replace_epochs_and_leave_the_start_untouched(small_run):
    run = small_run(epochs=1, minutes=0.003)
    timed = _small(run)
    assert timed.steps > 4
    plain = _small(small_run(place="b"), steps=timed.steps)
    assert all(map(torch.equal, _weights(timed), _weights(plain)))


def test_hooks_run_after_the_update(small_run):
    seen = []
    history = _small(small_run(), steps=1, after_step=[
        lambda module, step, steps: seen.append([w.clone() for w in module.parameters()])])
    assert len(seen) == 1
    assert all(map(torch.equal, seen[0], history.module.parameters()))


def test_batches_cover_an_epoch_once_and_any_step_can_be_had_alone():
    batches = Batches(torch.arange(10), 3, Streams(0))
    seen = torch.cat([batches(step) for step in range(len(batches))])
    assert len(seen) == 9 == len(set(seen.tolist()))
    assert torch.equal(Batches(torch.arange(10), 3, Streams(0))(7), batches(7))
    assert not torch.equal(batches(0), batches(3))
    with pytest.raises(DataError, match="empty"):
        Batches(torch.empty(0, 3), 4, Streams(0))
    with pytest.raises(DataError, match="differ in length"):
        Batches((torch.zeros(3), torch.zeros(4)), 2, Streams(0))


def test_the_log_has_at_most_twelve_lines_of_eighty_columns(small_run, capsys):
    probe = {f"measure{i}": 123456.0 for i in range(9)}
    _small(small_run(epochs=20), probe=lambda m, s: dict(probe), probe_every=1)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert 10 <= len(lines) <= 12
    assert max(map(len, lines)) <= 80
    Log([0]).print({"step": 0, "epoch": 0.0})


def test_metrics_rows_are_written_up_to_max_steps(small_run):
    run = small_run(epochs=50, max_steps=16)
    assert _small(run).steps == 16
    rows = [row for row in run.logged if "loss" in row]
    assert rows[-1]["step"] == 16
    assert {"training", "loss", "lr"} <= set(rows[-1])
    json.dumps(run.logged)


def test_fingerprint_sees_code_constants_and_closures_but_not_layout():
    def make(scale):
        return lambda a: a * scale

    assert fingerprint(make(1.0)) == fingerprint(make(1.0))
    assert fingerprint(make(1.0)) != fingerprint(make(2.0))
    space = {"__name__": "__main__"}
    exec("def inner(a):\n    return a + 1\ndef outer(a):\n    return inner(a)", space)
    first = fingerprint(space["outer"])
    exec("def inner(a):\n    # a comment\n    return a + 1", space)
    assert fingerprint(space["outer"]) == first
    exec("def inner(a):\n    return a + 2", space)
    assert fingerprint(space["outer"]) != first


def test_damaged_checkpoints_are_named_not_run(small_run, tmp_path):
    run = small_run(epochs=4)
    with pytest.raises(KeyboardInterrupt):
        _transformer(run, stop_at=9)
    path = run.folder / "train" / "masked" / "checkpoint.pt"
    data = path.read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(UserError, match="damaged"):
            read_checkpoint(path)


def test_narrow_strided_convolutions_stay_out_of_channels_last(small_run, capsys):
    """torch 2.14 corrupts the heap in their backward on AVX2 (pytorch#23825, #136348)."""
    class Sums(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.net = nets.build("resnet8", width=width)

        def forward(self, x, loss):
            seen.append(x.is_contiguous(memory_format=torch.channels_last))
            return {"loss": loss(self.net(x))}

    for width in (4, 8):
        run, seen = small_run(place=str(width)), []
        batches = Batches(torch.rand(8, 3, 8, 8), 4, run.streams)
        train(run, Sums(width), batches, name="narrow", loss=lambda h: h.square().mean(), steps=1)
        assert seen == [width == 8]
        assert ("plain memory layout" in capsys.readouterr().out) == (width == 4)
