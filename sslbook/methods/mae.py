"""Masked autoencoder: encode the patches that are visible, predict the pixels of the others.

K. He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, arXiv 2111.06377;
official repository facebookresearch/mae, models_mae.py (written anew here, without class token).
"""

from __future__ import annotations

from torch import Tensor

from sslbook.core.numerics import full_precision
from sslbook.errors import UsageError
from sslbook.methods.common import check_knob

EPS = 1e-6  # added to the variance of a patch, as in the official code


def normalise_patches(patches: Tensor, eps: float = EPS) -> Tensor:
    """Each patch of (B, L, P) with mean 0 and variance 1 over its P values.

    The variance divides by P - 1, as the official code's does: the squares of a target then sum to
    P - 1. A patch of one colour in all channels becomes 0.
    """
    centred = patches - patches.mean(dim=2, keepdim=True)
    variance = centred.square().sum(dim=2, keepdim=True) / (patches.shape[2] - 1)
    return centred * (variance + eps).rsqrt()


def baseline(pixels: int) -> float:
    """The loss of predicting 0 for normalised patches of P values: (P - 1) / P, but for eps."""
    return (pixels - 1) / pixels


def mae_loss(
    prediction: Tensor, patches: Tensor, mask: Tensor, eps: float = EPS, *,
    normalise: bool = False,
) -> Tensor:
    """Mean squared error over the hidden patches alone (scalar, no unit).

    prediction, patches: (B, L, P), floating; mask: (B, L), 1 where a patch is hidden, else 0.
    Every hidden patch of the batch has the same weight; visible ones have none, and their
    predictions get no gradient. The target is the pixels as they are, the paper's default; with
    normalise it is `normalise_patches(patches, eps)`. With nothing hidden the loss is 0. Computed
    in float32 at least. Raises UsageError for shapes that do not fit, for a negative eps, and for
    patches of a single value that are to be normalised.
    """
    shapes = [tuple(one.shape) for one in (prediction, patches, mask)]
    if len(shapes[0]) != 3 or shapes[0] != shapes[1] or shapes[0][:2] != shapes[2]:
        raise UsageError(
            "mae_loss takes prediction and patches (B, L, P) and a mask (B, L); "
            f"these are {shapes[0]}, {shapes[1]} and {shapes[2]}.",
            todo="Cut the images with nets.patchify, and predict every place.",
        )
    if not (prediction.is_floating_point() and patches.is_floating_point()):
        raise UsageError("mae_loss takes floating-point predictions and patches.",
                         todo="Images of whole numbers need views.prepare first.")
    if normalise and shapes[1][2] < 2:
        raise UsageError("A patch of one value cannot be normalised.", todo="Take larger patches.")
    check_knob(eps, "eps", "mae_loss", zero=True)
    target = full_precision(patches)
    if normalise:
        target = normalise_patches(target, eps)
    error = (full_precision(prediction) - target).square().mean(dim=2)  # (B, L)
    mask = mask.to(error.dtype)
    return (error * mask).sum() / mask.sum().clamp_min(1)


def place_tokens(tokens: Tensor, visible: Tensor, mask_token: Tensor, count: int) -> Tensor:
    """All `count` tokens of each image: the given ones at their places, the mask token elsewhere.

    tokens: (B, K, W); visible: (B, K), the place of each; mask_token: (W,). Returns (B, count, W).
    """
    b, k, width = tokens.shape
    if visible.shape != (b, k) or k > count:
        raise UsageError(f"place_tokens got tokens {tuple(tokens.shape)} and places "
                         f"{tuple(visible.shape)} for {count} patches.",
                         todo="Give one place per token, each between 0 and the number of patches.")
    everywhere = mask_token.to(tokens.dtype).expand(b, count, width)
    return everywhere.scatter(1, visible[:, :, None].expand(b, k, width), tokens)
