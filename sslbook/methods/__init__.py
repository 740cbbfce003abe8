"""One file per method: the tested, vectorised twin of what its chapter derives."""

from __future__ import annotations

from sslbook.methods import barlow_twins, simclr

__all__ = ["barlow_twins", "simclr"]
