"""Judging a representation: probes with labels, diagnostics without, and the controls.

Names are loaded when first used.
"""

from __future__ import annotations

from sslbook.core.lazy import lazy

__getattr__, __all__ = lazy(__name__, {
    "controls": ("chance", "chance_scores", "control_scores", "encoder_scores", "random_encoder",
                 "scores", "supervised_control", "supervised_encoder"),
    "diagnostics": ("alignment", "collapse_level", "rankme", "spectrum", "spread", "uniformity"),
    "encoding": ("calibrate_batchnorm", "features"),
    "factors": ("factor_profile",),
    "few_labels": ("label_curve", "scratch_curve"),
    "online": ("OnlineProbe", "embeddings"),
    "regression": ("regression_scores",),
    "probes": ("LinearProbe", "knn", "knn_table", "linear_probe", "neighbours"),
})
