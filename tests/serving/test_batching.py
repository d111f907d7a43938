"""Which requests are predicted together."""

import asyncio
import threading

import numpy as np
import pytest

from gradus.errors import DataError
from gradus.serving import batching
from gradus.serving.batching import Batcher
from gradus.serving.predictor import Predictions


class Doubling:
    """Predicts twice each row, and notes what it was asked, and in which thread."""

    def __init__(self):
        self.batches, self.threads = [], []

    def predict(self, requests):
        self.batches.append([len(request) for request in requests])
        self.threads.append(threading.current_thread().name)
        if any("bug" in request for request in requests):
            raise RuntimeError("a bug")
        return [
            DataError("bad")
            if "bad" in request
            else Predictions({"prediction": np.array(request) * 2}, [])
            for request in requests
        ]


def run(requests, cancelled=()):
    """Return the predictor, and what each of some requests that come at once was answered."""

    async def main():
        batcher = Batcher(predictor)
        tasks = [asyncio.create_task(batcher.predict(rows)) for rows in requests]
        await asyncio.sleep(0)
        for index in cancelled:
            tasks[index].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    predictor = Doubling()
    return predictor, asyncio.run(main())


def values(found):
    return found.columns["prediction"].tolist()


def test_requests_that_come_at_once_are_predicted_together():
    predictor, found = run([[1], [2, 3], [4]])
    assert predictor.batches == [[1, 2, 1]]
    assert [values(each) for each in found] == [[2], [4, 6], [8]]
    assert predictor.threads == ["MainThread"]


def test_a_batch_is_bounded(monkeypatch):
    monkeypatch.setattr(batching, "LARGEST_BATCH", 3)
    predictor, found = run([[1], [2, 3], [4], [5, 6, 7, 8], [9]])
    assert predictor.batches == [[1, 2], [1, 4], [1]]
    assert [values(each)[0] for each in found] == [2, 4, 8, 10, 18]


def test_many_rows_are_predicted_alone_by_a_thread():
    many = list(range(batching.FEW_ROWS + 1))
    predictor, found = run([[1], many])
    assert sorted(predictor.batches) == [[1], [len(many)]]
    assert predictor.threads[predictor.batches.index([len(many)])].startswith("predictor")
    assert values(found[1]) == [2 * row for row in many]


def test_each_request_gets_its_own_error():
    _, found = run([[1], ["bad"], [2]])
    assert [values(found[0]), values(found[2])] == [[2], [4]]
    assert isinstance(found[1], DataError)
    _, found = run([[1], ["bug"]])
    assert [type(each) for each in found] == [RuntimeError, RuntimeError]


def test_a_client_that_has_gone_disturbs_no_other():
    _, found = run([[1], [2], [3]], cancelled=[1])
    assert isinstance(found[1], asyncio.CancelledError)
    assert [values(found[0]), values(found[2])] == [[2], [6]]


def test_the_next_requests_are_the_next_batch():
    async def main():
        batcher = Batcher(predictor)
        for rows in ([1], [2]):
            assert values(await batcher.predict(rows)) == [rows[0] * 2]

    predictor = Doubling()
    asyncio.run(main())
    assert predictor.batches == [[1], [1]]


@pytest.mark.filterwarnings("error")
def test_an_error_in_a_thread_is_raised():
    _, found = run([["bad"] * 99])
    assert isinstance(found[0], DataError)
