"""`export`: a trained model as a file for another program, whose extension says which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus import files
from gradus.errors import GradusError, SavedError, nearest, unknown
from gradus.exports.trained import Trained, as_trained


@dataclass(frozen=True)
class Format:
    """A format of exported models.

    Attributes:
        extension: of its files.
        file: the name of a file in the folder of a run, by default.
        content: from what is exported, and the platforms, to the bytes of the file.
    """

    extension: str
    file: str
    content: Callable[[Trained, Sequence[str] | None], bytes]


def _onnx(trained: Trained, platforms: Sequence[str] | None) -> bytes:
    from gradus.exports.onnx.model import onnx_bytes

    return onnx_bytes(trained)


def _stablehlo(trained: Trained, platforms: Sequence[str] | None) -> bytes:
    from gradus.exports.stablehlo import stablehlo_bytes

    return stablehlo_bytes(trained, platforms)


def _python(trained: Trained, platforms: Sequence[str] | None) -> bytes:
    from gradus.exports.python_script import script

    return script(trained).encode()


FORMATS = {
    "onnx": Format(".onnx", "model.onnx", _onnx),
    "stablehlo": Format(".stablehlo", "model.stablehlo", _stablehlo),
    "python": Format(".py", "train.py", _python),
}


def export(
    model: Any,
    path: str | Path,
    format: str | None = None,  # noqa: A002 - Keras's word
    *,
    preprocessor: Any = None,
    platforms: Sequence[str] | None = None,
) -> Path:
    """Write a trained model to a file for another program, and return its path.

    The extension of the file is its format:

    - `.onnx`: the network and the preprocessing of its data, for onnxruntime and others. Of a run of
      a table, each column is an input; the outputs are `prediction`, the class or the value in its
      own units, and for classes `probabilities` (`scores`, if the loss has none). Needs the package
      onnx.
    - `.stablehlo`: the network alone, for JAX without gradus (`gradus.exports.stablehlo` says how to
      read it, and for how long it can be read).
    - `.py`: a script that builds and trains the same, of a run.

    Args:
        model: a model, a run, or the folder of a run or of a saved model.
        path: of the file; one that exists is replaced.
        format: "onnx", "stablehlo", or "python"; by default that of the extension.
        preprocessor: of a model: what its data were transformed with, which becomes part of the
            graph. A run has its own.
        platforms: of StableHLO: on which it is to run, some of "cpu", "cuda", "rocm", and "tpu"; None
            for that of this process.

    Raises:
        GradusError: for an unknown format, or one that is not the extension's; for a layer that the
            format cannot express, by name; for a package that is not installed.
        SavedError: for a folder without a model, or a file that cannot be written.

    Examples:
        >>> import pathlib, tempfile
        >>> model = gr.Model(gr.mlp([8, 3]), "sparse_categorical_crossentropy").build(np.ones((1, 4)))
        >>> path = gr.export(model, pathlib.Path(tempfile.mkdtemp(), "model.stablehlo"))
        >>> exported = jax.export.deserialize(path.read_bytes())
        >>> exported.call(np.ones((5, 4), np.float32)).shape
        (5, 3)
    """
    path = check_target(path, format)
    chosen = FORMATS[format_of(path, format)]
    if platforms is not None and chosen is not FORMATS["stablehlo"]:
        raise GradusError(f"platforms={platforms!r} is for StableHLO: leave it out.")
    content = chosen.content(as_trained(model, preprocessor), platforms)
    with files.replacing(path.parent) as new:
        (new / path.name).write_bytes(content)
    return path


def format_of(path: str | Path, format: str | None = None) -> str:  # noqa: A002
    """Return the name of the format of a file, by its extension.

    Args:
        path: of the file.
        format: its format, if it is said.

    Raises:
        GradusError: for an unknown format or extension, with the nearest, or two that differ.
    """
    if format is not None and format not in FORMATS:
        raise unknown("format", format, FORMATS)
    extension = Path(path).suffix.lower()
    found = next((name for name, each in FORMATS.items() if each.extension == extension), None)
    known = ", ".join(f"{each.extension} ({name})" for name, each in FORMATS.items())
    if format is None and found is None:
        close = nearest(extension, [each.extension for each in FORMATS.values()])
        hint = f" Did you mean {close!r}?" if close else ""
        raise GradusError(
            f"{str(path)!r}: the extension of the file is its format, but {extension!r} is none."
            f"{hint} Known: {known}."
        )
    if format is not None and found != format:
        raise GradusError(
            f"{str(path)!r} is no file of the format {format!r}, whose extension is "
            f"{FORMATS[format].extension}. Known: {known}."
        )
    return str(found)


def check_target(path: Any, format: str | None = None) -> Path:  # noqa: A002
    """Return the path of the file to write.

    Raises:
        GradusError: as `format_of`.
        SavedError: for a folder in place of a file, or one that does not exist.
    """
    if not isinstance(path, str | Path):
        raise GradusError(f"export(path={path!r}): write the path of a file, 'model.onnx'.")
    path = files.user_path(path)
    format_of(path, format)
    if path.is_dir():
        raise SavedError(f"{str(path)!r} is a folder: write the path of a file.")
    if not path.parent.is_dir():
        raise SavedError(f"There is no folder {str(path.parent)!r} to write to; create it first.")
    return path
