"""`export`: a trained model as a file for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradus import files
from gradus.errors import SavedError, unknown
from gradus.exports.onnx.model import onnx_bytes
from gradus.exports.trained import as_trained

FORMATS = {"onnx": ".onnx"}


def export(model: Any, path: Any, format: str | None = None, *, preprocessor: Any = None) -> Path:  # noqa: A002
    """Temporary."""
    trained = as_trained(model, preprocessor)
    path = files.user_path(path)
    with files.replacing(path.parent) as new:
        (new / path.name).write_bytes(onnx_bytes(trained))
    return path
