"""Show a figure: a small PNG with alternative text, and how to read it as a caption."""

from __future__ import annotations

import base64
import io
import re
import sys

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from sslbook.errors import UsageError

# Root-mean-square errors (of 255 levels) up to which a palette cannot be told from full colour:
# in drawings, where even fills show a change, and in small photographs.
_SAME, _NO_BANDS = 1.5, 7.0


def show(fig: Figure, *, how_to_read: str, alt: str) -> None:
    """Show `fig` with a caption, and close it so that it is not shown twice.

    how_to_read: one or two sentences, printed in italics below the figure after "How to read
    it:". alt: what a reader who cannot see the figure needs: its axes and its result; stored
    in the output's metadata, where pages take their `alt` from, and as its plain text. Outside
    IPython the alternative text is printed. Raises UsageError when a text is missing or `fig`
    is not a matplotlib figure.
    """
    caption, alt = _text(how_to_read, "how_to_read"), _text(alt, "alt")
    if not isinstance(fig, Figure):
        raise UsageError(
            f"show() got a {type(fig).__name__}, not a matplotlib figure.",
            "Nothing was shown.",
            "Pass the figure that a viz function returned.",
        )
    try:
        if in_ipython():
            display_png(fig, alt)
            display_markdown(f"*How to read it: {_escaped(caption)}*", f"How to read it: {caption}")
        else:
            print(f"Figure: {alt}")
    finally:
        close(fig)


def in_ipython() -> bool:
    """True inside IPython or a Jupyter kernel; never imports IPython itself."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def display_png(fig: Figure, alt: str) -> None:
    """Send the figure to the front end as image/png with its alternative text."""
    from IPython.display import display

    data = {"image/png": base64.b64encode(png_bytes(fig)).decode("ascii"), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def display_markdown(markdown: str, plain: str) -> None:
    """Send markdown to the front end, with plain text for terminals."""
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": plain}, raw=True)


def close(fig: Figure) -> None:
    """Close `fig` if pyplot knows it; pyplot is not imported for that."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)


def png_bytes(fig: Figure) -> bytes:
    """The figure as a PNG with a reduced palette, at the figure's own size and dpi.

    What reaches beyond the edge is not cut: the picture grows. Photographs that 256 colours
    would band stay in full colour.
    """
    return encode(pixels(fig))


def pixels(fig: Figure) -> np.ndarray:
    """The drawn figure as uint8 (H, W, 3) on white."""
    canvas = fig.canvas if isinstance(fig.canvas, FigureCanvasAgg) else FigureCanvasAgg(fig)
    canvas.draw()
    page = Bbox([[0, 0], fig.get_size_inches()])
    drawn = fig.get_tightbbox(canvas.get_renderer())
    if drawn is not None and not _inside(drawn, page):
        handle = io.BytesIO()
        fig.savefig(handle, format="png", dpi=fig.dpi, bbox_inches=Bbox.union([page, drawn]))
        picture = Image.open(handle).convert("RGBA")
    else:
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


def _inside(drawn: Bbox, page: Bbox, slack: float = 0.01) -> bool:
    return (drawn.x0 >= page.x0 - slack and drawn.y0 >= page.y0 - slack
            and drawn.x1 <= page.x1 + slack and drawn.y1 <= page.y1 + slack)


def encode(rgb: np.ndarray) -> bytes:
    """uint8 (H, W, 3) as the smallest PNG that looks the same: exact up to 256 colours."""
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    used, index = np.unique(packed, return_inverse=True)
    if used.size > 256:
        picture = _reduced(Image.fromarray(rgb), polish=used.size < 30_000)
    else:
        picture = Image.fromarray(index.reshape(packed.shape).astype(np.uint8))
        picture.putpalette([int(c) >> shift & 255 for c in used for shift in (16, 8, 0)])
    handle = io.BytesIO()
    picture.save(handle, format="PNG", optimize=True)
    return handle.getvalue()


def _reduced(picture: Image.Image, polish: bool) -> Image.Image:
    """At most 256 colours where that shows no change (drawings) or no banding (photographs).

    polish: improve a photograph's palette by k-means, slow where there are many colours.
    """
    wanted = np.asarray(picture, dtype=np.float32)
    cut, cover = Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE
    for method, colours, kmeans, limit in ((cover, 128, 0, _SAME), (cover, 256, 0, _SAME),
                                           (cut, 256, int(polish), _NO_BANDS)):
        candidate = picture.quantize(colours, method, kmeans, dither=Image.Dither.NONE)
        _keep_paper(candidate, wanted)
        error = np.asarray(candidate.convert("RGB"), dtype=np.float32) - wanted
        if float(np.sqrt(np.mean(error**2))) <= limit:
            return candidate
    return picture


def _keep_paper(candidate: Image.Image, wanted: np.ndarray) -> None:
    """Make the palette's colour for white exactly white: paper must not turn grey."""
    paper = np.asarray(candidate)[(wanted == 255).all(axis=2)]
    if paper.size:
        index = int(np.bincount(paper).argmax())
        palette = candidate.getpalette()
        palette[3 * index : 3 * index + 3] = [255, 255, 255]
        candidate.putpalette(palette)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(
            f"show() needs a text for {name}.",
            "Nothing was shown.",
            f'Give {name}="..." so that everyone can read the figure.',
        )
    return " ".join(value.split())


def _escaped(text: str) -> str:
    """Keep a star in the caption from ending the italics; formulas in $...$ stay as they are."""
    parts = re.split(r"(\$[^$]*\$)", text)
    return "".join(part if part.startswith("$") else part.replace("*", r"\*") for part in parts)
