"""Settings of the preprocessing: scaling, filling in, encoding, and resizing."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm, rankdata
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from gradus.data import (
    ArrayPreprocessor,
    Dataset,
    Preprocessing,
    TablePreprocessor,
    load,
    preprocessor_from_dict,
)
from gradus.errors import DataError, GradusError
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.space import choice

RNG = np.random.default_rng(0)
HEAVY = RNG.lognormal(0, 2, 200)  # "auto" maps it by its ranks
NORMAL = RNG.normal(5, 3, 200)
IMAGES = RNG.integers(0, 200, (6, 8, 8, 3)).astype(np.uint8)


def saved(preprocessor):
    again = preprocessor_from_dict(json.loads(json.dumps(preprocessor.to_dict())))
    assert again == preprocessor
    return again


def table(values, **settings):
    fitted = TablePreprocessor.fit({"a": values}, preprocessing=Preprocessing(**settings))
    return saved(fitted).transform({"a": values})


def ranks(values):
    scores = norm.ppf((rankdata(values) - 0.5) / len(values))
    return np.clip((scores - scores.mean()) / scores.std(), -5, 5)


def clipped(values):
    return np.clip(values, -5, 5)


@pytest.mark.parametrize(
    ("scaling", "values", "expected"),
    [
        ("auto", HEAVY, ranks(HEAVY)),
        ("auto", NORMAL, StandardScaler().fit_transform(NORMAL[:, None])[:, 0]),
        ("standard", HEAVY, clipped(StandardScaler().fit_transform(HEAVY[:, None])[:, 0])),
        ("normal", NORMAL, ranks(NORMAL)),
        ("minmax", HEAVY, MinMaxScaler().fit_transform(HEAVY[:, None])[:, 0]),
        ("none", 1e5 * HEAVY, 1e5 * HEAVY),
    ],
)
def test_every_scaling_of_a_table(scaling, values, expected):
    x = table(values, scaling=scaling)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_missing_numbers_are_filled_in_and_marked():
    values = [1.0, 2.0, None, 12.0] * 10
    given = np.array(values, float)[:, None]
    for word in ("median", "mean"):
        filled = SimpleImputer(strategy=word).fit_transform(given)
        x = table(values, missing=word, scaling="none", indicator=False)
        np.testing.assert_allclose(x, filled)
    marked = table(values, scaling="none")
    np.testing.assert_array_equal(marked[:, 1], np.isnan(given[:, 0]))
    frame = {"flag": [True, None] * 20, "day": ["2024-01-01", "2024-03-05", None, None] * 10}
    counts = [
        len(TablePreprocessor.fit(frame, preprocessing=Preprocessing(indicator=one)).feature_names)
        for one in (True, False)
    ]
    assert counts[0] - counts[1] == 2


def test_a_limit_of_0_embeds_every_category_and_dates_are_scaled_too():
    frame = {"town": ["Ulm", "Bonn"] * 20, "day": ["2024-01-01", "2024-03-05"] * 20}
    fitted = TablePreprocessor.fit(
        frame, preprocessing=Preprocessing(one_hot_limit=0, scaling="minmax")
    )
    x = fitted.transform(frame)
    assert x["categories"][:2, 0].tolist() == [2, 1]
    assert x["numbers"].min() == 0
    assert x["numbers"].max() == 1
    assert "scaled to [0, 1]" in fitted.describe()


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("auto", IMAGES / 255),
        ("standard", (IMAGES - IMAGES.mean((0, 1, 2))) / IMAGES.std((0, 1, 2))),
        ("minmax", (IMAGES - IMAGES.min((0, 1, 2)) * 1.0) / np.ptp(IMAGES, (0, 1, 2))),
        ("none", IMAGES),
    ],
)
def test_images_are_scaled_by_their_type_or_their_values(scaling, expected, tmp_path):
    np.savez(tmp_path / "images.npz", x=IMAGES, y=np.arange(6) % 2)
    fitted = saved(load(tmp_path / "images.npz").preprocessor(Preprocessing(scaling=scaling)))
    np.testing.assert_allclose(fitted.transform(IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_columns_of_an_array_are_scaled_as_scikit_learn_does():
    x = np.stack([HEAVY, NORMAL, np.full(200, 7.0)], axis=1).astype(np.float32)
    for scaling, scaler in (("standard", StandardScaler()), ("minmax", MinMaxScaler())):
        fitted = ArrayPreprocessor.fit(x, preprocessing=Preprocessing(scaling=scaling))
        expected = scaler.fit_transform(x.astype(float))
        np.testing.assert_allclose(fitted.transform(x), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(
        ArrayPreprocessor.fit(x, preprocessing=Preprocessing(scaling="none")).transform(x), x
    )


def test_images_are_resized_as_pillow_does():
    preprocessing = Preprocessing(scaling="none", image_size=(4, 6))
    fitted = saved(ArrayPreprocessor.fit(IMAGES, preprocessing=preprocessing))
    x = fitted.transform(IMAGES)
    assert (x.shape, x.dtype) == ((6, 4, 6, 3), np.uint8)
    for image, resized in zip(IMAGES, x, strict=True):
        expected = Image.fromarray(image).resize((6, 4), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(resized, np.asarray(expected))
    floats = fitted.transform(IMAGES.astype(np.float32))
    np.testing.assert_allclose(floats, x, atol=1)  # uint8 is rounded
    assert fitted.transform(x) is x
    assert "4 × 6" in fitted.describe()


def test_settings_may_be_spaces():
    settings = Preprocessing(scaling=choice("standard", "minmax"), one_hot_limit=choice(0, 24))
    hypers = find_hyperparameters(settings)
    assert list(hypers) == ["scaling", "one_hot_limit"]
    assert resolve(settings, hypers, {"scaling": 1, "one_hot_limit": 0}) == Preprocessing(
        scaling="minmax", one_hot_limit=0
    )


def test_invalid_settings_say_what_to_write():
    with pytest.raises(GradusError, match=r"scaling 'min-max'.*Did you mean 'minmax'"):
        Preprocessing(scaling="min-max")
    with pytest.raises(GradusError, match=r"missing 'medium'.*Did you mean 'median'"):
        Preprocessing(missing="medium")
    refused = [
        ({"missing": "mean"}, {"x": IMAGES}, "missing = 'mean' does not apply to arrays"),
        ({"image_size": (4, 4)}, {"x": HEAVY[:, None]}, "is for images"),
        ({"image_size": (4, 0)}, {"x": IMAGES}, "write a height and a width"),
        ({"scaling": "normal"}, {"x": HEAVY[:, None]}, "does not apply to arrays"),
        ({"scaling": "minmax"}, {"x": (HEAVY, NORMAL)}, "does not apply to several inputs"),
    ]
    for settings, data, words in refused:
        with pytest.raises(DataError, match=words):
            Dataset(data["x"]).preprocessor(Preprocessing(**settings))
    with pytest.raises(DataError, match=r"image_size = .* does not apply to a table"):
        TablePreprocessor.fit({"a": HEAVY}, preprocessing=Preprocessing(image_size=(4, 4)))


@pytest.mark.parametrize(
    ("x", "y", "word"),
    [(np.zeros((0, 2)), None, "no rows"), (np.zeros((4, 2)), [0, 1, 0], "y has 3")],
)
def test_arrays_without_rows_or_of_other_lengths_are_refused(x, y, word):
    with pytest.raises(DataError, match=word):
        ArrayPreprocessor.fit(x, y)
