"""The libraries whose sweeps are compared, each with its best known settings.

A sweeper is made from (data, job, settings), which imports its library and starts its helper
processes. `sweep(trials, seed)` then tries so many settings of a case of `sweep_cases.py`, drawn
with the seed, and returns the best network and its score on the held-out samples
(`data.x_test`). `candidates` are settings that change only its speed; each is tried beforehand.
"""

# ruff: noqa: D102 - the lines above say what each method of a sweeper does
from __future__ import annotations

import itertools
import math
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import sweep_cases
from peers import Arrays
from sweep_cases import CASES, SEEDS, SGD_FACTOR, Case, Draw, Range, drawn, evenly
from sweep_torch import OptunaTorch

COMPILED = "/jax/core/compile/backend_compile_duration"
# Names of training programs; others are helpers.
PROGRAMS = ("jit(run_epochs)", "jit(program)")
SPARED = 0.08  # share of the time kept for what is still running at its end
ENDLESS = 10**6  # trials


# --- gradus -------------------------------------------------------------------------------------


def gradus_model(case: Case, values: dict[str, Any] | None = None) -> Any:
    """Return the model of a case: with spaces, or with the values of one trial."""
    import gradus as gr

    def number(name: str, range_: Range) -> Any:
        if values is not None:
            return values[name]
        return (gr.log_uniform if range_.log else gr.uniform)(*range_.bounds)

    ranges = case.ranges
    optimizers = {
        "sgd": lambda rate: gr.SGD(
            number("rate", rate.times(SGD_FACTOR if "optimizer" in case.options else 1)),
            momentum=number("momentum", ranges["momentum"]) if "momentum" in ranges else 0.9,
        ),
        "adam": lambda rate: gr.Adam(number("rate", rate)),
        "rmsprop": lambda rate: gr.RMSprop(number("rate", rate)),
    }

    def choice(name: str) -> Any:
        return gr.choice(*case.options[name]) if values is None else values[name]

    end = gr.Dense(case.outputs, "softmax" if case.outputs > 1 else None)
    if case.picture:
        layers = [
            *(gr.Reshape((28, 28, 1)), gr.Conv2D(16, 3, activation="relu"), gr.MaxPooling2D(2)),
            *(gr.Conv2D(32, 3, activation="relu"), gr.MaxPooling2D(2), gr.Flatten()),
        ]
    else:
        widths = list(case.widths) if values is None else list(values["widths"])
        if "width" in case.options and values is None:
            widths = [choice("width")] * len(widths)
        activation = choice("activation") if "activation" in case.options else "relu"
        # A space used in several places is one hyperparameter.
        dropout = number("dropout", ranges["dropout"]) if "dropout" in ranges else None
        layers = []
        for width in widths:
            layers.append(gr.Dense(width, activation))
            layers += [] if dropout is None else [gr.Dropout(dropout)]
    if "optimizer" in case.options and values is None:
        made = [optimizers[name](ranges["rate"]) for name in case.options["optimizer"]]
        optimizer = gr.choice(*made)
    else:
        name = case.optimizer if values is None else values["optimizer"]
        optimizer = optimizers[name](ranges["rate"])
    penalty = gr.L2(number("penalty", ranges["penalty"])) if "penalty" in ranges else None
    return gr.Model(
        gr.Sequential([*layers, end]),
        "sparse_categorical_crossentropy" if case.outputs > 1 else "mse",
        optimizer,
        metrics=[case.metric],
        penalty=penalty,
        seed=gr.int_uniform(0, SEEDS) if values is None else values["seed"],
    )


