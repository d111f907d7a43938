"""A trial is its model trained alone, for every layer, optimizer and schedule, vectorized or not.

No activation here has a kink: rounding puts what is exactly zero on either side of it.
"""

import dataclasses
import inspect
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.nn.layer import named_layers
from gradus.optim import optimizers, schedules
from gradus.sweep.execution.local import Local

RNG = np.random.default_rng(0)
ROWS, BATCH, EPOCHS = 24, 16, 2
Y = RNG.integers(0, 2, ROWS).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"


def some(*shape):
    return RNG.normal(size=(ROWS, *shape)).astype(np.float32)


# --- a few networks that contain all layers ---------------------------------------------------


def table():
    noises = [
        gr.GaussianNoise(gr.uniform(0.1, 0.5)),
        gr.MaskingNoise(gr.uniform(0.1, 0.5)),
        gr.SaltAndPepperNoise(gr.uniform(0.1, 0.5)),
    ]
    hidden = [
        gr.Dense(6, gr.Activation("leaky_relu", 0.1), kernel_regularizer=gr.L2(gr.uniform(0, 0.1))),
        gr.BatchNormalization(gr.uniform(0.5, 0.9)),
        gr.GroupNormalization(2, gr.uniform(0.1, 0.5)),
        gr.RMSNormalization(),
        gr.Dropout(gr.uniform(0.1, 0.5)),
        gr.AlphaDropout(gr.uniform(0.1, 0.3)),
        gr.GaussianDropout(gr.uniform(0.1, 0.3)),
        gr.ActivityRegularization(gr.uniform(0.01, 0.1), gr.uniform(0.01, 0.1)),
        gr.UnitNormalization(),
        gr.Maxout(6),
        gr.PReLU(),
        gr.ELU(gr.uniform(0.5, 1.5)),
        gr.Residual(
            [gr.LayerNormalization(), gr.Dense(6, "tanh", kernel_constraint=gr.MaxNorm(1.0))]
        ),
        gr.Repeat(gr.Dense(6, "elu"), 2),
        gr.Sparsity(gr.uniform(0.01, 0.1)),
        gr.Parallel([gr.Dense(3), gr.Dense(2)], "concatenate"),
        gr.Functional({"twin": gr.Dense(5)}, {"a": ("twin", "x"), "b": ("twin", "a")}),
        *merges(),
        gr.LeakyReLU(gr.uniform(0.9, 1.1)),
        gr.ReLU(None, gr.uniform(0.9, 1.1)),
    ]
    ends = [gr.Dense(2), gr.Softmax()]
    return gr.Sequential([gr.ColumnEmbedding((3, 4)), *noises, *hidden, *ends])


def merges():
    """Each layer that merges, after two branches."""
    kinds = gr.Add, gr.Subtract, gr.Multiply, gr.Average, gr.Maximum, gr.Minimum, gr.Concatenate
    return [layer for make in kinds for layer in (gr.Parallel([gr.Dense(4), gr.Dense(4)]), make())]


def pictures():
    drawn = [
        gr.RandomFlip(),
        gr.RandomTranslation(0.2, 0.2),
        gr.RandomRotation(0.1),
        gr.RandomZoom(gr.uniform(0.1, 0.2)),
        gr.RandomBrightness(gr.uniform(0.01, 0.1), (-3, 3)),
        gr.RandomContrast(gr.uniform(0.1, 0.2), (-3, 3)),
        gr.Normalization([0.0, 1.0], [1.0, 2.0]),
        gr.SpatialDropout2D(gr.uniform(0.1, 0.3)),
    ]
    layers = [
        gr.Rescaling(0.5),
        gr.RandomCrop(8, 8),
        gr.ZeroPadding2D(1),
        gr.Conv2D(3, 3, activation="tanh"),
        gr.DepthwiseConv2D(3, padding="same"),
        gr.SeparableConv2D(3, 3, padding="same"),
        gr.MaxPooling2D(),
        gr.BatchNormalization(),
        gr.Conv2DTranspose(2, 2, strides=2),
        gr.AveragePooling2D(),
        gr.UpSampling2D(),
        gr.Cropping2D(1),
        gr.Resizing(6, 6),
        gr.CenterCrop(5, 5),
    ]
    ends = [gr.GlobalAveragePooling2D(), gr.GlobalMaxPooling2D(), gr.Flatten()]
    return gr.Sequential([*drawn, *layers, gr.Parallel(ends, "concatenate"), gr.Dense(2)])


