"""Features and labels as the judges take them: checked, float64, on the CPU or a CUDA device."""

from __future__ import annotations

from torch import Tensor

from sslbook.errors import DataError, UsageError, UserError


def matrix(z: Tensor, name: str) -> Tensor:
    """`z` (N, D), detached and in float64, for what `name` calls it in an error.

    It stays on its CUDA device and comes to the CPU from any other (MPS has no float64). In
    float64 a result does not hang on the batch it was computed in, nor on the machine.
    Raises UsageError for another shape, UserError for NaN or infinite values.
    """
    if not isinstance(z, Tensor) or z.ndim != 2 or z.numel() == 0:
        shape = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
        raise UsageError(
            f"{name} must be a tensor (N, D) with at least one row and column; this is {shape}.",
            todo="Use judging.features(encoder, images), or flatten(1).",
        )
    z = z.detach()
    if not bool(z.isfinite().all()):
        raise UserError(
            f"{name}: some values are NaN or infinite.",
            "Nothing was measured.",
            "The encoder diverged: take an earlier checkpoint or a smaller learning rate.",
        )
    return z.to(device=z.device if z.is_cuda else "cpu").double()


def labels(y: Tensor | None, count: int, name: str) -> Tensor:
    """`y` (count,) as int64. Raises DataError without labels, UsageError for another length."""
    if y is None:
        raise DataError(
            f"{name}: no labels: labelled measures are left out.",
            "Label-free diagnostics still work.",
            "Give a data set with classes, such as a folder with one sub-folder per class.",
        )
    if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex() or y.shape != (count,):
        shape = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise UsageError(
            f"{name}: labels must be {count} integers, one per row; these are {shape}."
        )
    return y.detach().long()


def labelled(
    train_x: Tensor, train_y: Tensor | None, test_x: Tensor, test_y: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both splits, checked against each other and on one device."""
    train_x, test_x = matrix(train_x, "training features"), matrix(test_x, "test features")
    same_width(train_x, test_x)
    train_y = labels(train_y, len(train_x), "training set").to(train_x.device)
    test_y = labels(test_y, len(test_x), "test set").to(train_x.device)
    return train_x, train_y, test_x.to(train_x.device), test_y


def same_width(train_x: Tensor, test_x: Tensor) -> None:
    """Raise UsageError unless both have one number of columns."""
    if train_x.shape[1] != test_x.shape[1]:
        raise UsageError(
            f"The features differ in width: {train_x.shape[1]} and {test_x.shape[1]} columns.",
            todo="Take both from the same encoder and image size.",
        )
