"""Captured and compiled steps do what eager ones do, and know when they must not be taken."""

from __future__ import annotations

import math
import shutil

import pytest
import tape
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslbook import heads, nets
from sslbook.errors import UsageError
from sslbook.methods.barlow_twins import barlow_twins_loss
from sslbook.methods.simclr import nt_xent_loss
from sslbook.training import Batches, FullBatch, Recipe, capture, train
from sslbook.training.step import Step
from sslbook.views import Augment
from sslbook.views import Recipe as Views

STEPS = 20
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device"))]
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


class Masked(nn.Module):
    """One view: hidden patches of an image are restored."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(75, 32), nn.GELU(), nn.Linear(32, 75))

    def forward(self, batch, loss):
        patches, hidden = batch
        restored = self.net(patches * ~hidden[..., None])
        return {"loss": loss(restored, patches, hidden), "hidden": hidden.float().mean()}


def hide(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    patches = images.float().div(255).unfold(2, 5, 5).unfold(3, 5, 5)
    patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    hidden = torch.rand(patches.shape[:2], generator=generator) < 0.5
    return patches, hidden.to(images.device)


def hidden_error(restored: Tensor, patches: Tensor, hidden: Tensor) -> Tensor:
    return ((restored - patches).square().mean(2) * hidden).sum() / hidden.sum()


def two_views(hue: str) -> Augment:
    recipe = Views(size=16, hue=hue, blur=0.5, solarize=0.2, jitter=(0.4, 0.4, 0.4, 0.2))
    return Augment(recipe, MEAN, STD)


CROPS = Augment((Views(size=16), Views(size=16), Views(size=8, crop=(0.05, 0.4))), MEAN, STD)
EMA = (heads.follow("teacher", "student", 0.5, 1.0), anneal)
# module, loss, transform, hooks, recipe
METHODS = {
    "barlow twins": (siamese, barlow_twins_loss, two_views("hsv"), (), Recipe(warmup=0.3)),
    "simclr, sgd": (siamese, nt_xent_loss, two_views("chroma"), (),
                    Recipe("sgd", lr=0.02, warmup=0.3)),
    "multi-crop, ema": (MultiCrop, cross_entropy, CROPS, EMA, Recipe(warmup=0.3, clip=1.0)),
    "dense, ema": (Dense, F.mse_loss, None, (heads.follow("teacher", "net", 0.5, 1.0), anneal),
                   Recipe(warmup=0.3, clip=1.0)),
    "masked, lars": (Masked, hidden_error, hide, (), Recipe("lars", lr=0.1, warmup=0.3)),
}


def trained(run, method: str, accelerate: str, steps: int = STEPS, **changes):
    module, loss, transform, hooks, recipe = METHODS[method]
    batches = rows(run)
    if transform is not None:
        batches = Batches(IMAGES.to(run.device), 16, run.streams, transform, run.device)
    given = {"loss": loss, "after_step": hooks, "recipe": recipe, **changes}
    return train(run, given.pop("module", module), given.pop("batches", batches), name="pretrain",
                 steps=steps, accelerate=accelerate, allow_collapse=True, **given)


def assert_equal_courses(one, other, bound: float = 1e-4) -> None:
    for key in ("loss", "lr"):
        for mine, theirs in zip(one.column(key)[1], other.column(key)[1], strict=True):
            assert mine == pytest.approx(theirs, rel=bound, abs=bound)
    state = other.module.state_dict()
    for key, value in one.module.state_dict().items():
        torch.testing.assert_close(value, state[key], atol=bound, rtol=bound, msg=key)


@pytest.fixture(params=DEVICES)
def graphs(request, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """The device; where it has no CUDA graphs, operations are recorded and repeated instead."""
    if request.param == "cpu":
        monkeypatch.setattr(capture, "available", lambda device: "")
        monkeypatch.setattr(capture, "capture", tape.capture)
    return torch.device(request.param)


def a_run(small_run, place: str, device: torch.device, **settings):
    run = small_run(place=place, **settings)
    run.device = device
    return run


@pytest.mark.parametrize("method", METHODS)
def test_captured_steps_equal_eager_ones(small_run, graphs, method):
    eager = trained(a_run(small_run, "eager", graphs), method, "off")
    captured = trained(a_run(small_run, "graph", graphs), method, "graph")
    assert (eager.mode, captured.mode) == ("eager", "graph")
    assert_equal_courses(eager, captured)
    assert eager.rows[0]["step"] == 0
    assert eager.last("loss") != eager.rows[1]["loss"], "nothing was trained"


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


def test_half_precision_scales_inside_and_moves_outside(small_run, graphs):
    """On a CPU fp16 is slow but real: forward and backward are captured, the scaler's step not."""
    def half(place):
        run = a_run(small_run, place, graphs)
        run.precision = "fp16"
        return run

    courses = [
        trained(run, "dense, ema", accelerate, batches=rows(run))
        for accelerate in ("off", "graph")
        for run in [half(accelerate)]
    ]
    assert courses[1].mode == "graph"
    assert_equal_courses(*courses)