def series():
    layers = [
        gr.Conv1D(4, 3, padding="same", activation="tanh"),
        gr.MaxPooling1D(),
        gr.Conv1DTranspose(4, 2, strides=2),
        gr.AveragePooling1D(2, 1),
        gr.Reshape((7, 4)),
        gr.TimeDistributed(gr.Dense(3, "tanh")),
        gr.SpatialDropout1D(gr.uniform(0.1, 0.3)),
        gr.Permute((2, 1)),
        gr.Permute((2, 1)),
        gr.SeparableConv1D(4, 2),
        gr.UpSampling1D(),
        gr.Cropping1D(),
        gr.ZeroPadding1D(),
        gr.Lambda(jnp.sin),
        gr.Identity(),
    ]
    repeated = gr.Sequential([gr.GlobalAveragePooling1D(), gr.RepeatVector(2), gr.Flatten()])
    ends = [gr.GlobalAveragePooling1D(), gr.GlobalMaxPooling1D(), repeated]
    return gr.Sequential([*layers, gr.Parallel(ends, "concatenate"), gr.Dense(2)])


def volumes():
    layers = [
        gr.Conv3D(2, 2, activation="tanh"),
        gr.AveragePooling3D(1),
        gr.MaxPooling3D((1, 1, 3)),
    ]
    ends = [gr.GlobalAveragePooling3D(), gr.GlobalMaxPooling3D()]
    return gr.Sequential([*layers, gr.Parallel(ends, "concatenate"), gr.Dense(2)])


def recurrent():
    layers = [
        gr.Masking(),
        gr.SimpleRNN(3, dropout=gr.uniform(0.1, 0.5), return_sequences=True),
        gr.Bidirectional(gr.GRU(2, dropout=gr.uniform(0.1, 0.5), return_sequences=True)),
        gr.LSTM(3, dropout=gr.uniform(0.1, 0.5)),
    ]
    return gr.Sequential([*layers, gr.Dense(2, "softmax")])


def words():
    layers = [
        gr.Embedding(6, 4, mask_zero=True),
        gr.PositionalEncoding(),
        gr.PositionalEmbedding(5),
        gr.TransformerEncoder(2, 4, dropout=gr.uniform(0.1, 0.5)),
        gr.GlobalAveragePooling1D(),
    ]
    return gr.Sequential([*layers, gr.Dense(2, "softmax")])


def padded(*shape):
    values = some(*shape)
    values[: ROWS // 2, shape[0] // 2 :] = 0
    return values


NETS = {table: {"numbers": some(3), "categories": RNG.integers(0, 3, (ROWS, 2))},
        pictures: some(9, 9, 2), series: some(8, 2), volumes: some(3, 3, 4, 1),
        recurrent: padded(5, 2), words: RNG.integers(0, 6, (ROWS, 5))}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS, ids=lambda net: net.__name__)
def test_every_layer(net):
    # Plain SGD: Adam turns the rounding errors of a zero gradient into full steps.
    optimizer = gr.SGD(gr.log_uniform(1e-2, 1e-1), momentum=0.9)
    penalty, seed = gr.L1(gr.uniform(0, 0.01)), gr.int_uniform(0, 99)
    model = gr.Model(net(), LOSS, optimizer, [LOSS], penalty=penalty, seed=seed)
    held = jax.tree.map(lambda a: a[:8], NETS[net]), Y[:8]
    # A sweep monitors the metric, and so does `fit` here: with another it is another program.
    options = {"validation_data": held, "monitor": f"val_{LOSS}"}
    assert_trials_are_solo_runs(model, NETS[net], **options)


