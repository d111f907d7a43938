"""The endpoints of a service: `POST /predict`, `GET /health`, and their description."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import polars as pl
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gradus.errors import GradusError
from gradus.experiments.run import Run
from gradus.serving.access import Gate
from gradus.serving.batching import Batcher
from gradus.serving.description import describe_service, service_page
from gradus.serving.predictor import Predictions, Predictor, TooManyRowsError

LARGEST_BODY = 16 * 2**20  # bytes
MOST_ROWS = 10_000
JSON, CSV, IMAGE = "application/json", "text/csv", "image/"
NOTES = "gradus-notes"  # the header of a CSV answer
LONGEST_NOTE, MOST_NOTES = 300, 20  # that fit into it
SENTENCES = {
    404: "There is nothing at {path}: POST /predict predicts, GET / describes the service.",
    405: "{method} is not for {path}: write POST /predict, GET /health, or GET /openapi.json.",
}


def make_application(run: Run, token: str | None = None, host: str | None = None) -> Gate:
    """Return the ASGI application that serves a run, with its programs compiled.

    Args:
        run: the run.
        token: that requests must have, or None.
        host: the address that the service is bound to, if it is a loopback one.
    """
    predictor = Predictor(run)
    predictor.warm_up()
    batcher = Batcher(predictor)
    description = describe_service(run, LARGEST_BODY, MOST_ROWS, token is not None)
    openapi, page = msgspec.json.encode(description), service_page(run, description)

    async def predict(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (JSON, CSV) and not kind.startswith(IMAGE):
            raise HTTPException(415, _content_type_sentence(kind))
        _refuse_what_is_not_read(request)
        body = await _body(request)
        accepted = request.headers.get("accept", "")
        as_csv = CSV in accepted or (kind == CSV and JSON not in accepted)
        if kind == CSV:
            found, is_single = await batcher.predict_csv(body, MOST_ROWS), False
        elif kind.startswith(IMAGE):
            found, is_single = await batcher.predict_image(body), True
        else:
            rows, is_single = _rows(body, predictor.is_table)
            found = await batcher.predict(rows)
        return _csv_response(found) if as_csv else _json_response(found, is_single)

    async def health(request: Request) -> Response:
        return _json({"status": "ok", "run": run.folder.resolve().name})

    async def show_openapi(request: Request) -> Response:
        return Response(openapi, media_type=JSON)

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page)

    application = Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/health", health),
            Route("/openapi.json", show_openapi),
            Route("/", show_page),
        ],
        exception_handlers={
            GradusError: _refuse_data,
            TooManyRowsError: _refuse_rows,
            HTTPException: _refuse_request,
            Exception: _tell_bug,
        },
    )
    application.router.redirect_slashes = False  # a path that is written otherwise is not there
    return Gate(application, refusal, token, host)


# --- requests -----------------------------------------------------------------------------------


def _refuse_what_is_not_read(request: Request) -> None:
    """Refuse parameters of the address, and packed bodies, which would be ignored or misread.

    Raises:
        HTTPException: with what to send.
    """
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing != "identity":
        raise HTTPException(415, f"The body is packed with {packing!r}: send it as it is.")
    if request.query_params:
        names = ", ".join(map(repr, request.query_params))
        raise HTTPException(
            400, f"The address has the parameters {names}, but /predict reads the body alone."
        )


async def _body(request: Request) -> bytes:
    """Return the body of a request, of at most `LARGEST_BODY` bytes."""
    too_large = HTTPException(
        413, f"The body is larger than {LARGEST_BODY // 2**20} MiB: send the rows in parts."
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > LARGEST_BODY:
        raise too_large
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > LARGEST_BODY:
                raise too_large
            parts.append(part)
    except ClientDisconnect:
        raise HTTPException(400, "The body ended too early.") from None
    return b"".join(parts)


def _rows(body: bytes, is_table: bool) -> tuple[Sequence[Any], bool]:
    """Return the rows of a JSON body, and whether it is one row alone.

    Raises:
        GradusError: for a body that holds no rows.
        TooManyRowsError: for too many of them.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise GradusError(f"The body is not JSON: {str(reason).rstrip('.')}.") from None
    row = '{"column": value, …}' if is_table else "[number, …]"
    several = f'{{"rows": [{row}, …]}}'
    if isinstance(content, Mapping) and isinstance(content.get("rows"), list) and len(content) == 1:
        rows = content["rows"]
    elif isinstance(content, Mapping if is_table else list):
        return [content], True
    else:
        hint = f"; for several rows {several}" if is_table else f", or several: {several}"
        raise GradusError(f"The body is no row: write {row}{hint}.")
    if not rows:
        raise GradusError(f"There are no rows: write {several}.")
    if len(rows) > MOST_ROWS:
        raise TooManyRowsError(len(rows), MOST_ROWS)
    kind = Mapping if is_table else list
    for index, each in enumerate(rows):
        if not isinstance(each, kind):
            raise GradusError(f"Row {index} (counted from 0) is {each!r:.40}: write {row}.")
    return rows, False


