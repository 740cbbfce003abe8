"""The book's figures: one look, few kinds, each with its controls and a way to read it."""

from sslbook.lesson.viz import diagrams, style
from sslbook.lesson.viz.maps import embedding_map, matrix_map, spectrum_plot
from sslbook.lesson.viz.neighbours import neighbour_grid
from sslbook.lesson.viz.panels import collapse_panel, training_strip
from sslbook.lesson.viz.scores import bars_with_controls, scores_table, scores_text
from sslbook.lesson.viz.show import show
from sslbook.lesson.viz.strips import filmstrip, image_strip
from sslbook.lesson.viz.style import COLOURS, FAMILIES
from sslbook.lesson.viz.two_view import two_view_diagram

__all__ = ["COLOURS", "FAMILIES", "bars_with_controls", "collapse_panel", "diagrams",
           "embedding_map", "filmstrip", "image_strip", "matrix_map", "neighbour_grid",
           "scores_table", "scores_text", "show", "spectrum_plot", "style", "training_strip",
           "two_view_diagram"]
