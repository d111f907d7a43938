"""Recurrent networks: what they remember, and for how long.

A recurrent network reads a sequence step by step. What it knows so far is its state `h`, and each
step computes a new state from the old one and the step's input:

    h_t = tanh(x_t W + h_{t−1} U + b)

All steps use the same weights. To learn that something long ago mattered, the gradient must travel
back through all the steps in between, and each step multiplies it by `U` and by the slope of tanh,
which is at most 1. After many such factors, hardly anything is left of it. With the gradient, the
influence of the first steps on learning vanishes (Hochreiter 1991; Bengio, Simard & Frasconi 1994).

Long short-term memory (LSTM; Hochreiter & Schmidhuber 1997) adds a second state, the cell `c`. It
is not multiplied by a matrix but by a number that the network itself chooses, the forget gate:

    c_t = f · c_{t−1} + i · g        f, i between 0 and 1
    h_t = o · tanh(c_t)

Where `f` is near 1, the cell keeps what it holds, and the gradient passes unchanged. But `f` must
really be near 1. With the usual bias of 1, it starts at σ(1) = 0.73, and 0.73⁶⁰ is 0.00000001: such
a cell forgets, too. A gate that starts at `1 − 1/T` keeps information for about T steps; its bias
is log(T − 1). So the third network here draws a time T for each of its cells, between 2 and the
longest delay, and closes the input gate as far as it opens the forget gate (Tallec & Ollivier
2018).

The task requires nothing but memory: the network reads a sequence of letters from an alphabet of
four, the first one marked with a flag, and must name that first letter at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

LETTERS, LONGEST = 4, 60


def lesson(
    page: Page,
    delays: Sequence[int] = (10, 30, 60),
    samples: int = 1024,
    epochs: int = 15,
    units: int = 32,
    seed: int = 0,
) -> dict[str, float]:
    """Train three networks to recall a letter after longer and longer delays.

    Args:
        page: the page to show the results on.
        delays: numbers of letters that follow the one to recall.
        samples: number of training sequences.
        epochs: number of epochs.
        units: the width of the state.
        seed: seed of the sequences and of the weights.

    Returns:
        For each network, the accuracy on unseen sequences at each delay, and the ratio of the
        gradient at the first step to that at the last, before training.
    """
    numbers: dict[str, float] = {}
    rows, before, after = [], {}, {}
    for name in ("simple RNN", "LSTM", "slow LSTM"):
        row: dict[str, Any] = {"network": name}
        for delay in delays:
            rng = np.random.default_rng(seed)
            x, y = recall(samples, delay, rng)
            x_test, y_test = recall(512, delay, rng)
            model = network(name, units, seed).build(x)
            before[name] = gradient_norms(model, x_test, y_test)
            model.fit(x, y, epochs=epochs, probes=False, verbose=False)
            after[name] = gradient_norms(model, x_test, y_test)
            row[f"accuracy after {delay}"] = model.evaluate(x_test, y_test)["accuracy"]
            numbers[f"accuracy_{name}_{delay}"] = row[f"accuracy after {delay}"]
        numbers[f"gradient_left_{name}"] = float(before[name][0] / before[name][-1])
        rows.append(row)
    page.table(
        rows,
        f"Accuracy of naming the first letter of unseen sequences, after so many other letters. "
        f"Guessing gives {1 / LETTERS:g}. A simple RNN gets lucky now and then: try other seeds.",
    )
    for curves, when in ((before, "before training"), (after, "after training")):
        page.figure(
            gr.figures.lines(curves, "step", "size of the gradient", log="y"),
            f"The norm of the gradient with respect to the input at each step, {when}, with "
            f"{delays[-1]} other letters. The gradient comes from the right; the letter to recall "
            "is on the left.",
        )
    return numbers


def recall(samples: int, delay: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return letters with a flag on the first, `(samples, delay + 1, 5)`, and that letter."""
    letters = rng.integers(0, LETTERS, (samples, delay + 1))
    x = np.zeros((*letters.shape, LETTERS + 1), np.float32)
    x[..., :LETTERS] = np.eye(LETTERS)[letters]
    x[:, 0, LETTERS] = 1
    return x, letters[:, 0].astype(np.int32)


def network(name: str, units: int, seed: int) -> gr.Model:
    """Create a model that reads a sequence and names one of the letters."""
    reader: gr.Layer
    if name == "simple RNN":
        reader = gr.SimpleRNN(units)
    elif name == "LSTM":
        reader = gr.LSTM(units)
    else:
        reader = gr.LSTM(units, bias_initializer=slow_bias, unit_forget_bias=False)
    return gr.Model(
        # The first layer does nothing; it gives access to the gradient of the input.
        gr.Sequential([gr.Activation("linear"), reader, gr.Dense(LETTERS, "softmax")]),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.Adam(1e-2),
        metrics=["accuracy"],
        seed=seed,
    )


def slow_bias(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the bias of an LSTM whose cells keep information for 2 to 60 steps."""
    units = shape[0] // 4
    keep = np.log(generator.uniform(2, LONGEST, units) - 1)
    return np.concatenate([-keep, keep, np.zeros(2 * units)])  # input, forget, candidate, output


def gradient_norms(model: gr.Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the norm of the gradient with respect to each step's input, `(steps,)`."""
    gradient = gr.inside(model, x, y)["activation"].gradient  # (n, steps, 5)
    return np.linalg.norm(gradient, axis=(0, 2))
