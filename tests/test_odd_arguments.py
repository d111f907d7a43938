"""Odd arguments of functions, data, and metrics are told where they are written."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError

TABLE = {"a": [1, 2, 3, 4], "b": ["x", "y", "x", "y"]}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.data.ColumnFormat(levels=3), "levels=3: write a list of texts"),
        (lambda: gr.data.ColumnFormat(kind=np.ones(2)), "Unknown kind of column"),
        (lambda: gr.data.ColumnFormat(thousands=3), "thousands=3"),
        (lambda: gr.data.ColumnFormat(date=3), "date=3: write a text"),
        (lambda: gr.data.TableOptions(columns=3), "columns=3: write a dict"),
        (lambda: gr.data.TableOptions(separator=3), "separator=3"),
        (lambda: gr.data.TableOptions(missing=3), "missing=3"),
        (lambda: gr.data.TableOptions(header="x"), "header='x'.*True or False"),
        (lambda: gr.data.Preprocessing(scaling=np.ones(2)), "Unknown scaling"),
        (lambda: gr.data.Preprocessing(one_hot_limit="x"), "one_hot_limit='x'"),
        (lambda: gr.data.Preprocessing(image_size=5), "image_size = 5"),
        (lambda: gr.data.TextVectorizer(mode=np.ones(2)), "Unknown mode"),
        (lambda: gr.data.TextVectorizer().fit(3), "a list of texts"),
        (lambda: gr.data.pad_sequences(3), "a list of sequences"),
        (lambda: gr.data.pad_sequences([[1]], value="x"), "value='x'"),
        (lambda: gr.data.split(8, share="x"), "share must be"),
        (lambda: gr.data.split(8, share=np.ones((99, 99))), r"0 and 1, not <ndarray>\.$"),
        (lambda: gr.inside(np.ones((99, 99)), 3), r"inside\(model=<ndarray>\): write a model"),
        (lambda: gr.data.split(8, stratify="x"), "stratify='x'"),
        (lambda: gr.data.split(10**30), "from 2 to 2147483647 rows"),
        (lambda: gr.data.k_folds(10**30), "from 2 to 2147483647 rows"),
        (lambda: gr.data.Scaling.fit(np.full((2, 1), 1e200)), r"as large as 1e\+200; rescale"),
        (lambda: gr.PReLU(shared_axes=3), "shared_axes=3.: write a list of axes"),
        (lambda: gr.data.blobs(9, classes="x"), "at least 2 classes"),
        (lambda: gr.data.xor(9, noise="x"), "noise must be"),
        (lambda: gr.data.load(TABLE, "b", options=3), "options=3"),
        (lambda: gr.data.load(TABLE, "b", formats=3), "formats=3"),
        (lambda: gr.data.load(TABLE, "b", classes=3), "classes=3"),
        (lambda: gr.data.load(TABLE, "b").preprocessor(3), "preprocessing=3"),
        (lambda: gr.data.load(TABLE, "b").preprocessor(keep=3), "keep=3"),
        (lambda: gr.linspace(0, 1, 10**30), "at most"),
        (lambda: gr.descend(3, 1.0, "sgd", 2), "function=3"),
        (lambda: gr.descend(abs, "x", "sgd", 2), "start='x'"),
        (lambda: gr.metrics.Accuracy("x"), "threshold='x'"),
        (lambda: gr.metrics.Precision(flags="x"), "flags='x'"),
        (lambda: gr.metrics.LossMetric("mse"), "loss='mse'"),
        (lambda: gr.init(3, 0, np.ones((1, 2))), "init.net=3"),
        (lambda: gr.fresh(3), "fresh.net=3"),
        (lambda: gr.inside(3, np.ones((1, 2))), "inside.model=3"),
        (lambda: gr.fit_all(3, np.ones((2, 2))), "a list of models"),
    ],
)
def test_odd_settings_are_told(make, words):
    with pytest.raises(GradusError, match=words):
        make()


# --- settings of a model --------------------------------------------------------------------------


@pytest.fixture
def model():
    return gr.Model(gr.Dense(1), "mse", "sgd").build(np.ones((2, 1)))


def test_the_optimizer_and_the_seed_of_a_model_may_be_set(model, tmp_path):
    model.optimizer, model.seed = "adam", 3
    model.learning_rate = 0.5
    for each in (model, gr.Model.load(model.save(tmp_path / "m"))):
        assert (repr(each.optimizer), each.seed) == ("Adam(learning_rate=0.5)", 3)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("optimizer", "addam", "Did you mean 'adam'"),
        ("optimizer", 3, r"write a name such as .adam. or an optimizer"),
        ("learning_rate", "x", "a learning rate is a number"),
        ("seed", "x", "whole number of at least 0"),
        ("net", 3, r"model\.net = 3: write a layer"),
        ("loss", "mae", r"model\.loss = …: a Model keeps the loss.*gr\.Model\(model\.net"),
        ("metrics", ["mae"], r"keeps the metrics"),
    ],
)
def test_odd_attributes_of_a_model_are_told(model, name, value, words):
    with pytest.raises(GradusError, match=words):
        setattr(model, name, value)
    assert not hasattr(model, "loss")


def test_what_are_no_weights_is_told(model):
    with pytest.raises(GradusError, match="a dict from paths to arrays"):
        model.set_weights([1.0])
