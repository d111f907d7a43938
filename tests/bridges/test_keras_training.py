"""Losses, optimizers, schedules, and metrics are carried with their numbers, both ways."""

import keras
import numpy as np
import pytest
from keras import layers as k
from keras import losses as keras_losses
from keras import optimizers as o
from keras.optimizers import schedules as s

import gradus as gr

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OPTIMIZERS = [
    (lambda: o.SGD(0.1), gr.SGD(0.1)),
    (lambda: o.SGD(0.1, 0.9, nesterov=True), gr.SGD(0.1, 0.9, nesterov=True)),
    (lambda: o.Adam(0.003, beta_1=0.8, clipnorm=1.0), gr.Adam(0.003, beta_1=0.8, clipnorm=1.0)),
    (lambda: o.AdamW(0.01, weight_decay=0.1), gr.AdamW(0.01, weight_decay=0.1)),
    (lambda: o.Adamax(0.01, clipvalue=0.5), gr.Adamax(0.01, clipvalue=0.5)),
    (lambda: o.Nadam(0.01, global_clipnorm=2.0), gr.Nadam(0.01, global_clipnorm=2.0)),
    (lambda: o.RMSprop(0.01, centered=True), gr.RMSprop(0.01, centered=True)),
    (lambda: o.RMSprop(0.01, momentum=0.5), gr.RMSprop(0.01, momentum=0.5)),
    (lambda: o.Adagrad(0.1, weight_decay=0.01), gr.Adagrad(0.1, weight_decay=0.01)),
    (lambda: o.Adadelta(1.0, rho=0.9), gr.Adadelta(1.0, rho=0.9)),
    (lambda: o.Lion(0.001), gr.Lion(0.001)),
]
SCHEDULES = [
    (lambda: s.ExponentialDecay(0.1, 10, 0.5), gr.schedules.ExponentialDecay(0.1, 10, 0.5)),
    (
        lambda: s.ExponentialDecay(0.1, 10, 0.5, staircase=True),
        gr.schedules.StepDecay(0.1, 10, 0.5),
    ),
    (lambda: s.InverseTimeDecay(0.1, 10, 0.5), gr.schedules.InverseTimeDecay(0.1, 10, 0.5)),
    (lambda: s.PolynomialDecay(0.1, 10, 0.01, 2.0), gr.schedules.PolynomialDecay(0.1, 10, 0.01, 2)),
    (lambda: s.CosineDecay(0.1, 10, 0.1), gr.schedules.CosineDecay(0.1, 10, 0.1)),
    (
        lambda: s.CosineDecay(0.01, 10, warmup_target=0.1, warmup_steps=5),
        gr.schedules.WarmUp(5, 0.1, then=gr.schedules.CosineDecay(0.1, 10), start=0.01),
    ),
    (
        lambda: s.PiecewiseConstantDecay([3, 7], [0.3, 0.2, 0.1]),
        gr.schedules.PiecewiseConstant((4, 8), (0.3, 0.2, 0.1)),
    ),
]
LOSSES = [
    ("mae", gr.losses.MeanAbsoluteError()),
    (keras_losses.MeanSquaredError(), gr.losses.MeanSquaredError()),
    (keras_losses.LogCosh(), gr.losses.LogCosh()),
    (keras_losses.Poisson(), gr.losses.Poisson()),
    (keras_losses.SquaredHinge(), gr.losses.SquaredHinge()),
    (
        keras_losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        gr.losses.BinaryCrossentropy(0.1),
    ),
    (
        keras_losses.CategoricalFocalCrossentropy(gamma=1.0, from_logits=True),
        gr.losses.CategoricalFocalCrossentropy(gamma=1.0),
    ),
]


def small(optimizer="sgd", loss="mse", metrics=None, activation=None):
    model = keras.Sequential([keras.Input((3,)), k.Dense(2, activation)])
    model.compile(optimizer, loss, metrics=metrics)
    return model


@pytest.mark.parametrize(("theirs", "ours"), OPTIMIZERS, ids=lambda value: str(value)[:20])
def test_optimizers(theirs, ours):
    model = gr.from_keras(small(theirs()))
    assert model.optimizer == ours
    back, expected = gr.to_keras(model).optimizer.get_config(), theirs().get_config()
    assert back.pop("learning_rate") == pytest.approx(expected.pop("learning_rate"))
    assert {**back, "name": ""} == {**expected, "name": ""}


@pytest.mark.parametrize(("theirs", "ours"), SCHEDULES, ids=lambda value: str(value)[:20])
def test_schedules_give_the_same_rates(theirs, ours):
    carried = gr.from_keras(small(o.SGD(theirs()))).optimizer.learning_rate
    model = gr.Model(gr.Dense(2), "mse", gr.SGD(ours)).build(np.zeros((1, 3)))
    back = gr.to_keras(model).optimizer._learning_rate
    for step in range(18):
        expected = float(theirs()(step))
        assert float(carried(step)) == pytest.approx(expected, rel=1e-5)
        assert float(ours(step)) == pytest.approx(expected, rel=1e-5)
        assert float(back(step)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("theirs", "ours"), LOSSES, ids=lambda value: str(value)[:30])
