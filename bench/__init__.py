"""The speed tables of the book: `python -m bench` from the checkout (see bench/README.md)."""
