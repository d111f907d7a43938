"""`export`: a trained model as a file for another program, whose extension says which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradus import files
from gradus.bridges.assembly import tell
from gradus.errors import GradusError
from gradus.exports import keras_model, onnx_model, python_script, stablehlo
from gradus.exports.formats import check_target, format_of
from gradus.exports.trained import Trained, as_trained, network_notes
from gradus.foreign_names.arguments import explain_arguments


@explain_arguments
def export(
    model: Any,
    path: str | Path,
    format: str | None = None,  # noqa: A002 - Keras's word
    *,
    preprocessor: Any = None,
    platforms: Sequence[str] | None = None,
) -> Path:
    """Write a trained model to a file for another program, and return its path.

    What a file of the network alone leaves out, or does otherwise, is told in one warning.

    The extension of the file is its format:

    - `.onnx`: the network and the preprocessing of its data, for onnxruntime and others. Of a run
      of a table, each column is an input; the outputs are `prediction`, the class or the value in
      its own units, and for classes `probabilities` (`scores`, if the loss has none). Needs the
      package onnx.
    - `.stablehlo`: the network alone, for JAX without gradus (`gradus.exports.stablehlo` says how
      to read it, and for how long it can be read).
    - `.keras`: the network alone, for Keras 3 on any backend, as `gr.to_keras` makes it: one
      that ends in logits predicts these. Needs the package keras.
    - `.py`: a script that builds and trains the same, of a run.

    Args:
        model: a model, a run, or the folder of a run or of a saved model.
        path: of the file; one that exists is replaced.
        format: "onnx", "stablehlo", "keras", or "python"; by default that of the extension.
        preprocessor: of a model: what its data were transformed with, which becomes part of the
            graph. A run has its own.
        platforms: of StableHLO: on which it is to run, some of "cpu", "cuda", "rocm", and "tpu";
            None for that of this process.

    Raises:
        GradusError: for an unknown format, or one that is not the extension's; for a layer that the
            format cannot express, by name; for a package that is not installed.
        SavedError: for a folder without a model, or a file that cannot be written.

    Examples:
        >>> import pathlib, tempfile
        >>> model = gr.Model(gr.mlp([8, 3]), "mse").build(np.ones((1, 4)))
        >>> path = gr.export(model, pathlib.Path(tempfile.mkdtemp(), "model.stablehlo"))
        >>> exported = jax.export.deserialize(path.read_bytes())
        >>> exported.call(np.ones((5, 4), np.float32)).shape
        (5, 3)
    """
    path = check_target(path, format)
    notes = write_exported(as_trained(model, preprocessor), path, platforms)
    if format_of(path) != "onnx":  # whose inputs say themselves what they take
        tell("export", notes)
    return path


def write_exported(
    trained: Trained, path: Path, platforms: Sequence[str] | None = None
) -> list[str]:
    """Write a trained model to a file; return what its user has to know, in sentences.

    Args:
        trained: the model.
        path: of the file, checked by `check_target`.
        platforms: as in `export`.

    Raises:
        GradusError: as `export`.
    """
    name = format_of(path)
    if platforms is not None and name != "stablehlo":
        raise GradusError(f"platforms={platforms!r} is for StableHLO: leave it out.")
    if name == "onnx":
        content, notes = onnx_model.onnx_bytes(trained), onnx_model.input_notes(trained)
    elif name == "stablehlo":
        content, notes = stablehlo.stablehlo_bytes(trained, platforms), network_notes(trained)
    elif name == "keras":
        content, notes = keras_model.keras_bytes(trained), keras_model.keras_notes(trained)
    else:
        content, notes = python_script.script(trained).encode(), []
    with files.replacing(path.parent) as new:
        (new / path.name).write_bytes(content)
    return notes
