"""Symptoms of rows and columns: leaks, identifiers, and parts that were prepared differently."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

import gradus as gr
from gradus.diagnosis import columns, comparison
from gradus.diagnosis.comparison import Part, PartComparison, compare_parts
from gradus.diagnosis.order import neighbor_likeness
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms import examine
from gradus.experiments.preparation.prepare import Experiment, prepare_data
from gradus.models.inputs.training_data import make_training_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
LOSS = "sparse_categorical_crossentropy"


def check(x, y, validation=None, loss=LOSS, end=(2, "softmax")):
    model = gr.Model(gr.Sequential([gr.Dense(8, "relu"), gr.Dense(*end)]), loss)
    return model.check(x, y, validation_data=validation)


def found(diagnosis):
    return [(finding.severity, finding.code) for finding in diagnosis]


def value(diagnosis):
    (numbers,) = diagnosis.findings[0].evidence.values()
    return numbers["value"]


# --- rows of validation in training ---------------------------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_rows_of_validation_that_training_has_are_a_fault(share):
    count = round(100 * share)
    x, y = (np.concatenate([a[400:], a[:count]])[count:] for a in (X, Y))
    diagnosis = check(X[:400], Y[:400], (x, y))
    assert found(diagnosis) == [("fault", "leak-rows")]
    assert value(diagnosis) == pytest.approx(share)


def test_rows_that_differ_a_little_or_in_their_target_are_others():
    assert found(check(X[:400], Y[:400], (X[400:], Y[400:]))) == []
    near = X[:100] + np.float32([0, 0, 0, 0, 0, 1e-6])
    assert found(check(X[:400], Y[:400], (near, Y[:100]))) == []
    assert found(check(X[:400], Y[:400], (X[:100], 1 - Y[:100]))) == []
    # One pair of equal rows, as iris has, may fall apart.
    x, y = (np.concatenate([a[400:430], a[:1]]) for a in (X, Y))
    assert found(check(X[:400], Y[:400], (x, y))) == []


def test_rows_that_occur_twice_by_nature_are_a_note_and_few_different_ones_nothing():
    x, y = (np.concatenate([a, a[:25]]) for a in (X, Y))
    training, validation = gr.data.split(len(x), 0.3)
    diagnosis = check(x[training], y[training], (x[validation], y[validation]))
    assert found(diagnosis) == [("note", "leak-rows")]
    x, y = (np.concatenate([a, a[:45]]) for a in (X, Y))  # 17 % of the rows repeat
    training, validation = gr.data.split(len(x), 0.3)
    assert found(check(x[training], y[training], (x[validation], y[validation]))) == []
    assert found(check(x, y, (x[:200], y[:200]))) == [("fault", "leak-rows")]
    few = RNG.integers(0, 3, (500, 4)).astype(np.float32)  # 81 different rows
    assert found(check(few[:400], Y[:400], (few[400:], Y[400:]))) == []
    x, y = np.tile(X, (3, 1)), np.tile(Y, 3)  # a file that was read three times
    training, validation = gr.data.split(len(x), 0.2)
    diagnosis = check(x[training], y[training], (x[validation], y[validation]))
    assert found(diagnosis) == [("note", "leak-rows")]
    assert "as validation_split" not in diagnosis[0].remedy  # which is how they were split
    names = {"np": np, "x": x, "y": y}
    exec(diagnosis[0].remedy.partition("rows: ")[2][:-1], names)  # noqa: S102 - it is our own code
    assert (names["x"].shape, names["y"].shape) == (X.shape, Y.shape)


def test_a_split_compares_its_own_rows():
    data = make_training_data(np.tile(X, (2, 1)), np.tile(Y, 2), validation_split=0.2)
    training, held_out = (set(rows % 500) for rows in (data.rows, data.validation))
    compared = data.comparison
    assert (compared.looked, compared.shared) == (
        200,
        sum(r % 500 in training for r in data.validation),
    )
    assert 0 < len(held_out) < 200  # some pairs are held out together
    assert make_training_data(X, Y, validation_split=0.2).comparison.shared == 0
    assert make_training_data(X, Y).comparison is None


@pytest.mark.parametrize("kind", [np.float32, np.int32, np.uint8, bool])
def test_equal_rows_are_those_that_numpy_finds(kind):
    x = {"a": RNG.integers(0, 3, (200, 5)).astype(kind), "b": RNG.integers(0, 9, 200)}
    y = RNG.integers(0, 2, (200, 1))
    rows = [(*a, b, *c) for a, b, c in zip(x["a"].tolist(), x["b"], y.tolist(), strict=True)]
    compared = compare_parts(
        Part(x, y, np.arange(120)), Part(x, y, np.arange(120, 200)), "validation"
    )
    assert compared.shared == sum(row in set(rows[:120]) for row in rows[120:])
    assert compared.repeated == np.mean([rows[:120].count(row) > 1 for row in rows[:120]])


def test_large_whole_numbers_are_compared_exactly():
    seconds = 1_700_000_000 + np.arange(200)[:, None]
    assert compare_parts(Part(seconds[:150]), Part(seconds[150:]), "validation").shared == 0


@pytest.mark.parametrize("x", [1e30 * X, X[:, 0], X > 0, np.ones((500, 3))])
def test_odd_inputs_are_compared_too(x):
    model = gr.Model(gr.Sequential([gr.Flatten(), gr.Dense(2, "softmax")]), LOSS)
    diagnosis = model.check(x[:400], Y[:400], validation_data=(x[400:], Y[400:]))
    assert diagnosis.without(["inputs-unscaled", "inputs-constant"]).findings == ()


def test_of_many_rows_some_are_looked_through(monkeypatch):
    monkeypatch.setattr(comparison, "AMONG", 2_000)
    x = RNG.normal(size=(8_000, 3)).astype(np.float32)
    compared = compare_parts(Part(x), Part(x[::-1]), "validation")
    assert (compared.looked, compared.seen) == (comparison.ROWS, 0.25)
    assert compared.shared / compared.looked == pytest.approx(0.25, abs=0.06)


def test_rows_that_are_alike_where_they_vary_most_are_told_apart(monkeypatch):
    monkeypatch.setattr(comparison, "NUMBERS", 150_000)
    x = np.zeros((2_000, 200), np.float32)
    x[:100, 50:62] = 9 * RNG.normal(size=(100, 12))  # nearly all rows are zero here
    x[:, 100] = RNG.uniform(size=2_000)
    compared = compare_parts(Part(x[:1_000]), Part(x[900:]), "validation")
    assert compared.looked == 500
    assert compared.shared == sum(row in x[:1_000, 100] for row in x[900:, 100][drawn(1_100)])
    monkeypatch.setattr(comparison, "NUMBERS", 1_000)
    assert compare_parts(Part(x[:1_000]), Part(x[900:]), "validation").looked == 0  # not told


def drawn(count):
    return Part(np.zeros(count)).sample(comparison.ROWS)


# --- validation prepared otherwise ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "severity", "ratio"),
    [
        (lambda x: x * 255, "fault", 255),
        (lambda x: x / 255, "fault", 1 / 255),
        (lambda x: 4 * x, "fault", 4),
        (lambda x: 2.5 * x, "note", 2.5),
        (lambda x: x + 4, "note", 4 / 0.8),  # the mean absolute deviation is √(2 / π)
    ],
)
def test_validation_with_another_scale_or_mean_is_told(change, severity, ratio):
    diagnosis = check(X[:400], Y[:400], (change(X[400:]), Y[400:]))
    assert found(diagnosis) == [(severity, "preprocessing-mismatch")]
    assert value(diagnosis) == pytest.approx(ratio, rel=0.2)


def test_chance_and_single_columns_are_no_mismatch():
    heavy = np.exp(1.5 * RNG.normal(size=(500, 6))).astype(np.float32)
    for seed in range(5):
        training, few = gr.data.split(500, 0.06, seed)
        assert found(check(X[training], Y[training], (X[few], Y[few]))) == []
        diagnosis = check(heavy[training], Y[training], (heavy[few], Y[few]))
        assert "preprocessing-mismatch" not in str(diagnosis)
    drifted = X[400:] * np.float32([9, 1, 1, 1, 1, 1])
    assert found(check(X[:400], Y[:400], (drifted, Y[400:]))) == []
    images = np.zeros((500, 4, 4), np.float32)  # most pixels never vary
    images[:, 1, 1:3] = X[:, :2]
    compared = compare_parts(Part(images[:400]), Part(images[400:] * 9), "validation")
    assert compared.shifts[0].columns == 2
    assert compared.shifts[0].scale == pytest.approx(9, rel=0.2)


def test_later_windows_of_a_series_are_no_mismatch_and_divided_ones_are():
    for seed in range(3):
        series = np.cumsum(np.random.default_rng(seed).normal(size=600)).astype(np.float32)
        x, _ = gr.data.windows((series - series.mean()) / series.std(), length=20)
        training, validation = Part(x[:450]), x[450:]
        shift = compare_parts(training, Part(validation), "validation").shifts[0]
        assert shift.overlaps
        assert shift.likeness > 0.9
        assert mismatch(shift) == []
        divided = compare_parts(training, Part(validation / 255), "validation").shifts[0]
        assert mismatch(divided) == ["fault"]
    noise = RNG.normal(size=600).astype(
        np.float32
    )  # of which later values swing three times as far
    x, _ = gr.data.windows(np.where(np.arange(600) < 470, noise, 3 * noise), length=20)
    shift = compare_parts(Part(x[:450]), Part(x[450:]), "validation").shifts[0]
    assert (shift.scale > 2.5, mismatch(shift)) == (True, ["note"])
    assert not compare_parts(Part(X[:400]), Part(X[400:]), "validation").shifts[0].overlaps


def mismatch(shift):
    record = Record(comparisons=(PartComparison("validation", shifts=(shift,)),))
    return [finding.severity for finding in examine(record)]


# --- columns -------------------------------------------------------------------------------------


def test_a_column_that_gives_the_target_away_is_noted():
    amount = X[:, :1] + X[:, 1:2]
    assert found(check(X, amount, loss="mse", end=(1,))) == []
    leaked = np.concatenate([X, 3 - 2 * amount + 0.01 * X[:, 2:3]], axis=1)
    diagnosis = check(leaked, amount, loss="mse", end=(1,))
    assert found(diagnosis) == [("note", "leak-column")]
    expected = abs(np.corrcoef(leaked[:, 6], amount[:, 0])[0, 1])
    assert value(diagnosis) == pytest.approx(expected)
    assert "Column 6 of x" in diagnosis.findings[0].message


def test_a_column_that_tells_all_classes_is_noted_unless_others_nearly_do():
    labels = RNG.integers(0, 3, 500)
    codes = np.array([2.0, -1.0, 7.0])[labels] + 0.1 * X[:, 0]
    alone = np.concatenate([X, codes[:, None]], axis=1)
    assert found(check(alone, labels, end=(3, "softmax"))) == [("note", "leak-column")]
    assert found(
        check(alone, np.eye(3)[labels], loss="categorical_crossentropy", end=(3, "softmax"))
    ) == [("note", "leak-column")]
    nearly = np.concatenate([alone, codes[:, None] + X[:, 1:2]], axis=1)  # easily told classes
    assert found(check(nearly, labels, end=(3, "softmax"))) == []
    assert found(check(codes[:, None], labels, end=(3, "softmax"))) == []
    assert found(check(X, (X[:, 0] > 0.7).astype(int))) == []  # a rule, with no gap


def test_neighbors_of_a_random_walk_give_nothing_away():
    walk = np.cumsum(RNG.normal(size=2000)).astype(np.float32) / 30
    windows = np.lib.stride_tricks.sliding_window_view(walk, 9)
    assert found(check(windows[:, :8], windows[:, 8:], loss="mse", end=(1,))) == []


@pytest.mark.parametrize("numbers", [np.arange(500), 7000 + RNG.permutation(900)[:500]])
def test_a_column_that_numbers_the_rows_is_noted(numbers):
    x = np.concatenate([X, numbers[:, None]], axis=1)
    assert ("note", "identifier-column") in found(check(x, Y))
    assert "Column 6 of x" in str(check(x, Y))
    # A single column may be time, and an embedding takes codes.
    assert "identifier-column" not in str(check(numbers[:, None] / 1.0, Y))
    net = gr.Sequential([gr.Embedding(8000, 2), gr.Flatten(), gr.Dense(2, "softmax")])
    codes = np.stack([numbers, numbers], axis=1)
    assert "identifier-column" not in str(gr.Model(net, LOSS).check(codes, Y))


def test_amounts_are_no_numbers_of_rows():
    amounts = RNG.integers(0, 10**6, 500)  # all of them may differ by chance
    assert columns.numbering_column(np.unique(amounts)[:, None] / 1.0) is None
    assert columns.numbering_column(RNG.permutation(1000)[:500, None] + 0.5) is None
    assert columns.numbering_column((np.arange(500)[:, None] // 2) / 1.0) is None


# --- rows in the order of time -------------------------------------------------------------------

DAYS = [f"2024-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
WALK = np.cumsum(np.random.default_rng(1).normal(size=len(DAYS)))


@pytest.mark.parametrize(
    ("days", "values", "codes"),
    [
        (DAYS, WALK, [("note", "split-by-time")]),
        (DAYS[::-1], WALK, [("note", "split-by-time")]),
        (DAYS, np.where(WALK.mean() < WALK, "up", "down"), [("note", "split-by-time")]),
        (DAYS, np.random.default_rng(2).normal(size=len(DAYS)), []),  # no memory
        (DAYS[1:] + DAYS[:1], WALK, []),  # no order
        (["2024-01-01"] * len(DAYS), WALK, []),
    ],
)
def test_rows_in_the_order_of_time_are_no_random_sample(tmp_path, days, values, codes):
    rows = [
        f"{day},{value},{index % 7}"
        for index, (day, value) in enumerate(zip(days, values, strict=True))
    ]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(["day,sold,weekday", *rows]))
    assert found(examine(prepare_data(Experiment(str(path), target="sold")).record)) == codes
    whole = Experiment(str(path), target="sold", validation=0.0)
    assert found(examine(prepare_data(whole).record)) == []


def test_neighbors_are_alike_as_correlation_and_kappa_say():
    labels = np.repeat(RNG.integers(0, 3, 400), 3)
    kappa = cohen_kappa_score(labels[1:], labels[:-1])
    assert neighbor_likeness(labels, True) == pytest.approx(kappa, abs=0.01)
    assert neighbor_likeness(np.zeros(9, int), True) == 0
    correlation = np.corrcoef(WALK[1:], WALK[:-1])[0, 1]
    assert neighbor_likeness(WALK, False) == pytest.approx(correlation, abs=0.02)
    assert neighbor_likeness(np.ones((9, 1)), False) == 0
