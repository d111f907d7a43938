"""Mutation operators of DeepCrime's kind: each puts one fault into a healthy network.

An operator is a change of a `Setup` of `twins.py`, which returns None where it does not apply, with
the categories that name its fault. They were written down before any mutant was diagnosed. Where
another edit mends the same fault, its category counts, too (Humbatova et al., EMSE 2025): rate ×
epochs that is too small is mended by either; a rate that is too high shows as a divergence; an
output and its loss are a pair. What merely follows from a fault, as dead units from a high rate,
does not name it.

Source: Humbatova, Jahangirova & Tonella, "DeepCrime: mutation testing of deep learning systems
based on real faults", ISSTA 2021, whose 24 operators change data, labels, rate, epochs, batch,
activations, losses, optimizers, initializers, biases, regularization, and validation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from arrays import one_hot
from samples import Parts
from twins import Edit, Setup

import gradus as gr

Change = Callable[[Setup], Setup | None]

LOW = ("learning-rate-low", "too-few-epochs")
HIGH = ("learning-rate-high", "exploding")
OUTPUT = ("output-activation", "loss-mismatch")
LABELS = ("labels",)
INPUTS = ("unscaled-inputs",)
STRONG = ("over-regularised",)
HIDDEN = ("hidden-activation",)
DEEP = ("vanishing", "exploding", "dead-relu", "initialisation", "hidden-activation", "other")


@dataclasses.dataclass(frozen=True)
class Operator:
    """A fault.

    Attributes:
        categories: those that name it, the fault's own first.
        change: puts it into a setup.
    """

    categories: tuple[str, ...]
    change: Change


# --- settings -----------------------------------------------------------------------------------


def rate(factor: float) -> Change:
    """Change the rate by a factor."""
    return lambda s: s.but(rate=factor * s.rate)


def few_epochs(s: Setup) -> Setup:
    """Leave a twentieth of the epochs, at least one."""
    return s.but(epochs=max(1, s.epochs // 20))


def other_optimizer(name: str, rate: float | None = None, **options: Any) -> Change:
    """Train with another optimizer, at the same rate unless one is given."""
    return lambda s: s.but(optimizer=name, rate=rate or s.rate, options=tuple(options.items()))


def option(**options: Any) -> Change:
    """Add settings of the optimizer."""
    return lambda s: s.but(options=(*s.options, *options.items()))


def decaying(s: Setup) -> Setup:
    """Let the rate fall to a hundredth of itself within each 30 steps."""
    return s.but(rate=gr.schedules.ExponentialDecay(s.rate, 30, 0.01))


def impatient(s: Setup) -> Setup | None:
    """Stop after the first epoch that does not improve the loss by a half."""
    return None if s.task == "points" else s.but(fit=(("patience", 1), ("min_delta", 0.5)))


# --- network ------------------------------------------------------------------------------------


def activation(name: str | None, of: str | None = None) -> Change:
    """Change the hidden activation; `of` is the one that it must be before."""
    return lambda s: s.but(hidden=name) if of in (None, s.hidden) else None


def layers(depth: int, activation: str | None = None) -> Change:
    """Change the number of hidden layers, and perhaps their activation."""
    return lambda s: None if s.depth is None else s.but(depth=depth, hidden=activation or s.hidden)


def end(name: str | None, *tasks: str) -> Change:
    """Change the activation of the output in networks for some tasks, where it is another."""
    return lambda s: s.but(end=name) if s.task in tasks and s.end != name else None


def drop(s: Setup) -> Setup | None:
    """Drop 95% of the hidden units."""
    return None if s.task == "points" else s.but(dropout=0.95)


def penalty(value: Any) -> Change:
    """Penalize every kernel."""
    return lambda s: None if s.task == "points" else s.but(penalty=value)


# --- loss ---------------------------------------------------------------------------------------


def loss(name: Any, *tasks: str) -> Change:
    """Change the loss of networks for some tasks."""
    return lambda s: s.but(loss=name) if s.task in tasks else None


def summed(s: Setup) -> Setup | None:
    """Add the losses of a batch up instead of averaging, and train with SGD, which notices."""
    if s.task not in ("values", "copies"):
        return None
    return s.but(loss=summed_squares, optimizer="SGD", rate=0.05)


def summed_squares(y_true: Any, y_pred: Any) -> Any:
    """Return the sum of a batch's squared errors, as the loss of each of its samples."""
    total = jnp.sum((y_true - y_pred) ** 2)
    return jnp.full(y_pred.shape[:1], total)


# --- data ---------------------------------------------------------------------------------------

CLASSES, LABELED = ("classes", "several"), ("classes", "flags", "several")
FLAT = ("classes", "flags", "values", "several")  # tasks whose inputs are no targets


