"""(4) kNN and linear probe against scikit-learn; the times count where the accuracies agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # scikit-learn depends on it
from torch import Tensor

from sslbook.judging import knn, linear_probe
from tools.bench.rows import Row
from tools.bench.timing import Clocked, Options, compared, timed

Features = tuple[Tensor, Tensor, Tensor, Tensor]  # x (N, D), y (N,), and those of the test
Probe = Callable[..., float]
_K, _TEMPERATURE, _L2 = 20, 0.1, 1e-2


def features(count: int, width: int) -> Features:
    """Ten overlapping classes; a tenth of the samples is the test."""
    x, y = make_classification(count, width, n_informative=width // 16 + 4, n_redundant=width // 2,
                               n_classes=10, random_state=0)  # fmt: skip
    cut, x, y = count * 9 // 10, torch.from_numpy(x).float(), torch.from_numpy(y)
    return x[:cut], y[:cut], x[cut:], y[cut:]


def run(options: Options) -> Iterator[Row]:
    """Ours and scikit-learn's for each probe and number of features."""
    sizes, width = ((400,), 16) if options.quick else ((10_000, 50_000), 512)
    for size, (name, contenders) in product(sizes, PROBES.items()):
        data, accuracy = features(size, width), {}

        def maker(who: str, probe: Probe, data=data, accuracy=accuracy) -> Clocked:
            moved = [part.to(options.device if who == "ours" else "cpu") for part in data]
            return timed(lambda: accuracy.update({who: probe(*moved)}), options)

        makers = {who: partial(maker, who, probe) for who, probe in contenders.items()}
        for row in compared("probes", f"{name}, {size:,} x {width}", size, makers, options):
            row.note = f"accuracy {100 * accuracy[row.who]:.2f} %" if row.seconds else ""
            yield row


def sklearn_knn(*data: Tensor) -> float:
    def weights(distance: np.ndarray) -> np.ndarray:
        return np.exp(-distance / _TEMPERATURE)  # of 1 - cosine: exp(cosine / t) up to a factor

    return _score(KNeighborsClassifier(_K, weights=weights, metric="cosine"), *data)


def sklearn_linear(*data: Tensor) -> float:
    model = LogisticRegression(C=1 / (_L2 * len(data[0])), max_iter=1000)
    return _score(make_pipeline(StandardScaler(), model), *data)


def _score(model: Any, *data: Tensor) -> float:
    x, y, test_x, test_y = (part.numpy() for part in data)
    with threadpool_limits(torch.get_num_threads()):
        return float(model.fit(x, y).score(test_x, test_y))


def linear(*data: Tensor) -> float:
    return linear_probe(*data, l2=_L2).accuracy


PROBES: dict[str, dict[str, Probe]] = {
    "kNN": {"ours": partial(knn, k=_K, temperature=_TEMPERATURE), "scikit-learn": sklearn_knn},
    "linear": {"ours": linear, "scikit-learn": sklearn_linear},
}
