"""The table of a run: every encoder on the same measures, beside the same controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslbook import judging, records
from sslbook.lesson import viz
from sslbook.lesson.verdicts import show_comparison
from sslbook.records import controls, gains, published
from sslbook.run.panels import Panels, labelled
from sslbook.views import preparer


class Scores(Panels):
    """Rows of measures (accuracies in 0-1, effective ranks), filled by `controls` and `judge`.

    settings: the run's (epochs, batch_size and lr are the supervised control's budget).
    train, test: the labelled splits. Without labels only label-free measures are taken.
    """

    def __init__(self, chapter: str, settings: Any, device: torch.device,
                 over_seeds: Callable[[], dict[str, list[dict[str, float]]]] = dict):
        super().__init__(settings, device)
        self.chapter = chapter
        self.over_seeds = over_seeds  # row -> measures, of each seed of the pool
        self.method = ""  # the row that the chapter judges, from `show` on
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
        if not labelled(train, test):
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

    def judge(self, row: str, encoder: nn.Module, train: Any, test: Any) -> dict[str, float]:
        """Add an encoder's row: kNN and linear probe on frozen features, and their RankMe."""
        bank = judging.features(encoder, train, prepare=preparer(train))
        measures = {"rank": judging.rankme(bank)}
        if labelled(train, test):
            queries = judging.features(encoder, test, prepare=preparer(train))
            measures |= self.measures(bank, train, queries, test)
        else:
            print(f"{row}: no labels in {train.name}, so kNN and linear probe are left out")
        return self.add(row, measures)

    def measures(self, bank: Tensor, train: Any, queries: Tensor, test: Any) -> dict[str, float]:
        """`judging.scores` of the features of both splits; {} without labels."""
        if not labelled(train, test):
            return {}
        return judging.scores(bank, train.labels, queries, test.labels)

    def knn(self, encoder: nn.Module, train: Any, test: Any) -> float:
        """kNN accuracy (k=20) of an encoder, between 0 and 1; nan without labels."""
        if not labelled(train, test):
            return math.nan
        bank, queries = (judging.features(encoder, part, prepare=preparer(train))
                         for part in (train, test))
        return judging.knn(bank, train.labels, queries, test.labels)

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
