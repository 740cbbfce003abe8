"""Draw the README's picture: `python tools/front.py` writes docs/front.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sslbook.lesson import viz
from sslbook.lesson.viz.show import png_bytes


def main() -> None:
    """The opening picture of the Barlow Twins chapter."""
    viz.style.use()
    i, j = np.indices((6, 6))
    matrix = np.where(i == j, 0.8, 0.35 * np.sin(1.0 + 3 * i + 5 * j))
    picture = viz.two_view_diagram(
        comparison="correlate over the batch", matrix=matrix, loss=r"$\mathcal{C}\to I$"
    )
    place = Path(__file__).resolve().parent.parent / "docs" / "front.png"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(png_bytes(picture))


if __name__ == "__main__":
    main()
