"""Whole trainings with native kernels: near those without, and the same bits among themselves."""

import jax
import numpy as np
import pytest

import gradus as gr
from gradus.kernels import library as kernel_library
from gradus.sweep.execution.local import Local
from gradus.train.training_program import TrainingProgram

X = np.random.default_rng(0).normal(size=(150, 33)).astype(np.float32)
Y = (np.abs(X[:, :3]).argmax(1)).astype(np.int32)
FIT = {"batch_size": 16, "epochs": 5, "validation_data": (X[:40], Y[:40]), "verbose": False}


def model(rate=0.01):
    penalized = gr.Dense(17, "relu", kernel_regularizer=gr.L2(0.01))
    layers = [penalized, gr.Dropout(0.1), gr.Dense(3, "softmax")]
    optimizer = gr.AdamW(rate, weight_decay=0.01, exclude_from_weight_decay=("bias",))
    return gr.Model(gr.Sequential(layers), "sparse_categorical_crossentropy", optimizer)


def numbers(trained):
    history = [trained.history[name] for name in ("loss", "val_loss")]
    return [*history, *(np.asarray(leaf) for leaf in jax.tree.leaves(trained.net))]


@pytest.fixture(name="plain", scope="module")
def plain_fixture(using):
    """The numbers of a training without kernels."""
    with using("off"):
        trained = model()
        trained.fit(X, Y, **FIT)
    return numbers(trained)


@pytest.fixture(name="trained", scope="module")
def trained_fixture(plain, native):
    trained = model()
    trained.fit(X, Y, **FIT)
    return trained


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_fifty_steps_are_near_those_without_kernels(plain, trained):
    assert kernel_library.library().instructions
    found = numbers(trained)
    assert any(not np.array_equal(*pair) for pair in zip(found, plain, strict=True))
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_in_several_calls_the_bits_are_the_same(trained):
    again = model()
    again.fit(X, Y, **(FIT | {"epochs": 2}))
    again.fit(X, Y, **(FIT | {"epochs": 3}))
    assert_same(numbers(again), numbers(trained))


@pytest.mark.slow
def test_without_layer_statistics_the_bits_are_the_same(trained):
    without = model()
    without.fit(X, Y, probes=False, **FIT)
    assert_same(numbers(without), numbers(trained))


@pytest.mark.slow
def test_in_a_sweep_the_bits_are_the_same(trained):
    sweep = gr.Sweep(model(gr.choice(0.01, 0.03)), search="grid", executor=Local(width=1))
    sweep.fit(X, Y, **FIT)
    member = sweep.member_models(sweep.trials[0])[0]  # of the first rate
    assert_same(numbers(member), numbers(trained))


@pytest.mark.slow
@pytest.mark.usefixtures("native")
def test_kernels_are_used_at_any_batch_size_and_beside_convolutions(monkeypatch):
    original, texts = TrainingProgram.lowered, []

    def lowered(self, train_state):
        programs = original(self, train_state)
        texts.extend(program.as_text() for program in programs)
        return programs

    monkeypatch.setattr(TrainingProgram, "lowered", lowered)
    x, y = np.resize(X, (600, 33)), np.resize(Y, 600)
    layers = [gr.Reshape((33, 1)), gr.Conv1D(2, 3), gr.Flatten(), gr.Dense(3, "softmax")]
    trained = gr.Model(gr.Sequential(layers), "sparse_categorical_crossentropy", gr.Adam())
    trained.fit(x, y, epochs=1, batch_size=512, probes=False, verbose=False)
    assert "gradus_update" in texts[0]
