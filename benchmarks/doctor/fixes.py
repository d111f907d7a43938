"""Each case without its fault: the twin that says how well the program could do.

A twin follows the fix that was published with the case where that is a concrete edit which removes
the fault, and otherwise the obvious edits: the right output and loss, standardized inputs, an
ordinary rate, He's or Glorot's initializer, enough epochs. Everything else stays as it is. What a
twin does otherwise is its `fix`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cases import Case, Prevented, Program, checked
from spec import Layer, Spec, read

from data import STAND_INS, Recipe

SOFTMAX = "categorical_crossentropy"
Fix = tuple[str, Callable[[Spec], Spec]]


def fixed(case: Case, seed: int = 0) -> Program | Prevented:
    """Return a case without its fault; a case that is healthy is its own twin."""
    spec, words = fixed_spec(case)
    stand_in = STAND_INS.get(spec.id, "")
    return checked(Program(spec.id, seed, spec, frozenset(), True, stand_in=stand_in, fix=words))


def fixed_spec(case: Case) -> tuple[Spec, str]:
    """Return the specification of a case without its fault, and what was changed, in words."""
    spec = read(case)
    words, edit = _fix(spec.id)
    return edit(spec), words


def _fix(name: str) -> Fix:
    if name in _BY_CASE:
        return _BY_CASE[name]
    return next(fix for start, fix in _BY_GROUP.items() if name.startswith(start))


# --- edits --------------------------------------------------------------------------------------


def hidden(spec: Spec, **changes: Any) -> Spec:
    """Change settings of all layers with weights but the last, where they have them."""
    *before, last = spec.layers
    return spec.but(layers=(*(_with(layer, changes) for layer in before), last))


def output(spec: Spec, **changes: Any) -> Spec:
    """Change settings of the last layer."""
    return spec.but(layers=(*spec.layers[:-1], {**spec.layers[-1], **changes}))


def _with(layer: Layer, changes: dict[str, Any]) -> Layer:
    return {**layer, **changes} if "kernel_init" in layer else layer


def dropout(spec: Spec, rate: float) -> Spec:
    """Change the rate of every dropout."""
    parts = ({**p, "rate": rate} if p["type"] == "Dropout" else p for p in spec.layers)
    return spec.but(layers=tuple(parts))


def drop_after_hidden(spec: Spec, rate: float) -> Spec:
    """Add dropout after every hidden layer."""
    *before, last = spec.layers
    added = [part for layer in before for part in (layer, {"type": "Dropout", "rate": rate})]
    return spec.but(layers=(*added, last))


def optimizer(spec: Spec, **settings: Any) -> Spec:
    """Change settings of the optimizer."""
    return spec.but(optimizer={**spec.optimizer, **settings})


def recipe(spec: Spec, **changes: Any) -> Spec:
    """Change the options of the data."""
    return spec.but(recipe=spec.recipe.but(**changes))


def standardize(spec: Spec) -> Spec:
    """Standardize the inputs."""
    return recipe(spec, standardize=True)


# --- groups of cases ----------------------------------------------------------------------------


def _deep(spec: Spec) -> Spec:
    """Return a network of AutoTrainer's corpus as its healthy ones are: tanh, he_uniform."""
    spec = hidden(spec, activation="tanh")
    layers = tuple(
        _with(layer, {"kernel_init": "he_uniform"})
        if str(layer["kernel_init"]).startswith("RandomUniform")
        else layer
        for layer in spec.layers
    )
    spec = spec.but(layers=layers)
    return output(spec, activation="softmax") if spec.task == "classes" else spec


def _reuters(spec: Spec) -> Spec:
    """Return the model that was mutated."""
    plain = {"kernel_init": "glorot_uniform", "l1": None}
    spec = output(hidden(spec, **plain), activation="softmax")
    return spec.but(loss=SOFTMAX, optimizer={"name": "adam", "lr": 0.001})


def _clean(spec: Spec, data: Recipe, optimizer: dict[str, Any], **end: Any) -> Spec:
    """Return a clean twin of TheDeepChecker."""
    spec = hidden(spec, kernel_init="he_normal", l2=1e-5)
    spec = output(spec, kernel_init="glorot_uniform", l2=1e-5, **end)
    return spec.but(recipe=data, optimizer=optimizer)


def _regression(spec: Spec) -> Spec:
    return _clean(spec, Recipe("mpg"), {"name": "adam", "lr": 0.001}).but(loss="mse")


def _convolution(spec: Spec) -> Spec:
    data = Recipe("mnist", {"rows": spec.recipe.options["rows"]})
    spec = _clean(spec, data, {"name": "sgd", "lr": 0.1}, activation="softmax")
    return spec.but(loss=SOFTMAX)


_BY_GROUP: dict[str, Fix] = {
    "ATC-": (
        "hidden layers are tanh, as in the corpus's healthy models, drawn by he_uniform; blobs "
        "end with softmax",
        _deep,
    ),
    "NEG-Circle": ("nothing: the case is healthy", lambda spec: spec),
    "NEG-Blob": ("ends with softmax", lambda spec: output(spec, activation="softmax")),
    "MUT-R": ("the model that was mutated", _reuters),
    "TDC-regrNN": ("the clean twin", _regression),
    "TDC-baseCNN": ("the clean twin", _convolution),
}

# --- single cases -------------------------------------------------------------------------------

