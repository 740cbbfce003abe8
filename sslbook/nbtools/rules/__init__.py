"""The rules of the contract, one module per subject."""