class Gradus:
    """gradus as a user calls it; training and validation loss and metric every epoch.

    Settings, all optional: "width", the number of vectorized members; "factor", of successive
    halving; "strategy" and "search", as in `gr.Sweep`.
    """

    needs = ("gradus", "gradus.models.model", "gradus.sweep.sweep")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{}]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import jax

        self.data, self.job, self.settings = data, job, dict(settings)
        self.case, self.last = CASES[job["sweep"]], sweep_cases.final(job)
        if self.case.outputs == 1:
            self.data = data._replace(y=data.y[:, None], y_test=data.y_test[:, None])
            self.last = None if self.last is None else (self.last[0], self.last[1][:, None])
        self.compiled: list[float] = []
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, seconds: float, **more: Any) -> None:
        if event == COMPILED and more.get("fun_name") in PROGRAMS:
            self.compiled.append(seconds)

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        sweep = self._fit(trials, seed)
        self.best = sweep.best
        found = {"score": sweep.ranking[0].score, "trials": len(sweep.trials)}
        return {**found, **self._compilation()}

    def accuracy(self) -> float:
        """Return the metric of the best network on the test samples."""
        assert self.last is not None  # noqa: S101 - the script has written them
        return float(self.best.evaluate(*self.last)[self.case.metric])

    def _fit(self, trials: int, seed: int) -> Any:
        import gradus as gr

        options = dict(self.settings)
        if "width" in options:
            from gradus.sweep.execution.local import Local

            options["executor"] = Local(width=options.pop("width"))
        if "factor" in options:
            options["strategy"] = gr.SuccessiveHalving(options.pop("factor"))
        sweep = gr.Sweep(gradus_model(self.case), trials, seed=seed, **options)
        return sweep.fit(
            self.data.x,
            self.data.y,
            epochs=self.job["epochs"],
            batch_size=self.job["batch"],
            validation_data=(self.data.x_test, self.data.y_test),
            verbose=False,
        )

    def search(self, seconds: float, seed: int) -> dict[str, Any]:
        """Use the time: one sweep if the search learns, otherwise one sweep after another."""
        began = time.perf_counter()
        learns = self.settings.get("search") == "tpe"
        score, trials = (self._learn if learns else self._fill)(began + seconds, seed)
        ended = time.perf_counter() - began if learns else seconds
        final = self.accuracy() if trials else None
        return {"score": score, "final": final, "trials": trials, "ended_s": ended}

    def _learn(self, end: float, seed: int) -> tuple[float, int]:
        """Interrupt one sweep, as Ctrl-C does, and wait for running trials."""
        left = end - time.perf_counter()
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, left * (1 - SPARED))
        try:
            sweep = self._fit(ENDLESS, seed)
        except KeyboardInterrupt:  # no trial has finished
            return -math.inf, 0
        self.best = sweep.best
        trials = sum(trial.epochs > 0 for trial in sweep.trials)
        return sweep.ranking[0].score, trials

    def _fill(self, end: float, seed: int) -> tuple[float, int]:
        """Run sweeps, each twice as large; one that finishes too late does not count."""
        best, size, done, cost = -math.inf, 16, 0, 0.0
        while True:
            started = time.perf_counter()
            size = min(size, int((1 - SPARED) * (end - started) / cost)) if cost else size
            if size < 3:
                return best, done
            sweep = self._fit(size, seed + 1000 * done)
            model, score = sweep.best, sweep.ranking[0].score
            ended = time.perf_counter()
            if ended > end:
                return best, done
            done, cost = done + size, (ended - started) / size
            if score > best:
                best, self.best = score, model
            size *= 2

    def _compilation(self) -> dict[str, Any]:
        return {"programs": len(self.compiled), "compile_s": sum(self.compiled)}


class GradusAlone(Gradus):
    """gradus, one `Model.fit` after another, each like a trial of the sweep."""

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        best: tuple[float, Any] = (-math.inf, None)
        for number in range(trials):
            model = gradus_model(self.case, drawn(self.case, Draw(seed, number)))
            history = model.fit(
                self.data.x,
                self.data.y,
                epochs=self.job["epochs"],
                batch_size=self.job["batch"],
                validation_data=(self.data.x_test, self.data.y_test),
                probes=False,
                verbose=False,
            )
            score = float(history[f"val_{self.case.metric}"][-1])
            best = max(best, (score, model), key=lambda one: one[0])
        return {"score": best[0], "trials": trials, **self._compilation()}


# --- peers --------------------------------------------------------------------------------------


class ScikitLearn:
    """RandomizedSearchCV over MLPClassifier, two processes, one fixed split, no refit.

    It has no dropout, so it does less work, and no RMSprop: SGD with Nesterov momentum replaces it.
    """

    needs = ("sklearn", "sklearn.model_selection", "sklearn.neural_network", "scipy.stats")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{}]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        from sklearn.model_selection import PredefinedSplit

        self.job, self.case = job, CASES[job["sweep"]]
        self.x = np.concatenate([data.x, data.x_test])
        self.y = np.concatenate([data.y, data.y_test])
        self.split = PredefinedSplit(np.repeat([-1, 0], [len(data.x), len(data.x_test)]))
        self._search(2, 0, epochs=1)  # starts its processes, which stay

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        found = self._search(trials, seed, self.job["epochs"])
        return {"score": float(found.best_score_), "trials": trials}

    def _search(self, trials: int, seed: int, epochs: int) -> Any:
        from sklearn.model_selection import RandomizedSearchCV
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(
            self.case.widths,
            batch_size=self.job["batch"],
            max_iter=epochs,
            tol=0.0,
            n_iter_no_change=1_000_000,
        )
        search = RandomizedSearchCV(
            model,
            self._space(),
            n_iter=trials,
            cv=self.split,
            n_jobs=2,
            refit=False,
            random_state=seed,
        )
        return search.fit(self.x, self.y)

    def _space(self) -> list[dict[str, Any]]:
        from scipy import stats

        def of(range_: Range, factor: float = 1.0) -> Any:
            low, high = range_.times(factor).bounds
            return stats.loguniform(low, high) if range_.log else stats.uniform(low, high - low)

        ranges, options = self.case.ranges, self.case.options
        common: dict[str, Any] = {"random_state": stats.randint(0, SEEDS)}
        if "penalty" in ranges:  # alpha / 2 · Σw², divided by the batch size
            common["alpha"] = of(ranges["penalty"], 2 * self.job["batch"])
        if "width" in options:
            common["hidden_layer_sizes"] = [(width,) for width in options["width"]]
        if "activation" in options:
            words = {"sigmoid": "logistic"}
            common["activation"] = [words.get(name, name) for name in options["activation"]]
        spaces = []
        for name in options.get("optimizer", (self.case.optimizer,)):
            raised = SGD_FACTOR if name != "adam" and options else 1.0
            space = {**common, "learning_rate_init": of(ranges["rate"], raised)}
            space["solver"] = ["adam" if name == "adam" else "sgd"]
            if name != "adam":
                space["nesterovs_momentum"] = [name == "rmsprop"]
                space["momentum"] = of(ranges["momentum"]) if "momentum" in ranges else [0.9]
            spaces.append(space)
        return spaces


