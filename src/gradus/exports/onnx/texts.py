"""A column of texts as operations of ONNX: characters, a code for each, terms, and their weights.

Terms are runs of codes, counted by `TfIdfVectorizer`: a word is its letters between two characters
that are none, so it counts where it stands alone; three characters of a word may begin or end with
a space. Only the division into characters is onnxruntime's own: ONNX has no operation for it.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gradus.data.columns.vocabulary import WORDS, Vocabulary, to_texts
from gradus.exports.onnx.graph import MICROSOFT, Graph, Tensor
from gradus.exports.onnx.layers import axes

SPACE, LETTER, OTHER = 0, 1, 2  # codes of white space, and of letters and signs that no term has
CHARACTER = r"[\pL\pN_]"  # of words: what `\w` is in Python
CASED = (  # letters with a case, ordinals, Roman numerals, and letters in circles and squares
    r"[\p{Lu}\p{Ll}\p{Lt}ªº\x{2160}-\x{217F}\x{24B6}-\x{24E9}"
    r"\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}]"
)
# Unicode's Case_Ignorable: marks, modifiers, and what may stand within a word.
PASSED_OVER = (
    r"[\p{Mn}\p{Me}\p{Cf}\p{Lm}\p{Sk}'.:·\x{387}\x{55F}\x{5F4}\x{2018}\x{2019}\x{2024}\x{2027}"
    r"\x{FE13}\x{FE52}\x{FE55}\x{FF07}\x{FF0E}\x{FF1A}]"
)
SIGMA, SMALL_SIGMA, FINAL_SIGMA = "Σσς"
NONE = -1


def text_parts(graph: Graph, text: Tensor, parts: Sequence[Vocabulary]) -> list[Tensor]:
    """Return what the vocabularies of a column make of texts, a value (batch, terms) for each.

    It is theirs for texts in Unicode's normal form C; others are to be normalized before.

    Args:
        graph: the graph.
        text: strings (batch,), "" where missing.
        parts: the vocabularies; those without terms are passed over.
    """
    parts = [part for part in parts if part.terms]
    letters = sorted({letter for part in parts for term in part.terms for letter in term} - {" "})
    codes = {" ": SPACE} | {letter: OTHER + 1 + i for i, letter in enumerate(letters)}
    sequence = _codes(graph, text, codes)
    return [_encoded(graph, sequence, part, codes) for part in parts]


def _characters(graph: Graph, text: Tensor) -> Tensor:
    """Return the characters of texts, strings (batch, length), with spaces around and after."""
    framed = graph.op("StringConcat", graph.op("StringConcat", " ", text), " ")
    settings = {"separators": [""], "mark": 0, "mincharnum": 1, "pad_value": " "}
    characters = graph.op("Tokenizer", framed, domain=MICROSOFT, **settings)
    return graph.declare(characters, "string", ("length",))


def _codes(graph: Graph, text: Tensor, codes: dict[str, int]) -> Tensor:
    """Return the codes of the characters of texts in lower case, int32 (batch, length)."""
    characters = _characters(graph, text)
    spellings = _spellings(codes)
    several = sorted({each for each in spellings.values() if len(each) > 1})
    rows = [(code,) for code in range(OTHER + len(codes))] + several
    row_of = {row: index for index, row in enumerate(rows)}
    found = graph.op(
        "LabelEncoder",
        characters,
        domain="ai.onnx.ml",
        keys_strings=list(spellings),
        values_int64s=[row_of[each] for each in spellings.values()],
        default_int64=NONE,
    )
    is_letter = graph.op("RegexFullMatch", characters, pattern=CHARACTER)
    unknown = graph.op("Where", is_letter, np.int64(LETTER), np.int64(OTHER))
    index = graph.op("Where", graph.op("Less", found, np.int64(0)), unknown, found)
    if {SMALL_SIGMA, FINAL_SIGMA} & set(codes):
        final = np.int64(codes.get(FINAL_SIGMA, LETTER))
        index = graph.op("Where", _final_sigma(graph, characters), final, index)
    table = np.full((len(rows), max(map(len, rows))), NONE, np.int32)
    for row, each in zip(table, rows, strict=True):
        row[: len(each)] = each
    spelled = graph.op("Gather", graph.weight("codes", table), index)
    return _without_gaps(graph, graph.op("Flatten", spelled, axis=1))


def _spellings(codes: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Return the codes of what each character is in lower case and Unicode's normal form C.

    Left out are characters that become one which no term has.
    """
    spellings = {}
    for character, text in _lower_case().items():
        known = [codes.get(each, LETTER if each.isalnum() else OTHER) for each in text]
        if len(text) > 1 or text in codes:
            spellings[character] = tuple(known)
    return {letter: (code,) for letter, code in codes.items()} | spellings


