"""Batched views: crop, flip, colours, gray, blur, solarize, with parameters per sample.

`Augment` makes random views of uint8 images from a `Recipe`; the single operations are functions
of their own; `prepare` is the deterministic view for evaluation. Everything runs on the device of
the images, in float32, and draws from a generator that is passed in.
"""

from sslbook.views.augment import Augment, normalise, prepare
from sslbook.views.draw import Draw
from sslbook.views.functional import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    crop_resize,
    gaussian_blur,
    grayscale,
    rotate_chroma,
    solarize,
)
from sslbook.views.recipe import Recipe, crop_boxes

__all__ = [
    "Augment",
    "Draw",
    "Recipe",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "crop_boxes",
    "crop_resize",
    "gaussian_blur",
    "grayscale",
    "normalise",
    "prepare",
    "rotate_chroma",
    "solarize",
]
