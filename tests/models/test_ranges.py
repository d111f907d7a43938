"""Inputs of another range than those of the training: told where it is no chance."""

import warnings

import numpy as np
import pytest

import gradus as gr

RNG = np.random.default_rng(0)
SHARES = RNG.uniform(size=(60, 4, 5)).astype(np.float32)
SHARES.flat[:2] = 0, 1
BYTES = np.rint(255 * SHARES)
Y = np.arange(60) % 2


@pytest.fixture(scope="module")
def trained():
    def fitted(x):
        net = gr.Sequential([gr.Flatten(), gr.Dense(2, "softmax")])
        model = gr.Model(net, "sparse_categorical_crossentropy")
        model.fit(x, Y, epochs=1, verbose=False, probes=False)
        return model

    standard = (SHARES - SHARES.mean()) / SHARES.std()
    given = {"shares": SHARES, "bytes": BYTES.astype(np.uint8), "standard": standard}
    return {name: fitted(x) for name, x in given.items()}


@pytest.mark.parametrize(
    ("model", "x", "now", "then"),
    [
        ("shares", BYTES, "0 and 255", "0 and 1"),
        ("shares", BYTES[:1].astype(np.uint8), None, None),
        ("standard", BYTES, "0 and 255", None),
        ("bytes", SHARES[:1], None, "0 and 255"),
        ("bytes", SHARES.astype(np.float64), "0 and 1", "0 and 255"),
    ],
)
def test_another_range_is_a_warning_that_names_both(trained, model, x, now, then, tmp_path):
    loaded = gr.Model.load(trained[model].save(tmp_path))
    calls = [
        lambda: trained[model].predict(x),
        lambda: trained[model].evaluate(x, Y[: len(x)]),
        lambda: loaded.predict_classes(x),
    ]
    for call in calls:
        with pytest.warns(RuntimeWarning, match="but the network was trained on inputs") as told:
            call()
        message = str(told[0].message)
        for words in (now and f"x is between {now},", then and f"inputs between {then}:"):
            assert words is None or words in message
        assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("model", "x"),
    [
        ("shares", 3 * SHARES),  # brighter
        ("shares", -SHARES),
        ("shares", np.where(RNG.uniform(size=SHARES.shape) < 0.1, 50, SHARES)),  # outliers
        ("standard", 7 * SHARES),
        ("bytes", 0 * BYTES),  # a black image
        ("bytes", BYTES / 100),  # a dark one
        ("bytes", BYTES > 128),
    ],
)
def test_other_samples_of_the_same_range_are_none(trained, model, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained[model].predict(x)


def test_few_columns_may_lie_beyond_all_others():
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse")
    model.fit(SHARES[:, 0, :1], Y, epochs=1, verbose=False, probes=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(np.linspace(0, 100, 50)[:, None])
