"""A sound fit and a sweep work under each of JAX's own switches, with layer statistics."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import jax
import numpy as np
import gradus as gr


def train():
    # All batches have 16 rows: eager, each shape of each operation is a program of its own.
    x = np.random.default_rng(0).normal(size=(32, 4))
    y = (x[:, 0] > 0).astype(int)
    layers = [gr.Dense(4, "relu"), gr.BatchNormalization(), gr.Dropout(0.2), gr.Dense(2, "softmax")]
    net = gr.Sequential(layers)
    model = gr.Model(net, "sparse_categorical_crossentropy", metrics=["auc", "f1"])
    options = {"epochs": 1, "batch_size": 16, "validation_split": 0.5, "verbose": False}
    history = model.fit(x, y, patience=3, **options)
    assert np.isfinite(history["loss"]).all(), history
    assert np.isfinite(history.probes["gradient"]).any()
    assert np.isnan(history.probes["saturated"]).any()  # batch norm cannot saturate
    assert model.predict(x[:16]).dtype == np.float32
    assert set(model.evaluate(x[:16], y[:16])) == {"loss", "auc", "f1"}

    rate = gr.log_uniform(1e-3, 1e-1)
    sequences = np.random.default_rng(1).normal(size=(32, 3, 2))
    net = gr.Sequential([gr.Masking(), gr.LSTM(3), gr.Dense(1)])
    sweep = gr.Sweep(gr.Model(net, "mse", gr.Adam(rate), metrics=["r2"]), trials=2)
    sweep.fit(sequences, x[:, :1], probes=True, **options)
    assert [trial.status for trial in sweep.trials] == ["finished"] * 2


for switches in eval(sys.argv[1]):
    print(*switches, file=sys.stderr, flush=True)
    before = {switch: getattr(jax.config, switch) for switch in switches}
    for switch, value in switches.items():
        jax.config.update(switch, value)
    train()
    for switch, value in before.items():
        jax.config.update(switch, value)
    jax.clear_caches()  # so that the next ones trace anew
"""

# Switches that do not hide each other's errors are on together.
TRACED = [
    {"jax_enable_x64": True, "jax_check_tracer_leaks": True},
    {"jax_numpy_dtype_promotion": "strict", "jax_debug_nans": True},
]
EAGER = [{"jax_disable_jit": True}]


@pytest.mark.slow
@pytest.mark.parametrize("groups", [TRACED, EAGER], ids=["traced", "eager"])
def test_training_works_under_each_switch(groups):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, repr(groups)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(switch in done.stderr for switches in groups for switch in switches)
