"""One file per method: the tested, vectorised twin of what its chapter derives."""
