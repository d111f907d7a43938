import contextlib
from array import array
from collections import UserList, deque

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

import gradus as gr
from gradus.data import (
    ArrayPreprocessor,
    Scaling,
    TablePreprocessor,
    Target,
    as_array,
    as_tree,
    check_finite,
    check_same_length,
    load,
    read_idx,
    read_image_folder,
)
from gradus.data.aligned_arrays import aligned
from gradus.errors import DataError, GradusError


def test_float32_is_not_copied_and_other_floats_become_float32():
    x = np.ones((3, 2), np.float32)
    assert as_array(x) is x
    for dtype in (np.float64, np.float16, ">f4"):
        array = as_array(np.full((2, 2), 1.5, dtype))
        assert array.dtype == np.dtype(np.float32)
        assert (array == 1.5).all()


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        (np.uint8, np.uint8),
        (np.int16, np.int16),
        (">i2", np.int16),
        (np.int32, np.int32),
        (np.int64, np.int32),
        (np.uint32, np.int32),
        (np.uint64, np.int32),
        (bool, bool),
    ],
)
def test_integers_and_booleans_of_at_most_32_bits_keep_their_type(dtype, kept):
    array = as_array(np.array([0, 1, 1], dtype))
    assert array.dtype == np.dtype(kept)
    assert array.tolist() == [0, 1, 1]


def test_lists_frames_and_jax_arrays_give_the_same_array():
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    for values in (
        rows,
        pd.DataFrame(rows),
        pl.DataFrame(rows, orient="row"),
        jnp.array(rows),
        np.asfortranarray(rows),
    ):
        array = as_array(values)
        assert array.tolist() == rows
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    assert as_array(jnp.ones(3, jnp.bfloat16)).dtype == np.float32
    assert as_array(pd.Series([1, 2])).tolist() == [1, 2]
    assert as_array(pl.Series([1, 2])).tolist() == [1, 2]


def test_rows_without_columns_are_refused():
    with pytest.raises(DataError, match=r"x has shape \(20, 0\): its rows are empty"):
        gr.Model(gr.Dense(1), "mse").check(np.zeros((20, 0)), np.zeros((20, 1)))
    with pytest.raises(DataError, match=r"y has shape \(20, 0\)"):
        gr.Model(gr.Dense(1), "mse").fit(np.zeros((20, 2)), np.zeros((20, 0)), verbose=False)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.array(["a", "b"]), "text"),
        (np.array(["1", "2.5"]), r"numbers as text, such as '1': write np.asarray\(pixels, float"),
        (pd.DataFrame({"a": ["x", "y"]}), "table"),
        (np.array([1, None], object), "table"),
        ([[1, 2], [3]], "equal length"),
        ([(np.ones(2), 1)] * 3, r"pairs.*map\(np.stack"),
        (3.0, "single value"),
        (np.array([1j]), "complex"),
        (np.array(["2024-01-01"], "M8[D]"), "dates"),
        (np.array([2**40]), "int32"),
        (np.array([1e300]), "float32"),
        (scipy.sparse.csr_matrix((3, 10**12)), "sparse matrix that takes 12,000 GB"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "masked"),
    ],
)
def test_what_a_network_cannot_read_raises(values, word):
    with pytest.raises(DataError, match=word) as caught:
        as_array(values, "pixels")
    assert "pixels" in str(caught.value)


@pytest.mark.parametrize("kind", [str, object])
@pytest.mark.parametrize("name", ["y", "y['kind']", "validation y"])
def test_class_names_are_answered_with_how_to_number_them(name, kind):
    with pytest.raises(DataError, match="return_inverse=True") as caught:
        as_array(np.array(["cat", "dog"], kind), name)
    assert str(caught.value).startswith(f"{name} holds ")


def test_infinity_is_not_mistaken_for_overflow():
    assert np.isinf(as_array(np.array([np.inf]))).all()


def test_dicts_and_tuples_of_arrays_are_several_inputs_and_a_list_is_one():
    a, b = np.zeros((2, 3)), [[1], [2]]
    tree = as_tree({"image": a, "more": (a, a)})
    assert tree["image"].dtype == np.float32
    assert isinstance(tree["more"], tuple)
    assert as_tree((a, np.array(b)))[1].tolist() == b
    assert as_tree([a, a]).shape == (2, 2, 3)
    assert as_tree((0, 1, 1)).tolist() == [0, 1, 1]
    with pytest.raises(DataError, match=r"x\['image'\]\[1\]"):
        as_tree({"image": (a, np.array(["a"]))})
    with pytest.raises(DataError, match="names"):
        as_tree({})


def test_the_first_value_that_is_not_finite_is_named():
    x = np.zeros((5, 4))
    x[2, 1], x[2, 3], x[4, 0] = np.nan, np.inf, -np.inf
    with pytest.raises(DataError, match=r"3 values.*1 NaN, 2 infinite.*row 2, column 1"):
        check_finite(as_array(x))
    with pytest.raises(DataError, match=r"x\[0\] has 1 value that is .*row 1 "):
        check_finite((np.array([0, np.nan], np.float32),))


def test_a_sum_that_overflows_is_not_an_infinity():
    check_finite(np.full(100, 3e38, np.float32))
    check_finite({"codes": np.array([1, 2])})


