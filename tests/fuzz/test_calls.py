"""Random calls of the API work, or are refused with an error that says why; nothing else happens.

An object is made with one or two odd arguments; if that succeeds, it takes part in a small
training. `make fuzz` tries many more calls than `make test`.
"""

import contextlib
import functools
import inspect
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradus as gr
from gradus.errors import GradusError
from gradus.optim.base import Optimizer
from gradus.space import Space
from gradus.sweep.strategies.base import Strategy

LONG = "GRADUS_FUZZ_EXAMPLES" in os.environ  # else the same examples in every run
EXAMPLES = int(os.environ.get("GRADUS_FUZZ_EXAMPLES", "25"))


def fuzzed(examples):
    return settings(
        max_examples=examples, derandomize=not LONG, deadline=None,
        suppress_health_check=list(HealthCheck), database=None,
    )  # fmt: skip


HUGE = 10**30
ODD = [
    *(None, "x", "", "é\n", -1, 0, 3, 3.7, -0.5, float("nan"), float("inf"), 1e400, 1 + 2j),
    *(True, False, [], [1, "a"], [1, 2], (), (1, 2), (None,), {}, {"a": 1}, {1, 2}, HUGE, -HUGE),
    *(b"x", object(), object, len, np.nan, int, gr.Dense, gr.Dense(2), gr.Adam(), np.float64(0.5)),
    *(np.array([1, 2]), np.array(1 + 2j), np.array("x"), np.zeros((0, 2)), np.array(0.5)),
    *(jnp.ones(3), jnp.array(1.0), gr.choice(1, "x"), gr.uniform(0, 1), lambda: 0, lambda x: x),
]
odd_values = (
    st.sampled_from(ODD) | st.floats() | st.integers(-5, 9) | st.text("aé:% \n\0", max_size=4)
)

# What gradus makes itself, or what subclasses are written of: no one calls their constructors.
NOT_CALLED = {"ActivationInfo", "ArrayPreprocessor", "Dataset", "Layer", "Registry", "Scaling"}
NOT_CALLED |= {"Space", "TablePreprocessor", "TableStream", "Target"}

# Arguments without a default, by name, and by class where the name means something else.
GIVEN = {
    **dict.fromkeys(("units", "filters", "num_heads", "height", "width", "times"), 2),
    **dict.fromkeys(("kernel_size", "hidden", "input_dim", "output_dim", "count"), 3),
    **dict.fromkeys(("rate", "stddev", "factor", "height_factor", "width_factor", "scale"), 0.5),
    **dict.fromkeys(("strength", "learning_rate", "initial_learning_rate", "maximum"), 0.1),
    **dict.fromkeys(("decay_steps", "every", "steps", "total_steps"), 10),
    "length": 4,
    "target": 0.1,
    "decay_rate": 0.9,
    "low": 1,
    "high": 2,
    "first": 1,
    "n": 2,
    "dims": (1,),
    "boundaries": (3,),
    "values": (0.1, 0.2),
    "cardinalities": (4, 5),
    "target_shape": (-1,),
    "widths": (3, 2),
    "activation": "relu",
    "function": jnp.abs,
    "loss": "mse",
    "encoder": [3, 2],
    "layers": [gr.Dense(2)],
    "branches": [gr.Dense(2), gr.Dense(2)],
    "layer": gr.Dense(2),
    "net": gr.Dense(1),
    "generator": gr.Dense(2),
    "discriminator": gr.Dense(1),
    "Bidirectional.layer": gr.LSTM(2),
    "Functional.layers": {"twin": gr.Dense(3)},
    "Functional.calls": {"a": ("twin", "x"), "b": ("twin", "a")},
    "FunctionLoss.function": lambda y, p: (y - p) ** 2,
    "FunctionPenalty.function": lambda w: abs(w).sum(),
    "FunctionTask.function": lambda net, x, y: ((net(x) - y) ** 2).mean(-1),
    "LossMetric.loss": gr.losses.MeanSquaredError(),
    "GroupNormalization.groups": 1,
    "Normalization.mean": 0.5,
    "Normalization.variance": 2.0,
    "Residual.layers": [gr.Dense(2), gr.Dense(2)],
    "Repeat.layer": gr.Dense(2),
    "SearchCV.estimator": gr.Classifier([], epochs=1),
    "SearchCV.param_distributions": {"learning_rate": [0.1]},
    "Sweep.model": gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.1, 0.2))),
}