@lru_cache(1)
def _lower_case() -> dict[str, str]:
    """Return the characters that a text does not keep, with what they become, and white space."""
    import polars as pl

    every = [chr(code) for code in range(sys.maxunicode + 1)]
    assigned = [each for each in every if unicodedata.category(each) not in ("Cn", "Co", "Cs")]
    texts = to_texts(pl.Series(assigned))
    changed = {each: text for each, text in zip(assigned, texts, strict=True) if each != text}
    return changed | {each: " " for each in assigned if each.isspace()}


def _final_sigma(graph: Graph, characters: Tensor) -> Tensor:
    """Return which capital sigmas end a word: a letter is before them, and none after.

    What Unicode passes over there, such as full stops, is left out first (Final_Sigma, in the
    Unicode Standard, section 3.13).
    """
    int32 = graph.onnx.TensorProto.INT32
    passed_over = graph.op("RegexFullMatch", characters, pattern=PASSED_OVER)
    cased = graph.op("Cast", graph.op("RegexFullMatch", characters, pattern=CASED), to=int32)
    told = _without_gaps(graph, graph.op("Where", passed_over, np.int32(NONE), cased))
    told = graph.op("Equal", told, np.int32(1))

    def columns(begin: int, end: int) -> Tensor:
        return graph.op("Slice", told, axes(begin), axes(end), axes(1))

    # The ends are spaces, no letters: the last may stand before the first.
    before = graph.op("Concat", columns(-1, sys.maxsize), columns(0, -1), axis=1)
    after = graph.op("Concat", columns(1, sys.maxsize), columns(0, 1), axis=1)
    ending = graph.op("And", before, graph.op("Not", after))
    counted = graph.op("Cast", graph.op("Not", passed_over), to=int32)
    place = graph.op("CumSum", counted, np.int64(1), exclusive=1)
    here = graph.op("GatherElements", ending, place, axis=1)
    return graph.op("And", graph.op("Equal", characters, SIGMA), here)


def _without_gaps(graph: Graph, codes: Tensor) -> Tensor:
    """Return codes with those that are `NONE` taken out, and as many spaces at the end."""
    kept = graph.op("GreaterOrEqual", codes, np.int32(0))
    counts = graph.op("Cast", kept, to=graph.onnx.TensorProto.INT32)
    place = graph.op("CumSum", counts, np.int64(1), exclusive=1)
    # The last place is free if anything is taken out.
    place = graph.op("Where", kept, place, np.int32(-1))
    values = graph.op("Max", codes, np.int32(SPACE))
    return graph.op("ScatterElements", graph.op("Sub", codes, codes), place, values, axis=1)


def _encoded(
    graph: Graph, sequence: Tensor, vocabulary: Vocabulary, codes: dict[str, int]
) -> Tensor:
    """Return the weighted numbers of a vocabulary's terms, (batch, terms)."""
    terms = vocabulary.terms
    if vocabulary.analyzer == WORDS:
        kept = np.arange(OTHER + len(codes), dtype=np.int32)
        kept[[code for each, code in codes.items() if not (each.isalnum() or each == "_")]] = SPACE
        kept[OTHER] = SPACE
        sequence = graph.op("Gather", graph.weight("letters", kept), sequence)
        terms = tuple(f" {term} " for term in terms)
    grams = sorted(enumerate(terms), key=lambda each: len(each[1]))
    lengths = [len(term) for _, term in grams]
    starts = np.cumsum([0] + [lengths.count(n) * n for n in range(1, lengths[-1])])
    counts = graph.op(
        "TfIdfVectorizer",
        sequence,
        mode="TF",
        min_gram_length=lengths[0],
        max_gram_length=lengths[-1],
        max_skip_count=0,
        ngram_counts=starts.tolist(),
        ngram_indexes=[index for index, _ in grams],
        pool_int64s=[codes[letter] for _, term in grams for letter in term],
    )
    one = np.float32(1)
    logs = graph.op("Log", graph.op("Max", counts, one))
    frequency = graph.op("Add", logs, graph.op("Min", counts, one))  # 1 + ln n, or 0
    weights = graph.weight("weights", np.array(vocabulary.weights, np.float32))
    weighted = graph.op("Mul", frequency, weights)
    norm = graph.op("ReduceL2", weighted, axes(1), keepdims=1)
    return graph.op("Div", weighted, graph.op("Max", norm, one))  # 0, or at least 1
