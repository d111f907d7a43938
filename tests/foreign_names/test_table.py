"""Each row of the table of foreign names is told at its place, and what it says to write runs."""

import copy
import importlib
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

import gradus as gr
from gradus.errors import ArgumentError
from gradus.experiments.run import Run
from gradus.foreign_names.module_names import PACKAGES
from gradus.foreign_names.table import ARGUMENTS, ATTRIBUTES, NAMES

X = np.linspace(-1, 1, 80, dtype=np.float32).reshape(40, 2)
Y = (X[:, 0] > 0).astype(np.int32)
ARGUMENT_ROWS = [(place, name) for place, rows in ARGUMENTS.items() for name in rows]
ATTRIBUTE_ROWS = [(place, name) for place, rows in ATTRIBUTES.items() for name in rows]
# Public classes that stand for a base, and the objects that have an attribute.
CLASSES = {
    "BaseModel": [gr.Model, gr.GAN],
    "Layer": [gr.Dropout, gr.Conv2D, gr.LSTM, gr.Embedding, gr.BatchNormalization, gr.Layer],
    "NetworkEstimator": [gr.Classifier, gr.Regressor],
    "Metric": [gr.metrics.AUC, gr.metrics.TopKAccuracy],
    "Penalty": [gr.L1, gr.L2],
    "Schedule": [
        gr.schedules.CosineDecay,
        gr.schedules.ExponentialDecay,
        gr.schedules.OneCycle,
        gr.schedules.WarmUp,
        gr.schedules.Constant,
    ],
    "StepDecay": [gr.schedules.StepDecay],
    "start": [gr.distributed.start],
    "Loss": [gr.losses.MeanSquaredError, gr.losses.SparseCategoricalCrossentropy],
    "Optimizer": [gr.Adam, gr.Lion, gr.Adagrad],
    "RMSprop": [gr.RMSprop],
    "Sweep": [gr.Sweep],
    "TableOptions": [gr.data.TableOptions],
    "load": [gr.data.load],
}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the code of the rows refers to, in a folder with a saved model."""
    net = gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
    model = gr.Model(net, "mse", gr.SGD(0.01))
    history = model.fit(X, Y, epochs=1, probes=False, verbose=False)
    space = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.001, 0.1)))
    sweep = gr.Sweep(space, trials=2).fit(X, Y, epochs=1, verbose=False)
    flags = gr.Model(gr.Dense(1, "sigmoid"), "binary_crossentropy")
    folder = tmp_path_factory.mktemp("rows")
    model.save(folder / "model")
    return {
        "gr": gr, "np": np, "x": X, "y": Y, "model": model, "history": history, "sweep": sweep,
        "layer": model.net.layers[0], "f": lambda model, epoch, logs: None, "weights": Y + 1,
        "images": np.zeros((2, 3, 8, 8)), "space": space, "flags": flags, "folder": folder,
    }  # fmt: skip


def words(row):
    return f"Here it is {row.replace('`', '')}."


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_another_library_is_answered(name):
    assert name not in gr.__all__
    with pytest.raises(AttributeError, match=re.escape(words(NAMES[name]))):
        getattr(gr, name)


@pytest.mark.parametrize(("place", "name"), ARGUMENT_ROWS)
def test_an_argument_of_another_library_is_answered(place, name, names):
    """Those that some class of the kind has itself are told by those that have not.

    What is another argument here is told by all that have that one.
    """
    cls, _, method = place.partition(".")
    if method:
        owners = {
            "Sweep": names["sweep"],
            "NetworkEstimator": gr.Classifier(),
            "Layer": names["layer"],
            "Model": gr.Model if method == "load" else names["model"],
        }
        calls = [getattr(owners.get(cls, names["model"]), method)]
    else:
        calls = CLASSES.get(place) or [getattr(gr, place)]
    row = ARGUMENTS[place][name]
    renamed = re.match(r"`(\w+=[^`]*)`", row)
    instead = eval(f"dict({renamed[1]})", dict(names)) if renamed else {}  # noqa: S307
    telling = []
    for call in calls:
        parameters = inspect.signature(call).parameters
        if name in parameters:
            continue
        with pytest.raises(ArgumentError) as told:
            call(**{name: 1})
        assert str(told.value).startswith(f"{call.__name__} has no argument {name!r}. ")
        if set(instead) <= set(parameters):
            assert words(row) in str(told.value)
            inspect.signature(call).bind_partial(**instead)
            telling.append(call)
        else:
            assert words(row) not in str(told.value)
    assert telling, f"no {place} tells {name}: leave out the row"


@pytest.mark.parametrize(("place", "name"), ATTRIBUTE_ROWS)
def test_an_attribute_of_another_library_is_answered(place, name, names):
    owners = {
        "BaseModel": [names["model"]],
        "ArrayPreprocessor": [gr.data.ArrayPreprocessor()],
        "Dataset": [gr.data.load("iris")],
        "Layer": [names["layer"], names["model"].net],
        "Run": [Run(names["folder"])],
        "TablePreprocessor": [gr.data.TablePreprocessor.fit({"a": [1, 2]})],
        "TextVectorizer": [gr.data.TextVectorizer()],
        "History": [names["history"]],
        "NetworkEstimator": [gr.Classifier(), gr.Regressor()],
        "Sweep": [names["sweep"]],
    }[place]
    for owner in owners:
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match=re.escape(words(ATTRIBUTES[place][name]))):
            getattr(owner, name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, from MLflow
def test_what_is_told_to_write_runs(names, monkeypatch):
    """Every piece of code in the table, once; a sweep has a model with a space."""
    monkeypatch.chdir(names["folder"])
    rows = [NAMES, PACKAGES, *ARGUMENTS.values(), *ATTRIBUTES.values()]
    code = dict.fromkeys(
        piece
        for row in rows
        for text in row.values()
        for piece in re.findall("`([^`]+)`", text)
        if not re.match(r"\w+=", piece)  # an argument, which is bound above
    )
    assert len(code) > 70
    failed = []
    for piece in sorted(code):
        which = "space" if "gr.Sweep(" in piece else "flags" if "class_weight" in piece else "model"
        net = gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
        model = copy.deepcopy(names[which])  # which the code may change
        given = {**names, "model": model, "net": net, "kernel": np.zeros((2, 3))}
        given["layer"] = net.layers[0]
        try:
            exec(piece, given)  # noqa: S102
        except Exception as error:
            if "is not installed" not in str(error):  # the table is right, and a package absent
                failed.append(f"{piece}: {error}")
    assert failed == []


def test_the_nearest_name_is_told_where_the_table_has_none():
    with pytest.raises(AttributeError, match=r"Did you mean 'Dense'\?"):
        gr.Denze  # noqa: B018


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("BinaryCrossentropy", "gr.losses.BinaryCrossentropy"),
        ("mse", "gr.losses.MeanSquaredError"),
        ("AUC", "gr.metrics.AUC"),
        ("HeNormal", "gr.initializers.HeNormal"),
        ("relu", "gr.activations.relu"),
        ("TablePreprocessor", "gr.data.TablePreprocessor"),
        ("learning_curves", "gr.figures.learning_curves"),
    ],
)
def test_a_name_of_a_module_is_told_with_the_module(name, here):
    with pytest.raises(AttributeError, match=re.escape(f"Here it is {here}.")):
        getattr(gr, name)
    module, attribute = here.removeprefix("gr.").split(".")
    assert hasattr(getattr(gr, module), attribute)


def test_no_name_that_is_far_away_is_guessed():
    with pytest.raises(AttributeError, match=r"'MeanMetricWrapper'\.$"):
        gr.MeanMetricWrapper  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_called_says_what_to_write(name):
    """Whether it is loaded, and so an attribute of gradus, depends on what ran before."""
    missing = f"from sys import modules; modules['gradus'].__dict__.pop({name!r}, None); "
    script = f"import gradus as gr; {missing}gr.{name}"
    command = [sys.executable, "-c", script]
    failed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert words(PACKAGES[name]) in failed.stderr
    package = importlib.import_module(f"gradus.{name}")
    with pytest.raises(ArgumentError, match=re.escape(words(PACKAGES[name]))):
        package(X, Y)


@pytest.mark.parametrize(
    ("part", "here"),
    [
        ("nn.Linear", "gr.Dense(8)"),
        ("nn.ReLU", "gr.ReLU"),
        ("optim.Adam", "gr.Adam"),
        ("models.Sequential", "gr.Sequential"),
    ],
)
def test_what_is_looked_for_in_a_package_is_told(part, here):
    package, name = part.split(".")
    with pytest.raises(AttributeError, match=re.escape(f"Here it is {here}.")):
        getattr(importlib.import_module(f"gradus.{package}"), name)
    assert not hasattr(importlib.import_module(f"gradus.{package}"), "nothing")