def choice(first, second=2, name=None):
    return gr.choice(first, second, name=name)


FUNCTIONS = [choice, gr.uniform, gr.log_uniform, gr.int_uniform, gr.linspace, gr.logspace]
FUNCTIONS += [gr.mlp, gr.metrics.binary_accuracy]
MODULES = [gr, gr.data, gr.initializers, gr.losses, gr.metrics, gr.penalties, gr.schedules]


def public_classes():
    """Return the classes that users call, each once, in order."""
    found = {}
    for module in MODULES:
        for name in dir(module) if module is not gr else gr.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and value.__module__.startswith("gradus"):
                found.setdefault(value, name)
    return [
        cls
        for cls, name in found.items()
        if not (name in NOT_CALLED or inspect.isabstract(cls) or issubclass(cls, Exception))
    ]


CALLED = [f for f in [*public_classes(), *FUNCTIONS] if inspect.signature(f).parameters]


def arguments_of(function):
    """Return the names of the arguments that are given by name, and values for those it needs."""
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = {}
    for p in parameters:
        own = f"{function.__name__}.{p.name}"
        if (p.default is p.empty or own in GIVEN) and p.name in names:
            required[p.name] = GIVEN.get(own, GIVEN.get(p.name))
            assert required[p.name] is not None, f"GIVEN lacks {function.__name__}.{p.name}"
    return names, required


@st.composite
def calls(draw):
    """A class or function, and arguments of which one or two are odd."""
    function = draw(st.sampled_from(CALLED))
    names, required = arguments_of(function)
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    return function, {**required, **{name: draw(odd_values) for name in chosen}}


RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(8, 2)).astype(np.float32), RNG.uniform(size=(8, 1)).astype(np.float32)
SEQUENCES = RNG.uniform(size=(8, 4, 2)).astype(np.float32)
IMAGES = RNG.uniform(size=(8, 5, 4, 2)).astype(np.float32)
VOLUMES = RNG.uniform(size=(8, 3, 4, 3, 2)).astype(np.float32)
CODES = RNG.integers(0, 3, (8, 2))
TABLE = {"a": ["1,5", "2", "x", "4"] * 5, "b": list("yyxx") * 5, "c": ["01.02.2024"] * 20}


@functools.cache
def inputs_of(cls):
    """Return inputs that a layer made with valid arguments takes."""
    if cls not in CALLED:
        return X
    if "Embedding" in cls.__name__ and cls is not gr.PositionalEmbedding:
        return CODES
    for x in (X, SEQUENCES, IMAGES, VOLUMES, {"a": X, "b": X}):
        try:
            gr.Model(cls(**arguments_of(cls)[1]), "mse").build(x)
        except GradusError:
            continue
        return x
    raise AssertionError(f"No inputs fit {cls.__name__}.")


def train(net=None, loss="mse", optimizer="sgd", metrics=(), x=X, **settings):
    net = gr.Dense(1) if net is None else net
    model = gr.Model(net, loss, optimizer, metrics, **settings)
    model.fit(x, Y[: len(jax.tree.leaves(x)[0])], epochs=1, verbose=False)


def train_weights(**settings):
    train(gr.Dense(1, **settings))


def draw(space):
    value = space.value_at(0.5)
    assert space.contains(value)
    return space.label(value), space.option(value)


def prepare(preprocessing):
    for data in (gr.data.load(X), gr.data.load(TABLE, "b")):
        data.xy(data.preprocessor(preprocessing))


