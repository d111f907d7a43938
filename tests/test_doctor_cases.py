"""The literature's cases as programs: each is built or said to be prevented, and data repeat."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "doctor"
# Recipes that the case itself makes with a fixed seed.
FIXED = ("blobs", "circles", "mpg", "multiples", "sine")


def imported(name):
    """Import a module of the benchmark as its scripts do, by its plain name."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


cases, data, fixes, scores, spec, translate, train = (
    imported(name)
    for name in ("cases", "data", "fixes", "scores", "spec", "translate", "train_cases")
)


@pytest.fixture(scope="module")
def known():
    if not cases.is_there():
        pytest.skip("the cases are not there: set GRADUS_DOCTOR to the folder of cases.json")
    if not data.common.DATA.is_dir():
        pytest.skip("the data are not there: set GRADUS_DATA")
    return cases.read_cases()


@pytest.fixture(scope="module")
def programs(known):
    return {name: cases.program(case) for name, case in known.items()}


def runnable(found):
    return [each for each in found.values() if isinstance(each, cases.Program)]


# --- without the folder of cases ----------------------------------------------------------------

LAYER = {
    "type": "Dense",
    "units": 3,
    "activation": "softmax",
    "kernel_init": "glorot_uniform",
    "bias_init": "zeros",
}


def specification(**changes):
    """A small program on the blobs."""
    settings = {
        "id": "ATC-Blob-mine",
        "layers": ({**LAYER, "units": 5, "activation": "tanh+relu"}, LAYER),
        "loss": "categorical_crossentropy",
        "optimizer": {"name": "sgd", "lr": 0.1},
        "batch": 700,
        "epochs": 1,
        "recipe": data.Recipe("blobs"),
        "task": "classes",
    }
    return spec.Spec(**settings | changes)


def program(**changes):
    return cases.Program("mine", 0, specification(**changes), frozenset(), False)


@pytest.mark.parametrize(
    ("words", "low", "high", "deviation"),
    [
        ("uniform(-0.05,0.05)", -0.05, 0.05, 0.0289),
        ("RandomUniform(-0.05,0.05)", -0.05, 0.05, 0.0289),
        ("normal(0,0.25)", -9, 9, 0.25),
        ("truncnormal(0.1)", -0.2, 0.2, 0.088),
        ("truncnormal(sqrt(2/14))", -0.756, 0.756, 0.3325),
        ("const 0.1", 0.1, 0.1, 0),
        ("constant(0.01)", 0.01, 0.01, 0),
        ("Zeros", 0, 0, 0),
        ("ones", 1, 1, 0),
        ("VarianceScaling(scale=2,fan_in,uniform)=he_uniform", -0.245, 0.245, 0.1414),
        ("VarianceScaling(scale=2.0,mode=fan_in,distribution=uniform)", -0.245, 0.245, 0.1414),
        ("VarianceScaling(scale=1.0,mode=fan_in,distribution=normal)", -0.23, 0.23, 0.1),
    ],
)
def test_initializers_are_read_from_words(words, low, high, deviation):
    generator = np.random.default_rng(0)
    drawn = translate.gr.initializers.get(translate.initializer(words))(generator, (100, 200))
    assert np.float32(low) - 1e-3 <= drawn.min() <= drawn.max() <= np.float32(high) + 1e-3
    assert abs(drawn.std() - deviation) < 0.02 * deviation + 1e-6


def test_two_activations_in_a_row_are_two():
    model = translate.build(specification(), 0)
    assert [type(layer).__name__ for layer in model.net.layers] == ["Dense", "Activation", "Dense"]


def test_the_decay_of_keras_is_a_schedule():
    settings = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "decay": 0.5}
    optimizer = translate.optimizer(settings)
    assert float(optimizer.rate(np.int32(2))) == pytest.approx(0.1 / 2)
    assert optimizer.nesterov


@pytest.mark.parametrize("part", ["loss", "initializer"])
def test_unknown_parts_are_said(part):
    with pytest.raises(translate.UnknownPartError, match="something else"):
        getattr(translate, part)("something else")


def test_a_sum_over_the_batch_is_its_rows_times_the_mean():
    y, p = np.array([[0.0, 1.0]] * 4), np.full((4, 2), 0.5)
    total = float(np.mean(translate.summed_log(y, p)))
    assert total == pytest.approx(4 * np.log(2), rel=1e-5)


def test_an_error_before_training_is_prevented():
    found = cases.checked(program(optimizer={"name": "sgd", "lr": -1.0}))
    assert isinstance(found, cases.Prevented)
    assert found.reason == "refused"
    assert "0 or more" in found.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"layers": (LAYER | {"activation": "relu"},)}, "relu outputs"),
        ({"layers": (LAYER | {"activation": "linear"},)}, ""),
        ({"loss": "hinge"}, "hinge"),
        ({"loss": "SUM of cross-entropies over the batch"}, "summed"),
        ({"layers": (LAYER | {"kernel_init": "ones"},)}, ""),
        ({"layers": (LAYER | {"kernel_init": "ones"},) * 2}, "begin alike"),
    ],
)
def test_what_is_wrong_before_training_is_found(changes, reason):
    made = program(**changes)
    found = cases.statically_wrong(made.spec, made.data)
    assert (reason in found) if reason else not found


