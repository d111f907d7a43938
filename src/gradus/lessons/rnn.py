"""What a recurrent network remembers, and for how long.

A recurrent network reads a sequence step by step. What it knows so far is its state `h`, and each
step makes a new state of the old one and of what the step brings:

    h_t = tanh(x_t W + h_{t−1} U + b)

The same weights serve all steps. To learn that something long ago mattered, the gradient must go
back through all steps in between, and each multiplies it by `U` and by the slope of the tanh, which
is at most 1. After many such factors hardly anything is left of it: with the gradient the influence
of the first step on what is learned vanishes (Hochreiter 1991; Bengio, Simard & Frasconi 1994).

The long short-term memory (Hochreiter & Schmidhuber 1997) has a second state, the cell `c`, which
is not multiplied by a matrix but by a number that it chooses itself, the forget gate:

    c_t = f · c_{t−1} + i · g        f, i between 0 and 1
    h_t = o · tanh(c_t)

Where `f` is near 1 the cell keeps what it holds, and the gradient passes unchanged. But it must be
near 1. With the usual bias of 1 it begins at σ(1) = 0.73, and 0.73⁶⁰ is 0.00000001: such a cell
forgets as well. A gate that begins at `1 − 1/T` keeps things for about T steps; its bias is
log(T − 1). So the third network here draws for each of its cells a time T between 2 and the longest
delay, and closes the input gate as far as it opens the other (Tallec & Ollivier 2018).

The task needs nothing but memory: a row of letters out of four goes by, the first of them with a
flag, and at the end the network must say which letter that was.
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
    """Let three networks recall a letter after growing delays.

    Args:
        page: where the results are shown.
        delays: how many letters follow the one that matters.
        samples: sequences to learn from.
        epochs: how often each is seen.
        units: the width of the state.
        seed: of the sequences and the weights.

    Returns:
        By network the accuracy on unseen sequences for each delay, and, before training, what is
        left of the gradient at the first step for each 1 at the last.
    """
    numbers: dict[str, float] = {}
    rows, before, after = [], {}, {}
    for name in ("simple RNN", "LSTM", "slow LSTM"):
        row: dict[str, Any] = {"network": name}
        for delay in delays:
            draw = np.random.default_rng(seed)
            x, y = recall(samples, delay, draw)
            x_test, y_test = recall(512, delay, draw)
            model = network(name, units, seed).build(x)
            before[name] = through_time(model, x_test, y_test)
            model.fit(x, y, epochs=epochs, verbose=False)
            after[name] = through_time(model, x_test, y_test)
            row[f"after {delay}"] = model.evaluate(x_test, y_test)["accuracy"]
            numbers[f"accuracy_{name}_{delay}"] = row[f"after {delay}"]
        numbers[f"left_{name}"] = float(before[name][0] / before[name][-1])
        rows.append(row)
    page.table(
        rows,
        f"The share of unseen rows whose first letter is named right, after so many other letters. "
        f"Guessing gives {1 / LETTERS:g}. A simple network is lucky now and then: try other seeds.",
    )
    for curves, when in ((before, "before training"), (after, "after training")):
        page.figure(
            gr.figures.lines(curves, "step", "size of the gradient", log="y"),
            f"The norm of the loss's gradient by the input of each step, {when}, with "
            f"{delays[-1]} other letters. The gradient comes from the right; what matters stands "
            "at the left.",
        )
    return numbers


def recall(samples: int, delay: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return letters with a flag on the first, `(samples, delay + 1, 5)`, and which that was."""
    letters = draw.integers(0, LETTERS, (samples, delay + 1))
    x = np.zeros((*letters.shape, LETTERS + 1), np.float32)
    x[..., :LETTERS] = np.eye(LETTERS)[letters]
    x[:, 0, LETTERS] = 1
    return x, letters[:, 0].astype(np.int32)


def network(name: str, units: int, seed: int) -> gr.Model:
    """Return a model that reads a sequence and names one of the letters."""
    reader: gr.Layer
    if name == "simple RNN":
        reader = gr.SimpleRNN(units)
    elif name == "LSTM":
        reader = gr.LSTM(units)
    else:
        reader = gr.LSTM(units, bias_initializer=slow, unit_forget_bias=False)
    return gr.Model(
        # The first layer does nothing: it stands for the input, whose gradient is looked at.
        gr.Sequential([gr.Activation("linear"), reader, gr.Dense(LETTERS, "softmax")]),
        loss="sparse_categorical_crossentropy",
        optimizer=gr.Adam(1e-2),
        metrics=["accuracy"],
        seed=seed,
    )


def slow(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the bias of an LSTM whose cells keep things for 2 to 60 steps."""
    units = shape[0] // 4
    keep = np.log(generator.uniform(2, LONGEST, units) - 1)
    return np.concatenate([-keep, keep, np.zeros(2 * units)])  # input, forget, candidate, output


def through_time(model: gr.Model, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the norm of the loss's gradient by the input of each step, `(steps,)`."""
    gradient = gr.inside(model, x, y)["activation"].gradient  # (n, steps, 5)
    return np.linalg.norm(gradient, axis=(0, 2))
