"""Mutants: what is kept and counted, on outcomes made by hand; what operators do to a setup."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

FOLDER = Path(__file__).parents[1] / "benchmarks"


def imported(name, folder=FOLDER):
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


mutants = imported("doctor_mutants")
twins, operators = (imported(name, FOLDER / "doctor") for name in ("twins", "operators"))

# DOCTOR.md's categories, in which a finding meets a label.
CATEGORIES = {
    *("output-activation", "hidden-activation", "loss-mismatch", "learning-rate-high"),
    *("learning-rate-low", "too-few-epochs", "batch-size", "optimizer", "unscaled-inputs"),
    *("unscaled-targets", "preprocessing-mismatch", "labels", "imbalance", "leak"),
    *("initialisation", "vanishing", "exploding", "dead-relu", "saturation", "oscillation"),
    *("not-learning", "underfitting", "overfitting", "over-regularised", "other"),
}
HEALTHY = [0.10, 0.12, 0.11, 0.09]


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        (HEALTHY, False),
        ([0.30, 0.33, 0.28, 0.31], True),
        ([2.0] * 4, True),
        ([0.12, 0.13, 0.12, 0.11], False),  # t ≈ 1.9: p ≈ 0.05
        ([0.05, 0.90, 0.08, 0.07], False),  # one bad seed is noise
        ([0.01] * 4, False),
    ],
)
def test_a_mutant_is_kept_if_it_is_worse_beyond_noise(errors, kept):
    assert mutants.is_kept(errors, HEALTHY) is kept


def test_a_sure_but_tiny_loss_does_not_matter():
    assert mutants.is_kept([0.109] * 4, [0.1] * 4) is False  # below 1.1 × 0.1 + 0.01
    assert mutants.is_kept([0.121] * 4, [0.1] * 4) is True


@pytest.mark.parametrize("errors", [[0.30, 0.33, 0.28], [0.1, 0.15, 0.12], [0.05, 0.9, 0.1]])
def test_p_is_that_of_welchs_test(errors):
    expected = ttest_ind(errors, HEALTHY, equal_var=False, alternative="greater").pvalue
    assert mutants.welch(errors, HEALTHY) == pytest.approx(expected)
    assert mutants.welch([1.0] * 3, [0.0] * 3) == 0
    assert mutants.welch([0.0] * 3, [0.0] * 3) == 1


RATE, DEAD = "rate-high/learning-rate-high", "dead-relu/dead-relu"


def outcome(errors, *roots, repaired=None):
    said = ";".join(roots or [""] * 4)
    return {"errors": errors, "roots": said, "notes": 2, "repaired": repaired or {}}


RESULT = {
    "categories": {"rate × 30": ["learning-rate-high"], "no bias": ["other"]},
    "kinds": {
        "MLP": {
            "": outcome(HEALTHY, "", "", "", DEAD),
            "rate × 30": outcome(
                [0.9, 0.8, 0.9, 0.8],
                RATE,
                f"{RATE},{DEAD}",
                DEAD,
                "",
                repaired={"0": True, "1": False},
            ),
            "no bias": outcome(HEALTHY, "", DEAD, "", ""),
        },
        "GAN": {
            "": outcome(HEALTHY),
            "rate × 30": {"prevented": "GradusError: no"},
        },
    },
}


def test_kept_mutants_are_scored_and_the_others_stand_apart():
    tables = mutants.tables(RESULT)
    scores = "75% (goal 95%, missed) | 50% (goal 85%, missed) | 1 (goal ≤ 1.5) | 50% |"
    assert f"| all kept | | 1 of 2 | 1 | {scores}" in tables["doctor_mutants"]
    named = "| rate × 30 | `learning-rate-high` | 1 of 1 | 1 | 75% | 50% | 1 | 50% |"
    said = "| rate-high (right) 2 ×; dead-relu 1 ×; nothing 1 × |"
    assert f"{named.rstrip('|')}{said}" in tables["doctor_mutants"]
    assert "| no bias | 1 of 4 | dead-relu 1 × |" in tables["doctor_mutants.harmless"]
    assert "1 of 4 (" in tables["doctor_mutants.kinds"]  # the alarm of a healthy MLP
    assert "1 of 8 (" in tables["doctor_mutants.kinds"].splitlines()[-1]


def test_the_matrix_says_what_is_named_and_found_where():
    matrix = mutants.tables(RESULT)["doctor_mutants.matrix"].splitlines()
    assert matrix[0] == "| operator | MLP | GAN |"
    assert matrix[2:] == ["| rate × 30 | 2 (3) | refused |", "| no bias | fine | – |"]


def test_every_operator_has_known_categories_and_changes_some_networks():
    assert len(operators.OPERATORS) >= 20
    for name, operator in operators.OPERATORS.items():
        assert set(operator.categories) <= CATEGORIES, name
        assert operator.categories, name
    # Whether data are codes is read from them; houses need a folder that may be absent.
    setups = [setup for name, setup in twins.TWINS.items() if name != "MLP, house prices"]
    settings_only = ("rate × 30", "batch of one", "zero kernels", "L2 penalty of 1")
    for name in settings_only:
        changed = [operators.OPERATORS[name].change(setup) for setup in setups]
        assert all(new is None or new != old for new, old in zip(changed, setups, strict=True))
        assert sum(new is not None for new in changed) >= len(setups) - 1


def edited(operator, setup):
    return operators.OPERATORS[operator].change(twins.TWINS[setup]).parts(0)


def test_wrong_labels_train_and_validate_but_do_not_judge():
    right = twins.TWINS["MLP, digits"].parts(0)
    wrong = edited("labels shuffled", "MLP, digits")
    for part, same in (("train", False), ("validation", False), ("test", True)):
        (x, y), (x_wrong, y_wrong) = getattr(right, part), getattr(wrong, part)
        assert np.array_equal(x, x_wrong)
        assert np.array_equal(y, y_wrong) is same
        assert np.array_equal(y.sum(0), y_wrong.sum(0))  # each class is as frequent


def test_inputs_are_scaled_in_all_parts_or_only_where_nothing_is_trained():
    right = twins.TWINS["MLP, tumors"].parts(0)
    large = edited("inputs × 1,000", "MLP, tumors")
    other = edited("validation scaled otherwise", "MLP, tumors")
    for part, factor in (("train", 1), ("validation", 10), ("test", 10)):
        x = getattr(right, part)[0]
        assert np.allclose(getattr(large, part)[0], 1000 * x)
        assert np.allclose(getattr(other, part)[0], factor * x)


def test_rows_are_cut_from_training_only():
    few, rare = (
        edited(name, "MLP, digits") for name in ("3% of the training rows", "rare classes")
    )
    assert len(few.train[0]) == len(few.train[1]) == 31
    assert len(few.validation[0]) == 300
    counts = rare.train[1].sum(0)
    assert counts[0] > 80
    assert counts[1:].sum() < 40


class Predicting:
    """A model that predicts what it was given, whatever it sees."""

    def __init__(self, values, stopped=""):
        self.values = values
        self.history = type("History", (), {"stopped": stopped})

    def predict(self, x):
        return self.values


def test_errors():
    setup = twins.TWINS["MLP, digits"]
    parts = setup.parts(0)
    y = parts.test[1]
    wrong = np.roll(y, 1, axis=1)
    assert setup.error(Predicting(y), parts) == 0
    assert setup.error(Predicting(wrong), parts) == 1
    assert setup.error(Predicting(np.full(y.shape, np.nan)), parts) == twins.WORST
    assert setup.error(Predicting(y, "diverged"), parts) == twins.WORST
    copies = twins.TWINS["autoencoder, digits"]
    parts = copies.parts(0)
    mean = np.broadcast_to(parts.test[0].mean(0), parts.test[0].shape)
    assert copies.error(Predicting(mean), parts) == pytest.approx(1)
    assert copies.error(Predicting(1e9 * mean), parts) == twins.WORST
