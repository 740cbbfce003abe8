"""Reading the book: its contents, notebooks, parameters, symbols, routes."""

import sys

# jsonschema compiles this grammar at import, which takes some 3 s of every command that reads a
# notebook, for a kind of address (IRI) that no notebook's schema asks for.
sys.modules.setdefault("rfc3987_syntax", None)