def read(options):
    data = gr.data.load(TABLE, "b", options=options)
    data.xy(data.preprocessor())


def search(strategy):
    gr.Sweep(GIVEN["Sweep.model"], 2, strategy=strategy).fit(X, Y, epochs=1, verbose=False)


def fit(model):
    y = {gr.Model: Y, gr.Sweep: Y, gr.Perceptron: Y > 0.5}.get(type(model))
    model.fit(X, y, epochs=1, verbose=False)


def estimate(made):
    """Fit and predict with an estimator of scikit-learn's kind, in one epoch."""
    if not isinstance(made, gr.SearchCV) and made.epochs is None:
        made.set_params(epochs=1)
    made.fit(X, Y[:, 0] if isinstance(made, gr.Regressor) else np.arange(8) % 2).predict(X)


# How what was made is used, by its class; the first that fits counts.
USED = {
    gr.Layer: lambda made: train(
        gr.Sequential([made, gr.Flatten(), gr.Dense(1)]), x=inputs_of(type(made))
    ),
    Optimizer: lambda made: train(optimizer=made),
    gr.schedules.Schedule: lambda made: train(optimizer=gr.SGD(made)),
    gr.losses.Loss: lambda made: train(loss=made),
    gr.FunctionTask: lambda made: train(loss=made),
    gr.metrics.Metric: lambda made: train(metrics=[made]),
    gr.penalties.Penalty: lambda made: train_weights(kernel_regularizer=made),
    gr.penalties.Constraint: lambda made: train_weights(kernel_constraint=made),
    gr.Model: fit,
    gr.Sweep: fit,
    (gr.Classifier, gr.Regressor, gr.SearchCV): estimate,
    Space: draw,
    gr.data.Preprocessing: prepare,
    gr.data.TableOptions: read,
    gr.data.ColumnFormat: lambda made: read(gr.data.TableOptions(columns={"a": made})),
    gr.data.TextVectorizer: lambda made: made.inverse(made.fit(["a b", "b"]).transform(["a c"])),
    Strategy: search,
    object: lambda made: train_weights(kernel_initializer=made),
}


def use(made):
    """Let what was made take part in a small training."""
    next(do for cls, do in USED.items() if isinstance(made, cls))(made)


def model():
    return gr.Model(gr.Sequential([gr.Dense(1)]), "mse")


def trained():
    made = model()
    made.fit(X, Y, epochs=1, verbose=False)
    return made