class Keras:
    """Keras on its JAX backend, one training after another, with JAX's compilation cache enabled.

    Where trials differ only in rates, a single compiled model that gets new weights and a new rate
    for each trial ("kept") is a candidate too. No metric is computed during training.
    """

    needs = ("keras", "jax")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        kept = (False, True) if CASES[job["sweep"]].rates_alone else (False,)
        return [
            {"steps_per_execution": steps, "kept": keep} for keep in kept for steps in (1, 8, 32)
        ]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        self.data, self.job, self.case = data, job, CASES[job["sweep"]]
        self.steps, self.kept = settings.get("steps_per_execution", 1), settings.get("kept", False)
        self.model: Any = None

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        best: tuple[float, Any] = (-math.inf, None)
        for values in evenly(self.case, trials, seed):
            model = self._ready(values)
            model.fit(
                self.data.x,
                self.data.y,
                batch_size=self.job["batch"],
                epochs=self.job["epochs"],
                verbose=0,
            )
            guess = np.asarray(model(self.data.x_test, training=False)).argmax(1)
            score = float(np.mean(guess == self.data.y_test))
            if score > best[0]:
                best = score, model.get_weights()
        return {"score": best[0], "trials": trials}

    def _ready(self, values: dict[str, Any]) -> Any:
        import keras

        keras.utils.set_random_seed(values["seed"])
        fresh = self._network(values)
        if self.kept and self.model is not None:
            self.model.set_weights(fresh.get_weights())
            for variable in self.model.optimizer.variables:
                variable.assign(np.zeros(variable.shape, variable.dtype))
            self.model.optimizer.learning_rate.assign(values["rate"])
            return self.model
        optimizers = keras.optimizers
        optimizer = {
            "sgd": lambda: optimizers.SGD(values["rate"], values["momentum"]),
            "adam": lambda: optimizers.Adam(values["rate"]),
            "rmsprop": lambda: optimizers.RMSprop(values["rate"]),
        }[values["optimizer"]]()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        fresh.compile(optimizer, loss, steps_per_execution=self.steps)
        self.model = fresh
        return fresh

    def _network(self, values: dict[str, Any]) -> Any:
        import keras
        from keras.layers import Dense, Dropout

        penalty = keras.regularizers.L2(values["penalty"]) if "penalty" in values else None
        layers: list[Any] = [keras.Input(self.data.x.shape[1:])]
        for width in values["widths"]:
            layers.append(Dense(width, values["activation"], kernel_regularizer=penalty))
            layers += [Dropout(values["dropout"])] if "dropout" in values else []
        end = Dense(self.case.outputs, kernel_regularizer=penalty)
        return keras.Sequential([*layers, end])


