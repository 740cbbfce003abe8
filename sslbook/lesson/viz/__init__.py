"""The book's figures: one look, few kinds, each with its controls and a way to read it."""

from sslbook.lesson.viz import diagrams, style
from sslbook.lesson.viz.board import forest, verdict_map
from sslbook.lesson.viz.circles import circles
from sslbook.lesson.viz.knowledge import factor_matrix, factor_profile, label_curve
from sslbook.lesson.viz.maps import embedding_map, filmstrip
from sslbook.lesson.viz.panels import collapse_panel, training_strip
from sslbook.lesson.viz.scores import bars_with_controls, levels_table, scores_table
from sslbook.lesson.viz.show import show
from sslbook.lesson.viz.strips import image_strip, neighbour_grid
from sslbook.lesson.viz.style import COLOURS, FAMILIES
from sslbook.lesson.viz.two_view import two_view_diagram

__all__ = ["COLOURS", "FAMILIES", "bars_with_controls", "circles", "collapse_panel", "diagrams",
           "embedding_map", "factor_matrix", "factor_profile", "filmstrip", "forest", "image_strip",
           "label_curve", "levels_table", "neighbour_grid", "scores_table", "show", "style",
           "training_strip", "two_view_diagram", "verdict_map"]
