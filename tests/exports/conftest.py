"""What the tests of ONNX share: a model with random weights, and its file in onnxruntime."""

import numpy as np
import pytest

import gradus as gr

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def randomized(model, seed=0):
    """The model with every weight drawn, so that no bias or statistic is what it was built with."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.normal(0, 0.4, w.shape) for name, w in model.weights.items()}
    model.set_weights({n: np.abs(w) + 0.1 if "variance" in n else w for n, w in drawn.items()})
    return model


@pytest.fixture
def run_onnx(tmp_path):
    """Export a model, or a run, and return its outputs on some inputs, by name."""

    def run(model, feeds, **options):
        path = gr.export(model, tmp_path / "model.onnx", **options)
        onnx.checker.check_model(onnx.load(path), full_check=True)
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, session.run(None, feeds), strict=True))

    return run


@pytest.fixture
def predictions(run_onnx):
    """Return what gradus and onnxruntime predict for a network with random weights."""

    def both(net, x, loss="mse", rows=None):
        model = randomized(gr.Model(net, loss).build(x))
        feeds = x if isinstance(x, dict) else {"x": x}
        (theirs,) = run_onnx(model, feeds).values()
        return model.predict(x), theirs

    return both
