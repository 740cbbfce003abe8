"""Residual networks for small images."""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (B, inputs, H, W) -> (B, outputs, H', W').

    Names and order of the parts are torchvision's, so state dicts fit; its own class is not
    imported, because torchvision takes longer to import than torch. Source: He et al. 2016.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out)


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
                stages.append(BasicBlock(channels, out, 2 if index and not block else 1))
                channels = out
        self.stages = nn.Sequential(*stages)
        self.out_dim = channels
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(self.stem(x)).mean(dim=(2, 3))


def resnet8(width: int = 16, stem_stride: int = 2) -> ResNet:
    """Three stages of one block each; 0.08 M parameters at width 16, features of 4 * width."""
    return ResNet((1, 1, 1), width, stem_stride)


def resnet18(width: int = 64, stem_stride: int = 1) -> ResNet:
    """Four stages of two blocks each with the CIFAR stem; features of 8 * width."""
    return ResNet((2, 2, 2, 2), width, stem_stride)
