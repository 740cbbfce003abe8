"""Data beyond a budget stay in their file, are read ahead, and train the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sslbook.core.streams import Streams
from sslbook.training import Batches, prefetch, train
from sslbook.views import Augment
from sslbook.views import Recipe as Views

COUNT, SIZE = 200, 12
AUGMENT = Augment(Views(size=SIZE), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def mapped(tmp_path: Path) -> torch.Tensor:
    """Images in a file, memory-mapped as the cache of a pack is."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 3, SIZE, SIZE), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return torch.from_numpy(np.load(tmp_path / "images.npy", mmap_mode="c"))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 8))

    def forward(self, batch, loss):
        one, other = map(self.net, batch)
        return {"loss": loss(one, other)}


def test_a_set_ten_times_the_budget_trains_the_same_weights(small_run, mapped):
    size = mapped.numel()
    weights = []
    for budget, reader in ((size, prefetch.Resident), (size // 10, prefetch.Ahead)):
        run = small_run(place=reader.__name__)
        batches = Batches(mapped, 32, run.streams, AUGMENT, budget=budget)
        assert isinstance(batches._rows, reader)
        history = train(run, Small, batches, name="pretrain", loss=F.mse_loss, steps=15)
        weights.append(history.module.net[1].weight)
    assert torch.equal(*weights)


def test_any_step_can_be_read_in_any_order(mapped):
    ids = torch.arange(COUNT)
    kept, ahead = (Batches((mapped, ids), 16, Streams(1), budget=b) for b in (10**9, 0))
    for step in (0, 1, 2, 3, 11, 12, 13, 40, 12, 12, 0, 23, 24, 25):
        for one, other in zip(kept(step), ahead(step), strict=True):
            assert torch.equal(one, other), step
    images, rows = ahead(5)
    assert torch.equal(images, mapped[rows])
    assert len(ahead._rows._coming) <= 2


def test_random_numbers_of_a_step_do_not_depend_on_the_steps_around_it(mapped):
    batches = Batches(mapped, 16, Streams(2), AUGMENT)
    alone = AUGMENT(mapped[batches.indices(21)], Streams(2).torch("views", 21))
    for steps in ((21,), (0, 21), (40, 21, 20)):
        fresh = Batches(mapped, 16, Streams(2), AUGMENT)
        made = [fresh(step) for step in steps][steps.index(21)]
        assert all(torch.equal(a, b) for a, b in zip(alone, made, strict=True))


def test_the_budget_is_a_part_of_the_memory():
    free = prefetch.budget(torch.device("cpu"))
    assert 2**27 < free < 2**45


# In a process of its own, whose memory nothing else touches: peak of what the process itself
# allocated (not the pages of mapped files, which the system may drop), in bytes per way of reading.
MEASURE = """
    import json, re, sys
    import numpy as np, torch
    from sslbook.core.streams import Streams
    from sslbook.training import Batches

    def own():
        return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

    path, budget, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    data = torch.from_numpy(np.load(path, mmap_mode="c"))
    if kind == "copied":
        data = data.clone()
    batches = Batches(data, 256, Streams(0), budget=budget)
    batches(0)
    before = own() if kind == "mapped" else own() - data.numel()
    peak = before
    for step in range(len(batches)):
        batches(step)
        peak = max(peak, own())
    print(json.dumps(peak - before))
"""


@pytest.mark.slow  # two processes of their own, each with torch
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_stays_flat_whatever_the_size_of_the_set(tmp_path):
    size = 200 * 2**20  # far above what a process allocates for its own needs
    np.save(tmp_path / "set.npy", np.ones((size // 3072, 3, 32, 32), np.uint8))
    script = textwrap.dedent(MEASURE)

    def grown(kind: str) -> int:
        line = [sys.executable, "-c", script, str(tmp_path / "set.npy"), str(size // 10), kind]
        return json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)

    assert grown("mapped") < size / 6
    assert grown("copied") > size * 0.9, "the measurement would not see a copy of the set"
