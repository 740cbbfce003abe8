"""Several ranks train as one: equal losses, gradients and weights; a dead rank ends all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def trained(folder, world):
    """What the ranks of a world computed, one after the other."""
    folder.mkdir()
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
              "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    line = [sys.executable, str(HERE / "two_ranks.py"), str(folder)]
    started = [subprocess.Popen(line, env={**os.environ, **shared, "RANK": str(rank)},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for rank in range(world)]
    try:
        said = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * world, "\n".join(said)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    place = tmp_path_factory.mktemp("ranks")
    return trained(place / "one", 1)[0], trained(place / "two", 2)


def distance(one, other):
    """Largest difference of two nested values of tensors and numbers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max((distance(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list):
        assert len(one) == len(other)
        return max(distance(a, b) for a, b in zip(one, other, strict=True))
    one, other = (torch.as_tensor(x, dtype=torch.float64) for x in (one, other))
    assert one.shape == other.shape
    return (one - other).abs().max().item()


CASES = ["Barlow Twins", "Barlow Twins, 7 samples", "SimCLR", "BYOL", "DirectPred", "MAE",
         "label augmentation", "T-JEPA", "hidden values", "graph"]


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_train_as_one(both, name):
    one, ranks = both
    assert set(one) == set(CASES)
    assert len(one[name]["loss"]) == len(one[name]["grad"]) == 3
    assert one[name]["state"]
    assert max(value.abs().max() for value in one[name]["grad"][-1].values()) > 1e-4
    for rank, found in enumerate(ranks):
        gaps = {key: distance(one[name][key], found[name][key])
                for key in ("loss", "grad", "state", "rows")}
        print(f"{name}, rank {rank}: " + ", ".join(f"{k} {v:.1e}" for k, v in gaps.items()))
        assert max(gaps["loss"], gaps["grad"], gaps["state"]) < 1e-9
        assert gaps["rows"] < 1e-5  # the log is float32
    assert distance(ranks[0][name]["state"], ranks[1][name]["state"]) == 0.0
