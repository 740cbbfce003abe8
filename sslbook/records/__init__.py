"""Records of runs, and what is computed from them: claims, ledger, report, pairs of methods.

Names are loaded when first used, so that listing runs imports neither numpy nor torch.
"""

from __future__ import annotations

from sslbook.core.lazy import lazy

__getattr__, __all__ = lazy(__name__, {
    "schema": ("SCHEMA", "Record"),
    "store": ("alike", "code", "dataset_label", "examine", "expected_minutes", "iter_runs",
              "latest_record", "minor", "own", "printable", "read", "reference", "run_files",
              "run_seconds", "shipped", "shipped_files", "to_json", "typical_seconds", "versions",
              "write"),
    "pools": ("pool_key", "pool_of", "pooled", "verdicts"),
}, modules=("claims", "ledger", "pairs", "pools", "published", "report"))