_BY_CASE: dict[str, Fix] = {
    "SO-34673164": (
        "inputs standardized, categorical cross-entropy (the published fix normalizes too, but "
        "ends with two sigmoids)",
        lambda spec: standardize(spec).but(loss=SOFTMAX),
    ),
    "SO-39525358": (
        "the published fix: inputs standardized, batches of 10; with so few steps 600 epochs",
        lambda spec: standardize(spec).but(batch=10, epochs=600),
    ),
    "SO-41372874": (
        "the label says whether the next value is higher, instead of being always 1; He's "
        "initializer, without which four ReLUs die; 100 epochs",
        lambda spec: recipe(hidden(spec, kernel_init="he_normal"), direction=True).but(epochs=100),
    ),
    "SO-44066044": (
        "the published fix: inputs standardized, a sigmoid at the end",
        lambda spec: output(standardize(spec), activation="sigmoid"),
    ),
    "SO-44164749": (
        "rate 0.05, which is enough by the case's notes",
        lambda spec: optimizer(spec, lr=0.05),
    ),
    "SO-47724077": (
        "inputs standardized (the published change to SGD does no better than the majority)",
        standardize,
    ),
    "SO-48251943": (
        "a linear end and 500 epochs (the published tanh makes it worse)",
        lambda spec: output(spec, activation="linear").but(epochs=500),
    ),
    "SO-48594888": ("the published scaling, and nothing else", lambda s: recipe(s, divide=255)),
    "SO-31627380": ("inputs standardized", standardize),
    "SO-50079585": (
        "the published fix: three softmax outputs, categorical cross-entropy",
        lambda spec: recipe(output(spec, units=3, activation="softmax"), hot=True).but(
            loss=SOFTMAX
        ),
    ),
    "GH-gol_nn": (
        "the published rate 0.01 and 10 epochs; the loss was right",
        lambda spec: optimizer(spec, lr=0.01).but(epochs=10),
    ),
    "GH-kerasma": (
        "inputs standardized, 40 epochs (the published layers do not scale the inputs)",
        lambda spec: standardize(spec).but(epochs=40),
    ),
    "GH-MovieReviews_Keras": (
        "the published fix: dropout of 0.5 twice, and the steps of 7 epochs of all rows",
        lambda spec: drop_after_hidden(spec, 0.5).but(epochs=26),
    ),
    "GH-FacialKeypointsDetection": (
        "the published SGD(0.01) with momentum and clipping, and ReLU in the hidden layers",
        lambda spec: hidden(spec, activation="relu").but(
            optimizer={
                "name": "sgd",
                "lr": 0.01,
                "momentum": 0.9,
                "nesterov": True,
                "clipnorm": 1.0,
            }
        ),
    ),
    "IPS-5": ("rate 0.01", lambda spec: optimizer(spec, lr=0.01)),
    "IPS-12": (
        "the metric compares the probability with ½; dropout of 0.2",
        lambda spec: dropout(spec, 0.2).but(threshold=0.5),
    ),
    "IPS-13": (
        "inputs standardized, rate 0.01, a penalty of 0.001",
        lambda spec: optimizer(output(standardize(spec), l2=0.001), lr=0.01),
    ),
    "IPS-4": (
        "He's initializer, biases at zero",
        lambda spec: output(
            hidden(spec, kernel_init="he_normal", bias_init="zeros"),
            kernel_init="glorot_uniform",
            bias_init="zeros",
        ),
    ),
    "IPS-14": (
        "the mean over the batch, at an ordinary rate of 0.5",
        lambda spec: optimizer(spec, lr=0.5).but(loss=SOFTMAX),
    ),
    "IPS-1": ("the mean over the batch, from logits", lambda spec: spec.but(loss=SOFTMAX)),
    "SO-51181393": ("the published rate 0.1", lambda spec: optimizer(spec, lr=0.1)),
    "SO-56380303": (
        "the remainder as one of 20 classes; Adam(0.01), wider layers, 40 epochs",
        lambda spec: recipe(hidden(spec, units=100), rest="classes").but(
            optimizer={"name": "adam", "lr": 0.01}, epochs=40
        ),
    ),
    "SO-41600519": (
        "inputs standardized, Adam(0.001), batches of 64, 10 epochs",
        lambda spec: standardize(spec).but(
            optimizer={"name": "adam", "lr": 0.001}, batch=64, epochs=10
        ),
    ),
    "UMLAUT-A": (
        "inputs divided by 255, dropout of 0.2, softmax",
        lambda spec: output(dropout(recipe(spec, divide=255), 0.2), activation="softmax"),
    ),
    "UMLAUT-B": (
        "ReLU in the hidden layers, rate 0.001, held-out rows validate",
        lambda spec: optimizer(recipe(hidden(spec, activation="relu"), seen=0), lr=0.001),
    ),
    "AT-demo-IA": ("the published softmax", lambda spec: output(spec, activation="softmax")),
    "AT-motiv-OL": (
        "He's initializer and rate 1e-4, as 20 layers need",
        lambda spec: optimizer(hidden(spec, kernel_init="he_normal"), lr=1e-4),
    ),
    "NEG-Blob-22eb8478": (
        "ends with softmax; rate 0.1, as in its healthy sibling",
        lambda spec: optimizer(output(spec, activation="softmax"), lr=0.1),
    ),
}
