"""What newcomers get wrong is told in words, and what they may expect to work does."""

import re

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError, GradusError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int32)
IMAGES = RNG.normal(size=(8, 3, 6, 6)).astype(np.float32)  # channels first
KINDS = np.arange(8) % 2


def told(words, error=GradusError):
    return pytest.raises(error, match=re.escape(words))


def flags():
    return gr.Model(gr.Dense(1, "sigmoid"), "binary_crossentropy")


def fit(model, x=X, y=LABELS, **settings):
    return model.fit(x, y, epochs=1, probes=False, verbose=False, **settings)


@pytest.fixture(scope="module")
def trained():
    """A model that was trained on a frame, and the frame."""
    frame = pytest.importorskip("pandas").DataFrame(X, columns=["age", "size", "price"])
    model = flags()
    fit(model, frame)
    return model, frame


def test_columns_in_another_order_are_refused(trained):
    model, frame = trained
    other = frame[["price", "age", "size"]]
    words = "x has its columns in another order, but the network was trained on the columns 'age'"
    for call in (model.predict, model.predict_classes, lambda x: model.evaluate(x, LABELS)):
        with told(words, DataError):
            call(other)
    with told("write x[['age', 'size', 'price']]", DataError):
        fit(model, other)
    with told("validation x has its columns in another order", DataError):
        fit(model, frame, validation_data=(other, LABELS))
    np.testing.assert_array_equal(model.predict(frame), model.predict(X))  # arrays have no names


def test_a_row_of_a_frame_is_a_list_of_one(trained):
    model, frame = trained
    with told("write x[None]; of a list, or a row of a frame, [x].", ShapeError):
        model.predict(frame.iloc[0])
    first = model.predict(X[:1])
    for row in (frame.iloc[0], X[0].tolist(), X[0]):
        np.testing.assert_allclose(model.predict([row]), first, rtol=1e-6)


def test_columns_that_are_missing_or_new_are_named(trained):
    model, frame = trained
    with told("x lacks the columns 'size', 'price', which the network was trained on", DataError):
        model.predict(frame[["age"]])
    with told("x has the column 'other', too", DataError):
        model.predict(frame.assign(other=1.0))


def test_columns_are_saved_with_the_model(trained, tmp_path):
    model, frame = trained
    loaded = gr.Model.load(model.save(tmp_path / "model"))
    with told("x has its columns in another order", DataError):
        loaded.predict(frame[["price", "age", "size"]])


def test_the_best_model_of_a_sweep_knows_its_columns(trained):
    _, frame = trained
    model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.01, 0.1)))
    sweep = gr.Sweep(model, search="grid").fit(frame, X[:, 0], epochs=1, verbose=False)
    with told("x has its columns in another order", DataError):
        sweep.best.predict(frame[["price", "age", "size"]])


def test_the_columns_of_several_inputs_are_each_their_own(trained):
    _, frame = trained
    net = gr.Sequential([gr.Parallel({"a": gr.Dense(1), "b": gr.Dense(1)}, merge="add")])
    model = gr.Model(net, "mse")
    fit(model, {"a": frame, "b": frame[["size"]]}, X[:, 0])
    with told("x['a'] has its columns in another order", DataError):
        model.predict({"a": frame[["price", "age", "size"]], "b": frame[["size"]]})


def test_true_and_false_are_1_and_0():
    pandas = pytest.importorskip("pandas")
    frame = pandas.get_dummies(pandas.DataFrame({"age": X[:, 0], "kind": ["u", "v"] * 12}))
    assert frame.dtypes.astype(str).tolist() == ["float32", "bool", "bool"]
    model = flags()
    fit(model, frame)
    expected = np.stack([X[:, 0], np.tile([1, 0], 12), np.tile([0, 1], 12)], axis=1)
    np.testing.assert_array_equal(model.predict(frame), model.predict(expected.astype(np.float32)))
    text = pandas.DataFrame({"age": X[:, 0], "kind": ["u", "v"] * 12})
    with told("not numbers in the column 'kind'", DataError):
        fit(flags(), text)


