"""Predictions for rows of requests: encoded, computed, and in the target's names and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradus.data import TablePreprocessor
from gradus.data.reading.delimited_text import read_delimited
from gradus.errors import DataError, GradusError
from gradus.experiments import image_inputs, inference
from gradus.experiments.inference import unused_note
from gradus.experiments.run import Run
from gradus.serving.rows import EncodedRows, RowEncoder
from gradus.train.inference import ROWS_PER_BATCH, make_predictor

CSV_BODY = "The body"  # what errors call it


@dataclass(frozen=True)
class Predictions:
    """The predictions for the rows of one request.

    Attributes:
        columns: "prediction", and "probability_<class>", …, as of `gradus predict`.
        notes: what cannot be trusted, in sentences.
        targets: the names of several targets.
        parts: of several targets that have a task each, the columns of each.
    """

    columns: inference.Columns
    notes: list[str]
    targets: tuple[str, ...] = ()
    parts: Mapping[str, inference.Columns] = field(default_factory=dict)

    def rows(self, start: int, stop: int, notes: list[str]) -> Predictions:
        """Return those of some rows, with notes on them."""
        parts = {name: _sliced(columns, start, stop) for name, columns in self.parts.items()}
        return Predictions(_sliced(self.columns, start, stop), notes, self.targets, parts)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


class Predictor:
    """Predicts with a run, for one request or several together.

    Args:
        run: the run.

    Attributes:
        is_table: whether rows are objects by column name; else they are arrays.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.model = run, run.model
        self.preprocessor, self.target, self.loss = run.preprocessor, run.target, run.loss
        self._network = make_predictor(self.model.net, self.model.task)
        self.is_table = isinstance(self.preprocessor, TablePreprocessor)
        self._encoder = RowEncoder(self.preprocessor) if self.is_table else None

    def warm_up(self) -> None:
        """Compile the program for every size that batches are padded to."""
        import jax

        example, size = self.model.example, 1
        while size <= ROWS_PER_BATCH:
            rows = jax.tree.map(lambda a, n=size: np.zeros((n, *a.shape[1:]), a.dtype), example)
            self._network(rows)
            size *= 2

    def predict(self, requests: Sequence[Sequence[Any]]) -> list[Predictions | GradusError]:
        """Return the predictions for the rows of each request, or why there are none.

        The rows of all requests go through the network together.
        """
        rows = [row for request in requests for row in request]
        try:
            encoded = self._encode(rows)
            outputs = self._network(encoded.inputs)
        except GradusError as error:
            if len(requests) == 1:
                return [error]
            return [self.predict([request])[0] for request in requests]  # one is at fault
        whole = self._predictions(outputs, [])
        found: list[Predictions | GradusError] = []
        start = 0
        for request in requests:
            stop = start + len(request)
            found.append(whole.rows(start, stop, encoded.notes(start, stop)))
            start = stop
        return found

    def predict_csv(self, body: bytes, most: int) -> Predictions:
        """Return the predictions for a CSV table.

        Args:
            body: of the request.
            most: how many rows it may have.

        Raises:
            GradusError: for a table that the run cannot predict from.
            TooManyRowsError: for too many rows.
        """
        if not self.is_table:
            raise DataError("The run was trained on arrays, which have no CSV: send JSON.")
        options = self.preprocessor.options
        read = read_delimited(
            body,
            CSV_BODY,
            separator=options.separator,
            header=options.header,
            encoding=options.encoding,
        )
        if read.frame.height > most:
            raise TooManyRowsError(read.frame.height, most)
        found = self.run.predicted_rows(read.frame)
        unused = [unused_note(found.unused)] if found.unused else []
        notes = [*read.notes, *found.notes, *unused]
        return self._predictions(found.outputs, notes)

    def _predictions(self, outputs: Any, notes: list[str]) -> Predictions:
        """Return the predictions that outputs of the network are."""
        columns = inference.prediction_columns(outputs, self.loss, self.target)
        parts = inference.columns_of_targets(outputs, self.loss, self.target)
        return Predictions(columns, notes, self.target.columns, parts)

    def predict_image(self, body: bytes) -> Predictions:
        """Return the prediction for the content of an image file.

        Raises:
            GradusError: for one that cannot be read, or a run that was not trained on images.
        """
        if not image_inputs.takes_images(self.model):
            raise DataError("The run was not trained on images: send JSON.")
        outputs = self._network(image_inputs.read_image_body(self.model, body))
        return self._predictions(outputs, [])

    def _encode(self, rows: Sequence[Any]) -> EncodedRows:
        if self._encoder is not None:
            return self._encoder.encode(rows)
        data = inference.read_data(rows, self.preprocessor, self.model)
        inputs = self.preprocessor.transform(data.x)
        self.model.check_input(inputs)
        return EncodedRows(inputs, [], {})


def _sliced(columns: inference.Columns, start: int, stop: int) -> inference.Columns:
    return {name: values[start:stop] for name, values in columns.items()}


class TooManyRowsError(DataError):
    """A request with more rows than are allowed."""

    def __init__(self, rows: int, most: int) -> None:
        super().__init__(f"The request has {rows:,} rows; send at most {most:,} at a time.")
