"""The one pretraining loop of the book."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslbook.errors import UserError
from sslbook.training import precision
from sslbook.training.checkpoints import Store
from sslbook.training.fingerprint import fingerprint, weights
from sslbook.training.health import Health
from sslbook.training.history import History, Log, row_steps, split
from sslbook.training.interrupts import deferred
from sslbook.training.optim import OptimizerConfig, planned_steps
from sslbook.training.parallel import ranks
from sslbook.training.run import Run

Hook = Callable[[nn.Module, int, int], None]
Probe = Callable[[nn.Module, int], dict[str, Any]]


def train(
    run: Run,
    module: nn.Module | Callable[[], nn.Module],
    batches: Any,
    *,
    name: str,
    loss: Callable[..., Tensor],
    after_step: Iterable[Hook] = (),
    probe: Probe | None = None,
    probe_every: int = 0,
    steps: int = 0,
    optimizer: OptimizerConfig | Mapping[str, Any] | None = None,
    allow_collapse: bool = False,
    quiet: bool = False,
    accelerate: str = "auto",
    start: str = "",
) -> History:
    """Train a module and return its History; a training of this name that finished is loaded.

    module: a factory without arguments, called under the run's own seed, or a fresh module.
    `module(batch, loss)` returns a dict with "loss" (scalar) and, where it has them, "z" (B, D),
    the embeddings that collapse is looked for in. batches: `batches(step)` gives a batch,
    `len(batches)` the steps of an epoch. name: unique in the run. loss: what `module` is given,
    called in float32. after_step: hooks `hook(module, step, steps)`. probe: `probe(module,
    step)` returns numbers (columns of the log) and arrays (snapshots); it is asked before the
    first step, every `probe_every` epochs (0: ten times) and at the end. steps: 0 takes them from
    the settings (epochs, max_steps, minutes). optimizer: the settings', or what differs
    from them, such as dict(lr=1e-3). quiet: print neither plan nor rows.
    accelerate: "auto" ("graph" where a benchmark of this GPU has shown that equal, else "off"),
    "graph" (CUDA) or "off". start: the training whose initial weights and random numbers this one
    takes, as the arms of a comparison do; its own without. Raises UserError on NaN, on collapse
    (unless allowed) and for a used module.
    """
    with ranks.explained():
        if not isinstance(optimizer, OptimizerConfig):
            optimizer = replace(OptimizerConfig.of(run.settings), **(optimizer or {}))
        trainer = _Trainer(run, batches, name, loss, tuple(after_step), probe, optimizer, start)
        trainer.health.allow_collapse, trainer.quiet = allow_collapse, quiet
        trainer.accelerate = accelerate
        return trainer.run_all(module, steps, probe_every)


class _Trainer:
    """One call of `train`; holds what its parts share."""

    def __init__(self, run, batches, name, loss, hooks, probe, config, start):
        self.run, self.batches, self.name, self.loss = run, batches, name, loss
        self.hooks, self.probe, self.config = hooks, probe, config
        self.ranks, self.streams = ranks.join(run.device), run.streams.child(start or name)
        self.start = start
        self.store = Store(run.folder / "train" / name, writes=self.ranks.first)
        self.health = Health(name)
        self.history = History(name, batch_size=batches.batch_size, steps_per_epoch=len(batches),
                               optimizer=asdict(config),
                               images=getattr(batches, "count", batches.batch_size))
        self.step = self.steps = self.kept = 0
        self.recent: list[Tensor] = []

    def run_all(self, module: nn.Module | Callable, steps: int, probe_every: int) -> History:
        digest = fingerprint(
            None if isinstance(module, nn.Module) else module,
            self.loss, list(self.hooks), asdict(self.config), self.run.seed,
            [steps, self.batches.batch_size, len(self.batches), self.health.allow_collapse,
             *filter(None, [self.start])],
            *getattr(self.batches, "signature", list)(),
        )
        self.ranks.assert_same_training(self.name, digest)
        if self.store.claim(digest):
            print(f"{self.name}: its code or settings changed, so it is trained again.")
        self.store.folder = Path(self.ranks.broadcast_value(str(self.store.folder)))
        self.module = self._fresh(module)
        if self.store.finished:
            self.history = self.store.load(self.module)
            print(f"{self.name}: finished earlier in this run; loaded, not trained again.")
            return self._hand_over()
        precision.place(self.module, self.run.device, self.name).train()
        self.ranks.broadcast_weights(self.module)
        self.part = self.ranks.shard(self.batches)
        self.loss = self.ranks.wrap_loss(self.loss, self.module, self.batches, self.run.device)
        with (self.ranks.normalised(self.module), self.streams.seeded("loop"),
              precision.tuned(self.run.device), deferred() as self.interrupted):
            self._begin(steps)
            self._loop(probe_every)
        return self._finish()

    def _fresh(self, module: nn.Module | Callable[[], nn.Module]) -> nn.Module:
        if not isinstance(module, nn.Module):
            with self.streams.seeded("init"):
                module = module()
        if getattr(module, "_sslbook_trained", None):
            raise UserError(f"This module was already trained as {module._sslbook_trained!r}.",
                            "It was not trained further.",
                            "Give `train` a function that makes a new one.")
        module._sslbook_trained = self.name
        self.history.initial = weights(getattr(module, "encoder", module))
        return module

    def _begin(self, steps: int) -> None:
        """Continue from a checkpoint where there is one, else plan the steps."""
        self._new_step()
        if found := self.store.resume(self.stepper.parts):
            self.history, values = found
            self.step = self.kept = values["step"]
            self.steps, self.health.strikes = values["total"], values["strikes"]
            print(f"{self.name}: resumed at step {self.step} of {self.steps}")
            return
        steps = steps or planned_steps(self.run.settings, len(self.batches), self._seconds_per_step)
        self.steps = self.history.steps = self.ranks.broadcast_value(steps)
        count = getattr(self.batches, "count", self.batches.batch_size)
        if not self.quiet:
            print(f"{self.name}: {self.steps} steps of {self.batches.batch_size} "
                  f"from {count:,} samples ({self.steps / len(self.batches):.3g} epochs)")

    def _new_step(self) -> None:
        self.stepper = self.ranks.make_step(
            self.module, self.part, self.loss, self.config, self.run.device, self.run.precision,
            accelerate=self.accelerate)

    def _seconds_per_step(self) -> float:
        """Five timed steps; weights and optimiser are then put back to where they began."""
        state = {key: value.clone() for key, value in self.module.state_dict().items()}
        for _ in range(2):  # the first five warm up: a capture takes a few
            began = time.perf_counter()
            for step in range(5):
                self._update(step, 10**6)
            float(self.recent[-1])  # waits for the device
        seconds = (time.perf_counter() - began) / 5
        self.recent.clear()
        self.module.load_state_dict(state)
        self._new_step()
        return seconds

    def _loop(self, probe_every: int) -> None:
        marks = row_steps(self.steps, probe_every * len(self.batches))
        self.log = Log([] if self.quiet else sorted(marks))
        pause = 60 * getattr(self.run.settings, "checkpoint_minutes", 5.0)
        saved, said = time.monotonic(), ""
        if self.step == 0:
            self._row({})
        curves = getattr(self.run, "curves", lambda _: contextlib.nullcontext(lambda *_: None))
        with curves(self.history) as draw:
            while self.step < self.steps:
                began = time.perf_counter()
                out = self._update(self.step, self.steps)
                self.step += 1
                marked = self.step in marks
                looked = marked or self.step % max(1, self.steps // 100) == 0
                values = self._look(out) if looked else {}
                self.history.seconds += time.perf_counter() - began
                if marked:
                    self._row(values)
                if looked:
                    draw(self.step, values["loss"])
                if self.stepper.reason != said:
                    said = self.stepper.reason
                    print(f"{self.name}: steps are not accelerated: {said}")
                if marked or self.interrupted.is_set() or time.monotonic() - saved > pause:
                    self.store.save(self.stepper.parts, self.history, step=self.step,
                                    total=self.steps, strikes=self.health.strikes)
                    self.kept, saved = self.step, time.monotonic()
                if self.interrupted.is_set():
                    print(f"{self.name}: interrupted at step {self.step}; it can be resumed.")
                    raise KeyboardInterrupt

    def _update(self, step: int, steps: int) -> dict[str, Any]:
        """One step and its hooks. Returns what the module did."""
        self.streams.reseed(self.ranks.stream, step)  # of dropout; `run_all` puts it back
        out = self.stepper(step, self.config.rate(step, steps))
        for hook in self.hooks:
            hook(self.module, step, steps)
        self.recent.append(out["loss"])
        return out

    def _look(self, out: dict[str, Any]) -> dict[str, float]:
        """Bring the losses since the last look to the host: the loop's only synchronisation."""
        losses = torch.stack(self.recent).float().cpu()
        self.recent.clear()
        out = self.ranks.gather_outputs(out)
        health = self.health.look(losses, out.get("z"), self.step, self.kept)
        extra, _ = split({k: v for k, v in out.items() if k not in ("loss", "z")})
        values = {"loss": losses.mean().item(), **extra, **health}
        self.run.log({"training": self.name, "step": self.step, "steps": self.steps,
                      "lr": self.config.rate(self.step - 1, self.steps), **values})
        return values

    def _row(self, values: dict[str, float]) -> None:
        """Ask the probe, keep a row of the log."""
        row = {"step": self.step, "epoch": self.step / len(self.batches), **values}
        arrays: dict[str, Any] = {}
        if self.probe is not None:
            began = time.perf_counter()
            self.module.eval()
            numbers, arrays = split(self.probe(self.module, self.step))
            self.module.train()
            row |= numbers
            self.history.probe_seconds += time.perf_counter() - began
            self.run.log({"training": self.name, "probe": True, "steps": self.steps, **row})
        self.history.add(row, arrays)
        self.log.print(row)

    def _finish(self) -> History:
        self.history.status, self.history.mode = "finished", self.stepper.mode
        self.history.peak_memory_mb = torch.cuda.max_memory_allocated() / 2**20  # 0 on a CPU
        self.store.finish(self.module, self.history)
        self.ranks.broadcast_value(None)  # the files are there
        if not self.ranks.first:
            self.history = self.store.load(self.module)
        return self._hand_over()

    def _hand_over(self) -> History:
        self.history.module = self.module.to(self.run.device).eval()
        self.run.note_training(self.history)
        return self.history
