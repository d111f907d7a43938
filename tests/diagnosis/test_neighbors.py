"""Labels that the nearest samples contradict, and classes that no sample has."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import OutputRecord, TargetRecord
from gradus.diagnosis.references.neighbors import AGREED, ALONE, NEIGHBORS, ask_neighbors
from gradus.diagnosis.symptoms import examine

RNG = np.random.default_rng(0)
X, Y = (a[:900] for a in load_digits(return_X_y=True))


def contradicted_share(x, y):
    return ask_neighbors(x, y).contradicted


def drawn(share):
    return np.where(RNG.random(len(Y)) < share, RNG.integers(0, 10, len(Y)), Y)


def test_the_share_is_that_of_scikit_learns_neighbors():
    labels = drawn(0.5)
    scaled = (X - X.mean(0)) / np.maximum(X.std(0), 1e-9)
    scaled = np.clip(scaled[:, X.std(0) > 0], -10, 10)
    near = NearestNeighbors(n_neighbors=NEIGHBORS).fit(scaled).kneighbors(return_distance=False)
    votes = np.stack([np.bincount(labels[row], minlength=10) for row in near])
    own = votes[np.arange(len(labels)), labels]
    wanted = np.mean((own <= ALONE) & (votes.max(1) >= AGREED))
    assert contradicted_share(X.astype(np.float32), labels) == pytest.approx(wanted, abs=0.005)
    assert wanted > 0.3
    error = np.mean(votes.argmax(1) != labels)
    assert ask_neighbors(X, labels).error == pytest.approx(error, abs=0.01)
    assert error > 0.3


def test_right_labels_are_hardly_contradicted_however_they_are_written():
    assert contradicted_share(X, Y) < 0.02
    assert contradicted_share(X.astype(np.uint8), Y) < 0.02
    assert contradicted_share(X.reshape(-1, 8, 8, 1).astype(np.float32), np.eye(10)[Y]) < 0.02


@pytest.mark.parametrize(
    "labels",
    [RNG.permutation(Y), np.zeros(900, int), np.arange(900), RNG.normal(size=900)],
    ids=["shuffled", "one", "all different", "numbers"],
)
def test_nothing_is_contradicted_where_neighbors_do_not_tell(labels):
    found = ask_neighbors(X.astype(np.float32), labels)
    assert found is None or found.contradicted is None
    assert ask_neighbors(X[:80].astype(np.float32), Y[:80]) is None


def test_neighbors_tell_two_classes_however_they_are_written():
    is_even = (Y % 2).astype(np.float32)
    assert 0 < ask_neighbors(X, is_even).error < 0.05
    assert ask_neighbors(X, is_even[:, None]) == ask_neighbors(X, is_even)


@pytest.mark.slow
def test_noisy_labels_are_a_fault_after_training():
    def found(labels):
        model = gr.Model(
            gr.mlp([16, 10], "relu", "softmax"),
            "sparse_categorical_crossentropy",
            gr.Adam(0.01),
        )
        model.fit((X / 16).astype(np.float32), labels, epochs=15, batch_size=32, verbose=False)
        return [each.code for each in model.diagnose().faults]

    assert found(drawn(0.5)) == ["labels-noisy"]
    assert found(Y) == []


@pytest.mark.parametrize(
    ("counts", "classes", "found"),
    [
        ((10, 10), 4, True),
        ((10, 10, 10), 4, False),
        ((10, 0, 0, 0, 10), 5, True),
        ((10, 10), 3, False),
        ((10, 10), 200, False),
        ((20, 0, 0, 0), 4, False),  # which is labels-constant
    ],
)
def test_classes_that_never_occur(counts, classes, found):
    targets = TargetRecord(sum(counts), 0, len(counts) - 1, 0.5, 0.5, {}, counts)
    output = OutputRecord(
        "output", None, "softmax", "linear", (classes,), "sparse_categorical_crossentropy",
        "softmax", "classes", {}, targets,
    )  # fmt: skip
    codes = [each.code for each in examine(Record(outputs=(output,))).faults]
    assert ("labels-absent" in codes) is found
    sequence = dataclasses.replace(output, shape=(7, classes))
    assert "labels-absent" not in str(examine(Record(outputs=(sequence,))))


@pytest.mark.parametrize(("activation", "found"), [("tanh", ["output-range"]), (None, [])])
def test_a_generator_must_reach_the_data(activation, found):
    gan = gr.GAN(gr.mlp([4, 2], "relu", activation), gr.mlp([4, 1]), code=2)
    x = RNG.normal(0, 3, (60, 2)).astype(np.float32)
    assert [each.code for each in gan.check(x).faults] == found
