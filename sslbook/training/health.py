"""Health checks of a training: not-a-number and collapse stop it, with a diagnosis."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbook.errors import UserError
from sslbook.judging.diagnostics import collapse_level

# Embeddings count as collapsed when their spread falls under 2 % of that of a sphere,
# three looks in a row: a plateau recovers, a collapse does not.
_COLLAPSED = 0.98
_LOOKS = 3


class Health:
    """Looks at the loss and the embeddings now and then; raises UserError when one has died."""

    def __init__(self, name: str):
        self.name, self.allow_collapse, self.strikes = name, False, 0

    def look(self, losses: Tensor, z: Tensor | None, step: int, kept: int) -> dict[str, float]:
        """losses: those since the last look, on the host. kept: step of the newest checkpoint.

        Returns {"collapse": level} where there are embeddings to look at.
        """
        kept_line = (f"The last good checkpoint, of step {kept}, is kept." if kept
                     else "No step before it was worth keeping.")
        if not torch.isfinite(losses).all():
            bad = int((~torch.isfinite(losses)).nonzero()[0])
            at = step - len(losses) + bad + 1
            raise UserError(
                f"{self.name} stopped: the loss is {losses[bad].item()} at step {at}.",
                kept_line,
                "Try a learning rate ten times smaller, and look for log(0) or 0/0 in the loss.",
            )
        if z is None or len(z) < 2:
            return {}
        level = collapse_level(z.float().flatten(1))
        self.strikes = self.strikes + 1 if level > _COLLAPSED else 0
        if self.strikes >= _LOOKS and not self.allow_collapse:
            raise UserError(
                f"{self.name} stopped at step {step}: the embeddings collapsed to one point "
                f"(collapse level {level:.3f} of 1).",
                kept_line,
                "Look at what keeps embeddings apart in this method; "
                "train(..., allow_collapse=True) goes on.",
            )
        return {"collapse": level}
