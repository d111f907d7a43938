"""Training, evaluation, and prediction on batches: as on arrays, and what is refused."""

import itertools
import math
import os
import threading

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest

import gradus as gr
from gradus.data.streaming.batch_stream import as_stream, head_of
from gradus.data.streaming.trees import stack_items
from gradus.errors import DataError, GradusError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
OPTIONS = {"epochs": 3, "verbose": False}


class Items:
    """A data set with a length and items, like PyTorch's."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index], Y[index]


class Batches(keras.utils.PyDataset):
    def __init__(self, size):
        super().__init__()
        self.size, self.ends = size, 0

    def __len__(self):
        return math.ceil(len(X) / self.size)

    def __getitem__(self, index):
        return X[index * self.size :][: self.size], Y[index * self.size :][: self.size]

    def on_epoch_end(self):
        self.ends += 1


def batches(size=20, count=None):
    for start in range(0, len(X) if count is None else count, size):
        yield X[start : start + size], Y[start : start + size]


def dicts():
    return ({"label": y, "inputs": x} for x, y in batches())


def model(**settings):
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dropout(0.2), gr.Dense(2, "softmax")])
    loss = "sparse_categorical_crossentropy"
    return gr.Model(net, loss, gr.Adam(0.01), ["accuracy"], **settings)


@pytest.fixture(scope="module")
def on_arrays():
    """A model trained on arrays; 30 does not divide 100, so a batch is padded."""
    trained = model()
    trained.fit(X, Y, batch_size=30, validation_data=(X[:10], Y[:10]), **OPTIONS)
    return trained


@pytest.fixture(scope="module")
def on_items():
    trained = model()
    trained.fit(Items(), batch_size=30, validation_data=(X[:10], Y[:10]), **OPTIONS)
    return trained


def test_items_are_trained_on_as_arrays_are(on_arrays, on_items):
    for path, weight in on_arrays.weights.items():
        np.testing.assert_array_equal(on_items.weights[path], weight)
    for name, values in on_arrays.history.items():
        np.testing.assert_allclose(on_items.history[name], values, rtol=1e-6)
    assert on_items.history.findings.healthy == on_arrays.history.findings.healthy
    assert on_items.record.settings.samples == 120  # four batches of 30


def test_layer_statistics_are_recorded(on_arrays, on_items):
    ours, theirs = on_items.history.probes, on_arrays.history.probes
    for name in ("gradient", "weight", "update"):  # padding of a batch is in the others
        last = np.asarray(theirs[name])[:, -1]
        np.testing.assert_allclose(np.asarray(ours[name])[:, -1], last, rtol=1e-5, atol=1e-7)


def test_a_second_fit_goes_on(on_arrays):
    again, first = model(), model()
    first.fit(X, Y, batch_size=30, epochs=2, verbose=False)
    again.fit(Items(), batch_size=30, epochs=1, verbose=False)
    again.fit(Items(), batch_size=30, epochs=1, verbose=False)
    for path, weight in first.weights.items():
        np.testing.assert_array_equal(again.weights[path], weight)


def test_a_function_an_iterable_and_steps_of_an_endless_generator_give_the_same():
    class Loader:
        def __iter__(self):
            return batches()

    def endless():
        while True:
            yield from batches()

    trained = [model() for _ in range(3)]
    trained[0].fit(batches, **OPTIONS)
    trained[1].fit(Loader(), **OPTIONS)
    trained[2].fit(endless(), steps_per_epoch=5, **OPTIONS)
    for other in trained[1:]:
        np.testing.assert_array_equal(other.history["loss"], trained[0].history["loss"])
    assert trained[0].history["loss"][-1] < trained[0].history["loss"][0]


def test_batches_of_keras_in_a_new_order_each_epoch():
    data = Batches(30)
    model().fit(data, **OPTIONS)
    assert data.ends == 3
    stream = as_stream(data, shuffle_seed=0)
    orders = [[len(x) for x, _ in stream.epoch(epoch)] for epoch in range(6)]
    assert len({tuple(order) for order in orders}) > 1  # where the short batch stands
    assert all(sorted(order) == [10, 30, 30, 30] for order in orders)


def test_weights_classes_and_dicts():
    def weighted():
        for x, y in batches():
            yield x, y, np.where(y == 1, 5.0, 1.0)

    by_class, by_sample, by_key = model(), model(), model()
    by_class.fit(batches, class_weight={0: 1.0, 1: 5.0}, **OPTIONS)
    by_sample.fit(weighted, **OPTIONS)
    np.testing.assert_array_equal(by_class.history["loss"], by_sample.history["loss"])
    by_key.fit(dicts, "label", **OPTIONS)
    assert np.isfinite(by_key.history["loss"]).all()


def test_an_autoencoder_takes_batches_of_inputs():
    coder = gr.Autoencoder([2])
    history = coder.fit(lambda: (x for x, _ in batches()), **OPTIONS)
    assert history["loss"][-1] < history["loss"][0]


def test_evaluation_and_prediction_are_those_of_arrays(on_arrays):
    found = on_arrays.evaluate(batches(30))
    assert found == pytest.approx(on_arrays.evaluate(X, Y), rel=1e-6)
    np.testing.assert_allclose(on_arrays.predict(batches(30)), on_arrays.predict(X), rtol=1e-6)
    np.testing.assert_array_equal(on_arrays.predict_classes(Items()), on_arrays.predict_classes(X))


def test_validation_batches_are_evaluated():
    trained = model()
    trained.fit(X, Y, epochs=1, validation_data=lambda: batches(30), verbose=False)
    expected = trained.evaluate(X, Y)["loss"]
    assert trained.history["val_loss"][-1] == pytest.approx(expected, rel=1e-6)


def test_a_share_of_items_is_held_out(on_items):
    trained = model()
    trained.fit(Items(), batch_size=30, validation_split=0.1, **{**OPTIONS, "epochs": 1})
    _, held_out = gr.data.split(100, 0.1)
    expected = trained.evaluate(X[held_out], Y[held_out])
    assert trained.history["val_loss"][-1] == pytest.approx(expected["loss"], rel=1e-6)


def test_dicts_are_validated_by_the_same_key():
    trained = model()
    trained.fit(dicts, "label", validation_data=dicts, **{**OPTIONS, "epochs": 1})
    expected = trained.evaluate(X, Y)["loss"]
    assert trained.history["val_loss"][-1] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(GradusError, match="Its 'inputs' alone has such samples"):
        trained.evaluate(dicts)


def test_batches_without_an_end_are_told(monkeypatch):
    monkeypatch.setattr("gradus.data.streaming.batch_stream.MANY_BATCHES", 20)
    unending = as_stream((x for x in itertools.cycle(batches())), "validation_data").epoch(0)
    assert len(list(itertools.islice(unending, 19))) == 19
    with pytest.warns(RuntimeWarning, match=r"validation_data .* yielded 20 batches and not ended"):
        next(unending)


class Repeated:
    """Says that it is endless as a `tf.data.Dataset` does after `repeat()`."""

    def __iter__(self):
        return itertools.cycle(batches())

    def cardinality(self):
        return np.int64(-1)


def test_what_says_that_it_has_no_end_is_refused_without_steps():
    with pytest.raises(DataError, match=r"x \(a Repeated\) repeats .* pass steps_per_epoch="):
        model().fit(Repeated(), **OPTIONS)
    assert len(list(as_stream(Repeated(), steps_per_epoch=3).epoch(0))) == 3


@pytest.mark.parametrize(
    "samples", [zip(X, Y, strict=True), ({"a": row} for row in X[:, 0]), iter(Y.tolist())]
)
def test_single_samples_are_no_batches(samples):
    with pytest.raises(DataError, match=r"Item 0 of x .* is a single sample, not a batch"):
        model().fit(samples, **{**OPTIONS, "epochs": 1})


def test_a_generator_that_ends_within_an_epoch_is_told():
    whole = as_stream(batches(), steps_per_epoch=3, epochs=2)
    assert len(list(whole.epoch(0))) == 3
    with pytest.warns(RuntimeWarning, match=r"ended after 2 of 3 batches of epoch 2"):
        list(whole.epoch(1))


def test_patience_and_callbacks_work_on_batches():
    seen = []
    trained = model()
    trained.fit(
        batches,
        epochs=30,
        patience=1,
        min_delta=1.0,
        callbacks=lambda model, epoch, logs: seen.append((epoch, logs["loss"])),
        verbose=False,
    )
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert trained.history.stopped == "patience"


@pytest.mark.parametrize(
    ("x", "arguments", "words"),
    [
        (batches, {}, r"x \(a generator\) can be read once, but epochs=3"),
        (lambda: iter([]), {"epochs": 1}, "has no batches"),
        (lambda: batches, {"y": Y}, r"x \(a function\) yields batches, so y is not given"),
        (lambda: batches, {"y": "label"}, "y='label': batch 0 of x .* has no keys"),
        (lambda: batches, {"validation_split": 0.2}, "needs all samples at once"),
        (lambda: batches, {"sample_weight": X[:, 0]}, r"yield the weights, as \(x, y, weight\)"),
        (lambda: batches, {"class_weight": "balanced"}, "write a dict such as"),
        (lambda: batches, {"batch_size": 64}, "batch_size=64, but the batches of .* have 20 rows"),
        (lambda: batches, {"checkpoint": "folder"}, "checkpoint needs all samples in memory"),
        (lambda: batches, {"devices": 1}, "devices needs all samples in memory"),
        (Items, {"steps_per_epoch": 3}, "has 100 items, which are an epoch"),
        (lambda: lambda: 3, {}, "x is a function that returned 3: it must"),
        (lambda: lambda: (x for x, _ in batches()), {}, r"batches have none: yield pairs \(x, y\)"),
        (lambda: dicts, {}, r"dicts of 'label', 'inputs': .*fit\(x, 'inputs'\)"),
        (lambda: dicts, {"y": "lable"}, "has the keys .* Did you mean 'label'"),
        (lambda: lambda: ({"label": y} for _, y in batches()), {"y": "label"}, "has no inputs"),
        (lambda: lambda: ((x, y, y, y) for x, y in batches()), {}, "a tuple of 4: yield"),
        (lambda: lambda: [(X, Y), (X, Y[1:])], {}, "x of batch 1 has 100, y of batch 1 has 99"),
        (lambda: lambda: [(X, Y), (X[:, 1:], Y)], {}, r"\(3,\) in batch 0, but \(2,\) in batch 1"),
        (lambda: [*batches(), (X[:9], Y[:9])], {}, "Its items are batches: pass a function"),
        (lambda: batches, {"validation_data": lambda: [X]}, "there is no validation y"),
    ],
)
def test_what_does_not_go_with_batches_is_refused(x, arguments, words):
    y = arguments.pop("y", None)
    with pytest.raises(GradusError, match=words):
        model().fit(x(), y, **{**OPTIONS, **arguments})


def test_steps_per_epoch_is_not_for_arrays():
    with pytest.raises(GradusError, match="steps_per_epoch=3 is for an x that yields batches"):
        model().fit(X, Y, steps_per_epoch=3, **OPTIONS)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ((X[:20], Y[:20] + 9), r"y of batch 5: labels run from 9 to 10"),
        ((X[:20, :2], Y[:20]), r"x of batch 5 has samples of shape \(2,\)"),
        ((X[:20] * np.nan, Y[:20]), r"x of batch 5 has 60 values that are not finite"),
        ((X[:30], Y[:30]), "Batch 5 has 30 rows, more than the 20 of the first"),
        ((X[:20], None), "There is no y of batch 5"),
        ((X[:20].astype(int), Y[:20]), r"Batch 5 has an array .*int32.*float32"),
    ],
)
def test_a_bad_batch_ends_the_training_and_keeps_what_was_learned(bad, words, monkeypatch):
    monkeypatch.setattr("gradus.models.inputs.streamed_data.HEAD_ROWS", 20)
    epochs = iter([list(batches()), [*batches(), bad]])
    trained = model()
    with pytest.raises(GradusError, match=words):
        trained.fit(lambda: next(epochs), **OPTIONS)
    assert trained.history.epochs == 1
    whole = model()
    whole.fit(batches, epochs=1, verbose=False)
    for path, weight in whole.weights.items():
        np.testing.assert_array_equal(trained.weights[path], weight)


def test_an_error_of_the_source_is_raised_and_its_thread_ends():
    def failing():
        yield from batches()
        raise OSError("the disk is gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"):
        model().fit(failing, epochs=2, verbose=False)
    assert threading.active_count() == before


def test_ctrl_c_ends_an_endless_epoch(monkeypatch):
    """An epoch without an end is ended by the first Ctrl-C, and what it learned is kept."""
    calls = itertools.count()
    monkeypatch.setattr(
        "gradus.train.progress.TrainingProgress.was_interrupted", lambda self: next(calls) > 2
    )
    trained = model()
    history = trained.fit((x for x in itertools.cycle(list(batches()))), epochs=1, verbose=False)
    assert history.epochs == 1
    assert np.isfinite(history["loss"]).all()


def test_the_head_is_read_once():
    taken = []

    def counted():
        for number, batch in enumerate(batches()):
            taken.append(number)
            yield batch

    head, whole = head_of(as_stream(counted()), 0, rows=35)
    assert taken == [0, 1]
    assert len(head) == 2
    assert len(list(whole)) == 5
    assert taken == [0, 1, 2, 3, 4]


def test_items_are_stacked_by_their_structure():
    items = [({"a": X[i], "b": X[i, :2]}, Y[i]) for i in range(4)]
    x, y = stack_items(items)
    assert (x["a"].shape, x["b"].shape, y.shape) == ((4, 3), (4, 2), (4,))
    with pytest.raises(DataError, match="has no items"):
        as_stream(type("Empty", (), {"__len__": lambda s: 0, "__getitem__": lambda s, i: i})())
