"""Tools for authors: contract, normal form, what follows from the contents, keeping runs."""
