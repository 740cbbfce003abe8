"""Batched views: crop, flip, colours, gray, blur, solarize, with parameters per sample.

`Augment` makes random views of uint8 images from a `Recipe`; `prepare` is the deterministic view
for evaluation. Everything runs on the device of the images, in float32, and draws from a generator
that is passed in.
"""

from sslbook.views.augment import Augment, prepare, preparer
from sslbook.views.draw import Draw
from sslbook.views.recipe import Recipe

__all__ = ["Augment", "Draw", "Recipe", "prepare", "preparer"]