def _content_type_sentence(kind: str) -> str:
    given = f"The content type {kind!r} is not known" if kind else "The request has no content type"
    return f'{given}: send "Content-Type: {JSON}", {CSV}, or that of an image, as image/jpeg.'


# --- answers ------------------------------------------------------------------------------------


def _json_response(found: Predictions, is_single: bool) -> Response:
    """Return predictions as JSON: an object for one row, or a list of them in an object."""
    rows = _row_objects(found)
    content = rows[0] if is_single else {"predictions": rows}
    return _json({**content, "notes": found.notes} if found.notes else content)


def _row_objects(found: Predictions) -> list[dict[str, Any]]:
    """Return an object for each row: its prediction, and the probabilities or scores."""
    if found.parts:
        return _rows_of_parts(found)
    columns = {name: values.tolist() for name, values in found.columns.items()}
    if found.targets:
        return _named_rows(columns, found.targets)
    several = {n: v for n, v in columns.items() if n.startswith("prediction_")}
    if several:
        return [{"prediction": list(row)} for row in zip(*several.values(), strict=True)]
    predicted = columns.pop("prediction")
    if not columns:
        return [{"prediction": value} for value in predicted]
    if "score" in columns:
        pairs = zip(predicted, columns["score"], strict=True)
        return [{"prediction": value, "score": score} for value, score in pairs]
    kind, _, _ = next(iter(columns)).partition("_")
    key = {"probability": "probabilities", "score": "scores"}[kind]
    names = [name.removeprefix(f"{kind}_") for name in columns]
    return [
        {"prediction": value, key: dict(zip(names, row, strict=True))}
        for value, *row in zip(predicted, *columns.values(), strict=True)
    ]


def _rows_of_parts(found: Predictions) -> list[dict[str, Any]]:
    """Return an object for each row, with all of each of several targets that have a task each."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(found))]
    for name, columns in found.parts.items():
        for row, own in zip(rows, _row_objects(Predictions(columns, [])), strict=True):
            for key, value in own.items():
                row.setdefault(key, {})[name] = value
    return rows


def _named_rows(columns: Mapping[str, list[Any]], targets: Sequence[str]) -> list[dict[str, Any]]:
    """Return an object for each row, with what is predicted of each of several targets."""
    kinds = {"prediction": "prediction", "probabilities": "probability", "scores": "score"}
    told = {
        key: [columns[f"{kind}_{name}"] for name in targets]
        for key, kind in kinds.items()
        if f"{kind}_{targets[0]}" in columns
    }
    count = len(told["prediction"][0])
    return [
        {
            key: {name: values[row] for name, values in zip(targets, each, strict=True)}
            for key, each in told.items()
        }
        for row in range(count)
    ]


def _csv_response(found: Predictions) -> Response:
    """Return predictions as CSV, as `gradus predict` writes it; the notes are a header."""
    frame = pl.DataFrame({name: values.tolist() for name, values in found.columns.items()})
    notes = [note for note in found.notes if len(note) < LONGEST_NOTE][:MOST_NOTES]
    headers = {NOTES: json.dumps(notes)} if notes else {}  # in ASCII
    return Response(frame.write_csv(), media_type=CSV, headers=headers)


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type=JSON)


def refusal(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer to a request that is refused."""
    if status == 401:
        headers = {"www-authenticate": "Bearer"}
    return _json({"error": sentence}, status, headers)


async def _refuse_data(request: Request, error: Exception) -> Response:
    return refusal(400, str(error))


async def _refuse_rows(request: Request, error: Exception) -> Response:
    return refusal(413, str(error))


async def _refuse_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    sentence = error.detail
    if error.status_code in SENTENCES:
        names = {"path": request.url.path, "method": request.method}
        sentence = SENTENCES[error.status_code].format(**names)
    return refusal(error.status_code, sentence, error.headers)


async def _tell_bug(request: Request, error: Exception) -> Response:
    traceback.print_exception(error, file=sys.stderr)
    return refusal(
        500, f"{type(error).__name__}: this is a bug in gradus; the server's log has it."
    )
