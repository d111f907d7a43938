"""A table of which every column is embedded: no numbers, from training to each way to predict."""

import numpy as np
import pandas as pd
import pytest

import gradus as gr
from gradus.exports.trained import Trained
from gradus.serving.rows import RowEncoder

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_predicts_the_same_everywhere(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.choice(list("pqrst"), 80), "b": rng.choice(list("uvw"), 80)})
    y = np.where(table["a"].isin(["p", "q"]), "yes", "no")
    fitted = gr.Classifier((8,), one_hot_limit=0, epochs=30, learning_rate=0.05, random_state=0)
    assert fitted.fit(table, y).score(table, y) > 0.9  # each class has levels of its own
    expected, preprocessor = fitted.predict_proba(table), fitted.preprocessor_
    assert preprocessor.feature_names == ()

    (codes,) = preprocessor.transform(table).values()
    served = RowEncoder(preprocessor).encode(table.to_dict("records")).inputs
    assert list(served) == ["categories"]
    np.testing.assert_array_equal(served["categories"], codes)

    path = gr.export(fitted.model_, tmp_path / "model.onnx", preprocessor=preprocessor)
    feeds = {name: table[name].to_numpy(object) for name in table}
    session = ort.InferenceSession(path.read_bytes())
    _, probabilities = session.run(None, feeds)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)

    again = gr.Model.load(fitted.model_.save(tmp_path / "model"))
    assert Trained(again).model.example.keys() == {"categories"}
    np.testing.assert_array_equal(again.predict({"categories": codes})[:, 0], expected[:, 1])
