"""Captured and compiled steps do what eager ones do, and know when they must not be taken."""

from __future__ import annotations

import json

import pytest
import tape
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslbook import nets
from sslbook.errors import UsageError
from sslbook.methods.barlow_twins import barlow_twins_loss
from sslbook.methods.simclr import nt_xent_loss
from sslbook.nets import heads
from sslbook.training import Batches, FullBatch, cudagraph, make_step, train
from sslbook.training import OptimizerConfig as Config
from sslbook.training.step import Step
from sslbook.views import Augment
from sslbook.views import Recipe as Views

STEPS = 20
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (64, 3, 20, 20), generator=GENERATOR, dtype=torch.uint8)
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def siamese() -> nn.Module:
    encoder = nets.resnet8(4)
    return heads.Siamese(encoder, heads.projector(encoder.out_dim, 16, 8))


class MultiCrop(nn.Module):
    """Two large crops for the teacher, all crops for the student, a temperature on a schedule."""

    def __init__(self):
        super().__init__()
        self.student = nn.Sequential(nets.resnet8(4), nn.Linear(16, 8))
        self.teacher = heads.Teacher(self.student)
        self.dropout = nn.Dropout(0.2)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, batch, loss):
        crops = [self.dropout(self.student(crop)) for crop in batch]
        targets = [self.teacher(crop) for crop in batch[:2]]
        pairs = [(s, t) for i, s in enumerate(crops) for j, t in enumerate(targets) if i != j]
        terms = [loss(s, t, self.temperature) for s, t in pairs]
        return {"loss": torch.stack(terms).mean(), "z": targets[0]}


def cross_entropy(student: Tensor, teacher: Tensor, temperature: Tensor) -> Tensor:
    return -(F.softmax(teacher / temperature, 1) * F.log_softmax(student, 1)).sum(1).mean()


def anneal(module: nn.Module, step: int, steps: int) -> None:
    module.temperature.fill_(1.0 - 0.8 * step / steps)