def test_no_layer_is_left_out():
    every = {name for name in gr.__all__ if is_layer(getattr(gr, name))} - {"Layer"}
    built = [gr.init(settled(net), 0, x) for net, x in NETS.items()]
    held = {type(layer).__name__ for net in built for _, layer in named_layers(net)}
    assert every - held == set()


def settled(net):
    """A network with a value for each of its spaces."""
    made = {"net": net()}
    hypers = find_hyperparameters(made)
    values = {name: hyper.space.value_at(0.5) for name, hyper in hypers.items()}
    return resolve(made, hypers, values)["net"]


def is_layer(value):
    return inspect.isclass(value) and issubclass(value, gr.Layer)


# --- one network with each optimizer, most with one of the schedules -------------------------


def function(step):
    return 0.1 / (1 + jnp.asarray(step, jnp.float32))


PARTS = {  # arguments of each schedule, by its canonical name
    "function": (function,),
    "constant": (gr.choice(0.1, 0.3),),
    "step": (gr.choice(0.1, 0.3), 2, gr.uniform(0.1, 0.9)),
    "piecewise": ((2, 4), (gr.choice(0.1, 0.3), 0.2, 0.1)),
    "exponential": (gr.choice(0.1, 0.3), 3, 0.5),
    "inverse_time": (gr.choice(0.1, 0.3), 3, gr.uniform(0.1, 0.9)),
    "polynomial": (gr.choice(0.1, 0.3), gr.int_uniform(2, 6)),
    "cosine": (gr.choice(0.1, 0.3), 4),
    "warmup": (2, gr.choice(0.1, 0.3), schedules.CosineDecay(0.2, 4)),
    "one_cycle": (gr.choice(0.1, 0.3), 4),
    "reduce_on_plateau": (gr.choice(0.1, 0.3), 0.5, 0, 10.0),  # reduced after each epoch
}


def firsts(registry):
    """The canonical names of a registry."""
    return [name for name in registry if registry.name_of(registry.find(name)) == name]


def kinds():
    names = itertools.zip_longest(firsts(schedules.REGISTRY), firsts(optimizers.REGISTRY))
    for schedule, name in names:
        rate = gr.uniform(0.01, 0.1)
        if schedule is not None:
            rate = schedules.get(schedules.REGISTRY.find(schedule)(*PARTS[schedule]))
        made = dataclasses.replace(optimizers.get(name or "sgd"), learning_rate=rate)
        yield f"{name or 'sgd'} {schedule or 'rate'}", made


KINDS = dict(kinds())
FLAT = some(3)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_optimizer_and_schedule(name):
    model = gr.Model(gr.Dense(2, "softmax"), LOSS, KINDS[name], seed=gr.int_uniform(0, 99))
    assert_trials_are_solo_runs(model, FLAT, validation_split=0.0)


# --- trained side by side and alone -----------------------------------------------------------


def assert_trials_are_solo_runs(model, x, **options):
    full = getattr(model.optimizer, "full_batch", False)
    options |= {"epochs": EPOCHS, "verbose": False}
    options["batch_size"] = None if full else BATCH  # the last batch is padded
    apart, mapped = (
        gr.Sweep(model, 2, executor=Local(width=width)).fit(x, Y, **options) for width in (1, 2)
    )
    for trial, other in zip(apart.trials, mapped.trials, strict=True):
        assert trial.status == other.status == "finished"
        assert trial.values == other.values
        alone = gr.Model(**resolve(model.settings, apart.hypers, trial.values))
        alone.fit(x, Y, probes=False, **options)
        for found in (*apart.member_models(trial), *mapped.member_models(other)):
            assert_same(found, alone, x)


def assert_same(found, alone, x):
    assert set(found.history) == set(alone.history)
    for name in alone.history:
        np.testing.assert_allclose(found.history[name], alone.history[name], rtol=1e-5)
    for path, weight in alone.weights.items():
        np.testing.assert_allclose(found.weights[path], weight, rtol=1e-4, atol=1e-6, err_msg=path)
    np.testing.assert_allclose(found.predict(x), alone.predict(x), rtol=1e-4, atol=1e-6)
