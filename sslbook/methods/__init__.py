"""One file per method: the tested, vectorised twin of what its chapter derives."""

from __future__ import annotations

from sslbook.methods import (
    barlow_twins,
    byol,
    dcl,
    directpred,
    graphmae,
    label_augmentation,
    linear_jepa,
    mae,
    simclr,
    t_jepa,
)

__all__ = ["barlow_twins", "byol", "dcl", "directpred", "graphmae", "label_augmentation",
           "linear_jepa", "mae", "simclr", "t_jepa"]
