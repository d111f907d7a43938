import dataclasses
import json

import numpy as np
import pytest
import sklearn.datasets

from gradus.data import (
    blobs,
    circles,
    load,
    preprocessor_from_dict,
    spirals,
    split,
    two_moons,
    xor,
)
from gradus.data.sources.built_in import BUILT_IN
from gradus.errors import DataError


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_the_built_in_sets_are_scikit_learns(name):
    data, bunch = load(name), getattr(sklearn.datasets, f"load_{name}")()
    np.testing.assert_allclose(data.flat().x, bunch.data, rtol=1e-6)
    np.testing.assert_array_equal(data.y, bunch.target)
    assert data.task == {"diabetes": "regression", "breast_cancer": "binary"}.get(
        name, "multiclass"
    )
    assert data.class_names == tuple(map(str, getattr(bunch, "target_names", ())))


def test_digits_are_images_scaled_to_one():
    data = load("digits")
    assert data.x.shape == (1797, 8, 8, 1)
    assert data.x.dtype == np.uint8
    x, y = data.xy(data.preprocessor())
    assert (x.min(), x.max(), x.dtype) == (0, 1, np.float32)
    assert np.array_equal(y, data.y)


def test_array_preprocessing_is_learned_from_the_training_rows_alone():
    data = load("diabetes")
    train, validation = split(len(data))
    preprocessor = data.take(train).preprocessor()
    x, y = data.take(train).xy(preprocessor)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-5)
    assert y.shape == (len(train), 1)
    assert abs(y.mean()) < 1e-6
    x, y = data.take(validation).xy(preprocessor)
    assert abs(x.mean()) > 1e-4
    np.testing.assert_allclose(preprocessor.inverse_target(y)[:, 0], data.y[validation], rtol=1e-6)


def test_a_saved_array_preprocessor_is_equal_and_checks_the_width():
    data = load("wine")
    preprocessor = data.preprocessor()
    again = preprocessor_from_dict(json.loads(json.dumps(preprocessor.to_dict())))
    assert again == preprocessor
    assert again.inverse_target(data.y[:1]).tolist() == ["class_0"]
    with pytest.raises(DataError, match="learned from 13 columns"):
        again.transform(data.x[:, :5])
    with pytest.raises(DataError, match="1 NaN"):
        again.transform(np.where(np.arange(13) == 2, np.nan, data.x[:1]))
    with pytest.raises(DataError, match="keep and drop"):
        data.preprocessor(drop=["ash"])


@pytest.mark.parametrize("make", [two_moons, circles, spirals, xor, blobs])
def test_generators_are_balanced_seeded_and_noisy(make):
    data = make(n=60, noise=0.1, seed=3)
    assert data.x.shape == (60, 2)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int32)
    assert np.ptp(np.bincount(data.y)) == 0
    assert np.array_equal(data.x, make(n=60, noise=0.1, seed=3).x)
    assert not np.array_equal(data.x, make(n=60, noise=0.1, seed=4).x)
    for bad in ({"n": 1}, {"noise": -1.0}, {"seed": -2}, {"n": 2.5}):
        with pytest.raises(DataError):
            make(**bad)


def test_shapes_without_noise_are_the_formulas():
    moons = two_moons(101, noise=0)
    upper, lower = moons.x[moons.y == 0], moons.x[moons.y == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, rtol=1e-5)
    assert upper[:, 1].min() >= -1e-6
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1, rtol=1e-5)
    assert lower[:, 1].max() <= 0.5 + 1e-6

    rings = circles(50, noise=0, factor=0.3)
    radii = np.hypot(*rings.x.T)
    np.testing.assert_allclose(radii, np.where(rings.y == 1, 0.3, 1), rtol=1e-5)
    assert len(np.unique(rings.x.round(4), axis=0)) == 50

    arms = spirals(90, noise=0, classes=3)
    assert np.hypot(*arms.x.T).max() == pytest.approx(1)
    assert len(arms.class_names) == 3

    table = xor(4, noise=0)
    assert table.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert table.y.tolist() == [0, 1, 1, 0]

    clouds = blobs(3000, noise=0.5, classes=3, features=4)
    for label in range(3):
        np.testing.assert_allclose(clouds.x[clouds.y == label].std(axis=0), 0.5, rtol=0.1)


def test_every_built_in_name_loads_and_describes_itself():
    for name in BUILT_IN:
        data = load(name)
        assert data.name == name
        assert f"{len(data):,} rows" in data.describe()
        assert len(data.x) == len(data.y)


def test_targets_and_weights_may_stand_beside_a_table():
    table = load({"age": [20, 30, None, 50], "job": ["cook", "judge", "cook", "cook"]})
    data = dataclasses.replace(
        table, y=np.array([[1.0, 9], [3, 9], [5, 9], [7, 5]]), task="regression",
        weight=np.arange(4.0),
    )  # fmt: skip
    part = data.take(np.array([0, 1, 3]))
    assert part.weight.tolist() == [0, 1, 3]
    preprocessor = part.preprocessor()
    x, y = part.xy(preprocessor)
    assert preprocessor.feature_names == ("age", "job=cook", "job=judge")
    assert x.shape == (3, 3)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(preprocessor.inverse_target(y), part.y, atol=1e-5)
    classes = dataclasses.replace(table, y=np.array([1, 0, 1, 0]), task="binary")
    named = dataclasses.replace(classes, class_names=("no", "yes"))
    assert named.xy(named.preprocessor())[1].tolist() == [1, 0, 1, 0]
    assert preprocessor_from_dict(preprocessor.to_dict()) == preprocessor