def edited(edit: Edit, *tasks: str, codes: bool = True) -> Change:
    """Edit the data of networks for some tasks, or only of those that do not read codes."""

    def change(s: Setup) -> Setup | None:
        reads_codes = s.task == "classes" and s.parts(0).train[0].dtype.kind == "i"
        if s.task not in tasks or (reads_codes and not codes):
            return None
        return s.but(edits=(*s.edits, edit))

    return change


def with_inputs(change: Callable[[Any], Any], *names: str) -> Edit:
    """Return an edit of the inputs of all parts, or of those with these names."""

    def edit(parts: Parts, rng: np.random.Generator) -> Parts:
        given = {name: getattr(parts, name) for name in names or ("train", "validation", "test")}
        return dataclasses.replace(
            parts, **{name: (np.float32(change(x)), y) for name, (x, y) in given.items()}
        )

    return edit


def one_column(x: Any) -> Any:
    """Return inputs with one column that is 10,000 times as large as it was."""
    flat = x.reshape(len(x), -1).copy()
    flat[:, 20 % flat.shape[1]] *= 1e4
    return flat.reshape(x.shape)


def noise_in_training(parts: Parts, rng: np.random.Generator) -> Parts:
    """Add noise of three deviations to the training inputs, as DeepCrime does."""
    x, y = parts.train
    noisy = x + rng.normal(0, 3 * x.std(), x.shape)
    return dataclasses.replace(parts, train=(noisy.astype(np.float32), y))


def large_targets(parts: Parts, rng: np.random.Generator) -> Parts:
    """Return values that are 1,000 times as large and begin at 5,000."""

    def change(y: Any) -> Any:
        if isinstance(y, dict):
            return y | {"height": change(y["height"])}
        return np.float32(1000 * y + 5000)

    given = (parts.train, parts.validation, parts.test)
    return Parts(*((x, change(y)) for x, y in given))


def with_labels(change: Callable[[Any, np.random.Generator], Any]) -> Edit:
    """Return an edit of the labels that train and validate; those that judge stay right."""

    def edit(parts: Parts, rng: np.random.Generator) -> Parts:
        def changed(y: Any) -> Any:
            if isinstance(y, dict):
                return y | {"digit": changed(y["digit"])}
            if y.ndim > 1 and y.shape[1] > 1:
                return one_hot(np.asarray(change(y.argmax(1), rng), int), y.shape[1])
            return np.asarray(change(y, rng), y.dtype)

        (x, y), (x_val, y_val) = parts.train, parts.validation
        return dataclasses.replace(parts, train=(x, changed(y)), validation=(x_val, changed(y_val)))

    return edit


def half_drawn(y: Any, rng: np.random.Generator) -> Any:
    """Return labels of which half are drawn anew."""
    return np.where(rng.random(y.shape) < 0.5, rng.integers(0, int(y.max()) + 1, y.shape), y)


