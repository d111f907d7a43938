"""Wrong arguments of a model and of `fit` are told before training, in words."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)


def fit(x=X, net=None, **settings):
    model = gr.Model(net or gr.Sequential([gr.Dense(1)]), "mse")
    return model.fit(x, X[:, :1], epochs=1, verbose=False, **settings)


class ThreeArguments:
    def __call__(self, model, epoch, logs):
        return True


def test_one_callback_may_stand_alone():
    calls = []
    fit(callbacks=lambda model, epoch, logs: calls.append(epoch))
    assert calls == [1]
    fit(callbacks=ThreeArguments())
    fit(callbacks=None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"callbacks": [print, lambda logs: None]}, r"callbacks\[1\].*three arguments"),
        ({"callbacks": [ThreeArguments]}, r"callbacks\[0\]"),
        ({"callbacks": 3}, "callbacks=3"),
        ({"callbacks": ["x"]}, r"callbacks\[0\] is 'x'"),
        ({"checkpoint": 3}, "checkpoint=3: write the path of a folder"),
        ({"resume": 3}, "resume=3: write the path of a folder"),
        ({"checkpoint_every": "x"}, "checkpoint_every='x'"),
        ({"callbacks": np.array(1)}, "callbacks=array"),
        ({"monitor": np.ones(2)}, "Unknown monitor"),
        ({"mode": np.ones(2)}, "mode=array"),
        ({"validation_split": np.ones(2)}, "validation_split=array"),
        ({"validation_split": []}, "validation_split="),
        ({"restore_best": np.ones(2)}, "restore_best=array.*True or False"),
        ({"probes": "x"}, "probes='x'"),
        ({"devices": np.ones(2)}, "devices=array"),
    ],
)
def test_wrong_arguments_are_told_before_training(settings, words):
    with pytest.raises(GradusError, match=words):
        fit(**settings)


@pytest.mark.parametrize("x", [{"a": X, "b": X}, (X, X)])
@pytest.mark.parametrize(
    "layer",
    [
        gr.Dense(2),
        gr.Flatten(),
        gr.BatchNormalization(),
        gr.Dropout(0.1),
        gr.LSTM(2),
        gr.Embedding(3, 2),
    ],
)
def test_several_inputs_of_a_layer_that_takes_one_are_told(x, layer):
    with pytest.raises(ShapeError, match=r"takes one array but was given a (dict|tuple) of x\["):
        fit(x, gr.Sequential([layer, gr.Dense(1)]))


def test_a_layer_of_your_own_that_takes_one_array_is_named_too():
    class Own(gr.Layer):
        def call(self, x):
            return x.sum(-1)

    with pytest.raises(ShapeError, match=r"'own' \(Own\) cannot take its input"):
        fit((X, X), gr.Sequential([Own(), gr.Dense(1)]))


def test_penalty_and_loss_weights_are_checked_where_written():
    net = gr.Sequential([gr.Dense(1)])
    assert gr.Model(net, "mse", penalty="l2").task.penalty == gr.L2()
    for settings, words in (
        ({"penalty": "l3"}, "'l3'"),
        ({"penalty": 3}, "not 3"),
        ({"loss_weights": "x"}, "loss_weights='x'"),
        ({"metrics": np.array(1)}, "A metric is a name"),
        ({"metrics": [gr.metrics.LossMetric(gr.losses.Huber()), len]}, "is called as"),
        ({"optimizer": gr.SGD(np.ones(3))}, r"SGD\(learning_rate=array.*one number"),
    ):
        with pytest.raises(GradusError, match=words):
            gr.Model(net, "mse", **settings)


@pytest.mark.parametrize(
    ("loss", "settings", "words"),
    [
        ({"kind": "mse", "value": "mse"}, {"loss_weights": {"val": 0.5}}, "'val'.*mean 'value'"),
        ({"kind": "mse", "value": "mse"}, {"metrics": {"kin": ["mae"]}}, "'kin'.*mean 'kind'"),
        (["mse", "mse"], {"loss_weights": {"value": 0.5}}, "'value'. Known: 0, 1"),
        (["mse", "mse"], {"loss_weights": [1.0, 0.5, 2.0]}, "3 entries, but there are 2 losses"),
        ("mse", {"metrics": {"mae": []}}, "there is one loss: leave out the names"),
    ],
)
def test_weights_and_metrics_of_an_output_without_a_loss_are_refused(loss, settings, words):
    net = gr.Sequential([gr.Dense(1)])
    with pytest.raises(GradusError, match=words):
        gr.Model(net, loss, **settings)


def test_weights_and_metrics_may_leave_outputs_out():
    net, loss = gr.Sequential([gr.Dense(1)]), {"kind": "mse", "value": "mse"}
    task = gr.Model(net, loss, loss_weights={"value": 0.5}, metrics={"kind": ["mae"]}).task
    assert [part.weight for part in task.objectives.values()] == [1.0, 0.5]
    assert [len(part.metrics) for part in task.objectives.values()] == [1, 0]


def test_a_fit_that_failed_at_a_shape_leaves_the_model_open_for_another():
    model = gr.Model(gr.Sequential([gr.LSTM(2), gr.Dense(1)]), "mse")
    with pytest.raises(ShapeError):
        model.fit(X, X[:, :1], epochs=1, verbose=False)
    model.fit(X[..., None], X[:, :1], epochs=1, probes=False, verbose=False)
