"""The method map: boxes are chapters, arrows the one thing that was changed; drawn as SVG."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from sslbook.book.toc import Chapter

WIDTH, HEIGHT = 164, 48  # of a box, in SVG units
ACROSS, DOWN = 300, 92  # from one box to the next: generations to the right, siblings down


def svg(book: Sequence[Chapter]) -> str:
    """The map of all chapters that have a parent, or are one."""
    place = layout(book)
    known = {one.name: one for one in book}
    wide = max(x for x, _ in place.values()) * ACROSS + WIDTH + 8
    high = (max(y for _, y in place.values()) + 1) * DOWN
    lines = [f'<svg viewBox="0 0 {wide:g} {high:g}" role="group" aria-label="Method map">',
             '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
             'markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8"/></marker></defs>']
    for one in book:
        for i, (parent, text) in enumerate(one.parents):
            arrow = _second if i else _arrow  # a second parent's change stands in the list below
            lines.append(arrow(place[parent], place[one.name], text))
    lines += [_box(known[name], at) for name, at in place.items()]
    return "\n".join([*lines, "</svg>"])


def layout(book: Sequence[Chapter]) -> dict[str, tuple[float, float]]:
    """chapter -> (generation, row): a child stands right of its first parent, leaves on own rows.

    A parent stands at the height of its first child.
    """
    children: dict[str, list[str]] = {}
    for one in book:
        for parent, _ in one.parents[:1]:
            children.setdefault(parent, []).append(one.name)
    with_parent = {one.name for one in book if one.parents}
    place: dict[str, tuple[float, float]] = {}

    def set_down(name: str, generation: int, row: int) -> int:
        """Place a chapter and all that come from it; returns the next free row."""
        place[name] = (generation, row)
        for child in children.get(name, []):
            row = set_down(child, generation + 1, row)
        return row if children.get(name) else row + 1

    row = 0
    for one in book:
        if one.name in children and one.name not in with_parent:
            row = set_down(one.name, 0, row)
    return place


def _corner(at: tuple[float, float]) -> tuple[float, float]:
    return at[0] * ACROSS + 4, at[1] * DOWN + 30


def _box(chapter: Chapter, at: tuple[float, float]) -> str:
    x, y = _corner(at)
    target = f"{chapter.inside[:-6]}.html"
    text = _lines(textwrap.wrap(chapter.title, 20), x + WIDTH / 2, y + HEIGHT / 2, 14)
    return (f'<a href="{target}"><title>{html.escape(chapter.idea)}</title>'
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>{text}</a>')


def _arrow(start: tuple[float, float], end: tuple[float, float], text: str) -> str:
    """A bent arrow; what was changed stands above its last part."""
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    x1, y1, y2 = x1 + WIDTH, y1 + HEIGHT / 2, y2 + HEIGHT / 2
    bend = x2 - (ACROSS - WIDTH) + 8
    path = f"M{x1:g} {y1:g} H{bend:g} V{y2:g} H{x2:g}"
    wrapped = textwrap.wrap(text, 19)
    words = _lines(wrapped, (bend + x2) / 2, y2 - 10 - 7 * len(wrapped), 12)
    return f'<path d="{path}" marker-end="url(#tip)"/>{words}'


def _second(start: tuple[float, float], end: tuple[float, float], _text: str) -> str:
    """A dashed line from a parent's foot to the top of the child below it."""
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    path = f"M{x1 + WIDTH * 0.8:g} {y1 + HEIGHT:g} L{x2 + WIDTH * 0.8:g} {y2:g}"
    return f'<path class="second" d="{path}" marker-end="url(#tip)"/>'


def _lines(words: list[str], x: float, y: float, size: float) -> str:
    """Lines of text around a middle."""
    top = y - (len(words) - 1) * size * 0.6 + size * 0.35
    spans = "".join(f'<tspan x="{x:g}" y="{top + i * size * 1.2:g}">{html.escape(word)}</tspan>'
                    for i, word in enumerate(words))
    return f'<text font-size="{size}" text-anchor="middle">{spans}</text>'
