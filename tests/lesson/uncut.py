"""What every figure must be: drawn in each context, small as a file, with nothing cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from matplotlib.figure import Figure

from sslbook.lesson.viz import style
from sslbook.lesson.viz.show import pixels, png_bytes


@contextmanager
def drawn(make: Callable[[], Figure], context: str, most: int) -> Iterator[Figure]:
    """The figure that `make` draws in a context, of at most `most` bytes, with a white edge."""
    style.use(context)
    try:
        figure = make()
        picture = pixels(figure)
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (edge == 255).all()
        assert len(png_bytes(figure)) < most
        yield figure
    finally:
        style.use("page")
