"""Tools for the book's notebooks: contents, contract, normaliser, README table, what changed."""

import sys

# jsonschema compiles this grammar at import, which takes some 3 s of every command that reads a
# notebook, for a kind of address (IRI) that no notebook's schema asks for.
sys.modules.setdefault("rfc3987_syntax", None)
