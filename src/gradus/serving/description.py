"""The description of a service: OpenAPI, written from the columns of its run, and a page."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jax

from gradus.data import TablePreprocessor, Target
from gradus.data.column_encoders import (
    BooleanEncoder,
    CategoryEncoder,
    ColumnEncoder,
    NumberEncoder,
    TextEncoder,
)
from gradus.data.columns.unseen import TrainingRange
from gradus.experiments.image_inputs import takes_images
from gradus.experiments.inference import has_probabilities
from gradus.experiments.run import Run
from gradus.objectives.loss import Loss

Schema = dict[str, Any]
ERRORS = {
    "400": "A row that cannot be predicted from; the sentence names the row and the column.",
    "401": "The token is missing or wrong.",
    "413": "The body is too large, or has too many rows.",
    "415": "The content type is neither JSON nor CSV, nor that of an image.",
}


def describe_service(run: Run, largest_body: int, most_rows: int, has_token: bool) -> Schema:
    """Return the OpenAPI description of a service.

    Args:
        run: that it serves.
        largest_body: bytes that a request may have.
        most_rows: rows that a request may have.
        has_token: whether requests need a token.
    """
    from gradus import __version__

    row, answer = {"$ref": "#/components/schemas/Row"}, {"$ref": "#/components/schemas/Prediction"}
    rows = {"type": "object", "properties": {"rows": {"type": "array", "items": row,
            "minItems": 1, "maxItems": most_rows}}, "required": ["rows"]}  # fmt: skip
    answers = {"type": "object", "required": ["predictions"], "properties": {
        "predictions": {"type": "array", "items": answer}, "notes": _NOTES}}  # fmt: skip
    csv = {"text/csv": {"schema": {"type": "string"}}} if _is_table(run) else {}
    file = {"type": "string", "format": "binary"}
    image = {"image/*": {"schema": file}} if takes_images(run.model) else {}
    ask = {"application/json": {"schema": {"oneOf": [row, rows]}, "example": example_row(run)}}
    reply = {"application/json": {"schema": {"oneOf": [answer, answers]}}}
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    limits = f"At most {most_rows:,} rows and {largest_body // 2**20} MiB."
    described: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{run.folder.resolve().name} predicts {run.target.name}",
            "version": __version__,
            "description": f"A network trained by gradus. {limits}",
        },
        "paths": {
            "/predict": {
                "post": {
                    "summary": f"Predict {run.target.name} for one row or several.",
                    "requestBody": {"required": True, "content": {**ask, **csv, **image}},
                    "responses": {
                        "200": {"description": "The predictions.", "content": {**reply, **csv}},
                        **{
                            status: {"description": text, "content": refused}
                            for status, text in ERRORS.items()
                            if has_token or status != "401"
                        },
                    },
                }
            },
            "/health": {
                "get": {
                    "summary": "Whether the service is up.",
                    "security": [],
                    "responses": {"200": {"description": "It is."}},
                }
            },
        },
        "components": {
            "schemas": {
                "Row": _row_schema(run),
                "Prediction": _prediction_schema(run),
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                },
            }
        },
    }
    if has_token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


_NOTES: Schema = {
    "type": "array",
    "items": {"type": "string"},
    "description": "What cannot be trusted: unknown categories, values outside the training range, "
    "texts without a known word.",
}


def service_page(run: Run, description: Schema) -> str:
    """Return a page that shows a description; it loads nothing from elsewhere."""
    from jinja2 import Environment

    template = files("gradus.serving").joinpath("page.html").read_text("utf-8")
    row = description["components"]["schemas"]["Row"]
    properties = row.get("properties", {})
    columns = [{"name": name, "about": _in_words(schema)} for name, schema in properties.items()]
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            info=description["info"],
            columns=columns,
            row=row,
            example=json.dumps(example_row(run), ensure_ascii=False),
            responses=description["paths"]["/predict"]["post"]["responses"],
            has_token="security" in description,
            is_table=_is_table(run),
        )
    )


def example_row(run: Run) -> Any:
    """Return a row that the run predicts from: typical values of its columns, or zeros."""
    if not _is_table(run):
        shape = jax.tree.leaves(run.model.example)[0].shape[1:]
        return _zeros(shape) if len(shape) < 2 else None
    return {
        column.name: _example(column, run.preprocessor.ranges[column.name])
        for column in run.preprocessor.columns
    }


def _zeros(shape: tuple[int, ...]) -> Any:
    return 0.0 if not shape else [_zeros(shape[1:]) for _ in range(shape[0])]


def _example(column: ColumnEncoder, training: TrainingRange) -> Any:
    if isinstance(column, CategoryEncoder):
        return column.levels[0] if column.levels else None
    if isinstance(column, TextEncoder):
        return " ".join(column.parts[0].terms[:3])
    if isinstance(column, NumberEncoder):
        typical = float(f"{column.fill:.4g}")
        return int(typical) if typical.is_integer() else typical
    if isinstance(column, BooleanEncoder):
        return True
    return training.describe("date").partition(" to ")[0]


def _is_table(run: Run) -> bool:
    return isinstance(run.preprocessor, TablePreprocessor)


def _row_schema(run: Run) -> Schema:
    """Return the schema of a row: its columns, or an array of numbers of one shape."""
    if not _is_table(run):
        schema: Schema = {"type": "number"}
        for size in reversed(jax.tree.leaves(run.model.example)[0].shape[1:]):
            schema = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
        return schema
    columns = run.preprocessor.columns
    return {
        "type": "object",
        "properties": {c.name: _column_schema(c, run.preprocessor) for c in columns},
        "required": [column.name for column in columns],
    }


def _column_schema(column: ColumnEncoder, preprocessor: TablePreprocessor) -> Schema:
    """Return the schema of a cell; a missing value is null."""
    training = preprocessor.ranges[column.name]
    missing = "" if training.missing else " None was missing in training."
    if isinstance(column, CategoryEncoder):
        about = f"A category; others count as unknown.{missing}"
        known = {"type": "string", "enum": list(column.levels)}
        return {"anyOf": [known, {"type": ["string", "null"]}], "description": about}
    if isinstance(column, TextEncoder):
        return {"type": ["string", "null"], "description": f"A text.{missing}"}
    between = training.describe(column.kind)
    if isinstance(column, BooleanEncoder):
        kinds, about = ["boolean", "number", "null"], "True or false, or 1 and 0."
    elif isinstance(column, NumberEncoder):
        kinds, about = ["number", "null"], f"A number, {between} in training."
    else:
        pattern = preprocessor.formats[column.name].date or "%Y-%m-%d"
        kinds, about = ["string", "null"], f"A date, written {pattern}; {between} in training."
    return {"type": kinds, "description": about + missing}


def _in_words(schema: Schema) -> str:
    """Return what a column holds, and its categories."""
    about: str = schema["description"]
    if "anyOf" not in schema:
        return about
    kind, _, rest = about.partition(";")
    return f"{kind}: {', '.join(schema['anyOf'][0]['enum'])};{rest}"


def _prediction_schema(run: Run) -> Schema:
    """Return the schema of a prediction."""
    if not run.target.parts:
        properties = _properties(run.target, run.loss)
    else:
        each: dict[str, Schema] = {}
        for part in run.target.parts:
            for key, schema in _properties(part, run.loss[part.name]).items():
                each.setdefault(key, {})[part.name] = schema
        properties = {key: _object(schemas) for key, schemas in each.items()}
    required = list(properties)
    return {"type": "object", "properties": {**properties, "notes": _NOTES}, "required": required}


def _object(schemas: Schema) -> Schema:
    """Return the schema of an object that has a value of each name."""
    return {"type": "object", "properties": schemas, "required": list(schemas)}


def _properties(target: Target, loss: Loss) -> Schema:
    """Return the schemas of what is told of a target."""
    number: Schema = {"type": "number"}
    properties: Schema = {}
    if target.columns:
        value = number if target.task == "regression" else {"type": "integer", "enum": [0, 1]}
        properties["prediction"] = _object(dict.fromkeys(target.columns, value))
        if target.task == "multilabel":
            kind = "probabilities" if has_probabilities(loss) else "scores"
            properties[kind] = _object(dict.fromkeys(target.columns, number))
    elif target.task == "regression":
        several = {"type": "array", "items": number, "minItems": target.outputs}
        properties["prediction"] = number if target.outputs == 1 else several
    else:
        properties["prediction"] = {"type": "string", "enum": list(target.class_names)}
        each = {"type": "object", "properties": dict.fromkeys(target.class_names, number)}
        if has_probabilities(loss):
            properties["probabilities"] = each
        elif target.outputs == 2:
            properties["score"] = number
        else:
            properties["scores"] = each
    return properties
