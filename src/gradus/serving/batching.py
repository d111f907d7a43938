"""Batching: the rows of all waiting requests are predicted together, by one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gradus.errors import GradusError
from gradus.serving.predictor import LARGEST_BATCH, Predictions, Predictor

T = TypeVar("T")


class Batcher:
    """Collects requests while one batch is predicted, and predicts them as the next.

    While the thread works, the loop reads further requests; no request waits for others to come.

    Args:
        predictor: of the run.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._thread = ThreadPoolExecutor(1, "predictor")
        self._waiting: list[tuple[Sequence[Any], asyncio.Future[Predictions | GradusError]]] = []
        self._working: asyncio.Task[None] | None = None

    async def predict(self, rows: Sequence[Any]) -> Predictions:
        """Return the predictions for the rows of a request.

        Raises:
            GradusError: for rows that the run cannot predict from.
        """
        future: asyncio.Future[Predictions | GradusError] = asyncio.Future()
        self._waiting.append((rows, future))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return _or_raise(await future)

    async def predict_csv(self, body: bytes, most: int) -> Predictions:
        """Return the predictions for a CSV table, of at most so many rows.

        Raises:
            GradusError: for a table that the run cannot predict from.
        """
        return _or_raise(await self._in_thread(self.predictor.predict_csv, body, most))

    async def _work(self) -> None:
        """Predict what waits until nothing does."""
        try:
            await asyncio.sleep(0)  # requests that have arrived with the first one join it
            while self._waiting:
                batch = self._next_batch()
                try:
                    requests = [rows for rows, _ in batch]
                    found = await self._in_thread(self.predictor.predict, requests)
                except Exception as error:  # each of the requests shall answer
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), predictions in zip(batch, found, strict=True):
                    if not future.done():  # its client may be gone
                        future.set_result(predictions)
        finally:
            self._working = None

    def _next_batch(self) -> list[tuple[Sequence[Any], asyncio.Future[Predictions | GradusError]]]:
        """Take the first request that waits, and those after it that fit into one batch."""
        count = rows = 0
        for request, _ in self._waiting:
            rows += len(request)
            if count and rows > LARGEST_BATCH:
                break
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
