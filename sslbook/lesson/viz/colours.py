"""The book's colours: Okabe and Ito's palette, given to fixed roles and families.

Source: M. Okabe and K. Ito, "Color Universal Design", 2008: eight colours that readers with any
colour vision can tell apart. Text takes `ink(colour)`, dark enough for small type.
"""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INK, LABEL, QUIET, FAINT = "#1A1A1A", "#444444", "#5F5F5F", "#D9D9D9"

COLOURS = {
    "anchor": BLACK,
    "positive": BLUE,
    "negative": VERMILION,
    "student": GREEN,
    "teacher": "#00543E",  # the student's hue, darker
    "visible": SKY,
    "masked": "#8F8F8F",
    "ours": BLUE,
    "random": "#7A7A7A",
    "pixels": ORANGE,
    "supervised": PURPLE,
    "chance": "#A6A6A6",
}
FAMILIES = {
    "contrast": VERMILION,
    "decorrelate": BLUE,
    "distil": GREEN,
    "cluster": PURPLE,
    "mask": ORANGE,
    "predict": SKY,
    "disentangle": BLACK,
}
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, "#8C6D00")
# Compared groups in order: before (or random), after (or ours), then what was broken.
GROUPS = (COLOURS["random"], COLOURS["ours"], VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
# Names that readers see for the roles of the book's controls.
ROLE_NAMES = {
    "chance": "chance",
    "pixels": "raw pixels",
    "random": "random encoder",
    "supervised": "supervised",
    "ours": "ours",
}


def _signed_map() -> LinearSegmentedColormap:
    """Vermilion, white, blue: the book's negative and positive, darker at the ends."""
    stops = ["#7F3300", VERMILION, "#F6C9A8", "#FFFFFF", "#A9D2EA", BLUE, "#003A5C"]
    return LinearSegmentedColormap.from_list("sslbook_signed", stops, N=65)


SIGNED = _signed_map()


def blend(colour: str, other: str, amount: float) -> str:
    """`colour` moved towards `other` by `amount` in 0-1."""
    pairs = zip(to_rgb(colour), to_rgb(other), strict=True)
    return to_hex([(1 - amount) * a + amount * b for a, b in pairs])


def tint(colour: str, amount: float = 0.82) -> str:
    """A light fill of the same hue."""
    return blend(colour, "#FFFFFF", amount)


def contrast(colour: str) -> float:
    """Contrast ratio of `colour` on white, as WCAG 2 defines it (1 to 21)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def ink(colour: str) -> str:
    """`colour` darkened until small type in it is readable on white (contrast 4.5)."""
    amount = 0.0
    while contrast(blend(colour, "#000000", amount)) < 4.5:
        amount += 0.04
    return blend(colour, "#000000", amount)
