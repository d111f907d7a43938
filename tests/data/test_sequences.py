"""Padding of sequences, text as codes and back, windows of a series."""

import json
import os
import unicodedata

os.environ["KERAS_BACKEND"] = "jax"

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.utils import pad_sequences as keras_pads

from gradus.data import TextVectorizer, pad_sequences, windows
from gradus.errors import DataError, GradusError, SavedError

ragged = st.lists(st.lists(st.integers(1, 99), max_size=6), min_size=1, max_size=5)
sides = st.sampled_from(["pre", "post"])


@given(ragged, st.integers(1, 8), st.integers(-3, 3), sides, sides)
def test_padding_equals_keras(rows, maxlen, value, padding, truncating):
    settings = {"maxlen": maxlen, "value": value, "padding": padding, "truncating": truncating}
    ours, theirs = pad_sequences(rows, **settings), keras_pads(rows, **settings)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.int32


@given(ragged.filter(any))
def test_padding_at_the_end_loses_nothing(rows):
    padded = pad_sequences(rows)
    assert padded.shape == (len(rows), max(map(len, rows)))
    assert [[code for code in row if code] for row in padded.tolist()] == rows


def test_steps_of_several_features_are_padded():
    rows = [np.ones((2, 3)), np.full((1, 3), 2.0), np.zeros((0, 3))]
    padded = pad_sequences(rows, value=-1)
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded[:, :, 0], [[1, 1], [2, -1], [-1, -1]])
    np.testing.assert_array_equal(pad_sequences([[1], [2, 3]], value=0.5), [[1, 0.5], [2, 3]])


@pytest.mark.parametrize(
    ("given_", "options", "message"),
    [
        ([], {}, "list of sequences"),
        ("text", {}, "TextVectorizer"),
        (["text", "more"], {}, "item 0 is 'text'.*TextVectorizer"),
        ([1, 2], {}, "item 0 is 1"),
        ([[], []], {}, "all sequences are empty"),
        ([[1, 2], np.ones((2, 3))], {}, r"sequence 1 has shape \(2, 3\)"),
        ([[1]], {"maxlen": 0}, "at least 1"),
        ([[1]], {"padding": "end"}, "'end'.*post, pre"),
    ],
)
def test_invalid_sequences_raise(given_, options, message):
    with pytest.raises(GradusError, match=message):
        pad_sequences(given_, **options)


@pytest.mark.slow
@given(st.lists(st.text(max_size=8), min_size=1, max_size=4).filter(any))
def test_characters_are_restored(texts):
    vectorizer = TextVectorizer("characters").fit(texts)
    assert vectorizer.inverse(vectorizer.transform(texts)) == texts
    assert vectorizer.size == len(set("".join(texts))) + 2


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6))
def test_words_are_restored_in_lower_case(words):
    text = " ".join(words)
    vectorizer = TextVectorizer().fit([text.upper()])
    codes = vectorizer.transform([text])
    assert codes.shape == (1, len(words))
    assert vectorizer.inverse(codes) == [text]
    saved = json.loads(json.dumps(vectorizer.to_dict()))
    np.testing.assert_array_equal(TextVectorizer.from_dict(saved).transform([text]), codes)


def test_codes_are_ordered_by_frequency_and_the_rest_is_unknown():
    texts = ["The cat, the dog!", "the end; don't ask a cat"]
    vectorizer = TextVectorizer(vocabulary_size=5, length=4).fit(texts)
    assert vectorizer.vocabulary == ("the", "cat", "a")  # 3 times, twice, once and first of those
    np.testing.assert_array_equal(vectorizer.transform(texts), [[2, 3, 2, 1], [2, 1, 1, 1]])
    np.testing.assert_array_equal(vectorizer.transform(["", "cat"]), [[0] * 4, [3, 0, 0, 0]])
    assert vectorizer.inverse([[2, 3, 1, 0]]) == ["the cat �"]
    assert "don't" in TextVectorizer().fit(texts).vocabulary
    assert TextVectorizer().fit(["a"]).transform([""]).tolist() == [[0]]


def test_invalid_texts_and_codes_raise():
    fitted = TextVectorizer().fit(["a b"])
    for bad in ([], "a text", [1, 2]):
        with pytest.raises(DataError, match="list of texts"):
            fitted.fit(bad)
    with pytest.raises(DataError, match="no words"):
        TextVectorizer().fit(["?!"])
    with pytest.raises(DataError, match=r"fit\(texts\) first"):
        TextVectorizer().transform(["a"])
    with pytest.raises(DataError, match="from 0 to 4, but there are 4"):
        fitted.inverse([[0, 4]])
    with pytest.raises(DataError, match=r"shape \(n, steps\)"):
        fitted.inverse([0, 1])
    with pytest.raises(GradusError, match="'words'"):
        TextVectorizer("word")
    with pytest.raises(GradusError, match="at least 3"):
        TextVectorizer(vocabulary_size=2)
    with pytest.raises(SavedError, match="saved TextVectorizer is damaged"):
        TextVectorizer.from_dict({"mode": "words"})


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_windows_precede_their_targets(steps, length, horizon, stride):
    series = np.arange(steps)
    if steps < length + horizon:
        with pytest.raises(DataError, match=f"need {length + horizon} steps.* has {steps}"):
            windows(series, length, horizon, stride)
        return
    x, y = windows(series, length, horizon, stride)
    starts = list(range(0, steps - length - horizon + 1, stride))
    assert x[:, :, 0].tolist() == [list(range(s, s + length)) for s in starts]
    assert y[:, 0].tolist() == [s + length + horizon - 1 for s in starts]


def test_windows_of_several_features():
    series = np.random.default_rng(0).normal(size=(9, 2))
    x, y = windows(series, 3)
    assert (x.shape, y.shape, x.dtype) == ((6, 3, 2), (6, 2), np.float64)
    np.testing.assert_array_equal(x[-1, -1], series[7])
    with pytest.raises(DataError, match=r"not \(2, 3, 4\)"):
        windows(np.zeros((2, 3, 4)), 1)
    with pytest.raises(GradusError, match=r"length=0"):
        windows(series, 0)


@pytest.mark.parametrize(
    "word", ["हिन्दी", "ภาษาไทย", "תּוֹרָה", "می‌خواهم", "cafe\u0301", "ёлка", "ngày"]
)
def test_a_word_of_any_script_is_one_word(word):
    vectorizer = TextVectorizer().fit([f"{word}, {word}!"])
    assert vectorizer.vocabulary == (unicodedata.normalize("NFC", word),)
    forms = [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
    assert vectorizer.transform(forms).tolist() == [[2], [2]]


def test_windows_keep_the_digits_of_a_series():
    series = 1.7e9 + np.arange(6.0)
    x, y = windows(series, 2)
    assert np.array_equal(x[:, 0, 0], series[:4])
    assert np.array_equal(y[:, 0], series[2:])
