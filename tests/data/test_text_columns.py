"""Columns of text become weighted words and characters, as scikit-learn weights them."""

import json
import unicodedata

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from gradus.data import (
    Preprocessing,
    TableOptions,
    TablePreprocessor,
    preprocessor_from_dict,
    table_preprocessor,
)
from gradus.data.column_encoders import TextEncoder
from gradus.data.columns import vocabulary
from gradus.errors import DataError, TooLargeError

RNG = np.random.default_rng(0)
SENTENCE = "The lamp is Great, broken or Small: we love it! Très cool, straße 42 I'd buy it again"
WORDS = SENTENCE.split()
REVIEWS = [" ".join(RNG.choice(WORDS, RNG.integers(3, 12))) for _ in range(120)]
LATER = [*REVIEWS[:5], "a great LAMP, broken", "lamplight, greater", "TRÈS cool"]
NUMBER = RNG.normal(size=120)


def fitted(texts, size=30, **options):
    return TextEncoder.fit(pl.Series("review", texts), Preprocessing(text_features=size, **options))


def by_scikit_learn(training, later, words, characters, **more):
    """Words beside characters, by two vectorizers that saw the raw training texts."""
    rare = {"sublinear_tf": True, "min_df": 2, "max_df": len(training) - 1, **more}
    vectorizers = [
        TfidfVectorizer(max_features=words, **rare),
        TfidfVectorizer(max_features=characters, analyzer="char_wb", ngram_range=(3, 3), **rare),
    ]
    blocks = [each.fit(training).transform(later).toarray() for each in vectorizers]
    names = [name for each in vectorizers for name in each.get_feature_names_out()]
    return np.concatenate(blocks, axis=1), names


@pytest.mark.parametrize(("size", "words", "characters"), [(20, 10, 10), (21, 11, 10)])
def test_half_are_words_and_half_characters_as_scikit_learn_weights_them(size, words, characters):
    encoder = fitted(REVIEWS, size)
    expected, names = by_scikit_learn(REVIEWS, LATER, words, characters)
    x = encoder.encode(pl.Series("review", LATER))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert encoder.feature_names[:words] == tuple(f"review={name}" for name in names[:words])
    assert encoder.feature_names[words:] == tuple(f"review={name!r}" for name in names[words:])
    assert encoder.describe() == f"{words} words and {characters} character triples, TF-IDF"


def test_characters_take_what_words_leave():
    encoder = fitted(REVIEWS, 60)
    words = encoder.parts[0].terms
    assert len(words) < 30
    assert sum(len(part.terms) for part in encoder.parts) == 60


def test_the_whole_table_is_saved_as_plain_data():
    table = {"review": REVIEWS, "number": NUMBER}
    preprocessor = TablePreprocessor.fit(table)
    again = preprocessor_from_dict(json.loads(json.dumps(preprocessor.to_dict())))
    assert again == preprocessor
    np.testing.assert_array_equal(again.transform(table), preprocessor.transform(table))
    assert again.formats["review"].kind == "text"


def test_a_missing_text_is_zeros_and_marked_and_so_is_an_empty_one():
    table = {"review": [*REVIEWS, None, "", "  "], "number": [*NUMBER, 0, 0, 0]}
    preprocessor = TablePreprocessor.fit(table)
    names = preprocessor.feature_names
    assert "review.missing" in names
    x = preprocessor.transform(table)[:, [n.startswith("review") for n in names]]
    np.testing.assert_array_equal(x[-3:, :-1], 0)
    np.testing.assert_array_equal(x[:, -1], [0] * 120 + [1] * 3)
    assert not fitted([*REVIEWS, None], indicator=False).feature_names[-1].endswith("missing")


def test_a_text_without_a_known_word_is_told():
    preprocessor = TablePreprocessor.fit({"review": REVIEWS, "number": NUMBER})
    later = {"review": ["great", "世界", None, "字" * 50, ""], "number": [0.0] * 5}
    told = preprocessor.unseen_values(later)
    assert [(each.kind, each.count) for each in told] == [("text", 2), ("missing", 2)]
    first = (
        "'世界' in row 1 (counted from 0) has no word of the training data; 1 more cell has none"
    )
    assert told[0].note == f"column 'review': {first}"
    long = preprocessor.unseen_values({"review": ["字" * 50], "number": [0.0]})[0].note
    assert f"'{'字' * 40}…' in row 0" in long