class Dense(nn.Module):
    """Rows of a table, a teacher that follows, and again a temperature."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 6))
        self.teacher = heads.Teacher(self.net)
        self.register_buffer("temperature", torch.ones(()))
        self.seen = 0

    def forward(self, batch, loss):
        return {"loss": loss(self.net(batch) / self.temperature, batch - self.teacher(batch))}


class Counting(Dense):
    def forward(self, batch, loss):
        self.seen += 1
        return super().forward(batch, loss)


def noisy(rows: Tensor, generator: torch.Generator) -> Tensor:
    """A transform without two halves."""
    return rows + torch.randn(rows.shape, generator=generator).to(rows.device)


def two_views(hue: str) -> Augment:
    recipe = Views(size=16, hue=hue, blur=0.5, solarize=0.2, jitter=(0.4, 0.4, 0.4, 0.2))
    return Augment(recipe, MEAN, STD)


CROPS = Augment((Views(size=16), Views(size=16), Views(size=8, crop=(0.05, 0.4))), MEAN, STD)


def teacher(student: str) -> list:
    return [heads.follow("teacher", student, 0.5, 1.0), anneal]


def images(transform):
    return lambda run: Batches(IMAGES.to(run.device), 16, run.streams, transform, run.device)


def rows(run, transform=None) -> Batches:
    data = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    return Batches(data.to(run.device), 8, run.streams, transform, run.device)


def method(module, loss, batches=rows, config=None, hooks=()) -> dict:
    return {"module": module, "loss": loss, "batches": batches, "after_step": hooks,
            "optimizer": config or Config(warmup=0.3, clip=1.0)}


PLAIN, LARS = Config(warmup=0.3), Config("lars", lr=0.1, warmup=0.3)
DENSE = method(Dense, F.mse_loss, hooks=teacher("net"))
TABLE = method(Dense, F.mse_loss, config=LARS)
TWINS = method(siamese, barlow_twins_loss, images(two_views("hsv")), PLAIN)
METHODS = {
    "barlow twins": TWINS,
    "simclr, sgd": method(siamese, nt_xent_loss, images(two_views("chroma")),
                          Config("sgd", lr=0.02, warmup=0.3)),
    "multi-crop, ema": method(MultiCrop, cross_entropy, images(CROPS), hooks=teacher("student")),
    "dense, ema": DENSE,
    "noisy, lars": method(Dense, F.mse_loss, lambda run: rows(run, noisy), LARS),
}


def trained(run, method: dict, accelerate: str, steps: int = STEPS, **changes):
    given = {**method, **changes}
    batches = given.pop("batches")(run)
    return train(run, given.pop("module"), batches, name="pretrain", steps=steps,
                 accelerate=accelerate, allow_collapse=True, **given)


def assert_equal_courses(one, other, bound: float = 1e-4) -> None:
    for key in ("loss", "lr"):
        assert one.column(key)[1] == pytest.approx(other.column(key)[1], rel=bound, abs=bound)
    torch.testing.assert_close(one.module.state_dict(), other.module.state_dict(),
                               atol=bound, rtol=bound)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=needs_cuda)])
def place(request, small_run, monkeypatch: pytest.MonkeyPatch):
    """A function that makes a run there, where graphs are captured.

    A CPU has no CUDA graphs: operations are recorded and repeated instead.
    """
    if request.param == "cpu":
        monkeypatch.setattr(cudagraph, "unavailable", lambda device, batches: "")
        monkeypatch.setattr(cudagraph, "capture", tape.capture)

    def make(name: str, precision: str = "float32", **settings):
        run = small_run(place=name, **settings)
        run.device, run.precision = torch.device(request.param), precision
        return run

    return make


def assert_accelerated_equals_eager(place, method: dict, mode: str = "graph", **settings):
    eager = trained(place("off", **settings), method, "off")
    other = trained(place("graph", **settings), method, "graph")
    assert (eager.mode, other.mode) == ("eager", mode)
    assert_equal_courses(eager, other)
    assert eager.last("loss") != eager.rows[1]["loss"], "nothing was trained"


@pytest.mark.parametrize("name", METHODS)
def test_captured_steps_equal_eager_ones(place, name):
    assert_accelerated_equals_eager(place, METHODS[name])


def test_half_precision_scales_inside_and_moves_outside(place):
    """On a CPU fp16 is slow but real: forward and backward are captured, the scaler's step not."""
    assert_accelerated_equals_eager(place, DENSE, precision="fp16")


def test_the_recording_freezes_what_python_held():
    """The stand-in must be able to fail: a plain number is frozen, a tensor is not."""
    x, rate = torch.zeros(3), {"plain": 1.0, "tensor": torch.ones(())}

    def step():
        return x.add_(1.0, alpha=rate["plain"]).add_(rate["tensor"]).clone()

    replay = tape.capture(step)
    replay()
    rate["plain"] = 100.0
    rate["tensor"].fill_(10.0)
    assert replay().tolist() == [13.0] * 3


def replacing(module: nn.Module, step: int, _steps: int) -> None:
    """A hook that puts a new tensor where the weight was, instead of changing the weight."""
    if step % 3 == 2:
        module.net[0].weight.data = module.net[0].weight.data * 0.5


def reading(a: Tensor, b: Tensor) -> Tensor:
    return F.mse_loss(a, b) * (1.0 if F.mse_loss(a, b).item() > 0.1 else 2.0)


def choosing(a: Tensor, b: Tensor) -> Tensor:
    return (a - b)[b > 0].square().mean()


@pytest.mark.parametrize(("changes", "reason"), [
    ({"loss": reading}, "reading reads a value on the host (aten._local_scalar_dense)"),
    ({"loss": choosing}, "choosing reads a value on the host (aten.index)"),
    ({"module": Counting}, "counts in the plain attribute seen (use a buffer)"),
    ({"after_step": [replacing]}, "a weight was replaced, not changed"),
])
def test_what_cannot_be_captured_runs_eagerly_and_says_why(place, capsys, changes, reason):
    assert_accelerated_equals_eager(place, {**TABLE, **changes}, mode="eager")
    lines = [x for x in capsys.readouterr().out.splitlines() if "not accelerated" in x]
    assert len(lines) == 1
    assert reason in lines[0]


