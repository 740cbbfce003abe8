"""Mixed signs: the classes have one mean, and are nevertheless there."""

from __future__ import annotations

import pytest
import torch

from sslbook import datasets, judging
from sslbook.datasets.worlds.mixed_signs import mixed_signs


@pytest.fixture(scope="module")
def table():
    return datasets.load("mixed_signs", "all")


def test_a_fixed_fifth_is_the_test(table):
    train, test = datasets.load("mixed_signs"), datasets.load("mixed_signs", "test")
    assert (len(table), len(train), len(test), train.total) == (6000, 4800, 1200, 4800)
    rows = {tuple(row) for row in train.values.tolist()}
    assert len(rows) == 4800
    assert not rows & {tuple(row) for row in test.values.tolist()}
    assert torch.equal(train.mean, test.mean)
    few = datasets.load("mixed_signs", limit=90)
    assert torch.equal(few.mean, train.mean)
    assert torch.equal(few.values[:30], datasets.load("mixed_signs", limit=30).values)
    assert train.labels[:60].bincount(minlength=6).min() >= 4
    assert train.sha256 != datasets.load("mixed_signs", seed=1).sha256


def test_the_rows_of_a_smaller_table_are_the_first_of_a_larger_one(table):
    small = mixed_signs(50, split="all")
    assert torch.equal(small.values, table.values[:50])
    assert torch.equal(small.labels, table.labels[:50])
    for key, value in small.factors.items():
        assert torch.equal(value, table.factors[key][:50])


def test_draws_are_frozen(table):
    assert table.labels[:6].tolist() == [4, 5, 3, 1, 2, 0]
    assert table.values[0, :3].tolist() == pytest.approx([-0.4634, -0.2926, -0.0607], abs=1e-4)


def test_columns_are_named_and_standardised(table):
    assert table.columns[0] == "pattern00"
    assert table.columns[-1] == "noise11"
    assert len(set(table.columns)) == table.values.shape[1] == 36
    standard = datasets.load("mixed_signs").standardise().values
    assert standard.mean(0).abs().max() < 1e-5
    assert (standard.std(0, correction=0) - 1).abs().max() < 1e-5
    assert datasets.kind("mixed_signs") == "table"


def test_factors_are_what_the_rows_hold(table):
    f = table.factors
    assert torch.equal(f["pattern"], table.labels)
    turned = table.values * f["sign"][:, None]
    means = torch.stack([turned[table.labels == c].mean(dim=0) for c in range(6)])
    assert means[:, 24:].abs().max() < 0.2, "noise holds no pattern"
    fit = turned[:, :24] @ means[:, :24].T / means[:, :24].square().sum(dim=1)
    assert (fit.argmax(dim=1) == table.labels).double().mean() > 0.8
    own = fit.gather(1, table.labels[:, None])[:, 0]
    slope = ((own - own.mean()) * (f["size"] - 1)).mean() / (f["size"] - 1).square().mean()
    assert slope.item() == pytest.approx(1, abs=0.15)
    left = table.values[:, 24:]
    assert left.std().item() == pytest.approx(1.5, abs=0.02)


def test_no_mean_shows_the_class_that_the_products_of_columns_show(table):
    """A class has mean zero; x_i x_j has not: its sign is that of the pattern's columns."""
    means = torch.stack([table.values[table.labels == c].mean(dim=0) for c in range(6)])
    assert means.abs().max() < 0.25, "four standard errors of a mean of 1,000 rows"
    i, j = torch.triu_indices(24, 24, 1)
    train, test = (datasets.load("mixed_signs", split, limit=1000) for split in ("train", "test"))
    products = [data.values[:, i] * data.values[:, j] for data in (train, test)]
    found = judging.knn(products[0], train.labels, products[1], test.labels)
    assert found > 0.75
