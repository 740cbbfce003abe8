"""Backbones. Each maps a batch to one feature vector per sample and says how to build it again.

Every backbone has `out_dim` (the width D of its features) and `spec` (a dict of plain values:
`build(**encoder.spec)` makes the same architecture).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from sslbook.errors import UsageError


class ResNet(nn.Module):
    """A residual network for small images: 3x3 stem, no max-pool, basic blocks, average pool.

    x: (B, 3, S, S) float -> (B, out_dim), out_dim = width * 2 ** (stages - 1).
    Source: He et al. 2016; the stem is the one that CIFAR work uses (3x3, stride 1).
    """

    def __init__(self, blocks: tuple[int, ...], width: int, stem_stride: int):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=stem_stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        stages, channels = [], width
        for index, count in enumerate(blocks):
            out = width * 2**index
            for block in range(count):
                stages.append(_block(channels, out, 2 if index and not block else 1))
                channels = out
        self.stages = nn.Sequential(*stages)
        self.out_dim = channels
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(self.stem(x)).mean(dim=(2, 3))


def _block(channels: int, out: int, stride: int) -> BasicBlock:
    if stride == 1 and channels == out:
        return BasicBlock(channels, out)
    shortcut = nn.Sequential(
        nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
    )
    return BasicBlock(channels, out, stride, shortcut)


def resnet8(width: int = 16, stem_stride: int = 2) -> ResNet:
    """Three stages of one block each; 0.08 M parameters at width 16, features of 4 * width."""
    return ResNet((1, 1, 1), width, stem_stride)


def resnet18(width: int = 64, stem_stride: int = 1) -> ResNet:
    """Four stages of two blocks each with the CIFAR stem; features of 8 * width."""
    return ResNet((2, 2, 2, 2), width, stem_stride)


class ViT(nn.Module):
    """timm's Vision Transformer without a classifier; features are the class token after the norm.

    x: (B, 3, size, size) float -> (B, width). Source: Dosovitskiy et al. 2021.
    """

    def __init__(self, size: int, patch: int, width: int, depth: int, heads: int):
        super().__init__()
        from timm.models.vision_transformer import VisionTransformer

        self.trunk = VisionTransformer(
            img_size=size, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads,
            num_classes=0,
        )
        self.out_dim = width

    def forward(self, x: Tensor) -> Tensor:
        return self.trunk(x)


def vit_tiny(
    size: int = 32, patch: int = 4, width: int = 192, depth: int = 12, heads: int = 3
) -> ViT:
    """ViT-Tiny: 5.4 M parameters at the defaults."""
    return ViT(size, patch, width, depth, heads)


class MLP(nn.Sequential):
    """Linear layers with ReLU between them: (B, sizes[0]) -> (B, sizes[-1])."""

    def __init__(self, *sizes: int):
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])
        self.out_dim = sizes[-1]


def mlp(sizes: tuple[int, ...] | list[int]) -> MLP:
    """A multilayer perceptron with the given layer widths, input first."""
    return MLP(*sizes)


_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "resnet8": resnet8,
    "resnet18": resnet18,
    "vit_tiny": vit_tiny,
    "mlp": mlp,
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


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@torch.no_grad()
def shape_table(module: nn.Module, *inputs: Tensor) -> list[tuple[str, str, str, int]]:
    """(name, kind, output shape, parameters) of each direct child that runs in one forward pass.

    Children are called on a copy of the batch in eval mode; nothing is trained or changed.
    """
    rows: list[tuple[str, str, str, int]] = []

    def note(name: str) -> Callable:
        def hook(layer: nn.Module, _args: Any, out: Any) -> None:
            shape = str(tuple(out.shape)) if isinstance(out, Tensor) else type(out).__name__
            rows.append((name, type(layer).__name__, shape, parameter_count(layer)))

        return hook

    handles = [child.register_forward_hook(note(n)) for n, child in module.named_children()]
    training = module.training
    try:
        module.eval()(*inputs)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return rows


def describe(module: nn.Module, sample: Tensor, kept: str = "encoder") -> str:
    """A table as text: the children of `module`, what they put out and how many parameters.

    sample: a batch for the child `kept`, whose own parts are listed too; the rest of the children
    serve pretraining only, which the table says.
    """
    lines = [f"{'part':<14}{'output':<20}{'parameters':>12}"]
    for name, part in module.named_children():
        use = "kept" if name == kept else "thrown away"
        lines.append(f"{name:<14}{'':<20}{parameter_count(part):>12,}  {use}")
        if name == kept:
            rows = shape_table(part, sample)
            lines += [f"  {inner:<12}{shape:<20}{count:>12,}" for inner, _, shape, count in rows]
    return "\n".join(lines)
