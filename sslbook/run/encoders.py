"""Pretrained encoders: write one, load one again, embed data with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from sslbook import datasets, nets, records
from sslbook.core import files, paths
from sslbook.datasets.known import WHOLE_SPLITS
from sslbook.errors import UsageError, UserError
from sslbook.judging import features
from sslbook.run import intake
from sslbook.run.intake import Prepare
from sslbook.training.checkpoints import load_weights, save_weights

_PARTS = np.array(["train", "test", "neither"])


def save_encoder(folder: Path, encoder: nn.Module, trained_on: Any, chapter: str) -> None:
    """Write encoder.safetensors and, last, encoder.json into `folder`.

    encoder: built by `nets.build`. trained_on: the data set it saw, not yet scaled where it is a
    table: its size, columns and statistics are kept.
    """
    spec = getattr(encoder, "spec", None)
    if spec is None:
        raise UsageError("This encoder does not say how to build it again.", "",
                         "Make it with nets.build(...).")
    save_weights(folder / "encoder.safetensors", encoder)
    files.write_json(folder / "encoder.json", {
        "chapter": chapter, "net": spec, "width": encoder.out_dim, **intake.describe(trained_on),
        "data": trained_on.name, "licence": trained_on.licence,
        "sha256": files.sha256(folder / "encoder.safetensors"),
    })


def find(run: str | Path) -> Path:
    """The folder that holds the encoder of a run folder, a run's id or a chapter.

    A chapter's latest finished run comes first, then the encoder shipped with the book.
    Raises UsageError where there is none.
    """
    given = Path(run)
    if (given / "encoder.json").is_file():
        return given
    name = str(run)
    runs = [(folder, r) for folder, r in records.iter_runs(paths.runs()) if r]
    mine = [f for f, r in runs if f.name == name]
    mine += [f for f, r in runs if r["chapter"] == name and r["status"] == "finished"]
    mine = [folder for folder in mine if (folder / "encoder.json").is_file()]
    shipped = paths.records() / name
    if mine:
        return mine[-1]
    if (shipped / "encoder.json").is_file():
        return shipped
    raise UsageError(
        f"No encoder for {name!r}: no such run has one, and no such chapter finished here.",
        "Nothing was loaded.",
        f"Make one with: sslbook run {name if name.isidentifier() else 'CHAPTER'}",
    )


def load_encoder(run: str | Path) -> tuple[nn.Module, Prepare]:
    """(encoder, prepare) of a run folder, a run's id or a chapter.

    encoder: in eval mode; from images (B, 3, S, S), rows (B, F), or features (N, F) and edges
    (2, E) to (B, D). prepare: from uint8 images (B, 3, H, W) of any size, raw rows in the order of
    the training table's columns, or a graph's features to what the encoder takes.
    Raises UsageError where there is none and UserError when the files are damaged.
    """
    about, encoder = _open(find(run))
    return encoder, intake.reader(about)


def _open(folder: Path) -> tuple[dict[str, Any], nn.Module]:
    """The description of an encoder, which was tried, and the encoder in eval mode."""
    try:
        about = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        encoder = nets.build(**about["net"])
        expected = about["sha256"]
        intake.reader(about)
    except Exception as error:  # what is no description can make json and torch raise anything
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"encoder.json of {folder.name} is damaged ({type(error).__name__}: "
                        f"{reason}).", "Nothing was loaded.", "Run the chapter again.") from error
    weights = folder / "encoder.safetensors"
    if not weights.is_file() or files.sha256(weights) != expected:
        raise UserError(f"encoder.safetensors of {folder.name} is missing, or not the file that "
                        "encoder.json describes.", "Nothing was loaded.", "Run the chapter again.")
    load_weights(weights, encoder)
    return about, encoder.eval()


def embed(run: str | Path, data: str | Any, split: str = "") -> dict[str, np.ndarray]:
    """Features of images, of a table's rows or of a graph's nodes under a run's encoder.

    data: a loaded set, or a set's name such as "folder:photos", "csv:rows.csv" or "cifar10".
    split: "train" or "test" of a named set; "" means all of it. Images come at the encoder's size
    as they did in its chapter, a table's columns in any order; a graph is always whole.
    Returns {"features": (N, D) float32, "ids": (N,) what each row is called: a path, the number of
    a row or node, "split": (N,) "train", "test" or "neither", "classes": (K,) names, "labels":
    (N,) where there are labels}. Raises UsageError for data of another kind than the encoder's,
    DataError for data that cannot be had or do not fit.
    """
    about, encoder = _open(find(run))
    sets = _load(data, split, about) if isinstance(data, str) else [data]
    found = [_embed_one(about, encoder, one) for one in sets]
    rows = {key: np.concatenate([part[key] for part in found]) for key in found[0]}
    return {**rows, "classes": np.array(sets[0].classes, dtype=np.str_)}


def _load(name: str, split: str, about: dict[str, Any]) -> list[Any]:
    """The sets that a name and a split mean, at the encoder's size."""
    splits = [split or "all"]
    if splits == ["all"] and name in WHOLE_SPLITS:
        splits = ["train", "test"]
    size = int(about["size"]) if intake.said_kind(about) == "images" else 0
    sets = [datasets.load(name, one, size=size) for one in splits]
    print("".join(f"{sets[0].name}: {note}\n" for note in sets[0].notes), end="")
    return sets


def _embed_one(about: dict[str, Any], encoder: nn.Module, data: Any) -> dict[str, np.ndarray]:
    values = features(encoder, intake.raw(about, data), prepare=intake.reader(about))
    parts = data.parts if data.split == "all" or intake.kind_of(data) == "graph" else None
    found = {"features": values.numpy(),
             "ids": np.array(data.ids or range(len(data)), dtype=np.str_),
             "split": np.full(len(data), data.split) if parts is None else _PARTS[parts.numpy()]}
    if data.labels is not None:
        found["labels"] = data.labels.numpy()
    if getattr(data, "graph", None) is None:
        return found
    # Of many graphs each has one row: the mean of its nodes, where its first node stands.
    found["features"] = data.pool(values).numpy()
    firsts = np.unique(data.graph.numpy(), return_index=True)[1]
    return {key: rows[firsts] for key, rows in found.items()}


def write_embedding(path: Path, values: dict[str, np.ndarray]) -> None:
    """Write what `embed` returned as one .npz, whole or not at all."""
    with files.publish(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **values)


