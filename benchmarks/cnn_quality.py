"""The accuracy of a small CNN on MNIST (at most 10 epochs) and Fashion-MNIST (at most 20).

Three 3 × 3 convolutions with batch normalisation, 32, 64 and 128 filters, a pool after the first
two, a dense layer of 128 between dropouts; Adam with a cosine from 2e-3 to zero, batch 64. Digits
are shifted by up to two pixels at random, clothes mirrored. The test part is looked at once, at the
end.
"""

from __future__ import annotations

import time
from typing import Any

import common
import numpy as np

CASES = {
    "mnist": {"epochs": 10, "target": 0.992, "mirrored": False},
    "fashion-mnist": {"epochs": 20, "target": 0.915, "mirrored": True},
}


def network(mirrored: bool) -> Any:
    """Return the network, not built yet."""
    import gradus as gr

    def block(filters: int) -> list[Any]:
        convolution = gr.Conv2D(filters, 3, padding="same", use_bias=False)
        return [convolution, gr.BatchNorm(), gr.Activation("relu")]

    first = [gr.RandomFlip("horizontal")] if mirrored else [gr.RandomTranslation(0.08, 0.08)]
    blocks = [*block(32), gr.MaxPool2D(2), *block(64), gr.MaxPool2D(2), *block(128)]
    last = [gr.Dropout(0.4), gr.Flatten(), gr.Dense(128, "relu"), gr.Dropout(0.4)]
    return gr.Sequential([*first, *blocks, *last, gr.Dense(10, "softmax")])


def measure(name: str, seeds: int, rows: int | None, most: int) -> dict[str, Any]:
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
        "data": name,
        "epochs": epochs,
        "target": case["target"],
        "accuracy": float(np.mean(found)),
        "accuracies": found,
        "seconds": common.median(seconds),
    }


def main() -> None:
    """Measure the data sets that are asked for."""
    parser = common.parser(__doc__, repeats=3)
    parser.add_argument("--sets", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    seeds, rows, most = (1, 640, 1) if options.quick else (options.repeats, None, 99)
    results = [measure(name, seeds, rows, most) for name in options.sets]
    common.table("A small CNN, mean over the seeds", [
        {key: one[key] for key in ("data", "epochs", "target", "accuracy", "seconds")}
        for one in results
    ])  # fmt: skip
    common.emit("cnn_quality", {"quick": options.quick, "sets": results})


if __name__ == "__main__":
    main()