def test_classes_of_a_regression_are_refused():
    model = gr.Model(gr.Dense(1), "mse")
    fit(model, X, X[:, 0])
    with told("predict_classes: the loss mean_squared_error and a last layer without activation"):
        model.predict_classes(X)
    fit(model := gr.Model(gr.Dense(1, "sigmoid"), "mse"))  # a classifier all the same
    assert set(model.predict_classes(X)) <= {0, 1}


@pytest.mark.parametrize("name", ["crossentropy", "cross_entropy", "log_loss", "NLL"])
def test_an_ambiguous_loss_names_all_that_it_may_be(name):
    with pytest.raises(
        GradusError, match=f"Unknown loss '{name}'.*sparse_categorical_crossentropy"
    ):
        gr.Model(gr.Dense(2, "softmax"), name)


def test_what_monitor_names_is_told_how_to_report_it():
    words = "It is reported with validation_split=0.2 or validation_data in fit and with"
    with told(f"{words} metrics=['acc'] in the model."):
        fit(flags(), monitor="val_acc", patience=2)
    with told("Unknown monitor 'val_loss'"):
        fit(flags(), monitor="val_loss")


@pytest.mark.parametrize(
    ("last", "loss", "y"),
    [
        (gr.Dense(2, "softmax"), "sparse_categorical_crossentropy", KINDS),
        (gr.Dense(2, "softmax"), "categorical_crossentropy", np.eye(2)[KINDS]),
        (gr.Dense(1, "sigmoid"), "binary_crossentropy", KINDS),
    ],
)
def test_a_forgotten_flatten_is_told(last, loss, y):
    net = gr.Sequential([gr.Conv2D(2, 3), last])
    words = "put Flatten() or GlobalAveragePooling2D() before its last layer"
    with told(words, ShapeError):
        fit(gr.Model(net, loss), IMAGES, y)


def test_a_forgotten_flatten_after_steps_is_told():
    net = gr.Sequential([gr.LSTM(2, return_sequences=True), gr.Dense(2, "softmax")])
    with told("put Flatten() or GlobalAveragePooling1D()", ShapeError):
        fit(gr.Model(net, "sparse_categorical_crossentropy"), X.reshape(8, 3, 3), KINDS)


def test_channels_that_come_first_are_told():
    def net(size):
        return gr.Sequential([gr.Conv2D(2, size), gr.Flatten(), gr.Dense(2, "softmax")])

    loss = "sparse_categorical_crossentropy"
    with told("If its channels come first, write np.moveaxis(x, 1, -1)", ShapeError):
        fit(gr.Model(net(5), loss), IMAGES, KINDS)
    history = fit(gr.Model(net(3), loss), IMAGES, KINDS)
    assert any("If channels come first, write np.moveaxis" in note for note in history.notes)
    history = fit(gr.Model(net(3), loss), np.moveaxis(IMAGES, 1, -1), KINDS)
    assert not any("channels come first" in note for note in history.notes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.Conv2D(4, 3, "relu"), "For the activation write Conv2D(…, activation='relu')"),
        (lambda: gr.Conv1D(4, 3, "relu"), "For the activation write Conv1D(…, activation='relu')"),
        (lambda: gr.Dense("relu"), "For the activation write Dense(…, activation='relu')"),
        (lambda: gr.LSTM("tanh"), "For the activation write LSTM(…, activation='tanh')"),
        (lambda: gr.Dense("10"), "Dense(units='10'): write a whole number"),
        (lambda: gr.Dense(3)(X), "Dense is not built yet: list layers, as in gr.Sequential"),
    ],
)
def test_arguments_in_the_wrong_place_are_told(make, words):
    with told(words):
        make()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({0: 1, 1: 2, 7: 3}, "class_weight has 7, but the classes of y are 0, 1."),
        ({"0": 1, "1": 2}, "class_weight has '0', '1', but the classes of y are 0, 1."),
        ({0: 1, 1: 2, -1: 3}, "class_weight has -1"),
    ],
)
def test_the_weight_of_a_class_that_y_has_not_is_refused(weights, words):
    with told(words):
        fit(flags(), class_weight=weights)


def test_a_softmax_of_one_unit_is_told_as_what_it_is():
    notes = fit(gr.Model(gr.Dense(1, "softmax"), "binary_crossentropy")).notes
    assert any("The softmax of one number is always 1" in note for note in notes)
    assert not any("gradient" in note for note in notes)
