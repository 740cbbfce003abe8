"""The table of a run: every encoder on the same measures, beside the same controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslbook import judging, nets, records
from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.judging.encoding import Prepare, of_split
from sslbook.judging.few_labels import PER_CLASS, RATES
from sslbook.lesson import viz
from sslbook.lesson.verdicts import show_comparison
from sslbook.records import controls, gains, published
from sslbook.views import preparer

Encoder = Callable[..., Tensor]
Panel = dict[str, dict[str, Any]]  # row -> factor or number of labels -> what was measured


class Scores:
    """Rows of measures (accuracies in 0-1, effective ranks), filled by `controls` and `judge`.

    settings: the run's (epochs, batch_size and lr are the supervised control's budget).
    train, test: the labelled splits. Without labels only label-free measures are taken.
    """

    def __init__(self, chapter: str, settings: Any, device: torch.device,
                 over_seeds: Callable[[], dict[str, list[dict[str, float]]]] = dict):
        self.chapter, self.settings, self.device = chapter, settings, device
        self.over_seeds = over_seeds  # row -> measures, of each seed of the pool
        self.method = ""  # the row that the chapter judges, from `show` on
        self.streams = Streams(settings.seed, "controls")
        self.rows: dict[str, dict[str, float]] = {}
        self.factors: Panel = {}  # row -> factor profile, for the record
        self.label_curves: Panel = {}  # row -> label curve, for the record
        self.classes = 0  # of the data (set by `Run.load`)

    def add(self, row: str, measures: Mapping[str, float]) -> dict[str, float]:
        """Add a row by hand: measure -> value."""
        self.rows[row] = {key: float(value) for key, value in measures.items()}
        return self.rows[row]

    def controls(
        self, make_encoder: Callable[[], nn.Module], train: Any, test: Any, augment: Any, *,
        rates: Sequence[float] = (),
    ) -> None:
        """Add chance, raw pixels, a random and a supervised encoder.

        supervised: the same net, views, epochs and batch size, trained with the labels, at the
        run's learning rate, or with `rates` at that one of them which is best on a held-out part
        of the training set. All are records keyed by data, net, budget and seed: computed once,
        then read.
        """
        if not _labelled(train, test):
            print("no labels, so there are no controls to hold the features against")
            return
        limit = getattr(self.settings, "max_steps", 0) or math.inf
        rate = {"rates": list(rates)} if rates else {"lr": self.settings.lr}
        budget = {"epochs": int(min(self.settings.epochs, limit)), **rate,
                  "batch_size": self.settings.batch_size}
        with self.streams.seeded("shape"):
            spec = make_encoder().spec
        parts = {"train": train.sha256, "test": test.sha256, "net": spec,
                 "views": repr(augment.recipes[0]), "seed": self.settings.seed, **budget}
        found = controls.cached(parts, lambda: judging.control_scores(
            make_encoder, self.streams, train, test, prepare=preparer(train), augment=augment,
            device=self.device, **budget,
        ))
        most = judging.chance(train.labels, test.labels)  # needs no record; older ones differ
        found["chance"] = dict.fromkeys(found["pixels"], most)
        for row, measures in found.items():
            self.add(row, measures)

    def random_encoder(self, make_encoder: Callable[[], nn.Module], train: Any) -> nn.Module:
        """The random control itself: untrained, BatchNorm calibrated on the training images."""
        return judging.random_encoder(make_encoder, self.streams.child("random"), train,
                                      prepare=_prepare(train), device=self.device)

    def judge(self, row: str, encoder: nn.Module, train: Any, test: Any) -> dict[str, float]:
        """Add an encoder's row: kNN and linear probe on frozen features, and their RankMe."""
        bank = judging.features(encoder, train, prepare=preparer(train))
        measures = {"rank": judging.rankme(bank)}
        if _labelled(train, test):
            queries = judging.features(encoder, test, prepare=preparer(train))
            measures |= self.measures(bank, train, queries, test)
        else:
            print(f"{row}: no labels in {train.name}, so kNN and linear probe are left out")
        return self.add(row, measures)

    def measures(self, bank: Tensor, train: Any, queries: Tensor, test: Any) -> dict[str, float]:
        """`judging.scores` of the features of both splits; {} without labels."""
        if not _labelled(train, test):
            return {}
        return judging.scores(bank, train.labels, queries, test.labels)

    def knn(self, encoder: nn.Module, train: Any, test: Any) -> float:
        """kNN accuracy (k=20) of an encoder, between 0 and 1; nan without labels."""
        if not _labelled(train, test):
            return math.nan
        bank, queries = (judging.features(encoder, part, prepare=preparer(train))
                         for part in (train, test))
        return judging.knn(bank, train.labels, queries, test.labels)

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
               scratch: Any = None, steps: int = 400, draws: int = 5) -> Panel:
        """Accuracy with few labels: {row, "random", "pixels": `label_curve`}, as in `profile`.

        scratch: the augmentation with which the same net is trained from scratch on those labels
        alone, "scratch" (`scratch_curve`, `steps` updates, at most three draws); also a control,
        but one that costs minutes where it is not stored. So short a training would starve with all
        labels: there it has what the supervised control of `controls` reached with the method's
        own budget. One draw in preset check. Kept for the record; {} without labels.
        """
        if not _labelled(train, test):
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
            steps = min(steps, getattr(self.settings, "max_steps", 0) or steps)
            few = [count for count in PER_CLASS if count]
            parts = {"panel": "scratch", "draws": min(3, draws), "steps": steps, "rates": RATES,
                     "views": repr(scratch.recipes[0]), **self._parts(encoder, train, test)}
            found |= controls.cached(parts, lambda: {"scratch": judging.scratch_curve(
                _maker(encoder), train, test, augment=scratch, prepare=_prepare(train),
                per_class=few, draws=min(3, draws), steps=steps, seed=self.settings.seed,
                device=self.device)})
            if "all" in found[row] and "linear" in (whole := self.rows.get("supervised", {})):
                found["scratch"]["all"] = {**found[row]["all"], "mean": whole["linear"],
                                           "draws": [whole["linear"]]}
        self.label_curves |= found
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

    def lines(self, measure: str = "knn20") -> dict[str, float]:
        """Row -> value of one measure, for the control lines of a figure."""
        return {row: m[measure] for row, m in self.rows.items() if measure in m}

    def gain(self, row: str, measure: str = "linear", over: str = "random") -> float:
        """Points by which `row` beats another row, the untrained net by default; nan without."""
        values = [self.rows.get(name, {}).get(measure, math.nan) for name in (row, over)]
        return 100 * (values[0] - values[1])

    def show(self, row: str) -> None:
        """Show the table over the shipped seeds and this run, `row` set apart, and its gain.

        Below it the reference record of a longer run and published figures, where there are any.
        """
        self.method = row
        viz.scores_table([{"name": name, "ours": name == row, **measures}
                          for name, measures in self.rows.items()], self.over_seeds(), row)
        print(self._chance_note(), end="")
        ours = records.reference(self.chapter, getattr(self.settings, "dataset", ""))
        peers = published.matching_figures(ours) if ours else ()
        if ours and ours["preset"] != self.settings.preset:
            show_comparison(self.rows.get(row, {}), ours, row, peers)

    def elsewhere(self) -> None:
        """Show what the book's records of this chapter say of other data than this run's.

        By data set and main measure the method, the untrained net, the raw input and what labels
        give, as means over the seeds, and the method's gain over its controls of the same seeds.
        """
        here = records.dataset_label(getattr(self.settings, "dataset", ""))
        kept = [one for one in records.shipped(self.chapter)
                if one["parameters"].get("dataset") != here]
        viz.levels_table(gains.levels(kept))

    def _chance_note(self) -> str:
        """What chance is, where it is not one in K."""
        share = next(iter(self.rows.get("chance", {}).values()), math.nan)
        if not self.classes or not abs(share - 1 / self.classes) >= 5e-4:
            return ""
        return ("chance always answers the class most frequent in training (of equals, the one "
                "most frequent in the test split);\n"
                f"one of {self.classes} classes at random: {100 / self.classes:.1f} %\n")


def _labelled(train: Any, test: Any) -> bool:
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
