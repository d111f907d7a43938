"""The accuracy of a small CNN on MNIST (at most 10 epochs) and Fashion-MNIST (at most 20).

Three 3 × 3 convolutions with batch normalization, 32, 64 and 128 filters, a pool after the first
two, a dense layer of 128 between dropouts; Adam with cosine decay from 2e-3 to zero, batch 64.
Digits are randomly shifted by up to two pixels, clothes mirrored. The test set is evaluated once,
at the end.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import common
import numpy as np

CASES = {
    "mnist": {"epochs": 10, "label": "MNIST", "goal": 0.992, "mirrored": False},
    "fashion-mnist": {"epochs": 20, "label": "Fashion-MNIST", "goal": 0.915, "mirrored": True},
}


def network(mirrored: bool) -> Any:
    """Return the network, not built yet."""
    import gradus as gr

    def block(filters: int) -> list[Any]:
        convolution = gr.Conv2D(filters, 3, padding="same", use_bias=False)
        return [convolution, gr.BatchNormalization(), gr.Activation("relu")]

    first = [gr.RandomFlip("horizontal")] if mirrored else [gr.RandomTranslation(0.08, 0.08)]
    blocks = [*block(32), gr.MaxPooling2D(2), *block(64), gr.MaxPooling2D(2), *block(128)]
    last = [gr.Dropout(0.4), gr.Flatten(), gr.Dense(128, "relu"), gr.Dropout(0.4)]
    return gr.Sequential([*first, *blocks, *last, gr.Dense(10, "softmax")])


def train(name: str, seeds: int, rows: int | None, most: int) -> dict[str, Any]:
    """Return the test accuracies over the seeds."""
    import gradus as gr

    case: dict[str, Any] = CASES[name]
    epochs = min(case["epochs"], most)
    data = gr.data.load(str(common.DATA / name))
    x, x_test = (
        part.x[:rows].reshape(-1, 28, 28, 1).astype(np.float32) / 255 for part in (data, data.test)
    )
    y, y_test = data.y[:rows], data.test.y[:rows]
    found, seconds = [], []
    for seed in range(seeds):
        steps = -(-len(x) // 64) * epochs
        model = gr.Model(
            network(case["mirrored"]),
            "sparse_categorical_crossentropy",
            gr.Adam(gr.schedules.CosineDecay(2e-3, steps)),
            metrics=["accuracy"],
            seed=seed,
        )
        began = time.perf_counter()
        model.fit(x, y, batch_size=64, epochs=epochs, shuffle_seed=seed, verbose=False)
        seconds.append(time.perf_counter() - began)
        found.append(model.evaluate(x_test, y_test)["accuracy"])
        common.say(f"{name}, seed {seed}: {found[-1]:.4f} in {seconds[-1]:.0f} s")
    return {
        "epochs": epochs,
        "accuracy": statistics.fmean(found),
        "error": common.standard_error(found),
        "accuracies": found,
        "seconds": common.median(seconds),
    }


def measure(options: Any) -> dict[str, Any]:
    """Measure every data set; a round is a seed."""
    rows, most = (640, 1) if options.quick else (None, 99)
    return {"sets": {name: train(name, options.rounds, rows, most) for name in options.cases}}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of the data sets."""
    rows = []
    for name, found in result["sets"].items():
        case = CASES[name]
        accuracy = common.spread(found["accuracy"], found["error"], True)
        missed = ", missed" if found["accuracy"] < case["goal"] else ""
        wanted = common.spread(case["goal"], None, True) + missed
        minutes = common.number(found["seconds"] / 60, 2)
        rows.append([case["label"], found["epochs"], accuracy, wanted, minutes])
    heads = ["", "epochs", "test accuracy", "goal", "minutes per training"]
    return {"cnn_quality": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=3, cases=CASES)