DATA = {"x": X, "y": Y}
QUICK = {**DATA, "epochs": 1, "verbose": False}
# How each function is made, and valid arguments, all of which may be replaced by odd ones.
USES = {
    "fit": (lambda: model().fit, QUICK),
    "refit": (lambda: trained().fit, QUICK),
    "evaluate": (lambda: trained().evaluate, DATA),
    "predict": (lambda: trained().predict, {"x": X}),
    "predict_classes": (lambda: trained().predict_classes, {"x": X}),
    "find_learning_rate": (lambda: model().find_learning_rate, {**DATA, "steps": 2}),
    "build": (lambda: model().build, {"x": X}),
    "save": (lambda: trained().save, {"path": "m"}),
    "Model.load": (lambda: gr.Model.load, {"path": "m"}),
    "load_weights": (lambda: trained().load_weights, {"path": "m"}),
    "Sweep.fit": (lambda: gr.Sweep(GIVEN["Sweep.model"], 2).fit, QUICK),
    "fit_all": (lambda: gr.fit_all, {"models": [model(), model()], **DATA, "epochs": 1}),
    "pretrain": (lambda: gr.StackedAutoencoder([2, 1]).pretrain, {"x": X, "epochs": 1}),
    "Perceptron.fit": (lambda: gr.Perceptron().fit, {**QUICK, "y": Y > 0.5}),
    "Autoencoder.fit": (lambda: gr.Autoencoder([2, 1]).fit, {"x": X, "epochs": 1}),
    "inside": (lambda: gr.inside, {"model": trained(), **DATA}),
    "check_gradients": (lambda: gr.check_gradients, {"model": trained(), **DATA, "most": 2}),
    "attention_weights": (lambda: gr.attention_weights, {"net": trained().net, "x": X}),
    "init": (lambda: gr.init, {"net": gr.Dense(1), "seed": 0, "example": X}),
    "fresh": (lambda: gr.fresh, {"net": trained().net}),
    "descend": (
        lambda: gr.descend,
        dict(
            zip(
                ("function", "start", "optimizer", "steps"),
                (lambda w: w**2, 1.0, "sgd", 2),
                strict=True,
            )
        ),
    ),
    "load": (lambda: gr.data.load, {"source": TABLE, "target": "b"}),
    "load arrays": (lambda: gr.data.load, {"source": (X, Y)}),
    "preprocessor": (lambda: gr.data.load(TABLE, "b").preprocessor, {}),
    "split": (lambda: gr.data.split, {"n_or_y": 8}),
    "k_folds": (lambda: gr.data.k_folds, {"n_or_y": 8}),
    "windows": (lambda: gr.data.windows, {"series": X, "length": 2}),
    "pad_sequences": (lambda: gr.data.pad_sequences, {"sequences": [[1, 2], [3]]}),
    "TextVectorizer.fit": (lambda: gr.data.TextVectorizer().fit, {"texts": ["a b"]}),
    "blobs": (lambda: gr.data.blobs, {"n": 9}),
    "spirals": (lambda: gr.data.spirals, {"n": 9}),
    "circles": (lambda: gr.data.circles, {"n": 9}),
    "two_moons": (lambda: gr.data.two_moons, {"n": 9}),
    "xor": (lambda: gr.data.xor, {"n": 9}),
    "preprocessor_from_dict": (lambda: gr.data.preprocessor_from_dict, {"saved": {}}),
    "read_table": (lambda: gr.data.read_table, {"path": "t.csv"}),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


KEEPING = (gr.Layer, gr.penalties.Penalty, gr.penalties.Constraint, gr.schedules.Schedule)


@pytest.mark.parametrize("huge", [10**30, 2**70])
def test_whole_numbers_beyond_32_bits_are_refused_or_become_floats(huge):
    """JAX has no such integers, and what a layer or a penalty keeps goes into it as it is."""
    for cls in CALLED:
        names, required = arguments_of(cls)
        for name in names:
            default = required.get(name, inspect.signature(cls).parameters[name].default)
            if isinstance(default, bool) or not isinstance(default, int | float) or name == "axis":
                continue
            with contextlib.suppress(GradusError):
                made = cls(**{**required, name: huge})
                if isinstance(made, KEEPING):
                    assert isinstance(getattr(made, name), float), f"{cls.__name__}.{name}"


@pytest.mark.slow
@fuzzed(20 * EXAMPLES)
@given(calls())
def test_odd_arguments_are_taken_or_refused(call):
    function, arguments = call
    with contextlib.suppress(GradusError):
        function(**arguments)


@pytest.mark.slow
@fuzzed(max(5, EXAMPLES // 3))
@given(calls())
def test_what_was_made_of_odd_arguments_trains_or_is_refused(call):
    function, arguments = call
    with contextlib.suppress(GradusError):
        use(function(**arguments))


@pytest.mark.slow
@fuzzed(EXAMPLES)
@given(st.data(), st.sampled_from(sorted(USES)), odd_values)
def test_calls_with_odd_arguments_work_or_are_refused(data, name, odd):
    trained().save("m")
    make, valid = USES[name]
    function = make()
    parameters = inspect.signature(function).parameters.values()
    named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    replaced = data.draw(st.sampled_from(named))
    with contextlib.suppress(GradusError):
        function(**{**valid, replaced: odd})
