"""Tools for the book's notebooks: contents, contract, normaliser, README table, what changed."""
