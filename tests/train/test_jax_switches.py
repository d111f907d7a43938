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
    x = np.random.default_rng(0).normal(size=(30, 4))
    y = (x[:, 0] > 0).astype(int)
    layers = [gr.Dense(4, "relu"), gr.BatchNormalization(), gr.Dropout(0.2), gr.Dense(2, "softmax")]
    net = gr.Sequential(layers)
    model = gr.Model(net, "sparse_categorical_crossentropy", metrics=["auc", "f1"])
    options = {"batch_size": 21, "validation_split": 0.3, "patience": 3, "verbose": False}
    history = model.fit(x, y, epochs=1, **options)
    assert np.isfinite(history["loss"]).all(), history
    assert np.isfinite(history.probes["gradient"]).any()
    assert np.isnan(history.probes["saturated"]).any()  # batch norm cannot saturate
    assert model.predict(x).dtype == np.float32
    assert set(model.evaluate(x, y)) == {"loss", "auc", "f1"}

    rate = gr.log_uniform(1e-3, 1e-1)
    sequences = np.random.default_rng(1).normal(size=(12, 3, 2))
    net = gr.Sequential([gr.Masking(), gr.LSTM(3), gr.Dense(1)])
    sweep = gr.Sweep(gr.Model(net, "mse", gr.Adam(rate), metrics=["r2"]), trials=2)
    sweep.fit(sequences, x[:12, :1], epochs=1, batch_size=10, probes=True, verbose=False)
    assert [trial.status for trial in sweep.trials] == ["finished"] * 2


for switch, value in eval(sys.argv[1]).items():
    print(switch, file=sys.stderr, flush=True)
    before = getattr(jax.config, switch)
    jax.config.update(switch, value)
    train()
    jax.config.update(switch, before)
    jax.clear_caches()  # so that the next one traces anew
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "switches",
    [
        {
            "jax_enable_x64": True,
            "jax_debug_nans": True,
            "jax_numpy_dtype_promotion": "strict",
            "jax_check_tracer_leaks": True,
        },
        {"jax_disable_jit": True},
    ],
    ids=["traced", "eager"],
)
def test_training_works_under_each_switch(switches):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, repr(switches)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(switch in done.stderr for switch in switches)
