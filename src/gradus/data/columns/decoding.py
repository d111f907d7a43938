"""From the outputs of a network to labels of classes."""

from __future__ import annotations

import numpy as np

from gradus.errors import DataError


def decode_labels(outputs: np.ndarray, classes: int) -> np.ndarray:
    """Convert probabilities to labels, int32 (n,); labels stay unchanged.

    Args:
        outputs: probabilities (n, classes); of two classes those of the second, (n, 1) or (n,); or
            labels.
        classes: their number.

    Raises:
        DataError: for another shape, labels that do not exist, or probabilities beyond 0 and 1.
    """
    if outputs.ndim == 2 and outputs.shape[1] == classes:
        return outputs.argmax(axis=1).astype(np.int32)
    flat = outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
    whole = flat.dtype.kind != "f" or (classes > 2 and bool((flat == np.rint(flat)).all()))
    if flat.ndim != 1 or (classes > 2 and not whole):
        raise unfit(outputs, f"(n,) for labels, or (n, {classes}) for probabilities")
    outside = (flat < 0) | (flat > (classes - 1 if whole else 1))
    if outside.any():
        row = int(outside.argmax())
        kind = f"a label from 0 to {classes - 1}" if whole else "a probability from 0 to 1"
        raise DataError(f"The output in row {row} (counted from 0) is {flat[row]!s}, not {kind}.")
    return (flat if whole else flat > 0.5).astype(np.int32)


def unfit(outputs: np.ndarray, wanted: str) -> DataError:
    """Return the error for outputs of another shape than the one that is wanted."""
    return DataError(f"The outputs have shape {outputs.shape}; write {wanted}.")
