"""Vision Transformers."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from sslbook.errors import UsageError


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


def patchify(x: Tensor, patch: int) -> Tensor:
    """Images (B, C, S, S) as patches (B, L, patch * patch * C), row by row from the top left.

    Within a patch: row, column, channel last, as in facebookresearch/mae.
    """
    b, c, height, width = x.shape
    if height % patch or width % patch:
        raise UsageError(f"Images of {height} x {width} have no whole patches of {patch} pixels.")
    x = x.reshape(b, c, height // patch, patch, width // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(b, -1, patch * patch * c)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """Square images (B, C, S, S) from their patches (B, L, patch * patch * C)."""
    b, count, pixels = patches.shape
    side, c = round(count**0.5), pixels // patch**2
    x = patches.reshape(b, side, side, patch, patch, c).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(b, c, side * patch, side * patch)


def sincos_positions(side: int, width: int, waves: str = "long") -> Tensor:
    """Fixed positions (side * side, width) of a square grid; no entry is learned.

    The first half of the entries tells the column, the second the row; each half has sines and
    then cosines. waves: "long", frequencies from 1 down to 1/10000, as in facebookresearch/mae,
    pos_embed.py; "short", from pi down to pi / (2 side), wavelengths of 2 to 4 * side places. On a
    grid of 4 x 4 most entries of the long ones are nearly constant, so all places look alike.
    """
    if width % 4:
        raise UsageError(f"sincos_positions needs a width that 4 divides, got {width}.")
    if waves not in ("long", "short"):
        raise UsageError(f'waves is "long" or "short", got {waves!r}.')
    count = width // 4
    if waves == "long":
        speed = 10000.0 ** -(torch.arange(count, dtype=torch.float64) / count)
    else:
        speed = math.pi * (2.0 * side) ** -torch.linspace(0, 1, count, dtype=torch.float64)
    angle = torch.arange(side, dtype=torch.float64)[:, None] * speed  # (side, width / 4)
    line = torch.cat((angle.sin(), angle.cos()), 1)  # (side, width / 2)
    column, row = line.repeat(side, 1), line.repeat_interleave(side, 0)
    return torch.cat((column, row), 1).float()


def blocks(width: int, depth: int, heads: int) -> nn.Sequential:
    """Pre-norm transformer blocks (timm's) and a last LayerNorm: (B, T, width) -> the same."""
    from timm.models.vision_transformer import Block

    norm = partial(nn.LayerNorm, eps=1e-6)
    made = [Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth)]
    return nn.Sequential(*made, norm(width))


def _xavier(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class PatchViT(nn.Module):
    """A ViT that can be shown a part of the patches; features are the mean of its tokens.

    x: (B, 3, size, size) float -> (B, width). No class token; positions are fixed.
    waves: of `sincos_positions`. Source: He et al. 2022 (arXiv 2111.06377).
    """

    def __init__(self, size: int, patch: int, width: int, depth: int, heads: int,
                 waves: str = "long"):
        super().__init__()
        self.patch, self.out_dim = patch, width
        self.count = (size // patch) ** 2
        self.embed = nn.Linear(3 * patch**2, width)
        self.blocks = blocks(width, depth, heads)
        place = sincos_positions(size // patch, width, waves)
        self.register_buffer("place", place, persistent=False)
        _xavier(self)

    def tokens(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Tokens (B, K, width) of the visible patches (B, K), in their order; None: of all.

        What is hidden is taken away before anything is computed.
        """
        patches, place = patchify(x, self.patch), self.place.expand(len(x), -1, -1)
        if visible is not None:
            patches, place = (take(one, visible) for one in (patches, place))
        return self.blocks(self.embed(patches) + place)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(dim=1)


class PatchDecoder(nn.Module):
    """A light decoder: tokens for all places -> something for every place.

    narrow: Linear (B, K, wide) -> (B, K, width), for the encoder's tokens. mask_token: (width,),
    what stands where nothing is known. forward: (B, count, width), positions are added -> blocks
    -> (B, count, out). waves: of `sincos_positions`. Source: He et al. 2022.
    """

    def __init__(self, wide: int, out: int, count: int, width: int, depth: int, heads: int,
                 waves: str = "long"):
        super().__init__()
        self.narrow = nn.Linear(wide, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.blocks = blocks(width, depth, heads)
        self.head = nn.Linear(width, out)
        place = sincos_positions(round(count**0.5), width, waves)
        self.register_buffer("place", place, persistent=False)
        _xavier(self)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.blocks(tokens + self.place))


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Rows (B, K, D) of tokens (B, L, D) by their numbers (B, K)."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[2]))


def vit_patches(
    size: int = 32, patch: int = 4, width: int = 192, depth: int = 12, heads: int = 3,
    waves: str = "long",
) -> PatchViT:
    """A ViT-Tiny for masked training at the defaults; features of `width`, no class token."""
    return PatchViT(size, patch, width, depth, heads, waves)