class Scan:
    """A whole training written by hand as one JAX scan, compiled once and called for each trial.

    Rate, momentum, dropout and penalty are traced. The loss of every epoch is recorded; accuracy
    only once, on the held-out part at the end. All trials share the sample order, drawn by NumPy on
    the host; the short last batch is a separate step.
    """

    needs = ("jax",)
    threads = 1

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        generators, gathers = ("threefry2x32", "rbg"), ("step", "epoch")
        return [{"generator": g, "gather": by} for g in generators for by in gathers]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        self.data, self.job, self.case, self.settings = data, job, CASES[job["sweep"]], settings

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        import jax

        rng, count = np.random.default_rng(seed), len(self.data.x)
        order = np.stack([rng.permutation(count) for _ in range(self.job["epochs"])])
        fixed = jax.device_put((self.data, order.astype(np.int32)))
        program = jax.jit(self._program()).lower(*self._trial(seed, 0), *fixed).compile()

        def run(number: int) -> tuple[float, Any]:
            score, params, _ = program(*self._trial(seed, number), *fixed)
            return float(score), params

        with ThreadPoolExecutor(self.threads) as pool:
            found = (map if self.threads == 1 else pool.map)(run, range(trials))
            score, self.best = max(found, key=lambda one: one[0])
        return {"score": score, "trials": trials}

    def _trial(self, seed: int, number: int) -> tuple[Any, Any, Any]:
        """Return a trial's weights, hyperparameters and key."""
        import jax

        values = drawn(self.case, Draw(seed, number))
        rng, params = np.random.default_rng(values["seed"]), []
        sizes = [self.data.x.shape[1], *values["widths"], self.case.outputs]
        for a, b in itertools.pairwise(sizes):
            limit = np.sqrt(6 / (a + b))
            kernel = rng.uniform(-limit, limit, (a, b)).astype(np.float32)
            params.append((kernel, np.zeros(b, np.float32)))
        names = ("rate", "momentum", "dropout", "penalty")
        hypers = {name: np.float32(values[name]) for name in names}
        return params, hypers, jax.random.key(values["seed"], impl=self.settings.get("generator"))

    def _program(self) -> Callable[..., Any]:
        import jax
        import jax.numpy as jnp

        batch, count = self.job["batch"], len(self.data.x)
        steps, by = count // batch, self.settings.get("gather", "step")

        def forward(params: Any, x: Any, dropped: Callable[[Any], Any]) -> Any:
            for kernel, bias in params[:-1]:
                x = dropped(jnp.maximum(x @ kernel + bias, 0))
            kernel, bias = params[-1]
            return x @ kernel + bias

        def loss_of(params: Any, hypers: Any, key: Any, x: Any, y: Any) -> Any:
            keep = 1 - hypers["dropout"]

            def dropped(h: Any) -> Any:
                return jnp.where(jax.random.uniform(key, h.shape) < keep, h / keep, 0)

            logits = forward(params, x, dropped)
            losses = jax.nn.logsumexp(logits, 1) - jnp.take_along_axis(logits, y[:, None], 1)[:, 0]
            weights = sum(jnp.sum(kernel * kernel) for kernel, _ in params)
            return losses.mean() + hypers["penalty"] * weights

        def take(array: Any, rows: Any) -> Any:
            return array.at[rows].get(mode="promise_in_bounds")

        def program(params: Any, hypers: Any, key: Any, data: Any, orders: Any) -> Any:
            def step(carry: Any, given: Any) -> Any:
                params, velocity, total = carry
                number, (x, y) = given
                once = jax.random.fold_in(key, number)
                loss, grads = jax.value_and_grad(loss_of)(params, hypers, once, x, y)
                velocity = jax.tree.map(lambda v, g: hypers["momentum"] * v + g, velocity, grads)
                params = jax.tree.map(lambda p, v: p - hypers["rate"] * v, params, velocity)
                return (params, velocity, total + loss * len(y)), None

            def epoch(carry: Any, given: Any) -> Any:
                number, order = given
                numbers = number * (steps + 1) + jnp.arange(steps)
                rows, rest = order[: steps * batch].reshape(steps, batch), order[steps * batch :]
                carry = (*carry, jnp.float32(0))
                if by == "epoch":
                    batches = take(data.x, rows), take(data.y, rows)
                    carry, _ = jax.lax.scan(step, carry, (numbers, batches))
                else:
                    carry, _ = jax.lax.scan(
                        lambda c, g: step(c, (g[0], (take(data.x, g[1]), take(data.y, g[1])))),
                        carry,
                        (numbers, rows),
                    )
                if len(rest):
                    last = number * (steps + 1) + steps, (take(data.x, rest), take(data.y, rest))
                    carry, _ = step(carry, last)
                params, velocity, total = carry
                return (params, velocity), total / count

            begun = params, jax.tree.map(jnp.zeros_like, params)
            epochs = jnp.arange(len(orders))
            (params, _), losses = jax.lax.scan(epoch, begun, (epochs, orders))
            guess = forward(params, data.x_test, lambda h: h).argmax(1)
            return jnp.mean(guess == data.y_test), params, losses

        return program


class ScanThreads(Scan):
    """The same, called from two threads."""

    threads = 2


PEERS: dict[str, Any] = {
    "gradus": Gradus,
    "gradus one after another": GradusAlone,
    "Optuna + PyTorch": OptunaTorch,
    "scikit-learn": ScikitLearn,
    "Keras (JAX)": Keras,
    "scan by hand": Scan,
    "scan by hand, two threads": ScanThreads,
}