SHUFFLED = RNG.permutation(600)
HEX = [f"{n:08x}-{n * 7919 % 65536:04x}" for n in SHUFFLED]
NAMES = [f"{'Mr. ' * (n % 2)}{WORDS[n % 9]} {n}" for n in SHUFFLED]
CHINESE = ["这个台灯很好我很喜欢", "质量太差不能用了", "送货很快质量很好", "我不喜欢这个台灯"]
CHINESE = [CHINESE[n % 4] + CHINESE[n // 4 % 4][: n % 7] + str(n) for n in SHUFFLED[:120]]
COLUMNS = {  # what it is, and whether it is text
    "sentences": (REVIEWS, True),
    "chinese": (CHINESE, True),
    "many names": (NAMES, True),
    "few names": (NAMES[:120], False),
    "identifiers": (HEX, False),
    "tickets": ([f"A/{n}" if n % 2 else str(n) for n in SHUFFLED], False),
    "categories of two words": (["United States", "South Africa", "New Zealand"] * 40, False),
    "few different sentences": (REVIEWS[:6] * 20, False),
    "few rows": (REVIEWS[:19], False),
}


@pytest.mark.parametrize("what", COLUMNS)
def test_what_is_text(what):
    values, is_text = COLUMNS[what]
    table = {"column": values, "number": RNG.normal(size=len(values))}
    preprocessor = TablePreprocessor.fit(table)
    kinds = {name: kind for name, kind, _ in preprocessor.column_rows()}
    assert (kinds.get("column") == "text") == is_text
    if what == "few names":
        assert preprocessor.notes[0].endswith("(to use them, say kind='text'), and was dropped")


def test_scripts_without_spaces_are_told_apart_by_their_characters():
    x = fitted(CHINESE, 100).encode(pl.Series("review", CHINESE))
    good = np.array(["很好" in text or "很喜欢" in text for text in CHINESE])
    centers = x[good].mean(axis=0), x[~good].mean(axis=0)
    nearest = ((x - centers[0]) ** 2).sum(axis=1) < ((x - centers[1]) ** 2).sum(axis=1)
    assert (nearest == good).mean() > 0.9


def test_what_the_user_says_wins():
    table = {"review": REVIEWS, "size": ["S", "M", "L"] * 40, "code": [*range(60)] * 2}

    def fit(keep=(), text_features=20, **columns):
        options, how = TableOptions(columns=columns), Preprocessing(text_features=text_features)
        return TablePreprocessor.fit(table, options=options, keep=keep, preprocessing=how)

    assert fit(review="category").columns[0].kind == "category"
    assert [c.kind for c in fit(size="text", code="text").columns] == ["text"] * 3
    assert fit(keep=["review"]).columns[0].kind == "text"
    assert fit(review="identifier").notes == ("column 'review' is an identifier, and was dropped",)
    without = fit(text_features=0)
    assert without.notes == ("column 'review' is text, and was dropped: text_features is 0",)
    with pytest.raises(DataError, match="No column is left"):
        TablePreprocessor.fit(
            {"a": ["ab", "cd", "efg"]}, options=TableOptions(columns={"a": "text"})
        )


def test_spelling_of_accents_and_case_does_not_matter():
    encoder = fitted(REVIEWS)
    spelled = ["Très cool", "TRÈS COOL", *(unicodedata.normalize("NFD", "très cool"),)]
    x = encoder.encode(pl.Series("review", spelled))
    assert "review=très" in encoder.feature_names
    np.testing.assert_array_equal(x[1:], x[:1].repeat(2, axis=0))


def test_a_text_of_a_megabyte():
    encoder = fitted(REVIEWS)
    long = " ".join(REVIEWS)
    texts = [long * (10**6 // len(long)), "\x00\n\t 🙂 \u202e"]
    x = encoder.encode(pl.Series("review", texts))
    assert np.isfinite(x).all()
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), [np.sqrt(2), 0], rtol=1e-6)


def test_terms_are_chosen_from_a_sample_of_many_rows(monkeypatch):
    monkeypatch.setattr(vocabulary, "SAMPLE", 40)
    monkeypatch.setattr(vocabulary, "BLOCK", 7)
    sample = [REVIEWS[row] for row in np.linspace(0, 119, 40).astype(int)]
    expected, _ = by_scikit_learn(sample, LATER, 5, 5)
    x = fitted(REVIEWS, 10).encode(pl.Series("review", LATER))
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_texts_that_do_not_fit_into_memory_are_refused(monkeypatch):
    preprocessor = TablePreprocessor.fit({"review": REVIEWS, "number": NUMBER})
    monkeypatch.setattr(table_preprocessor, "host_free_bytes", lambda: 50_000)
    with pytest.raises(TooLargeError, match=r"text 'review'.* smaller text_features.*\['review'\]"):
        preprocessor.transform({"review": REVIEWS, "number": NUMBER})
