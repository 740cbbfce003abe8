"""Backbones. Each maps a batch to one feature vector per sample and says how to build it again.

Every backbone has `out_dim` (the width D of its features) and `spec` (a dict of plain values:
`build(**encoder.spec)` makes the same architecture).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from sslbook.errors import UsageError
from sslbook.nets import heads
from sslbook.nets.describe import describe, parameter_count
from sslbook.nets.graph import GraphLayer, GraphNet, graph_net
from sslbook.nets.mlp import MLP, mlp
from sslbook.nets.resnet import ResNet, resnet8, resnet18
from sslbook.nets.rows import RowEncoder, row_blocks, row_encoder
from sslbook.nets.vit import (
    PatchDecoder,
    PatchViT,
    ViT,
    patchify,
    sincos_positions,
    take,
    unpatchify,
    vit_patches,
    vit_tiny,
)

__all__ = ["GraphLayer", "GraphNet", "MLP", "PatchDecoder", "PatchViT", "ResNet", "RowEncoder",
           "ViT", "build", "describe", "graph_net", "heads", "mlp", "parameter_count", "patchify",
           "resnet18", "resnet8", "row_blocks", "row_encoder", "sincos_positions", "take",
           "unpatchify", "vit_patches", "vit_tiny"]

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "resnet8": resnet8,
    "resnet18": resnet18,
    "vit_tiny": vit_tiny,
    "vit_patches": vit_patches,
    "mlp": mlp,
    "graph_net": graph_net,
    "row_encoder": row_encoder,
}


def build(net: str, **options: Any) -> nn.Module:
    """Build a backbone by name, with its `spec` attached.

    Raises UsageError for an unknown name or option.
    """
    if net not in _BUILDERS:
        raise UsageError(f"Unknown net {net!r}.", "", f"Known: {', '.join(_BUILDERS)}.")
    try:
        encoder = _BUILDERS[net](**options)
    except TypeError as error:
        raise UsageError(f"The net {net!r} does not take these options: {error}.") from error
    encoder.spec = {"net": net, **options}
    return encoder
