"""Parts of batches: views bit for bit, axes found, and modules refused that cannot be cut."""

from __future__ import annotations

import contextlib
import copy
import socket
import sys
from pathlib import Path

import pytest
import torch
import two_ranks as cases
from torch import distributed as dist
from torch import nn

from sslbook.core.streams import Streams
from sslbook.errors import UsageError, UserError
from sslbook.headless import torchrun
from sslbook.masks.patches import RandomPatches
from sslbook.training import Batches, FullBatch
from sslbook.training.parallel import batchnorm, slices
from sslbook.training.parallel import ranks as parallel
from sslbook.training.parallel.ranks import Ranks

# -- batches ---------------------------------------------------------------------------------

TRANSFORMS = {
    "none": (cases.IMAGES, None),
    "views": (cases.IMAGES, cases.views()),
    "patches": (cases.IMAGES, RandomPatches(cases.views(1), 16, 0.75)),
    "labelled": ((cases.IMAGES, torch.arange(40)), cases.labelled),
    "columns": (cases.ROWS, cases.columns),
    "values": (cases.ROWS, cases.hide),
}


@pytest.mark.parametrize("budget", [None, 0], ids=["resident", "read ahead"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_parts_make_up_the_batch_bit_for_bit(name, budget):
    data, transform = TRANSFORMS[name]
    whole = Batches(data, 7, Streams(0), transform, budget=budget)
    first, second = slices.Part(whole, 0, 3), slices.Part(whole, 3, 7)
    for step in (0, 1, 5, 17):  # into the next epochs, and past the numbers drawn ahead
        made = [part(step) for part in (whole, first, second)]
        made = [one if isinstance(one, tuple) else (one,) for one in made]
        for all_of_it, *parts in zip(*made, strict=True):
            axis = next(i for i, n in enumerate(all_of_it.shape) if n != parts[0].shape[i])
            assert [part.shape[axis] for part in parts] == [3, 4]
            assert torch.equal(torch.cat(parts, axis), all_of_it)


def test_a_tensor_of_pairs_cannot_be_cut():
    def pairs(rows, generator):
        return rows @ rows.T

    with pytest.raises(UserError, match=r"shape \(8, 8\) has samples along two") as caught:
        slices.Part(Batches(cases.ROWS, 8, Streams(0), pairs), 0, 4)
    assert len(str(caught.value).splitlines()) == 3


# -- modules ---------------------------------------------------------------------------------


class Rows(nn.Module):
    """Gives its loss what `give` makes of the rows."""

    def __init__(self, give):
        super().__init__()
        self.encode, self.give = nn.Linear(9, 4), give
        self.register_buffer("kept", torch.zeros(4))
        self.drop = nn.Dropout(0.5)

    def forward(self, batch, loss):
        z = self.drop(self.encode(batch))
        return {"loss": self.give(self, z, loss)}


def explored(give, seed=0):
    torch.manual_seed(seed)
    module = Rows(give)
    batches = Batches(cases.ROWS, 8, Streams(0))
    return module, slices.explore(module, lambda *ends: slices.Part(batches, *ends)(0), 8)


def _mean(module, z, loss):
    module.kept.lerp_(z.detach().mean(dim=0), 0.1)
    return loss(z)


def test_axes_are_found_by_looking():
    square = torch.ones(4, 4)  # as wide as the samples that are shown: no axis of theirs

    def give(module, z, loss):
        copies = z.expand(4, -1, -1)  # (4, B, 4)
        return loss(z, copies, square, 0.5) + loss(z[z[:, 0] > 0], z=z.T)

    module, (axes, moving) = explored(give)
    assert axes == [[0, 1, None, None], [0, 1]]
    assert moving == []
    assert module.training
    assert module.drop.training


def test_a_mean_over_the_batch_is_a_moving_buffer_and_is_put_back():
    module, (_, moving) = explored(_mean)
    assert moving == ["kept"]
    assert not module.kept.any()


def _centred(module, z, loss):
    return loss(z - z.mean(dim=0))


def _random(module, z, loss):
    return loss(z + torch.randn(z.shape))


def _newest(module, z, loss):
    module.kept.copy_(z.detach()[-1])  # as a queue of the newest does
    return loss(z)


def _averaged(module, z, loss):
    return loss(z.mean(dim=0))


@pytest.mark.parametrize(
    ("give", "says"),
    [(_centred, "for a sample depends on the other samples"),
     (_random, "for a sample depends on the other samples"),
     (_averaged, "for a sample depends on the other samples"),
     (_newest, "buffer kept is no mean over the batch"),
     (lambda module, z, loss: z.mean(), "does not call its loss"),
     (lambda module, z, loss: loss(z @ z.T), "samples along two of its axes")],
    ids=["centred", "random", "averaged", "queue", "no loss", "pairs"],
)
def test_what_cannot_be_cut_is_refused(give, says):
    with pytest.raises(UserError, match=says) as caught:
        explored(give)
    assert str(caught.value).splitlines()[1:] == ["Nothing was trained.",
                                                  "Run this chapter without --nproc."]


# -- ranks -----------------------------------------------------------------------------------


def test_parts_of_ranks_cover_the_batch():
    batches = Batches(cases.ROWS, 7, Streams(0))
    parts = [Ranks(rank, 3) for rank in range(3)]
    rows = torch.cat([one.shard(batches)(0) for one in parts])
    assert torch.equal(rows, batches(0))
    assert sum(one.share for one in parts) == pytest.approx(1)
    assert len({one.stream for one in parts}) == 3
    with pytest.raises(UsageError, match="A batch of 7 cannot be shared by 8 ranks"):
        Ranks(0, 8).shard(batches)


def test_alone_nothing_is_exchanged():
    alone, batches = parallel.join(torch.device("cpu")), Batches(cases.ROWS, 7, Streams(0))
    assert (alone.rank, alone.world, alone.first, alone.stream) == (0, 1, True, "module")
    assert alone.shard(batches) is batches
    assert alone.broadcast_value(batches) is batches
    assert not dist.is_initialized()


def test_a_batch_that_is_one_graph_stays_whole():
    second = Ranks(1, 2)
    batch = FullBatch((cases.ROWS,), 40, Streams(0))
    assert second.shard(batch) is batch
    assert not second.split
    assert second.stream == "module"  # all ranks compute the same


@pytest.fixture
def alone(monkeypatch):
    """A process group of one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    store = parallel._store(0, 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield port
    dist.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of sockets")
def test_the_store_listens_on_the_loopback_alone(alone):
    rows = [row.split() for name in ("tcp", "tcp6")
            for row in Path("/proc/net", name).read_text().splitlines()[1:]]
    places = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{alone:04X}")}
    assert places == {f"0100007F:{alone:04X}"}


@pytest.mark.parametrize(("norm", "shape"), [
    (nn.BatchNorm1d(5), (6, 5)), (nn.BatchNorm1d(5, momentum=None), (6, 5, 3)),
    (nn.BatchNorm2d(5, affine=False), (6, 5, 4, 4)),
    (nn.BatchNorm2d(5, track_running_stats=False), (6, 5, 4, 4)),
], ids=["rows", "cumulative", "no weights", "no statistics"])
def test_batchnorm_over_ranks_is_batchnorm(alone, norm, shape):
    generator = Streams(0).torch("x")
    start = torch.randn(shape, generator=generator, dtype=torch.float64) + 3
    found = []
    for where in (contextlib.nullcontext, batchnorm.synced):
        module = nn.Sequential(nn.Linear(1, 1), copy.deepcopy(norm).double())
        one, x = module[1], start.clone().requires_grad_()
        with where(module):
            assert ("forward" in vars(one)) == (where is batchnorm.synced)
            y = [one(x), one(2 * x), one.eval()(x)]
        sum((part**3).sum() for part in y).backward()
        assert "forward" not in vars(one)
        found.append([*y, x.grad, *(p.grad for p in one.parameters()), *one.buffers()])
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


# -- the number of ranks ---------------------------------------------------------------------


@pytest.mark.parametrize(("where", "gpus", "count", "says"), [
    ("cpu", 0, 0, "--nproc takes 1 or more, not 0."),
    ("cuda", 1, 2, "--nproc 2 needs 2 GPUs, one per rank; there is 1."),
    ("cuda", 4, 5, "--nproc 5 needs 5 GPUs, one per rank; there are 4."),
    ("cuda:1", 4, 2, "--nproc 2 needs 2 GPUs, one per rank; there is 1."),
    ("mps", 0, 2, "--nproc 2 needs 2 GPUs, one per rank; there is 1."),
    ("cuda", 4, 4, ""), ("cuda", 1, 1, ""), ("cpu", 0, 64, ""),
])
def test_more_ranks_than_gpus_are_refused(monkeypatch, where, gpus, count, says):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if not says:
        torchrun.check(count, torch.device(where))
        return
    with pytest.raises(UsageError) as caught:
        torchrun.check(count, torch.device(where))
    lines = str(caught.value).splitlines()
    assert lines[:2] == [says, "Nothing was started."]
    assert len(lines) == 3


def test_a_rank_has_the_gpu_of_its_number(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [torchrun._gpu(rank) for rank in range(2)] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5a")
    assert [torchrun._gpu(rank) for rank in range(2)] == ["3", "GPU-5a"]
