"""Judging a representation: probes with labels, diagnostics without, and the controls.

(`claims` and `records` are imported as modules.)
"""

from __future__ import annotations

from sslbook.judging.controls import (
    chance,
    control_scores,
    encoder_scores,
    random_control,
    random_encoder,
    raw_control,
    scores,
    supervised_control,
    supervised_encoder,
)
from sslbook.judging.diagnostics import (
    alignment,
    collapse_level,
    diagnose,
    rankme,
    spectrum,
    spread,
    uniformity,
)
from sslbook.judging.encoding import calibrate_batchnorm, features
from sslbook.judging.online import OnlineProbe, embeddings
from sslbook.judging.probes import LinearProbe, knn, knn_table, linear_probe, neighbours

__all__ = [
    "LinearProbe",
    "OnlineProbe",
    "alignment",
    "calibrate_batchnorm",
    "chance",
    "collapse_level",
    "control_scores",
    "diagnose",
    "embeddings",
    "encoder_scores",
    "features",
    "knn",
    "knn_table",
    "linear_probe",
    "neighbours",
    "random_control",
    "random_encoder",
    "rankme",
    "raw_control",
    "scores",
    "spectrum",
    "spread",
    "supervised_control",
    "supervised_encoder",
    "uniformity",
]
