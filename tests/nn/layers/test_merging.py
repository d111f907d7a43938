"""Layers that merge arrays: Keras's values and masks, from lists, tuples, and dicts."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn import mask_tracking
from gradus.nn.layers.merging import MERGES

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=(2, 3, 4)).astype(np.float32) for _ in range(3))
NAMES = ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


@pytest.mark.parametrize("name", [*NAMES, "Subtract"])
def test_values_are_those_of_keras(name):
    arrays = [A, B] if name == "Subtract" else [A, B, C]
    expected = getattr(keras.layers, name)()([jnp.asarray(a) for a in arrays])
    layer = gr.init(getattr(gr, name)(), 0, arrays)
    for given in (arrays, tuple(arrays), dict(zip("abc", arrays, strict=False))):
        np.testing.assert_allclose(layer(given), expected, rtol=1e-6)


def test_an_axis_and_sizes_that_differ_along_it():
    longer = np.concatenate([A, A], 1)
    for axis in (1, -2):
        expected = keras.layers.Concatenate(axis)([jnp.asarray(A), jnp.asarray(longer)])
        layer = gr.init(gr.Concatenate(axis), 0, (A, longer))
        np.testing.assert_array_equal(layer((A, longer)), expected)


def test_one_axis_may_be_broadcast_and_small_integers_do_not_wrap_around():
    column = A[:, :1]
    np.testing.assert_allclose(gr.init(gr.Add(), 0, (A, column))((A, column)), A + column)
    pixels = np.full((1, 2), 200, np.uint8)
    assert gr.init(gr.Add(), 0, (pixels, pixels))((pixels, pixels)).tolist() == [[400, 400]]


def test_a_dict_is_taken_in_the_order_of_its_names_compiled_or_not():
    x = {"b": A, "a": B}
    layer = gr.init(gr.Subtract(), 0, x)
    np.testing.assert_array_equal(layer(x), B - A)
    np.testing.assert_array_equal(jax.jit(layer)(x), B - A)


def branches(last):
    named = {"a": gr.Dense(4, "tanh"), "b": gr.Dense(4)}
    return gr.Sequential(gr.Parallel(named), last)


@pytest.mark.parametrize("how", MERGES)
def test_they_follow_a_parallel_as_its_own_merge_does(how):
    layer = getattr(gr, how.capitalize())()
    one = gr.init(branches(layer), 0, A)
    other = gr.init(gr.Sequential(gr.Parallel(dict(one.layers[0].branches), merge=how)), 0, A)
    np.testing.assert_array_equal(one(A), other(A))


class Skip(gr.Layer):
    """A user's layer that adds its input to that of a layer."""

    def __init__(self):
        self.inner, self.add = gr.Dense(4), gr.Add()

    def call(self, x):
        return self.add([x, self.inner(x)])


def test_a_model_of_ones_own_with_several_inputs_trains_and_is_saved(tmp_path):
    x = {"left": A[:, 0], "right": B[:, 0]}
    net = gr.Sequential(gr.Concatenate(), gr.Dense(4), Skip(), gr.Dense(1))
    model = gr.Model(net, "mse")
    model.fit(x, C[:, 0, :1], epochs=1, verbose=False)
    again = gr.Model.load(model.save(tmp_path / "m"), custom=[Skip])
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert "concatenate" in str(model.summary())


def test_it_needs_no_network_and_may_be_made_where_it_is_called():
    np.testing.assert_array_equal(gr.Add()([A, B]), A + B)

    class Twice(gr.Layer):
        def call(self, x):
            return gr.Concatenate()([x, 2 * x])

    net = gr.init(gr.Sequential(Twice(), gr.Dense(1)), 0, A)
    assert net.layers[1].kernel.shape == (8, 1)
    with pytest.raises(ShapeError, match=r"^Add merges arrays of the shapes"):
        gr.Add()([A, B[:, :2]])


# --- masks ------------------------------------------------------------------------------------

REAL = np.array([[True, True, False], [True, False, False]])
OTHER = np.array([[True, False, False], [True, True, False]])


def merged_mask(layer, arrays, masks):
    """The mask of the layer's output, for arrays that have masks, or None."""
    with mask_tracking.tracking():
        arrays = [jnp.asarray(array) for array in arrays]
        for array, mask in zip(arrays, masks, strict=True):
            if mask is not None:
                mask_tracking.set_mask(array, jnp.asarray(mask))
        return mask_tracking.get_mask(gr.init(layer, 0, arrays)(arrays))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masks", [(REAL, OTHER), (REAL, None)])
def test_masks_are_those_of_keras(name, masks):
    ours = merged_mask(getattr(gr, name)(), (A, B), masks)
    theirs = getattr(keras.layers, name)().compute_mask(
        [jnp.asarray(A), jnp.asarray(B)], [m if m is None else jnp.asarray(m) for m in masks]
    )
    all_real = theirs is None or bool(theirs.all())
    assert (ours is None) == all_real
    if not all_real:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("masks", [(REAL, OTHER), (None, REAL)])
def test_masks_along_the_steps_are_concatenated(masks):
    ours = merged_mask(gr.Concatenate(axis=1), (A, B), masks)
    first = np.ones((2, 3), bool) if masks[0] is None else masks[0]
    np.testing.assert_array_equal(ours, np.concatenate([first, masks[1]], 1))


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (gr.Add(), A, r"takes a list, tuple, or dict of arrays but was given an array of shape"),
        (gr.Add(), (), "an array, the batch axis first"),
        (gr.Add(), (A, A[..., :3]), r"the shapes \(2, 3, 4\), \(2, 3, 3\): they must be equal\."),
        (gr.Add(), (A, A[:, 0]), r"the shapes \(2, 3, 4\), \(2, 4\)"),
        (gr.Concatenate(), (A, A[:, :2]), r"must be equal, except along axis -1"),
        (gr.Concatenate(3), (A, B), "axis=3 but was given an input of 3 axes"),
        (gr.Subtract(), (A, B, C), "subtracts one array from another, not 3"),
    ],
)
def test_arrays_that_do_not_fit_are_told(layer, x, words):
    with pytest.raises(ShapeError, match=words):
        gr.init(layer, 0, x)


def test_arrays_one_by_one_are_told_to_be_a_list():
    with pytest.raises(
        ShapeError, match=r"an array of shape .* and an array .*Add\(\)\(\[a, b\]\)"
    ):
        gr.Add()(A, B)


def test_the_batch_is_no_axis_to_concatenate_along():
    with pytest.raises(GradusError, match=r"Concatenate\(axis=0\)"):
        gr.Concatenate(0)
    with pytest.raises(GradusError, match="Unknown merge 'mean'"):
        gr.Parallel([gr.Dense(2)], merge="mean")
