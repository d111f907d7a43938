"""How often the doctor cries wolf: sound trainings that come back with a fault.

The defaults of `gradus train` and variants of them (small and large networks, other activations and
optimizers, slow but sound settings) are trained on every data set of `defaults_quality.py`, with
several seeds. A training is sound, by a rule that was fixed before thresholds were chosen and that
the doctor has no part in, if its validation score is no more than `MARGIN` below that of a linear
model (scikit-learn's logistic or ridge regression) on the same rows. Goals: at most 1% of them with
a fault, at most 0.3 notes a training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import common
import defaults_quality
import numpy as np
from doctor_detection import interval

MARGIN = 0.02  # of accuracy or R²
FAULTS, NOTES = 1.0, 0.3  # goals: percent of the trainings, and notes a training
LARGE = ("mnist", "fashion-mnist", "adult", "california_housing", "diamonds")
LARGE_ROWS = 6_000  # of which at most so many are used
VARIANTS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "8 units": {"network": {"layers": [8]}},
    "256, 128 units": {"network": {"layers": [256, 128]}},
    "tanh": {"network": {"activation": "tanh"}},
    "batch normalization": {"network": {"batch_norm": True}},
    "dropout of a half": {"network": {"dropout": 0.5}},
    "SGD with momentum": {"optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
    "RMSprop": {"optimizer": {"name": "rmsprop", "learning_rate": 1e-3}},
    "Adam at a third of its rate": {"optimizer": {"name": "adam", "learning_rate": 3e-4}},
}


def measure(options: Any) -> dict[str, Any]:
    """Train every variant on every data set; a round is a seed."""
    left_out = defaults_quality.absent(options.cases)
    runs = []
    for name in (name for name in options.cases if name not in left_out):
        for seed in range(options.rounds):
            runs += trainings(name, seed, options.quick)
            alarms = sum(bool(run["faults"]) for run in runs if run["sound"])
            sound = sum(run["sound"] for run in runs)
            common.say(f"{name}, seed {seed}: {alarms} of {sound} sound ones with a fault so far")
    return {"runs": runs, "left_out": left_out}


def trainings(name: str, seed: int, quick: bool) -> list[dict[str, Any]]:
    """Train the variants on one data set with one seed."""
    from gradus.data.sources.built_in import BUILT_IN
    from gradus.experiments import evaluation, fitting
    from gradus.experiments.preparation import prepare
    from gradus.experiments.settings import experiment_file

    dataset = defaults_quality.load(defaults_quality.CASES[name])
    if name in LARGE:
        rows = np.random.default_rng(seed).permutation(len(dataset))[:LARGE_ROWS]
        dataset = dataset.take(np.sort(rows))
    called = f"alarms {len(list(BUILT_IN))}"  # registers the data set among the built-in ones
    BUILT_IN.add(called)(lambda: dataset)
    runs, linear = [], None
    for variant, settings in VARIANTS.items():
        raw = {"data": called, "seed": seed, "shuffle_seed": seed, "validation": 0.2, **settings}
        if quick:
            raw["training"] = {"epochs": 2}
        prepared = prepare.prepare_data(experiment_file.check_experiment(raw, "here"))
        metric = "r2" if prepared.target.task == "regression" else "accuracy"
        if linear is None:
            linear = linear_score(dataset, prepared)
        model = fitting.new_model(prepared)
        fitting.fit_model(model, prepared)
        x, y = prepared.parts["validation"]
        score = evaluation.evaluate_in_units(model, x, y, prepared.target)[metric]
        diagnosis = model.diagnose()
        runs.append(
            {
                "data": name,
                "seed": seed,
                "variant": variant,
                "score": score,
                "linear": linear,
                "sound": bool(score >= linear - MARGIN),
                "faults": [each.code for each in diagnosis.faults if each.cause is None],
                "notes": [each.code for each in diagnosis.notes],
            }
        )
    return runs


def linear_score(dataset: Any, prepared: Any) -> float:
    """Return the validation score of a linear model on the same inputs."""
    from sklearn.linear_model import LogisticRegression, Ridge

    (x, y), (x_val, y_val) = (
        (defaults_quality.plain(x, dataset, prepared), np.asarray(y).reshape(len(y)))
        for x, y in (prepared.parts[part] for part in ("training", "validation"))
    )
    if prepared.target.task == "regression":
        return float(Ridge().fit(x, y).score(x_val, y_val))
    model = LogisticRegression(max_iter=300).fit(x, y.astype(int))
    return float(model.score(x_val, y_val.astype(int)))


# --- Markdown -----------------------------------------------------------------------------------


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the table of the alarms by variant."""
    sound = [run for run in result["runs"] if run["sound"]]
    rows = [row("all", sound, goals=True)]
    rows += [row(name, [run for run in sound if run["variant"] == name]) for name in VARIANTS]
    heads = ["", "sound", "with a fault", "95% interval", "notes a run", "which"]
    return {"doctor_false_alarms": common.table(heads, rows)}


def row(label: str, runs: list[dict[str, Any]], goals: bool = False) -> list[Any]:
    """Return the row of some sound trainings."""
    alarms, count = sum(bool(run["faults"]) for run in runs), max(len(runs), 1)
    low, high = interval(alarms, count)
    said = Counter(code for run in runs for code in run["faults"])
    share, noted = 100 * alarms / count, sum(len(run["notes"]) for run in runs) / count
    return [
        label,
        len(runs),
        common.goal(share, FAULTS if goals else None, most=True, unit="%"),
        f"{100 * low:.1f} to {100 * high:.1f}%",
        common.goal(noted, NOTES if goals else None, most=True),
        ", ".join(f"{code} {times} ×" for code, times in said.most_common()),
    ]


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=3, cases=defaults_quality.CASES)
