"""Embedding: words placed by what follows from them.

A word is no number. A network can be given its place in the dictionary, but "cat" is not the mean
of "cake" and "cow". An embedding gives each word a vector instead, a row of a table,

    word 17 ↦ row 17 of the table

and the table is learnt like any other weights: the gradient of the loss reaches the rows of the
words that were read, and moves them.

Where do they move? The network is to guess the next word from the present one (Bengio et al. 2003,
"A neural probabilistic language model"). All that it knows of a word is its vector, so words after
which the same may follow serve it best with like vectors. Nobody tells it that "girl" and "nurse"
are both people; it has seen that both sing and both eat, and that the dog runs and eats. "You shall
know a word by the company it keeps", as John Firth wrote in 1957.

The text here is babble from a small made-up language, whose only grammar is which kind of word may
follow which. So it is known which words ought to end up together, and can be counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradus as gr
from gradus.lessons.page import Page

KINDS = {
    "people": "girl boy nurse king",
    "animals": "dog cat horse cow",
    "talking": "sings speaks calls laughs",
    "moving": "runs jumps walks turns",
    "eating": "eats likes finds takes",
    "food": "bread apples cake grass",
    "manner": "softly loudly well again",
    "place": "home here away around",
    "links": ". , and",
}
# What may follow each kind, and how often: kinds, or a single word.
FOLLOWS = {
    "people": {"talking": 0.6, "eating": 0.4},
    "animals": {"moving": 0.6, "eating": 0.4},
    "talking": {"manner": 1.0},
    "moving": {"place": 1.0},
    "eating": {"food": 1.0},
    "food": {".": 1.0},
    "manner": {"and": 1.0},
    "place": {",": 1.0},
    "links": {"people": 0.5, "animals": 0.5},
}
WORDS = [word for words in KINDS.values() for word in words.split()]
KIND_OF = np.repeat(np.arange(len(KINDS)), [len(words.split()) for words in KINDS.values()])


def lesson(page: Page, words: int = 6000, epochs: int = 40, seed: int = 0) -> dict[str, float]:
    """Teach a network which word may come next, and look where it has put the words.

    Args:
        page: where the results are shown.
        words: the length of the text.
        epochs: how often it is read.
        seed: of the weights.

    Returns:
        The share of words whose nearest neighbour is of their own kind, before and after training.
    """
    text = babble(words, seed=1)
    begin = " ".join(WORDS[code] for code in text[1:18])
    page.text(
        f"The network reads {words:,} words such as “{begin}”. It gives each of the {len(WORDS)} "
        "words a point in the plane, two numbers, and from these alone it says how probable each "
        "word is to come next."
    )
    net = gr.Sequential(
        [
            gr.Embedding(len(WORDS), 2).named("words"),
            gr.Dense(32, "tanh"),
            gr.Dense(len(WORDS), "softmax"),
        ]
    )
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.01), seed=seed)
    places = {"before": model.build(text).weights["words/embeddings"]}
    model.fit(text[:-1], text[1:], batch_size=128, epochs=epochs, verbose=False)
    places["after"] = model.weights["words/embeddings"]
    for when, found in places.items():
        page.figure(
            gr.figures.codes(found, KIND_OF, list(KINDS), WORDS),
            f"The words {when} training, each kind in a colour.",
        )
    alike = {when: neighbours(found) for when, found in places.items()}
    page.table(
        [
            {"word": WORDS[code], "kind": list(KINDS)[KIND_OF[code]], **said(model, code, alike)}
            for code in range(0, len(WORDS), 4)
        ],
        "One word of each kind, the word that lies nearest to it, and what may come next.",
    )
    share = {when: float((KIND_OF[near] == KIND_OF).mean()) for when, near in alike.items()}
    page.text(
        f"The nearest neighbour is of the word's own kind for {share['before']:.0%} of the words "
        f"before training, and for {share['after']:.0%} after it."
    )
    return {f"share_beside_their_kind_{when}": value for when, value in share.items()}


def babble(count: int, seed: int) -> np.ndarray:
    """Return a text of `count` words, as their codes."""
    draw, kinds, text = np.random.default_rng(seed), list(KINDS), [WORDS.index(".")]
    while len(text) < count:
        follows = FOLLOWS[kinds[KIND_OF[text[-1]]]]
        next_kind = draw.choice(list(follows), p=list(follows.values()))
        text.append(WORDS.index(draw.choice(KINDS.get(next_kind, next_kind).split())))
    return np.array(text, np.int32)


def neighbours(places: np.ndarray) -> np.ndarray:
    """Return for each word the one that lies nearest to it."""
    distance = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(distance, np.inf)
    return distance.argmin(axis=1)


def said(model: gr.Model, code: int, alike: dict[str, Any]) -> dict[str, str]:
    """Return the neighbours of a word, and the words that follow it in one case of 20 or more."""
    chances = np.asarray(model.predict(np.array([code], np.int32))[0])
    likely = [WORDS[each] for each in chances.argsort()[::-1] if chances[each] > 0.05]
    near = {f"nearest {when}": WORDS[found[code]] for when, found in alike.items()}
    return near | {"may come next": " ".join(likely)}
