"""State on disk: the resumable checkpoint of a training and the weights of a finished one."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from sslbook.core import files
from sslbook.errors import UserError
from sslbook.training.history import History


class Store:
    """The folder of one named training.

    fingerprint: what was trained. checkpoint.pt: while it runs. model.safetensors, snapshots.npz
    and, last, history.json: when it finished. Every file is published whole. writes: False for
    a rank that leaves that to another.
    """

    def __init__(self, folder: Path, writes: bool = True):
        self.folder, self.writes = folder, writes

    def claim(self, digest: str) -> bool:
        """Take the folder for a training; True when another one was put aside for it."""
        if not self.writes:
            return False
        mark = self.folder / "fingerprint"
        for stale in self.folder.glob(".*.tmp"):  # of a process that was killed while writing
            stale.unlink(missing_ok=True)
        changed = mark.exists() and mark.read_text() != digest
        if changed:
            numbers = range(1, 10**6)
            names = (self.folder.with_name(f"{self.folder.name}.{i}") for i in numbers)
            self.folder.rename(next(name for name in names if not name.exists()))
        if changed or not mark.exists():
            files.write_text(mark, digest)
        return changed

    @property
    def finished(self) -> bool:
        return (self.folder / "history.json").exists()

    def load(self, module: nn.Module) -> History:
        """The history and, into `module`, the weights of a finished training."""
        load_weights(self.folder / "model.safetensors", module)
        what = f"The history of the finished training {self.folder.name}"
        with _undamaged(what, "Delete its folder"):
            return History.load(self.folder)

    def finish(self, module: nn.Module, history: History) -> None:
        """Publish the weights, then the history: where history.json lies, all is there."""
        if self.writes:
            save_weights(self.folder / "model.safetensors", module)
            history.save(self.folder)
            (self.folder / "checkpoint.pt").unlink(missing_ok=True)

    def save(self, parts: dict[str, Any], history: History, **values: Any) -> None:
        """A resumable checkpoint. parts: objects with a state_dict; values: plain ones."""
        if not self.writes:
            return
        state = {
            "parts": {key: part.state_dict() for key, part in parts.items()},
            "history": history.summary(),
            "snapshots": {
                key: [torch.from_numpy(array.copy()) for array in arrays]
                for key, arrays in history.snapshots.items()
            },
            "values": values, "made": _conditions(),
        }
        # By way of memory: torch's own file writer hides the reason when the disk is full.
        content = io.BytesIO()
        torch.save(state, content)
        with files.publish(self.folder / "checkpoint.pt") as temporary:
            temporary.write_bytes(content.getbuffer())

    def resume(self, parts: dict[str, Any]) -> tuple[History, dict[str, Any]] | None:
        """Load a checkpoint into `parts`; None where there is none. UserError when damaged.

        Says so where threads or torch differ from those that it was made with.
        """
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        state = read_checkpoint(path)
        with _undamaged(f"The checkpoint {path.name}"):
            for key, now in _conditions().items():
                if now != state["made"].get(key, now):
                    print(f"made with {key} {state['made'][key]}, goes on with {now}: "
                          "the result will not be equal bit for bit")
            for key, part in parts.items():
                part.load_state_dict(state["parts"][key])
            history = History(**state["history"])
            history.snapshots = {k: [t.numpy() for t in v] for k, v in state["snapshots"].items()}
            return history, state["values"]


def _conditions() -> dict[str, Any]:
    """What a result on the CPU depends on beside the run's own settings."""
    return {"threads": torch.get_num_threads(), "torch": torch.__version__.partition("+")[0],
            "ranks": int(os.environ.get("WORLD_SIZE") or 1)}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint. Raises UserError when it is damaged; no code in it is ever run."""
    with _undamaged(f"The checkpoint {path.name}"):
        return torch.load(path, map_location="cpu", weights_only=True)


@contextlib.contextmanager
def _undamaged(what: str, remedy: str = "Delete it") -> Iterator[None]:
    """Turn whatever a reader raises into a UserError: they have no common base for damage."""
    try:
        yield
    except Exception as error:
        raise UserError(
            f"{what} is damaged ({type(error).__name__}).", "It was not used.",
            f"{remedy} and run again; the training starts from its beginning.",
        ) from error


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's state as safetensors in one step."""
    state = {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}
    content = save(state)  # in memory first, as the checkpoint
    with files.publish(path) as temporary:
        temporary.write_bytes(content)


def load_weights(path: Path, module: nn.Module) -> None:
    """Read safetensors into a module. Raises UserError when file and module do not fit."""
    try:
        module.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch have no common base for damage
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(
            f"The weights {path.name} cannot be loaded: {reason}", "They were not used.",
            "Run again in a new run, or delete the folder that they lie in.",
        ) from error
