"""Show figures and tables: a small PNG with alternative text and a caption, or markdown."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from sslbook.errors import UsageError
from sslbook.lesson.viz import style


def show(fig: Figure, *, alt: str, see: str = "", how_to_read: str = "") -> None:
    """Show `fig` with a caption, and close it so that it is not shown twice.

    see: what happened, with its number, and what it means; computed from what is drawn, so the
    sentence for the case that it did not happen is written, too. how_to_read: how to read an
    unusual figure. At least one of them. alt: what a reader who cannot see the figure needs: its
    axes and its result; stored in the output's metadata, where pages take their `alt` from, and as
    its plain text. Outside IPython the alternative text and what we see are printed.
    """
    alt, see, how = (" ".join(text.split()) for text in (alt, see, how_to_read))
    if not (see or how):
        raise UsageError("A figure says neither what we see nor how to read it.",
                         "It was not shown.", "Give viz.show(..., see=...).")
    if in_ipython():
        display_png(fig, alt)
        parts = [(f"*How to read it: {how}*", f"How to read it: {how}") if how else None,
                 (f"**What we see.** {see}", f"What we see. {see}") if see else None]
        marked, plain = zip(*filter(None, parts), strict=True)
        display_markdown("\n\n".join(marked), "\n".join(plain))
    else:
        print("\n".join([f"Figure: {alt}", *([f"What we see. {see}"] if see else [])]))
    close(fig)


def in_ipython() -> bool:
    """True inside IPython or a Jupyter kernel; never imports IPython itself."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def display_png(fig: Figure, alt: str) -> None:
    """Send the figure to the front end as image/png with its alternative text."""
    from IPython.display import display

    data, about = as_output(fig, alt)
    display(data, raw=True, metadata=about)


def as_output(fig: Figure, alt: str) -> tuple[dict[str, str], dict[str, Any]]:
    """(data, metadata) of an output: the figure as a PNG, its text, its size on the page.

    The size is in CSS pixels, of which each has more than one of the picture's: it is sharp then.
    """
    wide, high = (round(inches * style.active().screen) for inches in fig.get_size_inches())
    data = {"image/png": base64.b64encode(png_bytes(fig)).decode("ascii"), "text/plain": alt}
    return data, {"image/png": {"alt": alt, "width": wide, "height": high}}


def display_markdown(markdown: str, plain: str) -> None:
    """Send markdown to the front end, with plain text for terminals."""
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": plain}, raw=True)


def close(fig: Figure) -> None:
    """Close `fig` if pyplot knows it; pyplot is not imported for that."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)


def pixels(fig: Figure) -> np.ndarray:
    """The drawn figure as uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def png_bytes(fig: Figure) -> bytes:
    """The figure as a PNG with at most 256 colours, at the figure's own size and dpi."""
    picture = Image.fromarray(np.ascontiguousarray(pixels(fig)))
    few = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    handle = io.BytesIO()
    few.save(handle, format="PNG", optimize=True)
    return handle.getvalue()


def show_table(heading: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False,
               bold: Collection[int] = ()) -> None:
    """Show a table: markdown in a notebook, aligned columns of text elsewhere.

    numbers: all but the first column are set to the right. bold: indices of rows.
    """
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    aligned = [[cell.rjust(width) if numbers and i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
               for row in (heading, *rows)]
    plain = "\n".join("  ".join(cells).rstrip() for cells in aligned)
    if not in_ipython():
        print(plain)
        return
    lines = [heading, [":--", *("--:" if numbers else ":--" for _ in heading[1:])]]
    for i, row in enumerate(rows):
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append([f"**{cell}**" for cell in cells] if i in bold else cells)
    display_markdown("\n".join(f"| {' | '.join(line)} |" for line in lines), plain)
