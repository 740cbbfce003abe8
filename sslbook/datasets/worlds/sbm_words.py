"""Words on a stochastic block model: a graph whose neighbours share a class and nothing else.

Nodes of one class are joined far more often than others (the stochastic block model). Each node
holds words: a few of its class, which its neighbours hold, too, and many of its style, which they
do not: styles are drawn for each node by itself. Styles are what varies most, so words as they are,
and even their mean over the neighbours, are full of them; whoever learns to guess a node's words
from its neighbours has no use for them. (With words that depend on the class, the model is called
contextual: Deshpande et al., NeurIPS 2018, arXiv 1807.09596.)
"""

from __future__ import annotations

import numpy as np
import torch

from sslbook.datasets.graphs import GraphSet, undirected
from sslbook.datasets.known import WORLDS
from sslbook.datasets.worlds import drawing

CLASSES = tuple(f"topic {letter}" for letter in "ABCDEF")
NODES = 1500
LABELLED, TEST = 20, 1000  # of each class, and of all nodes

WITHIN, BETWEEN = 0.0096, 0.00128  # an edge's probability; four for each node, 60 % in its class
STYLES = 30
OWN = 12  # words of each class: columns 0-11 are those of class 0, and so on
WORDS = 10  # words of each style, behind those of all classes
ON, OFF = 0.2, 0.02  # how often a node holds a word of its class, and of another
BURST, REST = 0.5, 0.02  # the same for styles


def sbm_words(n: int = NODES, seed: int = 0, split: str = "train") -> GraphSet:
    """Draw a graph of n nodes; the split is one of its nodes.

    The first nodes of a larger graph, and the edges between them, are the smaller graph. features:
    0 or 1, float32 (n, 372); labels: int64 (n,), every 6 nodes from the start hold each class once.
    parts: the first 20 nodes of each class are for training, the next 1,000 for the test. factors:
    topic int64 (n,), the class; style int64 (n,); degree int64 (n,), the number of neighbours.
    """
    draws = drawing.uniform(drawing.rounded_up(n, 6), 2, seed, "sbm_words", "nodes")
    topic = drawing.balanced(draws[:, 0], 6)[:n]
    style = (draws[:n, 1] * STYLES).astype(np.int64)
    chance = np.where(topic[:, None] == np.repeat(np.arange(6), OWN), ON, OFF)
    burst = np.where(style[:, None] == np.repeat(np.arange(STYLES), WORDS), BURST, REST)
    chance = np.concatenate([chance, burst], axis=1)
    held = drawing.uniform(n, chance.shape[1], seed, "sbm_words", "words") < chance
    edges = undirected(_joined(topic, seed), n)
    factors = {"topic": topic, "style": style, "degree": np.bincount(edges[0], minlength=n)}
    return GraphSet(
        name="sbm_words", split=split, labels=torch.from_numpy(topic), classes=CLASSES,
        features=torch.from_numpy(held.astype(np.float32)), edges=torch.from_numpy(edges),
        parts=torch.from_numpy(_parts(topic)), licence=drawing.LICENCE,
        source="sslbook.datasets.worlds.sbm_words", description=WORLDS["sbm_words"][1],
        factors={key: torch.from_numpy(value) for key, value in factors.items()},
    )


def _joined(topic: np.ndarray, seed: int) -> np.ndarray:
    """The pairs of nodes that an edge joins, int64 (2, E), the later node first.

    One number for each pair, node by node with all earlier ones: (1, 0), (2, 0), (2, 1), (3, 0) ...
    """
    n = len(topic)
    draws = drawing.uniform(n * (n - 1) // 2, 1, seed, "sbm_words", "edges")[:, 0]
    pair = np.flatnonzero(draws < max(WITHIN, BETWEEN))  # few are left to look at
    later = ((1 + np.sqrt(1 + 8 * pair)) / 2).astype(np.int64)
    earlier = pair - later * (later - 1) // 2
    kept = draws[pair] < np.where(topic[later] == topic[earlier], WITHIN, BETWEEN)
    return np.stack([later[kept], earlier[kept]])


def _parts(topic: np.ndarray) -> np.ndarray:
    parts = np.full(len(topic), 2, dtype=np.int64)
    for one in range(6):
        parts[np.flatnonzero(topic == one)[:LABELLED]] = 0
    parts[np.flatnonzero(parts == 2)[:TEST]] = 1
    return parts
