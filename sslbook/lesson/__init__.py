"""What a lesson is made of: exercises and sliders here, figures in `sslbook.lesson.viz`."""

from sslbook.lesson.exercises import (
    check_same,
    fallbacks,
    hint,
    register,
    reset,
    solve,
    trained_with_note,
)
from sslbook.lesson.widgets import explore

__all__ = ["check_same", "explore", "fallbacks", "hint", "register", "reset", "solve",
           "trained_with_note"]