def test_errors_are_shares_or_relative():
    made, flags = program(), program(task="flags", threshold=0.7)
    values = program(task="values")
    assert scores.error(made, np.eye(3), np.eye(3)[[0, 1, 1]]) == pytest.approx(1 / 3)
    assert scores.error(flags, np.array([1, 0]), np.array([[0.6], [0.4]])) == 0.5
    assert scores.error(values, np.array([0.0, 2.0]), np.array([[1.0], [1.0]])) == 1.0
    assert scores.error(values, np.array([0.0, 2.0]), np.array([[1.0], [np.nan]])) == np.inf
    assert scores.baseline(made, made.data) == pytest.approx(2 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("found", "twin", "diverged", "poor"),
    [(0.4, 0.2, False, True), (0.3, 0.2, False, False), (0.1, 0.2, True, True)],
)
def test_poor_is_relative_to_the_twin(found, twin, diverged, poor):
    assert scores.is_poor(found, twin, diverged) is poor


def test_standardized_inputs_have_mean_0_and_deviation_1():
    found = data.Recipe("voting", standardize=True).load(3)
    assert np.abs(found.x.mean(0)).max() < 1e-3
    assert np.abs(found.x.std(0) - 1).max() < 1e-3


# --- with the folder of cases -------------------------------------------------------------------


@pytest.mark.slow
def test_every_case_is_a_program_or_prevented(known, programs):
    assert len(programs) == len(json.loads((cases.FOLDER / "cases.json").read_text())["cases"])
    for name, found in programs.items():
        assert found.id == name
        if isinstance(found, cases.Prevented):
            assert found.reason in ("refused", "semantics"), (name, found.text)
    assert len(runnable(programs)) >= 0.9 * len(known)


@pytest.mark.slow
def test_targets_and_outputs_have_fitting_rows(programs):
    for made in runnable(programs):
        found, name = made.data, made.id
        assert len(found.x) == len(found.y) > 0, name
        assert len(found.x_val) == len(found.y_val) > 0, name
        assert found.x.dtype == np.float32, name
        assert found.x.shape[1:] == found.x_val.shape[1:], name
        assert found.y.shape[1:] == found.y_val.shape[1:], name
        assert np.isfinite(found.x).all(), name
        assert 0 < made.fit["batch_size"] <= len(found.x), name


@pytest.mark.slow
def test_every_twin_differs_or_its_case_is_healthy(known, programs):
    for name, case in known.items():
        twin, words = fixes.fixed_spec(case)
        healthy = cases.labels()[name]["kind"] == "healthy"
        assert (dataclasses.replace(twin) == spec.read(case)) is healthy, name
        assert words, name
        assert not healthy or programs[name].healthy, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["SO-50079585", "SO-56380303", "MUT-R7", "TDC-regrNN-flip_sign", "ATC-Blob-384108d9"],
)
def test_twins_pass_the_checks_that_a_case_may_not(known, name):
    twin = fixes.fixed(known[name])
    assert isinstance(twin, cases.Program)
    assert not twin.static
    assert twin.fix


def test_data_are_equal_for_equal_seeds_and_others_for_others():
    for name in ("voting", "letters", "packets", "z_scores", "heart", "line", "clouds", "life"):
        first, again, other = (data.RECIPES[name](seed) for seed in (0, 0, 1))
        for part in ("x", "y", "x_val", "y_val"):
            assert np.array_equal(getattr(first, part), getattr(again, part)), name
        assert not np.array_equal(first.x, other.x), name


def test_what_stands_in_is_said_of_known_cases(known):
    assert set(data.STAND_INS) <= set(known)
    for name, case in known.items():
        at_hand = case["data_availability"].startswith(("mnist", "synthetic_exact"))
        called = (case["dataset"] or {}).get("name", "")
        own = at_hand or called.startswith(("Pima", "auto-mpg"))
        assert own or name in data.STAND_INS, name


def test_copies_are_copies_of_each_other(known):
    found = cases.copies()
    for name, others in found.items():
        assert all(name in found[other] for other in others)
        assert {len(known[name]["architecture"])} == {
            len(known[other]["architecture"]) for other in others
        }


def test_trainings_are_kept_and_not_repeated(known, tmp_path, monkeypatch, capsys):
    calls = []

    def measured(case, seed):
        calls.append((case["id"], seed))
        part = {"status": "trained", "val_error": 0.5, "seconds": 1.0}
        return {"program": part, "twin": part, "baseline": 0.6, "poor": False, "counts": False}

    monkeypatch.setattr(train, "measure", measured)
    for seeds in ("1", "2"):
        arguments = ["--cases", "IPS-5", "--seeds", seeds, "--results", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", ["train_cases.py", *arguments])
        train.main()
    assert calls == [("IPS-5", 0), ("IPS-5", 1)]
    record = json.loads((tmp_path / "IPS-5.json").read_text())
    assert list(record["seeds"]) == ["0", "1"]
    assert "learning-rate-high" in record["categories"]
    assert "IPS-5" in capsys.readouterr().out
