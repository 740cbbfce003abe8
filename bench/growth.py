"""(e) Cost as the work grows: batch size, size of the data set, data beyond the memory budget."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import methods, timing
from bench.memory import Peak
from bench.options import Options
from bench.records import Row, failed, say
from sslbook.errors import UserError
from sslbook.streams import Streams
from sslbook.training import Batches
from sslbook.views import Augment, Recipe

PART = "growth"
BATCHES = tuple(2**power for power in range(6, 13))
COUNTS = (1_000, 5_000, 20_000, 50_000)
BATCH, MANY = 256, 50_000
TIMES_BUDGET = 10  # the data set is so many times larger than what may stay in memory
SHAPE = (3, 32, 32)
_LEAST, _MOST = 3, 200  # steps that are timed
_CAPTURED = 5  # steps until a CUDA graph is there
_PATIENCE = 900  # seconds after which a row that hangs is given up
_STAT = ((0.5,) * 3, (0.25,) * 3)


@dataclass(frozen=True)
class Work:
    """One row. kind: what grows. budget: bytes of data that may stay in memory; 0: all.

    file: a .npy memory map to read, "" for random images made here. seconds: about how long.
    """

    kind: str
    batch: int
    images: int
    threads: int
    device: str
    quick: bool
    seconds: float
    budget: int = 0
    file: str = ""


def run(options: Options) -> Iterator[Row]:
    """Every row in a process of its own: none sees what another one left in memory."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for work in _works(options, Path(folder) / "images.npy"):
            yield _row(work)


def _works(options: Options, file: Path) -> Iterator[Work]:
    batches, counts, batch, many = BATCHES, COUNTS, BATCH, MANY
    threads: tuple[int, ...] = options.threads
    if options.quick:
        batches, counts, batch, many, threads = (16,), (), 8, 320, options.threads[:1]
    seconds = 0.0 if options.quick else min(3.0, options.seconds or 3.0)
    size = many * int(np.prod(SHAPE))
    _write(file, many)
    for count in threads:
        base = Work("batch size", batch, many, count, options.device.type, options.quick, seconds)
        yield from (replace(base, batch=one) for one in batches)
        yield from (replace(base, kind="data set", images=one) for one in counts)
        yield replace(base, kind="file in memory", file=str(file))
        yield replace(base, kind="file, budget 1/10", file=str(file), budget=size // TIMES_BUDGET)


def _write(file: Path, count: int) -> None:
    """A .npy file of random images, block by block."""
    images = np.lib.format.open_memmap(file, "w+", np.uint8, (count, *SHAPE))
    for start in range(0, count, 4096):
        block = images[start : start + 4096]
        block[:] = np.random.default_rng(start).integers(0, 256, block.shape, dtype=np.uint8)
    images.flush()


def _row(work: Work) -> Row:
    """The row that a fresh process measures, or what became of that process."""
    case = {key: value for key, value in asdict(work).items() if key not in ("file", "quick")}
    try:
        found = apart(work)
    except Exception as error:  # a row that fails must not cost the others
        return failed(PART, case, "sslbook", error)
    row = Row(PART, case, "sslbook", found.pop("seconds"), found.pop("items"), found.pop("clock"))
    row.extra = found
    return row


def apart(work: Work, patience: float = _PATIENCE) -> dict[str, Any]:
    """`measure` in a process of its own. UserError where it fails, dies or hangs."""
    context = _context()
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(there, work), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(patience):
            raise UserError(f"gave up after {patience:g} s")
        found = here.recv()
    except EOFError:
        raise UserError("its process died, as it does when memory runs out") from None
    finally:
        process.kill()
        process.join()
    if isinstance(found, str):
        raise UserError(found)
    return found


def _send(there: Any, work: Work) -> None:
    try:
        there.send(measure(work))
    except Exception as error:
        there.send(say(error))


def _context() -> Any:
    """Processes that fork from one which has only imported: clean, and there in an instant."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.growth"])
    return context


def measure(work: Work) -> dict[str, Any]:
    """Train SimCLR on ResNet-8 for a while; seconds of each step, peak memory. In the child."""
    torch.set_num_threads(work.threads)
    options = Options(torch.device(work.device), quick=work.quick)
    net = replace(methods.QUICK[0] if work.quick else methods.SMALL, batch=work.batch)
    # Reading ahead waits for the disk, which CPU seconds do not see.
    clock = timing.clock(options.device, work.threads, other_processes=bool(work.file))
    with Peak() as peak:
        batches = _batches(work, options)
        step = methods.training(net, "simclr", options, accelerate="auto", batches=batches).step
        seconds = timed(step, clock, work.seconds, warm=_CAPTURED if options.cuda else 2)
    gpu = torch.cuda.max_memory_allocated() / 2**20 if options.cuda else None
    return {
        "seconds": seconds, "items": batches.batch_size, "clock": clock.name,
        "memory_mb": peak.mb, "gpu_memory_mb": gpu,
    }  # fmt: skip


def timed(step: Any, clock: timing.Clock, seconds: float, warm: int) -> list[float]:
    """Seconds of each step for about `seconds`, at least three; `warm` steps do not count."""
    for _ in range(warm):
        step()
    taken: list[float] = []
    while len(taken) < _LEAST or (sum(taken) < seconds and len(taken) < _MOST):
        before = clock.now()
        step()
        taken.append(max(clock.now() - before, 1e-9))
    return taken


def _batches(work: Work, options: Options) -> Batches:
    augment = Augment(Recipe.simclr(32), *_STAT)
    return Batches(
        _images(work), work.batch, Streams(0, "bench"), augment, options.device,
        budget=work.budget or None,
    )  # fmt: skip


def _images(work: Work) -> Tensor:
    """Random images: made here, read whole from the file, or its memory map."""
    if not work.file:
        generator = torch.Generator().manual_seed(0)
        size = (work.images, *SHAPE)
        return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
    # Copy-on-write, as the packs of sslbook are opened: torch takes it without a warning.
    return torch.from_numpy(np.load(work.file, mmap_mode="c" if work.budget else None))
