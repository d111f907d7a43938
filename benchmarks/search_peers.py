"""The cross-validated searches that are compared: `gr.SearchCV`, and scikit-learn's of its MLP.

Both draw the learning rate and the penalty of a dense network 64-64-10 with ReLU and Adam at batch
32, train every candidate on every fold for the same number of epochs, score it on the rest, and
train the best one on all rows.
"""

# ruff: noqa: D102 - `worker.py` says what each method does
from __future__ import annotations

from typing import Any

from peers import Arrays

FOLDS, WIDTH, BATCH = 5, 64, 32
RATES, PENALTIES = (1e-4, 1e-2), (1e-6, 1e-2)


class Gradus:
    """`gr.SearchCV` of `gr.Classifier`."""

    needs = ("gradus.estimators.search_cv",)

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        self.data, self.epochs = data, job["epochs"]

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        import gradus as gr

        network = gr.Classifier(
            [WIDTH], dropout=0.0, schedule="none", epochs=self.epochs, batch_size=BATCH,
            validation=0, scaling="none", random_state=seed,
        )  # fmt: skip
        spaces = {"learning_rate": gr.log_uniform(*RATES), "l2": gr.log_uniform(*PENALTIES)}
        search = gr.SearchCV(network, spaces, n_iter=trials, cv=FOLDS, random_state=seed)
        return {"score": search.fit(self.data.x, self.data.y).best_score_}


class Sklearn:
    """scikit-learn's `RandomizedSearchCV` of its `MLPClassifier`, a process for each core."""

    needs = ("sklearn.model_selection", "sklearn.neural_network", "scipy.stats")

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        self.data, self.epochs, self.processes = data, job["epochs"], job["processes"]

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        from scipy.stats import loguniform
        from sklearn.model_selection import RandomizedSearchCV
        from sklearn.neural_network import MLPClassifier

        network = MLPClassifier(
            (WIDTH,), max_iter=self.epochs, n_iter_no_change=self.epochs, batch_size=BATCH,
            random_state=seed,
        )  # fmt: skip
        spaces = {"learning_rate_init": loguniform(*RATES), "alpha": loguniform(*PENALTIES)}
        search = RandomizedSearchCV(
            network, spaces, n_iter=trials, cv=FOLDS, random_state=seed, n_jobs=self.processes
        )
        return {"score": search.fit(self.data.x, self.data.y).best_score_}


PEERS = {"gradus": Gradus, "scikit-learn": Sklearn}
