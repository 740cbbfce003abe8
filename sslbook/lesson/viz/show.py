"""Show figures and tables: a small PNG with alternative text and a caption, or markdown."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image


def show(fig: Figure, *, how_to_read: str, alt: str) -> None:
    """Show `fig` with a caption, and close it so that it is not shown twice.

    how_to_read: one or two sentences, printed in italics below the figure after "How to read
    it:". alt: what a reader who cannot see the figure needs: its axes and its result; stored
    in the output's metadata, where pages take their `alt` from, and as its plain text. Outside
    IPython the alternative text is printed.
    """
    if in_ipython():
        caption = f"How to read it: {' '.join(how_to_read.split())}"
        display_png(fig, " ".join(alt.split()))
        display_markdown(f"*{caption}*", caption)
    else:
        print(f"Figure: {alt}")
    close(fig)


def in_ipython() -> bool:
    """True inside IPython or a Jupyter kernel; never imports IPython itself."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def display_png(fig: Figure, alt: str) -> None:
    """Send the figure to the front end as image/png with its alternative text."""
    from IPython.display import display

    display(as_data(fig, alt), raw=True, metadata={"image/png": {"alt": alt}})


def as_data(fig: Figure, alt: str) -> dict[str, str]:
    """The figure as a PNG, and its text, by kind of output."""
    return {"image/png": base64.b64encode(png_bytes(fig)).decode("ascii"), "text/plain": alt}


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
