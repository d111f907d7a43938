"""Spaces: what they draw, where they can occur, and what they reject."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradus as gr
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.sweep.search.values import values_at

SHARES = np.linspace(0, 1 - 1e-12, 1001)


def test_ranges_draw_by_their_quantiles():
    # By hand: half-way of uniform(2, 4) is 3, of log_uniform(1, 100) is 10.
    assert gr.uniform(2, 4).value_at(0.5) == 3
    assert gr.log_uniform(1, 100).value_at(0.5) == pytest.approx(10)
    whole = [gr.int_uniform(3, 6).value_at(share) for share in SHARES]
    assert sorted(set(whole)) == [3, 4, 5, 6]
    assert np.ptp(np.unique(whole, return_counts=True)[1]) <= 1
    assert [gr.int_uniform(-1, 1).value_at(share) for share in (0, 0.3, 0.4, 0.9)] == [-1, -1, 0, 1]
    options = [gr.choice("a", "b", "c").value_at(share) for share in SHARES]
    assert np.ptp(np.unique(options, return_counts=True)[1]) <= 1


def test_spaced_sets_are_numpys():
    np.testing.assert_allclose(gr.linspace(1, 3, 5).options, np.linspace(1, 3, 5))
    np.testing.assert_allclose(gr.logspace(1e-4, 1, 5).options, np.geomspace(1e-4, 1, 5))
    np.testing.assert_allclose(gr.logspace(3, 0.1 + 7, 9).options, np.geomspace(3, 7.1, 9))


def test_spaced_numbers_are_what_a_person_would_write():
    assert repr(gr.logspace(1e-6, 1e-2, 5)) == "choice(1e-06, 1e-05, 0.0001, 0.001, 0.01)"
    assert repr(gr.logspace(1, 1024, 3)) == "choice(1.0, 32.0, 1024.0)"
    assert repr(gr.linspace(0, 0.5, 6)) == "choice(0.0, 0.1, 0.2, 0.3, 0.4, 0.5)"
    assert repr(gr.linspace(-0.1, 0.2, 4)) == "choice(-0.1, 0.0, 0.1, 0.2)"
    assert repr(gr.linspace(0, 0, 2)) == "choice(0.0, 0.0)"
    assert gr.linspace(1 / 3, 2 / 3, 3).options == (1 / 3, 0.5, 2 / 3)  # the ends are exact


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (gr.choice, "no options"),
        (lambda: gr.uniform(2, 1), r"more than the highest; write \(1, 2\)"),
        (lambda: gr.log_uniform(0, 1), "needs numbers above 0"),
        (lambda: gr.log_uniform(-1, 1), "needs numbers above 0"),
        (lambda: gr.int_uniform(1.5, 3), "two whole numbers"),
        (lambda: gr.uniform("1", 3), "two numbers"),
        (lambda: gr.uniform(0, float("inf")), "two numbers"),
        (lambda: gr.linspace(0, 1, 1), "a count of at least 2"),
        (lambda: gr.logspace(-4, -1, 4), "above 0"),
        (lambda: gr.uniform(0, 1, name=""), "write a word"),
    ],
)
def test_impossible_spaces_say_what_to_write(make, words):
    with pytest.raises(GradusError, match=words):
        make()


def network(dropout):
    layers = [
        gr.Dense(gr.choice(4, 8), gr.choice("relu", "tanh")),
        gr.Dropout(dropout),
        gr.Dense(gr.int_uniform(2, 5)).named("end"),
        gr.Dropout(dropout),
    ]
    return gr.Sequential(layers)


def test_names_are_paths_and_one_space_is_one_hyperparameter():
    dropout = gr.uniform(0, 0.5)
    settings = {"net": network(dropout), "seed": gr.int_uniform(0, 9, name="start")}
    assert list(find_hyperparameters(settings)) == [
        "dense.units", "dense.activation", "dropout.rate", "end.units", "start",
    ]  # fmt: skip
    hypers = find_hyperparameters([gr.LeakyReLU(gr.uniform(0, 1)), gr.Conv2D(gr.choice(1, 2), 3)])
    assert list(hypers) == ["leaky_re_lu.negative_slope", "conv2d.filters"]


def test_values_replace_spaces_and_the_rest_is_unchanged():
    dropout = gr.uniform(0, 0.5)
    net = network(dropout)
    net.layers[2].freeze()
    hypers = find_hyperparameters(net)
    made = resolve(net, hypers, values_at(hypers, dict.fromkeys(hypers, 0.6)))
    assert [layer.__class__ for layer in made.layers] == [gr.Dense, gr.Dropout] * 2
    assert (made.layers[0].units, made.layers[0].activation) == (8, "tanh")
    assert made.layers[1].rate == made.layers[3].rate == pytest.approx(0.3)
    assert made.layers[2].units == 4
    assert not made.layers[2].trainable
    assert find_hyperparameters(made) == {}
    assert len(find_hyperparameters(net)) == 4


def test_spaces_in_an_option_are_active_only_if_it_is_chosen():
    sgd = gr.SGD(gr.log_uniform(0.01, 1), momentum=gr.uniform(0, 0.9))
    settings = {"optimizer": gr.choice(sgd, gr.Adam(gr.log_uniform(1e-4, 1e-2)))}
    hypers = find_hyperparameters(settings)
    assert list(hypers) == [
        "optimizer", "optimizer.sgd.learning_rate", "optimizer.sgd.momentum",
        "optimizer.adam.learning_rate",
    ]  # fmt: skip
    shares = dict.fromkeys(hypers, 0.5)
    first = values_at(hypers, shares | {"optimizer": 0.0})
    assert list(first) == ["optimizer", "optimizer.sgd.learning_rate", "optimizer.sgd.momentum"]
    made = resolve(settings, hypers, first)["optimizer"]
    assert isinstance(made, gr.SGD)
    assert made.learning_rate == pytest.approx(0.1)
    second = values_at(hypers, shares | {"optimizer": 0.9})
    made = resolve(settings, hypers, second)["optimizer"]
    assert made == gr.Adam(made.learning_rate)
    assert made.learning_rate == pytest.approx(1e-3)


def test_a_space_shared_by_several_options_is_always_active():
    rate = gr.log_uniform(1e-4, 1e-2)
    settings = {"optimizer": gr.choice(gr.SGD(rate), gr.Adam(rate))}
    hypers = find_hyperparameters(settings)
    assert list(hypers) == ["optimizer", "optimizer.sgd.learning_rate"]
    for share, kind in ((0.0, gr.SGD), (0.9, gr.Adam)):
        values = values_at(hypers, {"optimizer": share, "optimizer.sgd.learning_rate": 0.5})
        made = resolve(settings, hypers, values)["optimizer"]
        assert isinstance(made, kind)
        assert made.learning_rate == pytest.approx(1e-3)


def test_two_spaces_with_one_name_are_rejected():
    with pytest.raises(GradusError, match="Two spaces have the name 'p'"):
        find_hyperparameters([gr.uniform(0, 1, name="p"), gr.uniform(0, 1, name="p")])


def test_a_space_left_in_a_plain_fit_is_named():
    model = gr.Model(network(0.1), "mse", gr.Adam(gr.log_uniform(1e-3, 1)))
    with pytest.raises(GradusError, match=r"dense\.units is choice\(4, 8\).*gr\.Sweep"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 2)), verbose=False)


@given(
    st.floats(1e-30, 1e30), st.floats(1e-30, 1e30), st.sampled_from([gr.uniform, gr.log_uniform]),
    st.floats(0, 1),
)  # fmt: skip
def test_what_is_drawn_lies_in_the_range(one, other, kind, fraction):
    low, high = sorted((one, other))
    space = kind(low, high)
    for share in (0.0, fraction, math.nextafter(1.0, 0.0), 1.0):
        assert low <= space.value_at(share) <= high
        assert space.contains(space.value_at(share))
    assert not space.contains(math.nextafter(high, math.inf))


def test_what_a_space_contains():
    whole, options = gr.int_uniform(3, 6), gr.choice("a", "b")
    assert [whole.contains(value) for value in (2, 3, 4.5, 6.0, 7)] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert [options.contains(value) for value in (-1, 0, 0.5, 1, 2)] == [
        False,
        True,
        False,
        True,
        False,
    ]
