"""The libraries under comparison, each with its best known settings.

All train the same network, dense with ReLU, on the same float32 arrays, with Adam at 1e-3, on
every sample, in a new random order each epoch.

A trainer is made from (data, job, settings) and has `train(epochs)`, which returns when the
weights are ready, and `accuracy()` on the test set. `candidates` are settings that
change only its speed; "tune" tries all of them and keeps the fastest.
"""

# ruff: noqa: D102 - the lines above say what each method of a trainer does
from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

CLASSES = 10
RATE = 1e-3


class Arrays(NamedTuple):
    """The data: x float32 (n, d), y int32 (n,), and the same for the test set."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Gradus:
    """gradus as a user calls it; loss and accuracy every epoch."""

    needs = ("gradus", "gradus.models.model")  # gradus imports the rest on demand
    probes = True

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{}]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import gradus as gr

        hidden = [gr.Dense(width, "relu") for width in job["widths"]]
        self.data, self.batch = data, job["batch"]
        self.model = gr.Model(
            gr.Sequential([*hidden, gr.Dense(CLASSES, "softmax")]),
            loss="sparse_categorical_crossentropy",
            optimizer=gr.Adam(RATE),
            metrics=["accuracy"],
            seed=job["seed"],
        )
        self.seed = job["seed"]

    def train(self, epochs: int, **more: Any) -> Any:
        return self.model.fit(
            self.data.x,
            self.data.y,
            batch_size=self.batch,
            epochs=epochs,
            shuffle_seed=self.seed,
            probes=self.probes,
            verbose=False,
            **more,
        )

    def accuracy(self) -> float:
        return float(self.model.evaluate(self.data.x_test, self.data.y_test)["accuracy"])

    def until(self, accuracy: float, most: int) -> int:
        """Train until the test accuracy is reached, by `fit` itself; return the epochs."""
        held, before = (self.data.x_test, self.data.y_test), self.model.history.epochs
        history = self.train(
            most, validation_data=held, monitor="val_accuracy", target=accuracy, restore_best=False
        )
        return history.epochs - before


class GradusPlain(Gradus):
    """gradus without layer statistics."""

    probes = False


class Scan:
    """A scan over the epoch written by hand in JAX and Optax; loss and accuracy every epoch.

    NumPy draws the sample order on the host; the short last batch is a separate step.
    """

    needs = ("jax", "optax")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"gather": "step"}, {"gather": "epoch"}, {"gather": "step", "unroll": 2}]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import jax
        import jax.numpy as jnp
        import optax

        rng = np.random.default_rng(job["seed"])
        sizes = [data.x.shape[1], *job["widths"], CLASSES]
        params = []
        for a, b in itertools.pairwise(sizes):
            limit = np.sqrt(6 / (a + b))
            kernel = rng.uniform(-limit, limit, (a, b)).astype(np.float32)
            params.append((jnp.asarray(kernel), jnp.zeros(b, jnp.float32)))
        adam = optax.adam(RATE)
        count, batch = len(data.x), job["batch"]
        steps = count // batch
        self.rng, self.count, self.batch = rng, count, batch
        self.data = jax.device_put((data.x, data.y))
        self.test = jax.device_put((data.x_test, data.y_test))
        self.carry = (params, adam.init(params))

        def forward(params: Any, x: Any) -> Any:
            for kernel, bias in params[:-1]:
                x = jnp.maximum(x @ kernel + bias, 0)
            kernel, bias = params[-1]
            return x @ kernel + bias

        def loss_of(params: Any, x: Any, y: Any) -> Any:
            logits = forward(params, x)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return loss, jnp.sum(jnp.argmax(logits, 1) == y)

        def take(array: Any, rows: Any) -> Any:
            return array.at[rows].get(mode="promise_in_bounds")

        def step(carry: Any, batch: Any) -> Any:
            params, memory, total, right = carry
            x, y = batch
            (loss, hits), grads = jax.value_and_grad(loss_of, has_aux=True)(params, x, y)
            updates, memory = adam.update(grads, memory)
            params = optax.apply_updates(params, updates)
            return (params, memory, total + loss * len(y), right + hits), None

        def epoch(carry: Any, data: Any, order: Any) -> Any:
            x, y = data
            rows, rest = order[: steps * batch].reshape(steps, batch), order[steps * batch :]
            carry = (*carry, jnp.float32(0), jnp.int32(0))
            if settings.get("gather") == "epoch":
                batches = take(x, rows), take(y, rows)
                carry, _ = jax.lax.scan(step, carry, batches)
            else:
                carry, _ = jax.lax.scan(
                    lambda c, r: step(c, (take(x, r), take(y, r))),
                    carry,
                    rows,
                    unroll=settings.get("unroll", 1),
                )
            if len(rest):
                carry, _ = step(carry, (take(x, rest), take(y, rest)))
            params, memory, total, right = carry
            return (params, memory), (total / count, right / count)

        self.epoch = jax.jit(epoch, donate_argnums=0)
        self.hits = jax.jit(lambda p, x, y: jnp.mean(jnp.argmax(forward(p, x), 1) == y))

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            order = self.rng.permutation(self.count).astype(np.int32)
            self.carry, logs = self.epoch(self.carry, self.data, order)
            self.logs = [float(log) for log in logs]

    def accuracy(self) -> float:
        return float(self.hits(self.carry[0], *self.test))


class Keras:
    """Keras on its JAX backend; loss and accuracy every epoch."""

    needs = ("keras", "jax")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        steps = -(-job["rows"] // job["batch"])
        return [{"steps_per_execution": n} for n in (1, 16, 128, steps) if n <= steps]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import keras

        keras.utils.set_random_seed(job["seed"])
        hidden = [keras.layers.Dense(width, "relu") for width in job["widths"]]
        self.data, self.batch = data, job["batch"]
        self.model = keras.Sequential(
            [keras.Input(data.x.shape[1:]), *hidden, keras.layers.Dense(CLASSES)]
        )
        self.model.compile(
            optimizer=keras.optimizers.Adam(RATE),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            **settings,
        )

    def train(self, epochs: int) -> None:
        self.model.fit(self.data.x, self.data.y, batch_size=self.batch, epochs=epochs, verbose=0)

    def accuracy(self) -> float:
        rows = min(len(self.data.x_test), 10_000)
        found = self.model.evaluate(
            self.data.x_test, self.data.y_test, batch_size=rows, verbose=0, return_dict=True
        )
        return float(found["accuracy"])


class ScikitLearn:
    """MLPClassifier; its loss every epoch, no early stopping."""

    needs = ("sklearn",)

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"by": by, "threads": threads}
            for by in ("fit", "partial_fit")
            for threads in sorted({1, os.cpu_count() or 1})
        ]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        from sklearn.neural_network import MLPClassifier

        self.data, self.by = data, settings.get("by", "partial_fit")
        self.threads = settings.get("threads")
        self.model = MLPClassifier(
            hidden_layer_sizes=tuple(job["widths"]),
            batch_size=job["batch"],
            learning_rate_init=RATE,
            random_state=job["seed"],
            warm_start=True,
            tol=0.0,
            n_iter_no_change=1_000_000,
        )

    def train(self, epochs: int) -> None:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.threads):
            if self.by == "fit":
                self.model.set_params(max_iter=epochs).fit(self.data.x, self.data.y)
                return
            for _ in range(epochs):
                self.model.partial_fit(self.data.x, self.data.y, classes=np.arange(CLASSES))

    def accuracy(self) -> float:
        return float(self.model.score(self.data.x_test, self.data.y_test))


class Torch:
    """PyTorch, eager, with fused Adam; its loss every epoch."""

    needs = ("torch",)

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"gather": gather, "threads": threads}
            for gather in ("step", "epoch")
            for threads in sorted({1, os.cpu_count() or 1})
        ]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import torch
        from torch import nn

        self.torch, self.settings, self.batch = torch, settings, job["batch"]
        torch.manual_seed(job["seed"])
        torch.set_num_threads(settings.get("threads", os.cpu_count() or 1))
        sizes = [data.x.shape[1], *job["widths"], CLASSES]
        layers: list[Any] = []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])
        self.x, self.y, self.x_test, self.y_test = (
            torch.from_numpy(a) if a.dtype != np.int32 else torch.from_numpy(a).long() for a in data
        )
        self.step = self.make_step()

    def make_step(self) -> Callable[[Any, Any], Any]:
        """Return a function that takes one step on a batch and returns the loss."""
        adam = self.torch.optim.Adam(self.model.parameters(), RATE, fused=True)
        return self.plain_step(self.loss_of, adam.zero_grad, adam.step)

    def loss_of(self, x: Any, y: Any) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(x), y)

    def plain_step(self, loss_of: Any, zero_grad: Any, update: Any) -> Callable[[Any, Any], Any]:
        def step(x: Any, y: Any) -> Any:
            zero_grad(set_to_none=True)
            loss = loss_of(x, y)
            loss.backward()
            update()
            return loss.detach()

        return step

    def train(self, epochs: int) -> None:
        torch = self.torch
        torch.set_num_threads(self.settings.get("threads", os.cpu_count() or 1))
        for _ in range(epochs):
            order = torch.randperm(len(self.x))
            total = torch.zeros(())
            for x, y in self.batches(order):
                total += self.step(x, y) * len(y)
            self.loss = float(total) / len(self.x)

    def batches(self, order: Any) -> Any:
        if self.settings.get("gather") == "epoch":
            yield from zip(
                self.x[order].split(self.batch), self.y[order].split(self.batch), strict=True
            )
            return
        for rows in order.split(self.batch):
            yield self.x[rows], self.y[rows]

    def accuracy(self) -> float:
        with self.torch.no_grad():
            guessed = self.model(self.x_test).argmax(1)
        return float((guessed == self.y_test).float().mean())


class TorchCompile(Torch):
    """PyTorch with torch.compile: forward and backward, these and the update, or one graph."""

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        cores = os.cpu_count() or 1
        plain = [
            {"compiled": part, "mode": "default", "threads": threads}
            for part in ("whole", "gradients", "gradients and update")
            for threads in sorted({1, cores})
        ]
        tuned = {"compiled": "whole", "mode": "max-autotune-no-cudagraphs", "threads": cores}
        return [*plain, tuned]

    def make_step(self) -> Callable[[Any, Any], Any]:
        # dynamic=False: the short last batch gets its own program instead of slowing down the
        # program of all batches.
        options = {"mode": self.settings.get("mode", "default"), "dynamic": False}
        self.torch._dynamo.reset()
        self.settings = {"gather": "epoch", **self.settings}
        part = self.settings.get("compiled", "gradients")
        if part == "whole":
            return self.whole_step(options)
        loss_of = self.torch.compile(self.loss_of, **options)
        if part == "gradients":
            adam = self.torch.optim.Adam(self.model.parameters(), RATE, fused=True)
            return self.plain_step(loss_of, adam.zero_grad, adam.step)
        adam = self.torch.optim.Adam(self.model.parameters(), RATE)
        return self.plain_step(loss_of, adam.zero_grad, self.torch.compile(adam.step, **options))

    def whole_step(self, options: dict[str, Any]) -> Callable[[Any, Any], Any]:
        """Gradients and Adam as one graph (Kingma and Ba, 2015, algorithm 1)."""
        torch = self.torch
        params = {name: p.detach() for name, p in self.model.named_parameters()}
        means = {name: torch.zeros_like(p) for name, p in params.items()}
        squares = {name: torch.zeros_like(p) for name, p in params.items()}
        count = torch.zeros(())

        def loss_of(params: Any, x: Any, y: Any) -> Any:
            logits = torch.func.functional_call(self.model, params, (x,))
            return torch.nn.functional.cross_entropy(logits, y)

        @torch.compile(fullgraph=True, **options)
        def step(x: Any, y: Any) -> Any:
            grads, loss = torch.func.grad_and_value(loss_of)(params, x, y)
            count.add_(1)
            scale = RATE * torch.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            for name, grad in grads.items():
                means[name].lerp_(grad, 0.1)
                squares[name].mul_(0.999).addcmul_(grad, grad, value=0.001)
                params[name].sub_(scale * means[name] / (squares[name].sqrt() + 1e-8))
            return loss

        def without_tape(x: Any, y: Any) -> Any:
            with torch.no_grad():
                return step(x, y)

        return without_tape


PEERS: dict[str, type] = {
    "gradus": Gradus,
    "gradus without probes": GradusPlain,
    "scan by hand": Scan,
    "scikit-learn": ScikitLearn,
    "keras (jax)": Keras,
    "torch eager": Torch,
    "torch compile": TorchCompile,
}