def test_lengths_must_be_equal_and_not_zero():
    x = np.zeros((4, 2))
    assert check_same_length({"a": x, "b": x}, np.zeros(4), np.ones(4)) == 4
    with pytest.raises(DataError, match=r"x has 4, y has 3"):
        check_same_length(x, np.zeros(3))
    with pytest.raises(DataError, match=r"x has 2, y has 4\. Of several inputs write a tuple or a"):
        check_same_length(as_array([x, x]), np.zeros(4))  # as in Keras
    with pytest.raises(DataError, match="sample_weight has 5"):
        check_same_length(x, np.zeros(4), np.zeros(5))
    with pytest.raises(DataError, match="no rows"):
        check_same_length(x[:0])


@pytest.mark.parametrize("offset", [0, 4, 64])
def test_an_aligned_array_is_equal_and_begins_at_a_multiple_of_64_bytes(offset):
    memory = aligned(np.arange(1000, dtype=np.float32))
    given = memory[offset // 4 : offset // 4 + 600].reshape(20, 30)
    copy = aligned(given)
    np.testing.assert_array_equal(copy, given)
    assert copy.ctypes.data % 64 == 0
    assert np.shares_memory(copy, given) == (offset % 64 == 0)
    wide = aligned(given.astype(np.float64), np.float32)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, given)


class Squares:
    """A dataset as PyTorch has them: it has a length, but any index is answered."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index > 10:
            raise AssertionError("read past the end")
        return np.array([index, index**2], np.float32), index % 2


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: (x,)])
def test_a_dataset_is_refused_before_it_is_read(wrap):
    with pytest.raises(DataError, match=r"x is a Squares, not an array.*np\.stack\(\[data\[i\]"):
        as_tree(wrap(Squares()))


def test_an_iterator_is_refused():
    with pytest.raises(DataError, match=r"a generator\): write list\(x\)"):
        as_array(i for i in range(3))


def test_other_containers_and_buffers_are_arrays():
    values = [1, 2, 3]
    for x in (range(1, 4), deque(values), UserList(values), array("i", values), tuple(values)):
        assert as_array(x).tolist() == values


def test_complex_numbers_are_told_how_to_become_features():
    with pytest.raises(DataError, match=r"y holds complex numbers.*y\.real, y\.imag"):
        as_array(np.array([1j]), "y")


def test_numbers_in_an_array_of_objects_are_numbers():
    assert as_array(np.array([[1, 2.5], [True, 3]], dtype=object)).tolist() == [[1, 2.5], [1, 3]]
    with pytest.raises(DataError, match="Python objects"):
        as_array(np.array([[1, None, "a"]], dtype=object))


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1, 2], [3, None]], dtype=object),
        pd.DataFrame({"a": [1, 3], "b": pd.array([2.5, None], dtype="Float64")}),
        pd.DataFrame({"a": [1, 3], "b": pd.array([2, None], dtype="Int64")}),
        pd.DataFrame({"a": [1, 3], "b": pd.array([True, None], dtype="boolean")}),
    ],
)
def test_a_missing_number_is_told_with_its_place(values):
    place = r"x has 1 .*the first at row 1, column 1 \(counted from 0\)\. .*fill in the values"
    with pytest.raises(DataError, match=place):
        gr.Model(gr.Dense(1), "mse").fit(values, [1.0, 2.0])


@pytest.mark.parametrize("dtype", [">f8", "<f8", "longdouble"])
def test_floats_of_every_byte_order_keep_their_digits_until_they_are_scaled(dtype):
    x = np.array([[1.7e9], [1.7e9 + 1], [1.7e9 + 2]]).astype(dtype)
    scaled = ArrayPreprocessor.fit(x).transform(x)[:, 0]
    np.testing.assert_allclose(scaled, np.array([-1, 0, 1]) * 1.5**0.5, rtol=1e-6)


NO_ARRAYS = [None, 3, "x", [], object(), {"a": 1}, [["a"]], np.array(2.0)]


@pytest.mark.parametrize("value", NO_ARRAYS)
@pytest.mark.parametrize(
    "call",
    [
        check_finite,
        check_same_length,
        Scaling.fit,
        Scaling((0,), (1,)).transform,
        read_idx,
        read_image_folder,
        lambda value: load({"a": [1.0, 2.0]}, formats={"a": value}),
        lambda value: load({"a": [1.0, 2.0]}).take(value),
        lambda value: TablePreprocessor.fit({"a": [[value]] * 3}),
        lambda value: TablePreprocessor.fit({"c": ["x", "y"]}).transform({"c": [[value]]}),
        lambda value: load({"a": pd.DataFrame({"x": [1, 2], "y": [value] * 2})}),
        lambda value: Target.fit(["a", "b"], classes=value) and Target.fit([], value),
    ],
)
def test_what_is_no_array_or_path_is_told(call, value):
    with contextlib.suppress(GradusError):  # and nothing else
        call(value)


def test_rows_are_taken_by_number_or_by_a_boolean():
    data = load({"a": [1, 2, 3], "y": ["u", "v", "u"]}, "y")
    for rows in ([True, False, True], [0, 2], [0, -1]):
        taken = data.take(np.array(rows))
        assert (taken.x["a"].to_list(), taken.y.tolist()) == ([1, 3], [0, 0])
    for rows in ([3], [True], [0.5]):
        with pytest.raises(DataError, match="take"):
            data.take(np.array(rows))
    assert load({"a": pd.DataFrame({"x": [1, 2]})}).x["a"].to_list() == [1, 2]


def test_whole_numbers_of_any_length():
    assert as_array([[10**30, 1]], wide=True).tolist() == [[1e30, 1.0]]
    with pytest.raises(DataError, match="more than 308 digits"):
        as_array([[10**400, 1]])