class Counting(Dense):
    def forward(self, batch, loss):
        self.seen += 1
        return super().forward(batch, loss)


def rows(run) -> Batches:
    data = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    return Batches(data.to(run.device), 8, run.streams, None, run.device)


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
def test_what_cannot_be_captured_runs_eagerly_and_says_why(
    small_run, graphs, capsys, changes, reason
):
    def course(place, accelerate):
        run = a_run(small_run, place, graphs)
        given = {"module": Dense, "loss": F.mse_loss, "after_step": (), **changes}
        return trained(run, "masked, lars", accelerate, batches=rows(run), **given)

    eager = course("eager", "off")
    capsys.readouterr()
    tried = course("graph", "auto" if graphs.type == "cuda" else "graph")
    lines = [x for x in capsys.readouterr().out.splitlines() if "not accelerated" in x]
    assert tried.mode == "eager"
    assert len(lines) == 1
    assert reason in lines[0]
    assert_equal_courses(eager, tried)


def test_views_on_a_device_depend_on_nothing_but_shapes():
    for augment in (two_views("hsv"), two_views("chroma"), CROPS):
        tables = augment.draws(IMAGES.shape, [torch.Generator().manual_seed(3)])[0]
        with capture.Obstacles(nn.Identity()) as obstacles:
            made = augment.apply(IMAGES, tables, static=True)
        assert obstacles.found == ""
        for one, other in zip(made, augment.apply(IMAGES, tables), strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


def test_full_batches_and_changing_shapes(small_run, graphs):
    x = torch.randn(24, 6, generator=torch.Generator().manual_seed(2)).to(graphs)

    def cut(value, generator):  # another number of rows in later steps
        return value[: 24 - int(torch.randint(0, 2, (), generator=generator)) * 4]

    for transform, mode in ((None, "graph"), (cut, "eager")):
        place = mode + str(transform is None)
        courses = [
            trained(run, "masked, lars", accelerate, module=Dense, loss=F.mse_loss,
                    batches=FullBatch(x, 24, run.streams, transform))
            for accelerate in ("off", "graph")
            for run in [a_run(small_run, place + accelerate, graphs)]
        ]
        assert courses[1].mode == mode
        assert_equal_courses(*courses)


def test_a_resumed_training_is_captured_again(small_run, graphs):
    def stop(module, step, _steps):
        if step == 9 and stop.armed:
            stop.armed = False
            raise KeyboardInterrupt

    whole = trained(a_run(small_run, "whole", graphs), "barlow twins", "graph")
    stop.armed = True
    run = a_run(small_run, "cut", graphs, checkpoint_minutes=0.0)
    with pytest.raises(KeyboardInterrupt):
        trained(run, "barlow twins", "graph", after_step=[stop])
    again = a_run(small_run, "cut", graphs, checkpoint_minutes=0.0)
    resumed = trained(again, "barlow twins", "graph", after_step=[stop])
    assert resumed.mode == "graph"
    assert_equal_courses(whole, resumed)


def test_without_a_device_for_graphs_auto_is_silent_and_graph_says_so(small_run, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    trained(small_run(place="auto"), "barlow twins", "auto", steps=6)
    assert "not accelerated" not in capsys.readouterr().out
    trained(small_run(place="graph"), "barlow twins", "graph", steps=6)
    assert "steps are not accelerated: there is no CUDA device" in capsys.readouterr().out
    with pytest.raises(UsageError, match="auto, graph, compile, off"):
        trained(small_run(place="wrong"), "barlow twins", "fast")


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("method", ["dense, ema", "masked, lars"])
def test_compiled_steps_equal_eager_ones(small_run, method):
    eager = trained(small_run(place="eager"), method, "off")
    compiled = trained(small_run(place="compiled"), method, "compile")
    assert compiled.mode == "compile"
    assert_equal_courses(eager, compiled)


def test_a_compiler_that_is_missing_costs_a_line(small_run, capsys, monkeypatch):
    def broken(function, **_options):
        def call(*_args):
            raise RuntimeError("no compiler")
        return call

    monkeypatch.setattr(torch, "compile", broken)
    history = trained(small_run(), "masked, lars", "compile")
    assert history.mode == "eager"
    assert "torch.compile failed (RuntimeError)" in capsys.readouterr().out
    assert math.isfinite(history.last("loss"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("accelerate", ["off", "graph"])
def test_no_step_waits_for_the_device(small_run, accelerate):
    run = a_run(small_run, "run", torch.device("cuda"))
    module, loss, transform, hooks, recipe = METHODS["barlow twins"]
    module = module().cuda().to(memory_format=torch.channels_last)
    batches = Batches(IMAGES, 16, run.streams, transform, run.device)
    step = Step(module, batches, loss, recipe, run.device, "float32", accelerate)
    for number in range(8):
        step(number, 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(8, 24):  # a block of random numbers and several epochs
            step(number, 1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
