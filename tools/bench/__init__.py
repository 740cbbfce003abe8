"""The speed of the book beside other libraries: `python -m tools.bench` (see README.md)."""
