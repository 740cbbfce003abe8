"""Vision Transformers."""

from __future__ import annotations

from torch import Tensor, nn


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
