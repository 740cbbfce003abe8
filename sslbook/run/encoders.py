"""Pretrained encoders: write one, load one again, embed images with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from sslbook import datasets, nets, records
from sslbook.core import files, paths
from sslbook.errors import UsageError, UserError
from sslbook.judging import features
from sslbook.training.checkpoints import load_weights, save_weights
from sslbook.views import prepare

Prepare = Callable[[Tensor], Tensor]
_LARGEST = 4096  # pixels, or columns of a table


def save_encoder(folder: Path, encoder: nn.Module, trained_on: Any, chapter: str) -> None:
    """Write encoder.safetensors and, last, encoder.json into `folder`.

    encoder: built by `nets.build`. trained_on: the ImageSet it saw, for size and normalisation.
    """
    spec = getattr(encoder, "spec", None)
    if spec is None:
        raise UsageError("This encoder does not say how to build it again.", "",
                         "Make it with nets.build(...).")
    save_weights(folder / "encoder.safetensors", encoder)
    files.write_json(folder / "encoder.json", {
        "chapter": chapter, "net": spec, "size": int(trained_on.shape[-1]),
        "mean": list(trained_on.mean), "std": list(trained_on.std), "width": encoder.out_dim,
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

    encoder: in eval mode, (B, 3, S, S) normalised float -> (B, D). prepare: uint8 images
    (B, 3, H, W) of any size -> what the encoder takes. Raises UsageError where there is none and
    UserError when the files are damaged.
    """
    folder = find(run)
    try:
        about = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        encoder = nets.build(**about["net"])
        size, expected = int(about["size"]), about["sha256"]
        mean, std = (tuple(map(float, about[key])) for key in ("mean", "std"))
        if not (0 < size <= _LARGEST and len(mean) == len(std) and all(s > 0 for s in std)):
            raise ValueError("size, mean or std are none")
    except Exception as error:  # what is no description can make json and torch raise anything
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"encoder.json of {folder.name} is damaged ({type(error).__name__}: "
                        f"{reason}).", "Nothing was loaded.", "Run the chapter again.") from error
    weights = folder / "encoder.safetensors"
    if not weights.is_file() or files.sha256(weights) != expected:
        raise UserError(f"encoder.safetensors of {folder.name} is missing, or not the file that "
                        "encoder.json describes.", "Nothing was loaded.", "Run the chapter again.")
    load_weights(weights, encoder)

    def ready(images: Tensor) -> Tensor:
        return prepare(images, size, mean, std)

    return encoder.eval(), ready


def embed(run: str | Path, images: str | Any, split: str = "") -> dict[str, np.ndarray]:
    """Features of images under a run's encoder.

    images: an ImageSet, or a data set's name such as "folder:photos" or "cifar10".
    split: of a named set; "" means all images of a folder or a pack, else the training split.
    Returns {"features": (N, D) float32, "labels": (N,) int64 where there are labels,
    "classes": (K,) names}. Raises DataError for data that cannot be had.
    """
    encoder, ready = load_encoder(run)
    if isinstance(images, str):
        default = "all" if images.startswith(("folder:", "pack:")) else "train"
        images = datasets.load(images, split or default)
    values = features(encoder, images.images, prepare=ready)
    found = {"features": values.numpy(), "classes": np.array(images.classes, dtype=np.str_)}
    if images.labels is not None:
        found["labels"] = images.labels.numpy()
    return found


def write_embedding(path: Path, values: dict[str, np.ndarray]) -> None:
    """Write what `embed` returned as one .npz, whole or not at all."""
    with files.publish(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **values)