def one_taken_for_another(y: Any, rng: np.random.Generator) -> Any:
    """Return labels in which the upper half of the classes is called by those of the lower."""
    return np.where(y > y.max() // 2, y - y.max() // 2 - 1, y)


def few_rows(parts: Parts, rng: np.random.Generator) -> Parts:
    """Leave 3% of the training rows."""
    return _rows(parts, lambda y: np.arange(_count(y)) % 33 == 0)


def rare_classes(parts: Parts, rng: np.random.Generator) -> Parts:
    """Leave 3% of the training rows of every class but the first."""

    def kept(y: Any) -> Any:
        labels = y["digit"] if isinstance(y, dict) else y
        labels = labels.argmax(1) if labels.ndim > 1 and labels.shape[1] > 1 else labels
        return (labels.reshape(len(labels)) == 0) | (np.arange(len(labels)) % 33 == 0)

    return _rows(parts, kept)


def _count(y: Any) -> int:
    return len(next(iter(y.values())) if isinstance(y, dict) else y)


def _rows(parts: Parts, kept: Callable[[Any], Any]) -> Parts:
    x, y = parts.train
    rows = kept(x if y is None else y)
    if isinstance(y, dict):
        few: Any = {name: part[rows] for name, part in y.items()}
    else:
        few = None if y is None else y[rows]
    return dataclasses.replace(parts, train=(x[rows], few))


# --- all of them --------------------------------------------------------------------------------

OPERATORS = {
    "rate × 30": Operator(HIGH, rate(30)),
    "rate × 1,000": Operator(HIGH, rate(1000)),
    "rate / 100": Operator(LOW, rate(0.01)),
    "rate / 10,000": Operator(LOW, rate(1e-4)),
    "rate decays too fast": Operator(("optimizer", *LOW), decaying),
    "a twentieth of the epochs": Operator(LOW, few_epochs),
    "stopped too early": Operator(("too-few-epochs", "other"), impatient),
    "batch of one": Operator(("batch-size", *HIGH), lambda s: s.but(batch=1)),
    "batch of all": Operator(("batch-size", *LOW), lambda s: s.but(batch=None)),
    "plain SGD at Adam's rate": Operator(("optimizer", *LOW), other_optimizer("SGD")),
    "Adadelta at Adam's rate": Operator(("optimizer", *LOW), other_optimizer("Adadelta")),
    "momentum of 0.99 at rate 0.5": Operator(
        ("optimizer", *HIGH), other_optimizer("SGD", 0.5, momentum=0.99)
    ),
    "Adam's ε is 1": Operator(("optimizer", *LOW), option(epsilon=1.0)),
    "gradients clipped to 1e-10": Operator(("optimizer", *LOW), option(clipvalue=1e-10)),
    "no hidden activation": Operator((*HIDDEN, "underfitting"), activation(None, "relu")),
    "hidden softmax": Operator(HIDDEN, activation("softmax")),
    "hidden sigmoid": Operator((*HIDDEN, "vanishing", "saturation"), activation("sigmoid")),
    "eight sigmoid layers": Operator((*HIDDEN, "vanishing", "saturation"), layers(8, "sigmoid")),
    "16 hidden layers": Operator(DEEP, layers(16)),
    "no hidden layer": Operator(("underfitting", *HIDDEN), layers(0)),
    "one hidden unit": Operator(("underfitting",), lambda s: s.but(units=1)),
    "no bias": Operator(("underfitting", "other"), lambda s: s.but(bias=False)),
    "output ReLU": Operator(OUTPUT, end("relu", "classes", "flags", "values", "copies", "several")),
    "output sigmoid": Operator(OUTPUT, end("sigmoid", "classes", "values", "several", "points")),
    "output softmax": Operator(OUTPUT, end("softmax", "flags", "values", "copies")),
    "output tanh": Operator(OUTPUT, end("tanh", "classes", "flags", "values", "several", "points")),
    "no output activation": Operator(OUTPUT, end(None, "classes", "flags", "copies", "several")),
    "squared loss for classes": Operator(OUTPUT, loss("mse", *LABELED)),
    "absolute loss for classes": Operator(OUTPUT, loss("mae", *LABELED)),
    "hinge loss": Operator(OUTPUT, loss("hinge", "flags")),
    "Poisson loss for values": Operator(OUTPUT, loss("poisson", "values")),
    "cross-entropy for values": Operator(OUTPUT, loss("binary_crossentropy", "values")),
    "loss summed over the batch": Operator(("loss-mismatch", *HIGH), summed),
    "zero kernels": Operator(("initialisation",), lambda s: s.but(initializer="zeros")),
    "constant kernels": Operator(
        ("initialisation",), lambda s: s.but(initializer=gr.initializers.Constant(0.3))
    ),
    "large kernels": Operator(
        ("initialisation", "exploding"),
        lambda s: s.but(initializer=gr.initializers.RandomNormal(stddev=5.0)),
    ),
    "tiny kernels": Operator(
        ("initialisation", "vanishing"),
        lambda s: s.but(initializer=gr.initializers.RandomNormal(stddev=1e-5)),
    ),
    "inputs × 1,000": Operator(INPUTS, edited(with_inputs(lambda x: 1000 * x), *FLAT, codes=False)),
    "inputs + 1,000": Operator(INPUTS, edited(with_inputs(lambda x: x + 1000), *FLAT, codes=False)),
    "inputs / 10,000": Operator(
        INPUTS, edited(with_inputs(lambda x: x / 10_000), *FLAT, codes=False)
    ),
    "one input × 10,000": Operator(INPUTS, edited(with_inputs(one_column), *FLAT, codes=False)),
    "samples × 100": Operator(
        (*INPUTS, "unscaled-targets", "output-activation"),
        edited(with_inputs(lambda x: 100 * x), "copies"),
    ),
    "validation scaled otherwise": Operator(
        ("preprocessing-mismatch", *INPUTS),
        edited(with_inputs(lambda x: 10 * x, "validation", "test"), *FLAT, codes=False),
    ),
    "noise in the training inputs": Operator(
        ("preprocessing-mismatch", "other"), edited(noise_in_training, *FLAT, codes=False)
    ),
    "targets × 1,000 + 5,000": Operator(
        ("unscaled-targets",), edited(large_targets, "values", "several")
    ),
    "labels shuffled": Operator(
        LABELS, edited(with_labels(lambda y, rng: rng.permutation(y)), *LABELED, "values")
    ),
    "half of the labels drawn": Operator(LABELS, edited(with_labels(half_drawn), *LABELED)),
    "classes taken for others": Operator(
        LABELS, edited(with_labels(one_taken_for_another), *CLASSES)
    ),
    "3% of the training rows": Operator(
        ("overfitting", "other", *LOW), edited(few_rows, *FLAT, "copies", "points")
    ),
    "rare classes": Operator(("imbalance",), edited(rare_classes, *LABELED)),
    "dropout of 0.95": Operator((*STRONG, "underfitting"), drop),
    "L2 penalty of 1": Operator(STRONG, penalty(gr.L2(1.0))),
    "L1 penalty of 0.1": Operator(STRONG, penalty(gr.L1(0.1))),
}
