"""The one pretraining loop of the book."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslbook.errors import UserError
from sslbook.training import distributed, precision
from sslbook.training.checkpoints import Store
from sslbook.training.curves import curves
from sslbook.training.fingerprint import fingerprint
from sslbook.training.history import History, Log, split
from sslbook.training.interrupts import deferred
from sslbook.training.optim import Recipe
from sslbook.training.planning import planned_steps
from sslbook.training.progress import bar, say_how_it_goes
from sslbook.training.step import Step
from sslbook.training.watch import Watch

_LOOKS = 10  # rows of a log: the start and ten more
Hook = Callable[[nn.Module, int, int], None]
Probe = Callable[[nn.Module, int], dict[str, Any]]


def train(
    run: Any,
    module: nn.Module | Callable[[], nn.Module],
    batches: Any,
    *,
    name: str,
    loss: Callable[..., Tensor],
    after_step: Iterable[Hook] = (),
    probe: Probe | None = None,
    probe_every: int = 0,
    steps: int = 0,
    recipe: Recipe | None = None,
    allow_collapse: bool = False,
    quiet: bool = False,
    accelerate: str = "auto",
) -> History:
    """Train a module and return its History; a training of this name that finished is loaded.

    run: the run (seed, device, settings, folder). module: a factory without arguments, called
    under the run's own seed, or a fresh module. `module(batch, loss)` returns a dict with "loss"
    (scalar) and, where it has them, "z" (B, D), the embeddings that collapse is looked for in.
    batches: `batches(step)` gives a batch, `len(batches)` the steps of an epoch.
    name: unique in the run. loss: the function that `module` is given, called in float32.
    after_step: hooks `hook(module, step, steps)`, such as an EMA update.
    probe: `probe(module, step)` returns numbers (columns of the log) and arrays (snapshots);
    it is asked before the first step, every `probe_every` epochs (0: ten times) and at the end.
    steps: 0 takes them from the settings (epochs, max_steps, minutes). recipe: default, the
    settings'. quiet: print no rows. accelerate: "auto" (steps captured in a CUDA graph where there
    is a GPU), "graph", "compile" (torch.compile) or "off"; where a step cannot be accelerated, one
    line says why and the training goes on without.
    Raises UserError on NaN, on collapse (unless allowed) and for a used module.
    """
    with distributed.explained():
        trainer = _Trainer(run, batches, name, loss, tuple(after_step), probe, recipe,
                           allow_collapse)
        trainer.quiet, trainer.accelerate = quiet, accelerate
        return trainer.run_all(module, steps, probe_every)


class _Trainer:
    """One call of `train`; holds what its parts share."""

    def __init__(self, run, batches, name, loss, hooks, probe, recipe, allow_collapse):
        self.run, self.batches, self.name, self.hooks, self.probe = run, batches, name, hooks, probe
        self.recipe = recipe or Recipe.of(run.settings)
        self.loss, self.allow_collapse = loss, allow_collapse
        self.ranks, self.streams = distributed.join(run.device), run.streams.child(name)
        self.store = Store(run.folder / "train" / name)
        self.watch = Watch(name, allow_collapse)
        self.history = History(name, batch_size=batches.batch_size, steps_per_epoch=len(batches))
        self.step = self.total = self.kept = 0
        self.recent: list[Tensor] = []
        self.said: set[str] = set()

    def run_all(self, module: nn.Module | Callable, steps: int, probe_every: int) -> History:
        factory = None if isinstance(module, nn.Module) else module
        digest = fingerprint(
            factory, self.loss, list(self.hooks), self.recipe.as_dict(), self.run.seed,
            [steps, self.batches.batch_size, len(self.batches), self.allow_collapse],
            *getattr(self.batches, "signature", list)(),
        )
        self.ranks.meet(self.name, digest)
        if self.ranks.first and self.store.claim(digest):
            print(f"{self.name}: its code or settings changed, so it is trained again.")
        self.store.folder = Path(self.ranks.agree(str(self.store.folder)))
        self.module = self._fresh(module)
        if self.store.finished:
            return self._load()
        self._prepare()
        with self.ranks.normalised(self.module):
            self._resume(steps)
            with (self.streams.seeded("loop"), precision.tuned(self.run.device),
                  deferred() as self.interrupts):
                self._loop(self._marks(probe_every))
        return self._finish()

    def _fresh(self, module: nn.Module | Callable[[], nn.Module]) -> nn.Module:
        if not isinstance(module, nn.Module):
            with self.streams.seeded("init"):
                module = module()
        if getattr(module, "_sslbook_trained", None):
            raise UserError(
                f"This module was already trained as {module._sslbook_trained!r}.",
                "It was not trained further.",
                "Give `train` a function that makes a new one.",
            )
        module._sslbook_trained = self.name
        return module

    def _load(self) -> History:
        self.history = self.store.load(self.module)
        print(f"{self.name}: finished earlier in this run; loaded, not trained again.")
        return self._hand_over()

    def _prepare(self) -> None:
        device = self.run.device
        precision.place(self.module, device, self.name).train()
        self.ranks.spread(self.module)
        self.part = self.ranks.divide(self.batches)
        self.loss = self.ranks.gathering(self.module, self.loss, self.batches, device)
        if self.ranks.world > 1 and not self.ranks.split:
            print(f"{self.name}: its batch cannot be cut, so every rank computes all of it")
        self.new_step()

    def new_step(self) -> None:
        """A step that has done nothing yet, and its optimiser."""
        self.stepper = Step(self.module, self.part, self.loss, self.recipe, self.run.device,
                            self.run.precision, self.accelerate, self.ranks)

    def _resume(self, steps: int) -> None:
        """Continue from a checkpoint where there is one, else plan the steps."""
        found = self.store.resume(self.stepper.parts)
        if found is None:
            self.total = self.ranks.agree(steps or planned_steps(self))
            self.history.steps = self.total
            count = getattr(self.batches, "count", self.batches.batch_size)
            print(f"{self.name}: {self.total} steps of {self.batches.batch_size} "
                  f"from {count:,} samples ({self.total / len(self.batches):.3g} epochs)")
            return
        self.history, values = found
        self.step = self.kept = values["step"]
        self.total, self.watch.strikes = values["total"], values["strikes"]
        print(f"{self.name}: resumed at step {self.step} of {self.total}")

    def _marks(self, probe_every: int) -> set[int]:
        """The numbers of updates after which a row is written and the probe is asked."""
        if probe_every:
            return {*range(0, self.total, probe_every * len(self.batches)), self.total}
        return {round(self.total * i / _LOOKS) for i in range(_LOOKS + 1)}

    def _loop(self, marks: set[int]) -> None:
        self.log = Log([] if self.quiet else sorted(marks))
        every = max(1, self.total // 100)
        pause = 60 * getattr(self.run.settings, "checkpoint_minutes", 5.0)
        saved, first = time.monotonic(), self.step
        if self.step == 0:
            self._row({})
        with bar(self.name, self.step, self.total) as advance, curves(self.history) as draw:
            while self.step < self.total:
                began = time.perf_counter()
                out = self.update(self.step, self.total)
                self.step += 1
                marked = self.step in marks
                looked = marked or self.step % every == 0
                health = self._look(out) if looked else {}
                self.history.seconds += time.perf_counter() - began
                if looked and self.step - first >= 5:
                    say_how_it_goes(self, self.step - first)
                if marked:
                    self._row(health)
                if looked:
                    draw(self.step, health["loss"])
                if marked or self.interrupts.asked or time.monotonic() - saved > pause:
                    self._checkpoint()
                    saved = time.monotonic()
                if self.interrupts.asked:
                    print(f"{self.name}: interrupted at step {self.step}; it can be resumed.")
                    raise KeyboardInterrupt
                advance(1)

    def update(self, step: int, steps: int) -> dict[str, Any]:
        """One step and its hooks. Returns what the module did."""
        self.streams.reseed(self.ranks.stream, step)  # of dropout; `run_all` puts it back
        out = self.stepper(step, self.recipe.rate(step, steps))
        for hook in self.hooks:
            hook(self.module, step, steps)
        self.recent.append(out["loss"])
        return out

    def _look(self, out: dict[str, Any]) -> dict[str, float]:
        """Bring the losses since the last look to the host: the loop's only synchronisation."""
        losses = torch.stack(self.recent).float().cpu()
        self.recent.clear()
        out = self.ranks.whole(out)
        health = self.watch.look(losses, out.get("z"), self.step, self.kept)
        extra, _ = split({k: v for k, v in out.items() if k not in ("loss", "z")})
        values = {"loss": losses.mean().item(), **extra, **health}
        rate = self.recipe.rate(self.step - 1, self.total)
        self.run.log({"training": self.name, "step": self.step, "steps": self.total, "lr": rate,
                      **values})
        return values

    def _row(self, values: dict[str, float]) -> None:
        """Ask the probe, keep a row of the log."""
        row = {"step": self.step, "epoch": self.step / len(self.batches), **values}
        arrays: dict[str, Any] = {}
        if self.probe is not None:
            began = time.perf_counter()
            self.module.eval()
            measured = self.probe(self.module, self.step)
            self.module.train()
            numbers, arrays = split(measured)
            row |= numbers
            self.history.probe_seconds += time.perf_counter() - began
            self.run.log({"training": self.name, "probe": True, "steps": self.total, **row})
        self.history.add(row, arrays)
        self.log.print(row)

    def _checkpoint(self) -> None:
        values = {"step": self.step, "total": self.total, "strikes": self.watch.strikes}
        if self.ranks.first:
            self.store.save(self.stepper.parts, self.history, **values)
        self.kept = self.step

    def _finish(self) -> History:
        self.history.status, self.history.mode = "finished", self.stepper.mode
        if self.run.device.type == "cuda":
            self.history.peak_memory_mb = torch.cuda.max_memory_allocated() / 2**20
        if self.ranks.first:
            self.store.finish(self.module, self.history)
        self.ranks.agree(None)  # the files are there
        if not self.ranks.first:
            self.history = self.store.load(self.module)
        return self._hand_over()

    def _hand_over(self) -> History:
        self.history.module = self.module.to(self.run.device).eval()
        self.run.note_training(self.history)
        return self.history
