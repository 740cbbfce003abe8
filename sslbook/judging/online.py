"""The probe that `train` asks now and then: how good, how wide, how well spread?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from sslbook.core.streams import Streams
from sslbook.judging.diagnostics import alignment, rankme, uniformity
from sslbook.judging.encoding import calibrate_batchnorm, features
from sslbook.judging.probes import knn
from sslbook.views import prepare


class OnlineProbe:
    """kNN accuracy of the features and the shape of the embeddings, on small fixed samples.

    train_set, test_set: ImageSets; the first `bank` and `queries` images of them are used.
    augment: makes the two views whose alignment is measured. Called as `probe(module, step)`;
    returns knn (0-1, left out without labels), rank (RankMe of the embeddings z, or of the features
    h where the module has no `embed`: rank_z or rank_h says which, with the same number), alignment
    (mean squared distance of pairs on the sphere) and uniformity; at step 0 also the controls on
    the very same images, knn_pixels and knn_random (the module as it begins, BatchNorm calibrated).

    The test images serve to watch, never to choose: nothing is tuned or stopped by them.
    """

    def __init__(
        self, train_set: Any, test_set: Any, augment: Any, streams: Streams,
        bank: int = 1000, queries: int = 500, pairs: int = 512, k: int = 20,
    ):
        self.bank, self.queries = train_set.take(bank), test_set.take(queries)
        size = augment.recipes[0].size
        self.bank_x, self.query_x = (
            prepare(s.images, size, train_set.mean, train_set.std)
            for s in (self.bank, self.queries)
        )
        chosen = train_set.take(pairs).images
        self.views = augment(chosen, streams.torch("online views"))
        self.k = k

    def __call__(self, module: nn.Module, step: int) -> dict[str, float]:
        found: dict[str, float] = {}
        if self.bank.labels is not None and self.queries.labels is not None:
            found["knn"] = self._knn(module.encode)
            if step == 0:
                found["knn_pixels"] = self._knn(lambda x: x)
                fresh = calibrate_batchnorm(copy.deepcopy(module), self.bank_x)
                found["knn_random"] = self._knn(fresh.encode)
        z1, z2 = embeddings(module, self.views[0]), embeddings(module, self.views[1])
        rank = rankme(z1)
        found |= {"rank": rank, "rank_z" if hasattr(module, "embed") else "rank_h": rank}
        return {**found, "alignment": alignment(z1, z2), "uniformity": uniformity(z1)}

    def _knn(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> float:
        bank, queries = (features(encode, x) for x in (self.bank_x, self.query_x))
        return knn(bank, self.bank.labels, queries, self.queries.labels, k=self.k)


def embeddings(module: nn.Module, x: torch.Tensor, batch_size: int = 512) -> torch.Tensor:
    """What the module's loss sees, (N, D) on the CPU: `module.embed`, or `encode` without one."""
    return features(getattr(module, "embed", module.encode), x, batch_size=batch_size)
