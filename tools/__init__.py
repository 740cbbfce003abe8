"""The book's own tools, outside the package."""