def test_views_on_a_device_depend_on_nothing_but_shapes():
    for augment in (two_views("hsv"), two_views("chroma"), CROPS):
        tables = augment.draws(IMAGES.shape, [torch.Generator().manual_seed(3)])[0]
        with cudagraph.Obstacles(nn.Identity()) as obstacles:
            made = augment.apply(IMAGES, tables, static=True)
        assert obstacles.found == ""
        for one, other in zip(made, augment.apply(IMAGES, tables), strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


def cut(value, generator):  # another number of rows in later steps
    return value[: 24 - int(torch.randint(0, 2, (), generator=generator)) * 4]


@pytest.mark.parametrize(("transform", "mode"), [(None, "graph"), (cut, "eager")])
def test_full_batches_and_changing_shapes(place, transform, mode):
    def full(run):
        x = torch.randn(24, 6, generator=torch.Generator().manual_seed(2))
        return FullBatch(x.to(run.device), 24, run.streams, transform)

    assert_accelerated_equals_eager(place, {**TABLE, "batches": full}, mode=mode)


def test_a_resumed_training_is_captured_again(place):
    def stop(module, step, _steps):
        if step == 9 and stop.armed:
            stop.armed = False
            raise KeyboardInterrupt

    whole = trained(place("whole"), TWINS, "graph")
    stop.armed = True
    with pytest.raises(KeyboardInterrupt):
        trained(place("cut", checkpoint_minutes=0.0), TWINS, "graph", after_step=[stop])
    resumed = trained(place("cut"), TWINS, "graph", after_step=[stop])
    assert resumed.mode == "graph"
    assert_equal_courses(whole, resumed)


def test_where_no_graph_can_be_auto_is_silent_and_graph_says_so(small_run, capsys):
    trained(small_run(place="auto"), TABLE, "auto", steps=6)
    assert "not accelerated" not in capsys.readouterr().out
    trained(small_run(place="graph"), TABLE, "graph", steps=6)
    assert "steps are not accelerated: there is no CUDA device" in capsys.readouterr().out
    with pytest.raises(UsageError, match="auto, graph, off"):
        trained(small_run(place="wrong"), TABLE, "fast")


@pytest.mark.parametrize(("records", "kind"), [
    ([], Step), ([("Sslcard 1", True)], cudagraph.CapturedStep), ([("Sslcard 10", True)], Step),
    ([("Sslcard 1", False)], Step), ([("Sslcard 1", True), ("Sslcard 1", False)], Step),
])
def test_auto_captures_on_a_gpu_that_the_bench_has_seen_it_equal_on(
    tmp_path, monkeypatch, small_run, records, kind
):
    (tmp_path / "bench").mkdir()
    for i, (name, equal) in enumerate(records):
        record = {"device": {"kind": "cuda", "name": name}, "captured": {"equal": equal}}
        (tmp_path / "bench" / f"{i}.json").write_text(json.dumps(record))
    (tmp_path / "bench" / "other.json").write_text('{"device": {"name": "Sslcard 1"}}')
    monkeypatch.setattr("sslbook.core.paths.records", lambda: tmp_path)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Sslcard 1")
    made = []
    for one in (Step, cudagraph.CapturedStep):
        monkeypatch.setattr(one, "__init__", lambda self, *arguments: made.append(type(self)))
    for device in ("cuda", "cpu"):
        make_step(Dense(), rows(small_run()), F.mse_loss, PLAIN, torch.device(device),
                  accelerate="auto")
    assert made == [kind, Step]


@needs_cuda
@pytest.mark.parametrize("accelerate", ["off", "graph"])
def test_no_step_waits_for_the_device(small_run, accelerate):
    run, device = small_run(), torch.device("cuda")
    module = siamese().cuda().to(memory_format=torch.channels_last)
    batches = Batches(IMAGES, 16, run.streams, two_views("hsv"), device)
    step = make_step(module, batches, barlow_twins_loss, PLAIN, device, accelerate=accelerate)
    for number in range(8):
        step(number, 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(8, 24):  # a block of random numbers and several epochs
            step(number, 1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
