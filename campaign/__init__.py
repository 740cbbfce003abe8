"""Reference records on a GPU: what runs, in which order, and how the results come home."""
