"""Several ranks that train together under torchrun; `ranks` is what the loop knows of it."""
