"""Quality of `gradus train` with its defaults, compared with scikit-learn's networks.

The mean over five seeds, on the standard or a fixed test set that training never sees, or over
ten times five folds. gradus runs what `gradus train DATA` runs: the same choice of
defaults, preprocessing, network and early stopping. MLPClassifier and MLPRegressor get the same
preprocessed numbers (embedded categories as one-hot), including the rows that gradus holds out
for early stopping: once with their defaults, once with early_stopping=True. Goals: the numbers in
`CASES`, and scikit-learn never better by two standard errors of the difference.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
import warnings
from collections.abc import Iterable
from typing import Any

import common
import numpy as np

QUICK_ROWS, QUICK_EPOCHS = 600, 2
VARIANTS: dict[str, dict[str, Any]] = {
    "scikit-learn": {},
    "scikit-learn, early stopping": {"early_stopping": True},
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A data set and its goals.

    Attributes:
        source: a built-in name, or a path in the data folder.
        target: the mean of the metric that the defaults should reach.
        column: the target column of a table.
        test: the file of the standard test set.
        metric: "accuracy" or "r2".
        folds: the folds of a cross-validation, repeated twice per seed; 0 for one fixed split,
            unless the data set has a standard one.
    """

    source: str
    target: float
    column: str | int | None = None
    test: str | None = None
    metric: str = "accuracy"
    folds: int = 0


CASES = {
    "mnist": Case("mnist", 0.982),
    "fashion-mnist": Case("fashion-mnist", 0.895),
    "adult": Case("tabular/adult_train.csv", 0.855, "income", "tabular/adult_test.csv"),
    "california_housing": Case(
        "tabular/california_housing.csv", 0.80, "median_house_value", metric="r2"
    ),
    "diamonds": Case("tabular/diamonds.csv", 0.97, "price", metric="r2"),
    "penguins": Case("tabular/penguins.csv", 0.95, "species", folds=5),
    "iris": Case("iris", 0.95, folds=5),
    "wine": Case("wine", 0.96, folds=5),
    "breast_cancer": Case("breast_cancer", 0.96, folds=5),
    "titanic": Case("tabular/titanic.csv", 0.80, "survived", folds=5),
    "pima": Case("tabular/pima.csv", 0.75, -1, folds=5),
    "mpg": Case("tabular/mpg.csv", 0.85, "mpg", metric="r2", folds=5),
    "diabetes": Case("diabetes", 0.45, metric="r2", folds=5),
    "digits": Case("digits", 0.97),
}
LABELS = {
    "mnist": "MNIST, accuracy",
    "fashion-mnist": "Fashion-MNIST, accuracy",
    "adult": "adult, accuracy",
    "california_housing": "California housing, R²",
    "diamonds": "diamonds, R²",
    "penguins": "penguins, accuracy, 5 folds",
    "iris": "iris, accuracy, 5 folds",
    "wine": "wine, accuracy, 5 folds",
    "breast_cancer": "breast cancer, accuracy, 5 folds",
    "titanic": "titanic, accuracy, 5 folds",
    "pima": "pima, accuracy, 5 folds",
    "mpg": "mpg, R², 5 folds",
    "diabetes": "diabetes, R², 5 folds",
    "digits": "digits, accuracy",
}


def load(case: Case) -> Any:
    """Return the whole data set, with its standard test set if it has one."""
    from gradus import data

    def located(name: str) -> Any:
        path = common.DATA / name
        return path if path.exists() else name

    loaded = data.load(located(case.source), case.column)
    if case.test is None:
        return loaded
    test = data.load(located(case.test), case.column, classes=loaded.class_names)
    return dataclasses.replace(loaded, test=test)


def parts(case: Case, loaded: Any, seed: int) -> list[Any]:
    """Return the data sets of one run, each with its test set: one, or one per fold."""
    from gradus import data

    by = loaded.y if case.metric == "accuracy" else len(loaded)
    if case.folds:
        chosen = data.k_folds(by, case.folds, seed)
    elif loaded.test is None:
        chosen = [data.split(by, 0.2, 0)]
    else:
        return [loaded]
    return [dataclasses.replace(loaded.take(a), test=loaded.take(b)) for a, b in chosen]


def shortened(loaded: Any) -> Any:
    """Return a few rows of a data set, for --quick."""
    few = np.random.default_rng(0).permutation(len(loaded))[:QUICK_ROWS]
    test = None if loaded.test is None else loaded.test.take(np.arange(QUICK_ROWS))
    return dataclasses.replace(loaded.take(few), test=test)


def train(dataset: Any, seed: int, quick: bool) -> tuple[Any, Any, int]:
    """Train as `gradus train` does, without the report.

    Returns:
        The prepared data, the test metrics, and the number of epochs.
    """
    from gradus.data.sources.built_in import BUILT_IN
    from gradus.experiments import evaluation, fitting
    from gradus.experiments.preparation import prepare
    from gradus.experiments.settings.experiment import Experiment, TrainingSection

    name = f"benchmark {len(list(BUILT_IN))}"  # registers the data set among the built-in ones
    BUILT_IN.add(name)(lambda: dataset)
    epochs = TrainingSection(epochs=QUICK_EPOCHS if quick else None)
    experiment = Experiment(name, seed=seed, shuffle_seed=seed, training=epochs)
    prepared = prepare.prepare_data(experiment)
    model = fitting.new_model(prepared)
    fitting.fit_model(model, prepared)
    kept = fitting.refit(model, prepared)
    metrics = evaluation.evaluate_in_units(kept, *prepared.parts["test"], prepared.target)
    return prepared, metrics, model.history.epochs


