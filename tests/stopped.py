"""Runs in processes of their own that a test stops in the middle of their training."""

from __future__ import annotations

import json
import os

import pytest
import torch
from tiny_book import alive, sslbook, wait_for

from sslbook import records
from sslbook.core import paths
from sslbook.training.checkpoints import read_checkpoint

posix = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX systems")


class Begun:
    """A run that lies in `folder`."""

    @property
    def checkpoint(self):
        return self.folder / "train" / "pretrain" / "checkpoint.pt"

    @property
    def status(self):
        return records.read(self.folder / "record.json")["status"]


class Started(Begun):
    """A run in a process of its own that is in the middle of its training."""

    def __init__(self, *arguments, place="", **options):
        before = set(self.folders())
        self.process = sslbook("run", "tiny", *arguments, **options)
        resumed = "--resume" in arguments
        if resumed:
            self.folder = paths.runs() / "tiny" / arguments[arguments.index("--resume") + 1]
            old = (self.folder / "pid").read_text()
            self._until(lambda: (self.folder / "pid").read_text() not in ("", old), "the kernel")
        else:
            self._until(lambda: set(self.folders()) - before, "the run's folder")
            (self.folder,) = set(self.folders()) - before
        kept = self.checkpoint.stat().st_mtime_ns if resumed else 0
        self._until(lambda: self.checkpoint.exists() and self.checkpoint.stat().st_mtime_ns > kept,
                    "a checkpoint")
        self.kernel = int((self.folder / "pid").read_text())

    def _until(self, found, what):
        wait_for(lambda: found() or self.process.poll() is not None, what)
        if self.process.poll() is not None:
            raise AssertionError(f"{what} did not come:\n" + "\n".join(self.process.communicate()))

    @staticmethod
    def folders():
        return sorted((paths.runs() / "tiny").glob("*"))

    def end(self):
        """Wait for the end: (exit code, what was printed as an error)."""
        _, err = self.process.communicate(timeout=60)
        wait_for(lambda: not alive(self.kernel), "the end of the kernel", 15)
        return self.process.returncode, err

    def stop(self, number, which="process"):
        os.kill(self.process.pid if which == "process" else self.kernel, number)
        return self.end()


def steps_kept(run):
    """The step of a run's checkpoint, which is whole, as everything beside it."""
    state = read_checkpoint(run.checkpoint)
    assert all(torch.isfinite(v).all() for v in state["parts"]["module"].values())
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(row["training"] == "pretrain" for row in rows)
    assert json.loads((run.folder / "tiny.ipynb").read_text())["nbformat"] == 4
    return state["values"]["step"]


def weights(folder):
    return (folder / "train" / "pretrain" / "model.safetensors").read_bytes()
