"""Wrong arguments are told by the name that was written, and other errors are left alone."""

import copy
import inspect
import re

import jax
import numpy as np
import pytest

import gradus as gr
from gradus.errors import ArgumentError, GradusError
from gradus.foreign_names.arguments import explain_arguments

X = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]


class Scale(gr.Layer):
    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor


class Misspelled(gr.Dense):
    def __init__(self, units):
        super().__init__(units, activatoin="relu")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        # The class that was written, not the base that has the __init__.
        (lambda: gr.Conv2D(4, 3, strids=2), "Conv2D has no argument 'strids'. Did you mean 'strid"),
        (lambda: gr.LSTM(4, unitz=2), "LSTM has no argument 'unitz'."),
        (lambda: gr.MaxPooling1D(pool=3), "MaxPooling1D has no argument 'pool'. Did you mean 'poo"),
        (lambda: gr.Model(gr.Dense(1), "mse", metric="mae"), "Did you mean 'metrics'?"),
        (lambda: gr.GAN(gr.Dense(1), gr.Dense(1), latent=3), "GAN has no argument 'latent'. Its"),
        # The base, if a subclass called it wrongly.
        (lambda: Misspelled(3), "Dense has no argument 'activatoin'."),
        (
            lambda: Scale(2.0, name="x"),
            "Layer has no argument 'name'. Here it is gr.Dense(8).named",
        ),
        (Scale, "Scale needs factor: write Scale(factor=…)."),
        (gr.Dropout, "Dropout needs rate: write Dropout(rate=…)."),
        (lambda: gr.Conv2D(filters=3), "Conv2D needs kernel_size: write"),
        (
            lambda: gr.L2(0.1, 0.2),
            "L2 was given 2 arguments without names, but takes 1 (strength).",
        ),
        (lambda: gr.Flatten(1), "Flatten was given 1 argument without names, but takes none."),
        (lambda: gr.Dense(3, units=4), "Dense: multiple values for argument 'units'."),
        (
            lambda: gr.initializers.HeNormal(seed=1),
            "HeNormal has no argument 'seed'. Its arguments",
        ),
        (lambda: gr.Model.predict(X), "predict was called on the class Model, but"),
        (lambda: gr.Sweep.restore("sweep.db"), "write Sweep(…).restore(…)."),
        (gr.Sweep.restore, "write Sweep(…).restore(…)."),
        (
            lambda: gr.data.TablePreprocessor().fit({"a": [1, 2]}),
            "is made by its fit: write TablePreprocessor.fit(…).",
        ),
        (lambda: gr.data.Target(X), "is made by its fit: write Target.fit(…)."),
        (lambda: gr.data.load("iris").xy(), "xy needs preprocessor: write xy(preprocessor=…)."),
        # A class method of an object would leave that as it is.
        (
            lambda: gr.data.ArrayPreprocessor().fit(X),
            "fit returns a new ArrayPreprocessor, and leaves this one as it is: write "
            "ArrayPreprocessor.fit(…)",
        ),
        (lambda: gr.Model(gr.Dense(1), "mse").load("model"), "write Model.load(…), and use what"),
        (lambda: gr.mlp([3], hiden=1), "mlp has no argument 'hiden'."),
        (lambda: gr.init(gr.Dense(1), 0), "init needs example: write init(example=…)."),
        (
            lambda: gr.Model.load("x", custum=()),
            "load has no argument 'custum'. Did you mean 'custom",
        ),
        (
            lambda: gr.schedules.get("cosine", steps=3),
            "The schedule 'cosine' cannot be created: CosineDecay has no argument 'steps'.",
        ),
    ],
)
def test_a_wrong_argument_is_told(call, words):
    with pytest.raises(GradusError, match=re.escape(words)):
        call()


def test_arguments_of_methods_are_told():
    model = gr.Model(gr.Dense(1), "mse").build(X)
    sweep = gr.Sweep(gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.1, 0.2))))
    for call, words in (
        (
            lambda: model.fit(X, X, 32),
            "fit was given 3 arguments without names, but takes 2 (x, y)",
        ),
        (lambda: model.predict(X, logit=True), "predict has no argument 'logit'. Did you mean"),
        (
            lambda: sweep.fit(X, X, n_epochs=2),
            "fit has no argument 'n_epochs'. Here it is epochs=5.",
        ),
        (
            lambda: gr.Autoencoder([2]).fit(X, epoch=2),
            "fit has no argument 'epoch'. Here it is epochs",
        ),
    ):
        with pytest.raises(ArgumentError, match=re.escape(words)):
            call()


# Those of JAX, an exception, and what other code hands its arrays to.
PLAIN = ("GradusError", "attention_weights", "fresh", "show_config", "sigmoid", "softmax")
PARTS = ("Dataset", "Scaling", "TableStream", "Target", "as_array", "as_tree")
CHECKS = ("check_finite", "check_same_length", "preprocessor_from_dict")


@pytest.mark.parametrize("module", [gr, gr.data, gr.figures], ids=lambda module: module.__name__)
def test_public_functions_explain_wrong_arguments(module):
    names = [name for name in module.__all__ if name not in (*PLAIN, *PARTS, *CHECKS)]
    for public in (getattr(module, name) for name in names):
        if callable(public):
            with pytest.raises(ArgumentError, match="has no argument 'xyzzy'"):
                public(xyzzy=1)


def test_it_is_a_type_error_too():
    with pytest.raises(TypeError):
        gr.Dense(3, unitz=3)


def test_an_error_within_a_call_is_left_alone():
    @explain_arguments
    def broken(a):
        return a + "text"

    with pytest.raises(TypeError, match="unsupported operand") as raised:
        broken(3)
    assert not isinstance(raised.value, GradusError)
    assert str(inspect.signature(broken)) == "(a)"


def test_an_unknown_attribute_is_an_attribute_error():
    layer = gr.Dense(3)
    model = gr.Model(layer, "mse")
    for owner in (layer, model, model.history, gr.Sweep(model)):
        name = f"'{type(owner).__name__}' object has no attribute 'nothing'"
        with pytest.raises(AttributeError, match=name) as raised:
            owner.nothing  # noqa: B018
        assert (raised.value.name, raised.value.obj) == ("nothing", owner)
        assert not hasattr(owner, "get_weights")
        assert getattr(owner, "history_of_nothing", 3) == 3
    again = copy.deepcopy(gr.init(layer, 0, X))
    assert jax.tree.structure(again) == jax.tree.structure(gr.init(layer, 0, X))
    assert type(copy.copy(model)) is gr.Model