def test_losses(theirs, ours):
    model = gr.from_keras(small(loss=theirs))
    assert model.task.objectives.loss == ours
    back = gr.to_keras(model).loss
    if not isinstance(theirs, str):
        assert type(back) is type(theirs)
        assert {**back.get_config(), "name": ""} == {**theirs.get_config(), "name": ""}


def test_what_gradus_lacks_is_named_or_told(tmp_path):
    with pytest.raises(gr.GradusError, match=r"gradus has no Ftrl .* optimizer=gr\.Adam"):
        gr.from_keras(small(o.Ftrl()))
    assert gr.from_keras(small(o.Ftrl()), optimizer="adam").optimizer == gr.Adam()
    with pytest.raises(gr.GradusError, match="amsgrad=True cannot be carried"):
        gr.from_keras(small(o.Adam(amsgrad=True)))
    with pytest.raises(gr.GradusError, match="gradus has no CosineDecayRestarts"):
        gr.from_keras(small(o.Adam(s.CosineDecayRestarts(0.1, 10))))
    with pytest.raises(gr.GradusError, match="reduction='sum' cannot be carried"):
        gr.from_keras(small(loss=keras_losses.MeanSquaredError(reduction="sum")))
    with pytest.raises(gr.GradusError, match=r"gradus has no Tversky; give another, loss="):
        gr.from_keras(small(loss=keras_losses.Tversky()))
    with pytest.warns(UserWarning, match="the metric 'Precision' is not carried"):
        model = gr.from_keras(small(metrics=[keras.metrics.Precision(), "mae"]))
    assert [metric.name for metric in model.task.objectives.metrics] == ["mae"]
    with pytest.warns(UserWarning, match="'auc' is the mean over the classes, where Keras counts"):
        gr.from_keras(small(metrics=["AUC"]))
    by_class = keras.metrics.AUC(multi_label=True, num_labels=2)
    assert gr.from_keras(small(metrics=[by_class])).task.objectives.metrics[0].name == "auc"
    with pytest.warns(UserWarning, match="Keras does not write the delta of a Huber loss"):
        gr.from_keras(small(loss=keras_losses.Huber(0.5)))
    own = small(loss=lambda y, p: (y - p) ** 2)
    with pytest.raises(gr.GradusError, match="code of its author"):
        gr.from_keras(own)
    uncompiled = keras.Sequential([keras.Input((3,)), k.Dense(2, "softmax")])
    with pytest.warns(UserWarning, match="no loss, so sparse_categorical_crossentropy was taken"):
        gr.from_keras(uncompiled)


def test_outputs_that_keras_was_told_wrongly_of_are_told():
    loss = keras_losses.CategoricalCrossentropy(from_logits=True)
    with pytest.warns(UserWarning, match="told that the outputs are logits, but they are prob"):
        gr.from_keras(small(loss=loss, activation="softmax"))
    with pytest.warns(UserWarning, match="told that the outputs are probabilities, but they are l"):
        gr.from_keras(small(loss="binary_crossentropy"))


@pytest.mark.parametrize(
    ("loss", "optimizer", "message"),
    [
        ("rmse", "sgd", "not compiled: The loss cannot be carried: Keras has no RootMean"),
        (lambda y, p: (y - p) ** 2, "sgd", "not compiled: The loss cannot"),
        ("mse", "radam", "not compiled: the optimizer RAdam cannot be carried"),
        ("mse", gr.Adam(layer_rates={"dense": 0.1}), "Keras's Adam has no layer_rates"),
        ("mse", gr.Adam(gr.schedules.OneCycle(0.1, 10)), "the learning rate cannot be carried"),
    ],
)
def test_a_model_that_keras_cannot_compile_is_told(loss, optimizer, message):
    net = gr.Sequential([gr.Dense(2)])
    model = gr.Model(net, loss, optimizer).build(np.zeros((1, 3)))
    with pytest.warns(UserWarning, match=message):
        written = gr.to_keras(model)
    assert not written.compiled


def test_decay_spares_the_same_weights():
    optimizer = gr.AdamW(0.1, weight_decay=0.5, exclude_from_weight_decay=("bias",))
    model = gr.Model(gr.Dense(2), "mse", optimizer).build(np.zeros((1, 3)))
    written = gr.to_keras(model).optimizer
    kernel, bias = gr.to_keras(model).layers[-1].weights
    assert [written._use_weight_decay(v) for v in (kernel, bias)] == [True, False]
