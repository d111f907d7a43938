"""The command `gradus export`."""

from __future__ import annotations

import os
import warnings
from typing import Annotated

from cyclopts import Parameter

from gradus.apps.options import RunArgument
from gradus.apps.output import DONE, Json, Output
from gradus.drawing.status import doing
from gradus.exports.formats import FORMATS, check_format, check_target, format_of


def export_command(
    run: RunArgument,
    /,
    *,
    format: Annotated[  # noqa: A002 - the name of the flag
        str | None,
        Parameter(help=f"One of {', '.join(FORMATS)}; by default that of --out, or else onnx."),
    ] = None,
    out: Annotated[
        str | None,
        Parameter(help="A .onnx, .stablehlo, .keras, or .py file; by default in the run's folder."),
    ] = None,
    platforms: Annotated[
        str | None,
        Parameter(help="Where StableHLO is to run: cpu,cuda,tpu; by default as here."),
    ] = None,
    json: Json = False,
) -> int:
    """Write the model of a run, or a saved model, to a file for another program.

    gradus export runs/digits-1

    gradus export runs/titanic-1 --format stablehlo

    gradus export runs/titanic-1 --out titanic.py
    """
    # The file is the same for every backend of Keras, and this one is installed.
    os.environ.setdefault("KERAS_BACKEND", "jax")

    from gradus.experiments.runs import find_run
    from gradus.exports.export import write_exported
    from gradus.exports.trained import as_trained

    output, chosen = Output(json), check_format(format or "onnx")
    path = None if out is None else check_target(out, format)
    folder = find_run(run)
    doing(f"exporting {run}")
    path = path or folder / chosen.file
    names = None if platforms is None else [name.strip() for name in platforms.split(",")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        notes = write_exported(as_trained(folder), path, names)
    notes += [str(each.message).rstrip(".") for each in caught if each.category is UserWarning]
    for note in notes:
        output.print_note(note)
    output.print_line(f"{folder} is exported to {path}")
    written = {"run": str(folder), "format": format_of(path), "out": str(path), "notes": notes}
    output.print_json(written)
    return DONE
