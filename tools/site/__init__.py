"""The web edition: the committed notebooks as pages, with pages that are computed from them."""
