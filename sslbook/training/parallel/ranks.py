"""Data-parallel training that equals that of one process: each rank takes a part of every batch.

Under torchrun each rank executes the whole notebook; `train` alone is collective. Order and views
are drawn for the global batch and cut. What a module gives its loss is gathered, so that every
rank computes the notebook's own loss on the global batch. With J = mean over ranks of their
losses, every gradient is that of J: gathering hands each rank its own rows' part, times the number
of ranks, BatchNorm adds up over the ranks in both directions, and weights' gradients are averaged.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from sslbook.errors import UsageError, UserError
from sslbook.training.acceleration import make_step
from sslbook.training.batches import Batches
from sslbook.training.parallel import batchnorm, slices
from sslbook.training.parallel.collectives import gather, sum_over_ranks
from sslbook.training.precision import image_layout, to_layout
from sslbook.training.step import Step

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# A rank that dies is noticed at once, by its connection and by torchrun; this ends ranks that
# wait for each other at different places of a notebook.
_PATIENCE = timedelta(minutes=30)
_LOST = ("gloo", "nccl")  # in the messages of plain RuntimeErrors


class RankLost(UserError):
    """Another rank ended, so that this one cannot go on (exit code 4)."""


class Ranks:
    """The ranks that train together, seen from one of them; alone, nothing is exchanged.

    rank: this one's number. world: how many there are. split: whether batches are cut.
    """

    def __init__(self, rank: int = 0, world: int = 1):
        self.rank, self.world, self.split = rank, world, False
        self.share = 1.0  # of the samples of a batch
        self.moving: list[str] = []  # buffers that are means over a batch

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    @property
    def stream(self) -> str:
        """The stream of dropout and the like: dice of its own for each part of a batch."""
        return f"module.{self.rank}" if self.split and self.rank else "module"

    def broadcast_value(self, value: Any) -> Any:
        """Rank 0's value (of JSON) on every rank; all wait here for it."""
        if self.world == 1:
            return value
        content = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        size = torch.tensor(len(content))
        dist.broadcast(size, 0)
        content = content if self.first else torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(content, 0)
        return json.loads(bytes(content.tolist()))

    def assert_same_training(self, name: str, digest: str) -> None:
        """Raise UserError unless every rank has come to the same training."""
        theirs = self.broadcast_value([name, digest])
        apart = torch.tensor(float(theirs != [name, digest]))
        if self.world > 1:
            dist.all_reduce(apart)
        if apart:
            raise UserError(f"The ranks came to different trainings, {theirs[0]!r} and others.",
                            "Nothing was trained.",
                            "Let no cell depend on times or on draws without a seed.")

    def make_step(self, *arguments: Any, accelerate: str) -> Step:
        """The step of this rank; alone, as `acceleration.make_step`."""
        if self.world == 1:
            return make_step(*arguments, accelerate)
        step = RankStep(self, *arguments)
        if accelerate == "graph":
            step.reason = "several ranks make them together"
        return step

    def broadcast_weights(self, module: nn.Module) -> None:
        """Give every rank rank 0's weights and buffers."""
        for value in module.state_dict().values() if self.world > 1 else ():
            sent = value.contiguous()
            dist.broadcast(sent, 0)
            value.copy_(sent)

    def shard(self, batches: Any) -> Any:
        """This rank's part of the batches; whole ones where they cannot be cut.

        A graph that is one batch, say, is computed by every rank alike, which is right but no
        faster. Raises UsageError for fewer samples than ranks.
        """
        self.split = self.world > 1 and isinstance(batches, Batches)
        if not self.split:
            if self.world > 1:
                print("a batch cannot be cut, so every rank computes all of it")
            return batches
        size = batches.batch_size
        if size < self.world:
            raise UsageError(f"A batch of {size} cannot be shared by {self.world} ranks.",
                             "Nothing was trained.", "Give a smaller --nproc or more samples.")
        start, stop = (size * rank // self.world for rank in (self.rank, self.rank + 1))
        self.share = (stop - start) / size
        return slices.Part(batches, start, stop)

    def wrap_loss(self, loss: Callable[..., Tensor], module: nn.Module, batches: Any,
                  device: torch.device) -> Callable[..., Tensor]:
        """The loss on the global batch. Raises UserError where a module's batch cannot be cut."""
        if not self.split:
            return loss
        layout = image_layout(module, device)
        found, self.moving = slices.explore(
            module, lambda *ends: to_layout(slices.Part(batches, *ends)(0), device, layout),
            batches.batch_size)
        axes = itertools.cycle(found)

        def called(*args: Any, **named: Any) -> Tensor:
            args, named = gather((args, named), next(axes), self.rank, self.world)
            return loss(*args, **named)

        return called

    def average(self, module: nn.Module) -> None:
        """Average the gradients of a step, and the buffers that are means over a batch."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        sum_over_ranks([gradient.div_(self.world) for gradient in gradients])
        sum_over_ranks([module.get_buffer(key).mul_(self.share) for key in self.moving])

    def gather_outputs(self, out: dict[str, Any]) -> dict[str, Any]:
        """What a module returned, for the global batch: embeddings gathered, numbers averaged."""
        if not self.split:
            return out
        tensors = {k: v for k, v in out.items() if isinstance(v, Tensor)}
        numbers = {k: v.double() * self.share for k, v in tensors.items() if not v.ndim}
        sum_over_ranks(list(numbers.values()))
        if "z" in tensors:
            numbers |= gather({"z": tensors["z"]}, [0], self.rank, self.world)
        return {**out, **numbers}

    def normalised(self, module: nn.Module) -> contextlib.AbstractContextManager:
        """Inside the block BatchNorm sees the global batch."""
        return batchnorm.synced(module) if self.split else contextlib.nullcontext()


class RankStep(Step):
    """A step whose gradients are averaged over the ranks before the weights are updated."""

    def __init__(self, ranks: Ranks, *arguments: Any):
        super().__init__(*arguments)
        self.ranks = ranks

    def backward(self, loss: Tensor) -> None:
        super().backward(loss)
        self.ranks.average(self.module)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn a broken connection into RankLost, which says that it is not this rank's fault."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, dist.DistError) or any(w in str(error).lower() for w in _LOST)
        if not dist.is_initialized() or not lost:
            raise
        raise RankLost("Another rank ended, or did not answer.",
                       "This rank stopped; the last checkpoint is kept.") from error


def join(device: torch.device) -> Ranks:
    """The ranks that torchrun started (RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT); else one.

    gloo on the CPU, beside it NCCL on CUDA. Waits for all ranks to come here.
    """
    rank, world = (int(os.environ.get(k) or d) for k, d in (("RANK", 0), ("WORLD_SIZE", 1)))
    if world > 1 and not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=_store(rank, world), rank=rank, world_size=world,
                                timeout=_PATIENCE)
    return Ranks(rank, world)


def _store(rank: int, world: int) -> dist.Store:
    """Where ranks find each other: rank 0 listens, on the loopback alone where that is meant."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    make = partial(dist.TCPStore, host, port, world, timeout=_PATIENCE)
    if host not in _LOOPBACK:
        return make(is_master=rank == 0)
    if sys.platform in ("linux", "darwin"):
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, "lo" if sys.platform == "linux" else "lo0")
    if rank or sys.platform == "win32":  # its sockets are no files
        return make(is_master=rank == 0)
    listening = socket.create_server((host, port))
    return make(is_master=True, master_listen_fd=listening.detach())
