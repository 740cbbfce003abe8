"""Records of runs, and what is computed from them: claims, ledger, report, pairs of methods.

Names are loaded when first used, so that listing runs imports neither numpy nor torch.
"""

from __future__ import annotations

from sslbook.core.lazy import lazy

__getattr__, __all__ = lazy(__name__, {
    "schema": ("SCHEMA", "Record"),
    "store": ("code", "dataset_label", "examine", "iter_runs", "minor", "own", "printable",
              "read", "reference", "run_files", "shipped", "shipped_files", "to_json", "versions",
              "write"),
    "pools": ("pool_key", "pool_of", "pooled", "verdicts"),
    "times": ("alike", "expected_minutes", "latest_record", "run_seconds", "typical_seconds"),
}, modules=("claims", "gains", "ledger", "pairs", "pools", "published", "report"))
