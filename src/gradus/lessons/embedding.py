"""Embeddings: words placed by what follows them.

A word is not a number. A network could be given its position in the dictionary, but "cat" is not
the average of "cake" and "cow". An embedding gives each word a vector instead, a row of a table:

    word 17 ↦ row 17 of the table

The table is learned like all other weights: the gradient of the loss reaches the rows of the words
that were read and moves them.

Where do they move? The network's task is to guess the next word from the current one (Bengio et al.
2003, "A neural probabilistic language model"). All that it knows of a word is its vector, so words
that are followed by the same words get similar vectors. Nobody tells it that "girl" and "nurse" are
both people; it has seen that both sing and both eat, and that the dog runs and eats. "You shall
know a word by the company it keeps", as John Firth wrote in 1957.

The text here is random babble in a small made-up language whose only grammar is which kind of word
can follow which. So we know which words should end up close together, and can count how many do.
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
# What can follow each kind, with what probability: a kind or a single word.
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
    """Train a network to predict the next word, and see where it places the words.

    Args:
        page: the page to show the results on.
        words: the length of the text.
        epochs: number of epochs.
        seed: seed of the weights.

    Returns:
        The share of words whose nearest neighbor is of the same kind, before and after training.
    """
    text = babble(words, seed=1)
    beginning = " ".join(WORDS[word] for word in text[1:18])
    page.text(
        f"The network reads a text of {words:,} words, such as “{beginning}”. It gives each of the "
        f"{len(WORDS)} words a point in the plane. From these two numbers alone, it estimates how "
        "probable each word is to come next."
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
    for when, vectors in places.items():
        page.figure(
            gr.figures.codes(vectors, KIND_OF, list(KINDS), WORDS),
            f"The words {when} training, one color for each kind.",
        )
    nearest = {when: nearest_neighbors(vectors) for when, vectors in places.items()}
    page.table(
        [
            {
                "word": WORDS[word],
                "kind": list(KINDS)[KIND_OF[word]],
                **describe(model, word, nearest),
            }
            for word in range(0, len(WORDS), 4)
        ],
        "Some words, the nearest word to each, and which words the network expects next.",
    )
    share = {when: float((KIND_OF[index] == KIND_OF).mean()) for when, index in nearest.items()}
    page.text(
        f"The nearest neighbor is of the same kind for {share['before']:.0%} of the words before "
        f"training, and for {share['after']:.0%} after training."
    )
    return {f"share_with_neighbor_of_same_kind_{when}": value for when, value in share.items()}


def babble(count: int, seed: int) -> np.ndarray:
    """Return a random text of `count` words, as word indices."""
    rng, kinds, text = np.random.default_rng(seed), list(KINDS), [WORDS.index(".")]
    while len(text) < count:
        follows = FOLLOWS[kinds[KIND_OF[text[-1]]]]
        next_kind = rng.choice(list(follows), p=list(follows.values()))
        text.append(WORDS.index(rng.choice(KINDS.get(next_kind, next_kind).split())))
    return np.array(text, np.int32)


def nearest_neighbors(places: np.ndarray) -> np.ndarray:
    """Return the index of the nearest word for each word."""
    distance = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(distance, np.inf)
    return distance.argmin(axis=1)


def describe(model: gr.Model, word: int, nearest: dict[str, Any]) -> dict[str, str]:
    """Return the neighbors of a word, and the next words that get a probability above 5%."""
    probabilities = np.asarray(model.predict(np.array([word], np.int32))[0])
    likely = [WORDS[i] for i in probabilities.argsort()[::-1] if probabilities[i] > 0.05]
    near = {f"nearest {when}": WORDS[index[word]] for when, index in nearest.items()}
    return near | {"expected next": " ".join(likely)}
