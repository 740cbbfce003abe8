"""What a record holds: its keys with their types, and the published JSON Schema that checks it.

record.schema.json says what each key means; a test holds both lists of keys equal. (Annotations
are evaluated here, so that the types know which of their keys may be absent.)
"""

import json
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sslbook.core import files

SCHEMA = 1
_SCHEMA = Path(__file__).with_name("record.schema.json")


class StoredRule(TypedDict):
    """A bound on one number, as a record holds it (`claims.Rule`)."""

    op: str
    bound: float
    seeds: bool
    scale: NotRequired[str]


class StoredClaim(TypedDict):
    """A claim, as a record holds it (`claims.Claim`)."""

    id: str
    text: str
    source: str
    measures: str
    rule: StoredRule
    presets: list[str]
    precondition: StoredRule | None
    paper: NotRequired[str]


class Check(TypedDict):
    """An identity, leak, count or closed form: one number under a bound, in one run."""

    value: float | None
    op: str
    bound: float


class Comparison(TypedDict):
    """Arms that differ in one thing. arms: name -> budget. differs: what else, and why."""

    change: str
    arms: dict[str, dict[str, Any]]
    differs: dict[str, str]


class Measured(TypedDict):
    """A claim and the numbers that its rule and its precondition decide on."""

    claim: StoredClaim
    value: NotRequired[float | None]
    precondition: NotRequired[float | None]


class Device(TypedDict):
    """Where a run was made. kind: cpu, cuda or mps."""

    kind: str
    name: NotRequired[str]
    threads: NotRequired[int]
    ranks: NotRequired[int]
    precision: NotRequired[str]


class Record(TypedDict):
    """One run of a chapter."""

    schema: int
    chapter: str
    status: str
    error: NotRequired[str]
    preset: str
    seed: int
    started: str
    tried: int
    trained_with: NotRequired[str]
    parameters: dict[str, Any]
    code: dict[str, str]
    data: dict[str, dict[str, Any]]
    device: Device
    versions: NotRequired[dict[str, str]]
    seconds: dict[str, float]
    memory_mb: NotRequired[float | None]
    trainings: NotRequired[dict[str, dict[str, Any]]]
    scores: dict[str, dict[str, float | None]]
    factors: NotRequired[dict[str, dict[str, dict[str, float]]]]
    labels: NotRequired[dict[str, dict[str, dict[str, Any]]]]
    diagnostics: NotRequired[dict[str, float | None]]
    method: NotRequired[str]
    checks: NotRequired[dict[str, Check]]
    comparisons: NotRequired[dict[str, Comparison]]
    claims: dict[str, Measured]


def parse(text: str) -> Record:
    """The record in a text; raises ValueError for what is damaged, foreign or of another schema."""
    record = json.loads(text, parse_constant=_strict)
    files.schema(_SCHEMA)(record)
    return record


def _strict(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
