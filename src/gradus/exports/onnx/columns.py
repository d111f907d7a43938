"""The preprocessing of a table as operations of ONNX: a named input for each column.

Numbers are float64 until they are scaled, as in `data.column_encoders`: an identifier of ten
digits, or a time, has more than float32 keeps.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.data import TablePreprocessor
from gradus.data.column_encoders import (
    CLIP,
    LARGEST_FLOAT,
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    NumberEncoder,
    TextEncoder,
)
from gradus.data.columns.cells import MISSING
from gradus.data.columns.conversions import LARGEST, plain_name
from gradus.data.columns.formats import ColumnFormat
from gradus.exports.onnx.calendar import date_parts
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import axes
from gradus.exports.onnx.texts import text_parts

NUMBER = "a number; NaN if it is missing"
BOOLEAN = "1 for true, 0 for false; NaN if it is missing"
DATE = "days since 1970-01-01, the time of day as a fraction; NaN if it is missing"
TEXT = "text; empty if it is missing"


def table_inputs(graph: Graph, preprocessor: TablePreprocessor) -> Any:
    """Add an input for each column, and return the inputs of the network.

    Returns:
        A value (batch, p); or, if categories are embedded, `{"numbers": …, "categories": …}`,
        without "numbers" if no column becomes some.
    """
    numbers: list[Tensor] = []
    codes: list[Tensor] = []
    for column in preprocessor.columns:
        given = preprocessor.formats.get(column.name, ColumnFormat())
        with graph.at(column.name):
            if isinstance(column, CategoryEncoder):
                encoded = _category(graph, column, given)
                (codes if column.embedded else numbers).append(encoded)
            elif isinstance(column, TextEncoder):
                numbers += _text_parts(graph, column, given)
            else:
                numbers += _number_parts(graph, column, given)
    width = len(preprocessor.feature_names)
    inputs = {}
    if numbers:
        inputs["numbers"] = graph.op("Concat", *numbers, axis=1).replace(shape=(width,))
    if not codes:
        return inputs["numbers"]
    columns = [graph.op("Unsqueeze", code, axes(1)) for code in codes]
    together = graph.op("Concat", *columns, axis=1).replace(shape=(len(codes),), kind="i")
    return {**inputs, "categories": together}


def column_notes(preprocessor: TablePreprocessor) -> list[str]:
    """Return what the inputs of columns take in place of what a file spells, in sentences."""
    notes = []
    for column in preprocessor.columns:
        given = preprocessor.formats.get(column.name, ColumnFormat())
        if isinstance(column, DateEncoder):
            notes.append(f"the input {column.name!r} takes {DATE.partition(';')[0]}")
        elif isinstance(column, BooleanEncoder) and given.kind == "boolean":
            notes.append(f"the input {column.name!r} takes {BOOLEAN.partition(';')[0]}")
        elif given.kind == "number" and (given.unit or given.percent or given.decimal == ","):
            notes.append(f"the input {column.name!r} takes plain numbers, without unit or comma")
        elif isinstance(column, TextEncoder):
            notes.append(
                f"the input {column.name!r} is divided into characters by an operation that only "
                "onnxruntime has"
            )
    return notes


def _number_parts(graph: Graph, column: Any, given: ColumnFormat) -> list[Tensor]:
    """Return the numbers (batch, 1) or (batch, k) that a column of numbers or dates becomes."""
    descriptions: dict[Any, str] = {
        NumberEncoder: NUMBER,
        BooleanEncoder: BOOLEAN,
        DateEncoder: DATE,
    }
    raw = graph.input(column.name, "double", description=descriptions[type(column)])
    missing = _is_missing(graph, raw, given)
    if isinstance(column, DateEncoder):
        known = date_parts(graph, raw, missing, [part.name for part in column.parts])
        parts = [_scaled(graph, e, known[e.name], missing) for e in column.parts]
    elif isinstance(column, BooleanEncoder):
        doubled = graph.op("Sub", graph.op("Mul", raw, np.float64(2)), np.float64(1))
        clipped = graph.op("Clip", doubled, np.float64(-CLIP), np.float64(CLIP))
        parts = [graph.op("Where", missing, np.float64(0), clipped)]
    else:
        parts = [_scaled(graph, column, raw, missing)]
    parts += [missing] if column.indicator else []
    return [graph.op("Unsqueeze", _float(graph, part), axes(1)) for part in parts]


def _is_missing(graph: Graph, raw: Tensor, given: ColumnFormat) -> Tensor:
    """Return which numbers are NaN, or one that means a missing value."""
    missing = graph.op("IsNaN", raw)
    for word in given.missing or ():
        try:
            number = np.float64(word)
        except ValueError:
            continue
        if np.isfinite(number):
            missing = graph.op("Or", missing, graph.op("Equal", raw, number))
    return missing


def _scaled(graph: Graph, encoder: NumberEncoder, raw: Tensor, missing: Tensor) -> Tensor:
    """Return `(f(x) - mean) / std`, clipped, as `NumberEncoder` does."""
    bounded = graph.op("Clip", raw, np.float64(-LARGEST), np.float64(LARGEST))
    x = graph.op("Where", missing, np.float64(encoder.fill), bounded)
    if encoder.knots:
        x = _interpolated(graph, x, np.array(encoder.knots), np.array(encoder.scores))
    centered = graph.op("Sub", x, np.float64(encoder.mean))
    scaled = graph.op("Div", centered, np.float64(encoder.std))
    limit = np.float64(LARGEST_FLOAT if encoder.scaling == "none" else CLIP)
    return graph.op("Clip", scaled, -limit, limit)


def _interpolated(graph: Graph, x: Tensor, knots: np.ndarray, scores: np.ndarray) -> Tensor:
    """Return x by the line through the knots on either side of it; constant beyond the ends."""
    with np.errstate(over="ignore"):
        steep = np.diff(scores) / np.diff(knots)
    # No number lies between two knots whose slope is infinite.
    slopes = np.concatenate([[0.0], np.where(np.isfinite(steep), steep, 0.0), [0.0]])
    begins, values = np.append(knots[0], knots), np.append(scores[0], scores)
    column = graph.op("Unsqueeze", x, axes(1))
    passed = graph.op("GreaterOrEqual", column, graph.weight("knots", knots[None]))
    counts = graph.op("Cast", passed, to=graph.onnx.TensorProto.INT64)
    segment = graph.op("ReduceSum", counts, axes(1), keepdims=0)
    slope, begin, value = (
        graph.op("Gather", graph.weight(name, array), segment)
        for name, array in (("slopes", slopes), ("begins", begins), ("scores", values))
    )
    rise = graph.op("Mul", slope, graph.op("Sub", x, begin))
    return graph.op("Add", rise, value)


def _category(graph: Graph, column: CategoryEncoder, given: ColumnFormat) -> Tensor:
    """Return one-hot floats (batch, levels), or codes (batch,) if the column is embedded."""
    raw = graph.input(column.name, "string", description=TEXT)
    spellings = _spellings(column.levels)
    codes = graph.op(
        "LabelEncoder",
        raw,
        domain="ai.onnx.ml",
        keys_strings=list(spellings),
        values_int64s=[code + 1 for code in spellings.values()],
        default_int64=0,
    )
    missing = graph.op("RegexFullMatch", raw, pattern=_missing_pattern(given))
    last = np.int64(len(column.levels) + 1 if column.missing else 0)
    codes = graph.op("Where", missing, last, codes)
    if column.embedded:
        return codes
    known = np.arange(1, column.cardinality)
    equal = graph.op("Equal", graph.op("Unsqueeze", codes, axes(1)), known[None])
    return _float(graph, equal)


def _text_parts(graph: Graph, column: TextEncoder, given: ColumnFormat) -> list[Tensor]:
    """Return the numbers (batch, k) that a column of texts becomes."""
    raw = graph.input(column.name, "string", description=TEXT)
    missing = graph.op("RegexFullMatch", raw, pattern=_missing_pattern(given))
    parts = text_parts(graph, graph.op("Where", missing, "", raw), column.parts)
    if column.indicator:
        parts.append(_float(graph, graph.op("Unsqueeze", missing, axes(1))))
    return parts


def _spellings(levels: Sequence[str]) -> dict[str, int]:
    """Return the index of each spelling of a level; an exact one comes before those alike.

    Alike are both Unicode forms of accents, "3" and "3.0", "True" and "true": what `match_names`
    takes for the same, as far as it can be listed.
    """
    spellings = {level: index for index, level in enumerate(levels)}
    for index, level in enumerate(levels):
        plain = plain_name(level, by_value=False)
        alike = [plain, *(unicodedata.normalize(form, plain) for form in ("NFC", "NFD"))]
        if plain in ("True", "False"):
            alike += [plain.lower(), plain.upper()]
        if re.fullmatch(r"-?\d+", plain):
            alike += [f"{plain}.0", f"{plain}.00"]
        for spelling in alike:
            spellings.setdefault(spelling, index)
    return spellings


def _missing_pattern(given: ColumnFormat) -> str:
    """Return the regular expression of text that means a missing value."""
    words = "|".join(re.escape(word.strip()) for word in given.missing_words(MISSING))
    return rf"(?i)[\s\pZ]*({words})?[\s\pZ]*"


def _float(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Cast", x, to=graph.onnx.TensorProto.FLOAT)
