"""Batching: the rows of all waiting requests go through the network together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gradus.errors import GradusError
from gradus.serving.predictor import Predictions, Predictor

FEW_ROWS = 64  # of a request that is predicted together with others
LARGEST_BATCH = 1024  # rows of requests that are predicted together

T = TypeVar("T")
Waiting = tuple[Sequence[Any], "asyncio.Future[Predictions]"]


class Batcher:
    """Predicts requests of few rows together, as many as have arrived, within the loop.

    No request waits for others to come: while a batch is predicted, which takes about a
    millisecond, the next one arrives. Requests of many rows are predicted by a thread of their own,
    so that the loop goes on answering.

    Args:
        predictor: of the run.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._thread = ThreadPoolExecutor(1, "predictor")
        self._waiting: list[Waiting] = []

    async def predict(self, rows: Sequence[Any]) -> Predictions:
        """Return the predictions for the rows of a request.

        Raises:
            GradusError: for rows that the run cannot predict from.
        """
        if len(rows) > FEW_ROWS:
            return _or_raise((await self._in_thread(self.predictor.predict, [rows]))[0])
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Predictions] = loop.create_future()
        if not self._waiting:  # two rounds of the loop read all requests that have arrived
            loop.call_soon(loop.call_soon, self._predict_waiting)
        self._waiting.append((rows, future))
        return await future

    async def predict_csv(self, body: bytes, most: int) -> Predictions:
        """Return the predictions for a CSV table, of at most so many rows.

        Raises:
            GradusError: for a table that the run cannot predict from.
        """
        return await self._in_thread(self.predictor.predict_csv, body, most)

    async def predict_image(self, body: bytes) -> Predictions:
        """Return the prediction for the content of an image file.

        Raises:
            GradusError: for one that the run cannot predict from.
        """
        return await self._in_thread(self.predictor.predict_image, body)

    def _predict_waiting(self) -> None:
        """Predict the requests that wait, and leave those beyond a batch to the next call."""
        batch = self._next_batch()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._predict_waiting)
        found: Sequence[Predictions | Exception]
        try:
            found = self.predictor.predict([rows for rows, _ in batch])
        except Exception as error:  # a bug: each of the requests says so
            found = [error] * len(batch)
        for (_, future), predictions in zip(batch, found, strict=True):
            if future.done():  # its client has gone
                continue
            if isinstance(predictions, Predictions):
                future.set_result(predictions)
            else:
                future.set_exception(predictions)

    def _next_batch(self) -> list[Waiting]:
        """Take the first requests that wait, as many as fit into one batch."""
        count = rows = 0
        while count < len(self._waiting) and rows < LARGEST_BATCH:
            rows += len(self._waiting[count][0])
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)


def _or_raise(found: Predictions | GradusError) -> Predictions:
    if isinstance(found, GradusError):
        raise found
    return found
