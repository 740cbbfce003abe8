"""Figures of one, two or few samples: drawn, or left empty, never a crash after a training."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sslbook.lesson import viz, widgets
from sslbook.lesson.viz.show import pixels


def z(count, width=8):
    return np.random.default_rng(count).normal(size=(count, width))


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 9])
def test_a_map_takes_any_number_of_points(count, method):
    labels = np.arange(count) % 2
    fig = viz.embedding_map({"z": z(count)}, labels, ("cat", "dog"), method=method)
    ax = fig.axes[0]
    assert sum(len(points.get_offsets()) for points in ax.collections) == count
    assert {text.get_text() for text in ax.texts} == set(("cat", "dog")[:count])
    assert all(np.isfinite(points.get_offsets()).all() for points in ax.collections)


def test_a_map_without_labels_has_points_and_no_names():
    fig = viz.embedding_map({"a": z(7), "b": z(6)}, None, (), method="tsne")
    assert [len(ax.collections[0].get_offsets()) for ax in fig.axes] == [7, 6]
    assert not any(ax.texts for ax in fig.axes)


@pytest.mark.parametrize("count", [1, 2])
def test_few_embeddings_have_a_collapse_panel(count):
    with warnings.catch_warnings(action="error"):
        assert pixels(viz.collapse_panel({"before": z(count), "after": z(count)})).size


def test_a_slider_with_nothing_to_choose_stays_where_it_is():
    slider = widgets._slider("query", (0, -2, 1, 0))
    assert (slider.min, slider.max, slider.value) == (0, 0, 0)
