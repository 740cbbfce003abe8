"""Residual networks for small images."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


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
