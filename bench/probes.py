"""(d) Nearest neighbours and the linear probe against scikit-learn, at equal accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench import timing
from bench.options import Options
from bench.records import Row, say
from sslbook.judging import knn, linear_probe

PART = "probes"
SIZES, WIDTH, CLASSES, TEST = (10_000, 50_000), 512, 10, 0.1
ROUNDS = {10_000: 5, 50_000: 3}
K, TEMPERATURE, L2 = 20, 0.1, 1e-2
# The classes differ along the strongest axes only, by so much that probes err on some of the test.
_AXES, _SPREAD = 32, 0.5


class Features(NamedTuple):
    """Training and test features (float32) with their labels."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def features(count: int, width: int = WIDTH, seed: int = 0) -> Features:
    """Gaussian classes around random centres, with a spectrum that falls as an encoder's does."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.arange(1, width + 1).float().rsqrt()
    centres = _SPREAD * torch.randn(CLASSES, width, generator=generator)
    centres[:, _AXES:] = 0
    y = torch.randint(CLASSES, (count,), generator=generator)
    x = (centres[y] + torch.randn(count, width, generator=generator)) * spectrum
    turned = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q
    x, cut = x @ turned + 0.5, round(count * (1 - TEST))
    return Features(x[:cut], y[:cut], x[cut:], y[cut:])


def run(options: Options) -> Iterator[Row]:
    """Two rows, ours and scikit-learn's, for each probe, size and number of threads."""
    sizes, width = ((400,), 16) if options.quick else (SIZES, WIDTH)
    for threads, size in itertools.product(options.threads, sizes):
        torch.set_num_threads(threads)
        data = features(size, width)
        for probe in PROBES:
            yield from _compared(options, threads, probe, data)


def _compared(options: Options, threads: int, probe: str, data: Features) -> Iterator[Row]:
    accuracies: dict[str, float] = {}
    here = Features(*(part.to(options.device) for part in data))
    own, theirs = PROBES[probe]

    def ours() -> None:
        accuracies["ours"] = own(here)

    def sklearn() -> None:
        with _threads(threads):
            accuracies["scikit-learn"] = theirs(data)

    count = len(data.x) + len(data.test_x)
    clock = timing.clock(options.device, threads)
    times = timing.alternate(
        {"ours": ours, "scikit-learn": sklearn}, clock, options.turns(ROUNDS.get(count, 3)),
        limit=options.seconds, least=options.least, say=say,
    )  # fmt: skip
    case = {"threads": threads, "probe": probe, "features": count, "width": data.x.shape[1]}
    for name in ("ours", "scikit-learn"):
        row = Row(PART, case, name, times.seconds.get(name, []), count, clock.name)
        row.extra, row.error = {"accuracy": accuracies.get(name)}, times.errors.get(name, "")
        if len(accuracies) == 2:
            row.extra["ahead"] = accuracies[name] - accuracies["ours"]
        if len(times.seconds) == 2:
            row.ratios["ours"] = timing.per_round(row.seconds, times.seconds["ours"])
        yield row


def _threads(count: int) -> Any:
    from threadpoolctl import threadpool_limits  # scikit-learn depends on it

    return threadpool_limits(limits=count)


def _neighbours(data: Features) -> float:
    return knn(*data, k=K, temperature=TEMPERATURE)


def _sklearn_neighbours(data: Features) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    def weights(distance: np.ndarray) -> np.ndarray:
        return np.exp(-distance / TEMPERATURE)  # of 1 - cosine: exp(cosine / t) up to a factor

    model = KNeighborsClassifier(K, weights=weights, metric="cosine", algorithm="brute")
    return _scored(model, data)


def _probe(data: Features) -> float:
    return linear_probe(*data, l2=L2).accuracy


def _sklearn_probe(data: Features) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=1 / (L2 * len(data.x)), max_iter=1000)
    return _scored(make_pipeline(StandardScaler(), model), data)


def _scored(model: Any, data: Features) -> float:
    x, y, test_x, test_y = (part.numpy() for part in data)
    return float(model.fit(x, y).score(test_x, test_y))


PROBES: dict[str, tuple[Callable[[Features], float], Callable[[Features], float]]] = {
    f"kNN, k={K}": (_neighbours, _sklearn_neighbours),
    f"linear, l2={L2:g}": (_probe, _sklearn_probe),
}
