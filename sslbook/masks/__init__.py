"""What is hidden from a learner: patches of images, columns of tables, nodes of graphs."""

from sslbook.masks.columns import column_masks
from sslbook.masks.nodes import node_masks
from sslbook.masks.patches import RandomPatches

__all__ = ["RandomPatches", "column_masks", "node_masks"]
