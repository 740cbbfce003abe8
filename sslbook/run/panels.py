"""What does it know? An encoder's factor profile and label curve, beside their controls."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sslbook import judging, nets
from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.judging.encoding import Prepare, of_split
from sslbook.judging.few_labels import RATES
from sslbook.records import controls
from sslbook.views import preparer

Encoder = Callable[..., Tensor]
Panel = dict[str, dict[str, Any]]  # row -> factor or number of labels -> what was measured
TRAINED = (1, 5, 50)  # labels per class where whole nets are trained: each costs seconds


class Panels:
    """The half of `Scores` that looks into encoders; `rows` is its table."""

    def __init__(self, settings: Any, device: torch.device):
        self.settings, self.device = settings, device
        self.streams = Streams(settings.seed, "controls")
        self.rows: dict[str, dict[str, float]] = {}
        self.factors: Panel = {}  # row -> factor profile, for the record
        self.label_curves: Panel = {}  # row -> label curve, for the record

    def random_encoder(self, make_encoder: Callable[[], nn.Module], train: Any) -> nn.Module:
        """The random control itself: untrained, BatchNorm calibrated on the training images."""
        return judging.random_encoder(make_encoder, self.streams.child("random"), train,
                                      prepare=_prepare(train), device=self.device)

    def profile(self, row: str, encoder: nn.Module, train: Any, test: Any) -> Panel:
        """What the encoder knows of the world: {row, "random", "pixels": `factor_profile`}.

        random: the same net untrained; pixels: the raw input. Both are controls: computed once,
        then read. Kept for the record; {} where the data say nothing of what they are made of.
        """
        def measure(one: Encoder) -> Any:
            return judging.factor_profile(one, train, test, prepare=_prepare(train))

        found = self._beside(row, encoder, train, test, measure, {
            "panel": "factors", "factors": sorted(train.factors)})
        if not any(found.values()):
            print(f"{row}: {train.name} has neither factors nor labels, so no profile is drawn")
            return {}
        self.factors |= found
        return found

    def labels(self, row: str, encoder: nn.Module, train: Any, test: Any, *,
               scratch: Any = None, finetune: bool = False, steps: int = 400, draws: int = 5,
               ) -> Panel:
        """Accuracy with few labels: {row, "random", "pixels": `label_curve`}, as in `profile`.

        scratch: the augmentation with which the same net is trained from scratch on those labels
        alone, "scratch" (`scratch_curve` at TRAINED, `steps` updates, at most three draws); also a
        control, but one that costs a minute where it is not stored. So short a training would
        starve with all labels: there it has what the supervised control of `controls` reached with
        the method's own budget. finetune: a copy of the encoder is trained as "scratch" is, from
        what it learned without labels on: "fine-tuned". One draw in preset check. Kept for the
        record; {} without labels.
        """
        if not labelled(train, test):
            print(f"{row}: no labels in {train.name}, so there is no label curve")
            return {}
        if getattr(self.settings, "preset", "") == "check":
            draws = 1
        train_y, test_y = (of_split(part, part.labels) for part in (train, test))

        def measure(one: Encoder) -> Any:
            bank, queries = (of_split(part, judging.features(one, part, prepare=_prepare(train)))
                             for part in (train, test))
            return judging.label_curve(bank, train_y, queries, test_y, draws=draws,
                                       seed=self.settings.seed)

        found = self._beside(row, encoder, train, test, measure, {"panel": "labels",
                                                                  "draws": draws})
        if scratch is not None:
            found |= self._trained(encoder, train, test, scratch, finetune, draws=min(3, draws),
                                   steps=steps)
            if "all" in found[row] and "linear" in (whole := self.rows.get("supervised", {})):
                found["scratch"]["all"] = {**found[row]["all"], "mean": whole["linear"],
                                           "draws": [whole["linear"]]}
        self.label_curves |= found
        return found

    def _trained(self, encoder: nn.Module, train: Any, test: Any, augment: Any, finetune: bool, *,
                 draws: int, steps: int) -> Panel:
        """{"scratch": `scratch_curve`}, and "fine-tuned", the same from the encoder's weights."""
        steps = min(steps, getattr(self.settings, "max_steps", 0) or steps)

        def curve(make: Callable[[], nn.Module]) -> Any:
            return judging.scratch_curve(
                make, train, test, augment=augment, prepare=_prepare(train), per_class=TRAINED,
                draws=draws, steps=steps, seed=self.settings.seed, device=self.device)

        parts = {"panel": "scratch", "draws": draws, "steps": steps, "rates": RATES,
                 "per_class": TRAINED, "views": repr(augment.recipes[0]),
                 **self._parts(encoder, train, test)}
        found = controls.cached(parts, lambda: {"scratch": curve(_maker(encoder))})
        if finetune:
            found["fine-tuned"] = curve(lambda: copy.deepcopy(encoder).requires_grad_())
        return found

    def _beside(self, row: str, encoder: nn.Module, train: Any, test: Any,
                measure: Callable[[Encoder], Any], parts: dict[str, Any]) -> Panel:
        """What `measure` says of the encoder, of the same net untrained and of the raw input."""
        def both() -> Panel:
            untrained = self.random_encoder(_maker(encoder), train)
            return {"random": measure(untrained), "pixels": measure(lambda x, *edges: x)}

        return {row: measure(encoder),
                **controls.cached(parts | self._parts(encoder, train, test), both)}

    def _parts(self, encoder: nn.Module, train: Any, test: Any) -> dict[str, Any]:
        """What the controls of an encoder depend on."""
        return {"train": train.sha256, "test": test.sha256, "net": _spec(encoder),
                "seed": self.settings.seed}


def labelled(train: Any, test: Any) -> bool:
    """Whether both splits have labels."""
    return train.labels is not None and test.labels is not None


def _prepare(train: Any) -> Prepare | None:
    """How a training split becomes input: images are scaled, rows and graphs are input already."""
    return preparer(train) if hasattr(train, "images") else None


def _maker(encoder: nn.Module) -> Callable[[], nn.Module]:
    """What builds the encoder's net anew."""
    return lambda: nets.build(**_spec(encoder))


def _spec(encoder: nn.Module) -> dict[str, Any]:
    if not hasattr(encoder, "spec"):
        raise UsageError("This encoder does not say how to build it again, so there is no "
                         "untrained one beside it.", "", "Make it with nets.build(...).")
    return encoder.spec
