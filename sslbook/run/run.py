"""One run of a chapter: settings, randomness, device, folder, claims, scores and the record."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from sslbook import datasets, records
from sslbook.core import device, files
from sslbook.core.lock import FolderLock
from sslbook.core.streams import Streams
from sslbook.errors import UserError
from sslbook.lesson import exercises, live
from sslbook.records import claims, ledger, pools
from sslbook.run import encoders, enough
from sslbook.run.decisions import Decisions
from sslbook.run.folder import choose_folder, in_use
from sslbook.run.presets import chapter_parameters, check_kind, choose_preset, resolve
from sslbook.run.scores import Scores
from sslbook.training import Batches, History, precision


def start(
    chapter: str, presets: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, Any] = MappingProxyType({}), *, resume: str = "", **parameters: Any,
) -> Run:
    """Begin a run: resolve preset and parameters, take a folder, say what will happen.

    chapter: its name. presets: preset -> settings, as the chapter's setup cell writes them.
    names: the notebook's `globals()`, of which the parameters are taken. resume: "" for a new run,
    "auto" for the newest unfinished run of the same settings (a new one where there is none), or
    a run's id. parameters: values of the parameters cell, given by name.
    Raises UsageError for an unknown preset, a wrong parameter or another kind of data than the
    chapter's, DataError for missing data.
    """
    parameters = {**chapter_parameters(presets, names), **parameters}
    where = device.choose()
    preset, why = choose_preset(presets, parameters, where)
    resolved = resolve(presets, preset, parameters)
    check_kind(chapter, parameters.get("DATASET", ""))
    run = Run(chapter, resolved, where, choose_folder(chapter, resolved, parameters, resume))
    run.announce(why)
    return run


def load_split(settings: Any, split: str) -> Any:
    """The split of `settings.dataset`, cut to `images` or `test_images` samples of `size`."""
    key = "images" if split == "train" else "test_images"
    return datasets.load(settings.dataset, split, limit=getattr(settings, key, 0),
                         size=getattr(settings, "size", 0), seed=0)


class Run(Decisions):
    """What a chapter holds in its hand: `settings`, `streams`, `device`, `folder` and a record."""

    def __init__(self, chapter: str, resolved: SimpleNamespace, where: torch.device, folder: Path):
        super().__init__()
        self.chapter, self.settings, self.device, self.folder = chapter, resolved, where, folder
        self.seed = resolved.seed
        self.streams = Streams(self.seed, chapter)
        self.precision = getattr(resolved, "precision", "") or precision.choose(where)
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.began, self.cpu_began = time.monotonic(), time.process_time()
        self.data: dict[str, dict[str, Any]] = {}
        self.trainings: dict[str, dict[str, Any]] = {}
        self.scores = Scores(chapter, resolved, where, lambda: self.over_seeds("scores"))
        self.diagnostics: dict[str, float] = {}
        self.tried = getattr(resolved, "tried", 1)  # configurations tried before this one
        self._lock = FolderLock(folder)
        self._lock.hold(in_use(folder))
        files.drop_cut_line(folder / "metrics.jsonl")
        exercises.reset()
        self._write("running")

    def announce(self, reason: str) -> None:
        print(f"{self.chapter}: preset {self.settings.preset} on {self.device.type}, "
              f"seed {self.seed}, {self._minutes()}")
        if reason:
            print(f"auto means {self.settings.preset} here: {reason}")

    def _minutes(self, count: int = 0) -> str:
        return records.expected_minutes(self.chapter, vars(self.settings), self.device.type, count)

    # -- data and training -------------------------------------------------------------------

    def load(self, split: str = "train") -> Any:
        """The split of the settings' data set, cut to `images` or `test_images` samples.

        The first time, prints what of the reader's own data was passed over or guessed; what a
        limit left out, and how long such a number of samples takes. Raises DataError and UsageError
        for a training split that cannot be trained on (`enough`).
        """
        found = load_split(self.settings, split)
        told = found.notes if not self.data else ()
        if len(found) < found.total and ":" in found.name:  # the reader's own
            cut = "IMAGES" if split == "train" else "TEST_IMAGES"
            told += (f"{len(found):,} of {found.total:,} {split} samples are used; "
                     f"{cut}=0 uses all",)
        if split == "train" and (minutes := self._minutes(len(found))) != self._minutes():
            told += (f"{len(found):,} samples take {minutes}",)
        print("".join(f"{found.name}: {note}\n" for note in told), end="")
        self.data[split] = {"name": found.name, "count": len(found), "sha256": found.sha256,
                            "licence": found.licence}
        self.scores.classes = len(found.classes)
        if split == "train":
            enough.check(found, self.settings)
        else:
            enough.say_coarse(found)
        return found

    def batches(self, data: Any, transform: Any = None, batch_size: int = 0) -> Batches:
        """Shuffled batches of a tensor or tuple of tensors, on the run's streams and device."""
        size = batch_size or self.settings.batch_size
        return Batches(data, size, self.streams, transform, self.device)

    def curves(self, history: History) -> contextlib.AbstractContextManager[live.Draw]:
        """Show a training's losses as they come, where somebody watches (entered by `train`)."""
        return live.curves(history)

    def note_training(self, history: History) -> None:
        """Keep a finished training for the record (called by `train`)."""
        speed = history.samples_per_second
        self.trainings[history.name] = {
            "steps": history.steps, "batch_size": history.batch_size, "rows": history.rows,
            "seconds": round(history.seconds, 3),
            "probe_seconds": round(history.probe_seconds, 3),
            "samples_per_second": round(speed, 1) if math.isfinite(speed) else None,
            "peak_memory_mb": round(history.peak_memory_mb, 1), "mode": history.mode,
        }

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one row to metrics.jsonl; what is not finite becomes null."""
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v
                 for k, v in row.items()}
        path = self.folder / "metrics.jsonl"
        with files.explained(path), open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(clean) + "\n")

    # -- encoders ----------------------------------------------------------------------------

    def encoder(self, chapter: str = "") -> tuple[nn.Module, Any]:
        """(encoder, prepare) of this run, else of the chapter's latest finished run."""
        here = (self.folder / "encoder.json").is_file() and not chapter
        return encoders.load_encoder(self.folder if here else chapter or self.chapter)

    def save_encoder(self, encoder: nn.Module, trained_on: Any) -> None:
        """Write encoder.safetensors and encoder.json, which `load_encoder` reads."""
        encoders.save_encoder(self.folder, encoder, trained_on, self.chapter)

    # -- record ------------------------------------------------------------------------------

    def record(self, status: str) -> records.Record:
        """The record as it stands (see the module `records`)."""
        return {
            "schema": records.SCHEMA, "chapter": self.chapter, "status": status,
            "code": records.code(), "preset": self.settings.preset, "seed": self.seed,
            "parameters": records.to_json(vars(self.settings)), "data": self.data,
            "device": {**device.describe(self.device), "precision": self.precision},
            "versions": records.versions(), "started": self.started,
            "seconds": {"wall": round(time.monotonic() - self.began, 2),
                        "cpu": round(time.process_time() - self.cpu_began, 2)},
            "memory_mb": device.peak_memory_mb(),
            "trainings": self.trainings, "scores": self.scores.rows,
            "factors": self.scores.factors, "labels": self.scores.label_curves,
            "method": self.scores.method, "diagnostics": self.diagnostics,
            "checks": self.checks, "comparisons": self.comparisons,
            "claims": {key: {"claim": claim.as_dict(), **self.measured.get(key, {})}
                       for key, claim in self.claims.items()},
            "tried": self.tried,
            "trained_with": "reference" if exercises.fallbacks() else "notebook",
        }

    def _write(self, status: str) -> None:
        records.write(self.folder, self.record(status))

    def finish(self) -> None:
        """Write the record and the ledger's lines of a finished run, and free its folder."""
        self._write("finished")
        pool = self._pool()
        if self.measured and not pools.why_not(pool[-1]):
            with contextlib.suppress(UserError):  # a full disk does not undo what is finished
                ledger.append(self.folder.parents[1] / ledger.NAME, ledger.pool_rows(pool))
        self._lock.release()
        print(f"{self.chapter}: finished; the record holds {len(self.scores.rows)} rows of scores, "
              f"{claims.tally(records.verdicts(pool).values())}")