def plain(x: Any, dataset: Any, prepared: Any) -> np.ndarray:
    """Return a network's inputs as one float32 matrix for scikit-learn."""
    if isinstance(x, dict):
        columns = zip(x["categories"].T, prepared.preprocessor.cardinalities, strict=True)
        one_hot = [np.eye(size, dtype=np.float32)[codes] for codes, size in columns]
        return np.concatenate([x["numbers"], *one_hot], axis=1)
    if x.dtype == np.uint8 and dataset.scaling is not None:
        x = dataset.scaling.transform(x)
    return np.asarray(x, np.float32).reshape(len(x), -1)


def compare(dataset: Any, prepared: Any, metric: str, seed: int, quick: bool) -> list[float]:
    """Return the test metric of scikit-learn's variants, fitted in parallel."""
    from joblib import Parallel, delayed

    fitted = {
        name: (plain(x, dataset, prepared), np.asarray(y).reshape(len(y)))
        for name, (x, y) in prepared.parts.items()
    }
    held = [fitted["validation"]] if "validation" in fitted else []
    x, y = (np.concatenate(part) for part in zip(fitted["training"], *held, strict=True))
    jobs = [
        delayed(score)(x, y, *fitted["test"], metric, seed, options, quick)
        for options in VARIANTS.values()
    ]
    return Parallel(n_jobs=min(len(jobs), common.cores()))(jobs)


def score(
    x: np.ndarray,
    y: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    metric: str,
    seed: int,
    options: dict[str, Any],
    quick: bool,
) -> float:
    """Fit one of scikit-learn's networks and return its accuracy or R² on the test set."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from threadpoolctl import threadpool_limits

    kind = MLPRegressor if metric == "r2" else MLPClassifier
    model = kind(random_state=seed, **({"max_iter": QUICK_EPOCHS} if quick else {}), **options)
    if metric == "accuracy":
        y, y_test = y.astype(np.int32), y_test.astype(np.int32)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return float(model.fit(x, y).score(x_test, y_test))


def run(name: str, rounds: int, quick: bool) -> dict[str, Any]:
    """Measure one data set: scores by seed, means and their standard errors."""
    case = CASES[name]
    loaded = shortened(load(case)) if quick else load(case)
    repeats = 2 * rounds if case.folds and not quick else rounds
    scores: dict[str, list[float]] = {"gradus": [], **{variant: [] for variant in VARIANTS}}
    epochs, seconds = [], 0.0
    for seed in range(repeats):
        found: dict[str, list[float]] = {variant: [] for variant in scores}
        for dataset in parts(case, loaded, seed):
            began = time.perf_counter()
            prepared, metrics, ran = train(dataset, seed, quick)
            seconds += time.perf_counter() - began
            epochs.append(ran)
            values = compare(dataset, prepared, case.metric, seed, quick)
            for variant, value in zip(scores, [metrics[case.metric], *values], strict=True):
                found[variant].append(value)
        for variant, values in found.items():
            scores[variant].append(statistics.fmean(values))
        shown = ", ".join(f"{variant} {values[-1]:.4f}" for variant, values in scores.items())
        common.say(f"{name}, {seed + 1} of {repeats}: {shown}")
    return {
        "means": {variant: statistics.fmean(values) for variant, values in scores.items()},
        "errors": {variant: common.standard_error(values) for variant, values in scores.items()},
        "scores": scores,
        "epochs": statistics.median(epochs),
        "seconds_a_run": seconds / len(epochs),
    }


def absent(names: Iterable[str]) -> dict[str, str]:
    """Return the data sets that are neither built in nor in the data folder, with the reason."""
    from gradus.data.sources.built_in import BUILT_IN

    reason = "not in the folder that GRADUS_DATA names"
    sources = {name: CASES[name].source for name in names}
    return {
        name: reason
        for name, source in sources.items()
        if source not in BUILT_IN and not (common.DATA / source).exists()
    }


def measure(options: Any) -> dict[str, Any]:
    """Measure every data set; a round is a seed."""
    left_out = absent(options.cases)
    there = [name for name in options.cases if name not in left_out]
    sets = {name: run(name, options.rounds, options.quick) for name in there}
    return {"sets": sets, "left_out": left_out}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of the data sets."""
    rows = []
    for name, found in result["sets"].items():
        case, percent = CASES[name], CASES[name].metric == "accuracy"
        missed = ", missed" if found["means"]["gradus"] < case.target else ""
        shown = [
            common.spread(found["means"].get(variant), found["errors"].get(variant), percent)
            for variant in ("gradus", *VARIANTS)
        ]
        rows.append([LABELS[name], common.spread(case.target, None, percent) + missed, *shown])
    heads = ["", "goal", "gradus", "scikit-learn", "scikit-learn, early stopping"]
    return {"defaults_quality": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=5, cases=CASES)
