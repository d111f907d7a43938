"""The formats of exported models, which are told by the extension of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from gradus import files
from gradus.errors import GradusError, SavedError, nearest, unknown


class Format(NamedTuple):
    """A format of exported models.

    Attributes:
        extension: of its files.
        file: the name of the file in the folder of a run, by default.
    """

    extension: str
    file: str


FORMATS = {
    "onnx": Format(".onnx", "model.onnx"),
    "stablehlo": Format(".stablehlo", "model.stablehlo"),
    "keras": Format(".keras", "model.keras"),
    "python": Format(".py", "train.py"),
}


def check_format(name: Any) -> Format:
    """Return the format of a name.

    Raises:
        GradusError: if there is none, with the nearest; or if it is no name.
    """
    if not isinstance(name, str):
        raise GradusError(
            f"format is a {type(name).__name__}, not a name: write one of {', '.join(FORMATS)}; a "
            "preprocessor, export(model, path, preprocessor=…)."
        )
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return FORMATS[name]


def format_of(path: str | Path, format: str | None = None) -> str:  # noqa: A002
    """Return the name of the format of a file, by its extension.

    Args:
        path: of the file.
        format: its format, if it is said.

    Raises:
        GradusError: for an unknown format or extension, with the nearest, or two that differ.
    """
    expected = None if format is None else check_format(format)
    extension = Path(path).suffix.lower()
    found = next((name for name, each in FORMATS.items() if each.extension == extension), None)
    known = ", ".join(f"{each.extension} ({name})" for name, each in FORMATS.items())
    if format is None and found is None:
        close = nearest(extension, [each.extension for each in FORMATS.values()])
        hint = f" Did you mean {close!r}?" if close else ""
        if extension in (".pt", ".pth"):
            hint = " For PyTorch, gr.to_torch returns a module."
        raise GradusError(
            f"{str(path)!r}: the extension of the file is its format, but {extension!r} is none."
            f"{hint} Known: {known}."
        )
    if expected is not None and extension != expected.extension:
        raise GradusError(
            f"{str(path)!r} is no file of the format {format!r}, whose extension is "
            f"{expected.extension}. Known: {known}."
        )
    return str(found)


def check_target(path: Any, format: str | None = None) -> Path:  # noqa: A002
    """Return the path of the file to write.

    Raises:
        GradusError: as `format_of`.
        SavedError: for a folder in place of a file, or one that does not exist.
    """
    if not isinstance(path, str | Path):
        raise GradusError(
            "export takes a model, and then the path of a file, such as 'model.onnx', not a "
            f"{type(path).__name__}."
        )
    path = files.user_path(path)
    format_of(path, format)
    if path.is_dir():
        raise SavedError(f"{str(path)!r} is a folder: write the path of a file.")
    if not path.parent.is_dir():
        raise SavedError(f"There is no folder {str(path.parent)!r} to write to; create it first.")
    return path
