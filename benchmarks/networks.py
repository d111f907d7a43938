"""Networks besides the dense classifier, in gradus, Keras and PyTorch, each used at its best.

A small CNN, an LSTM over the rows of an image, an autoencoder and a GAN, with Adam at 1e-3, on
every sample in a new random order each epoch. Trainers work like those of `peers.py`.
"""

# ruff: noqa: D102 - `peers.py` says what each method of a trainer does
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from peers import CLASSES, RATE, Arrays

SIDE = 28
CODE = 32  # of the GAN
NETWORKS = ("cnn", "lstm", "autoencoder", "gan")


def shaped(network: str, x: np.ndarray) -> np.ndarray:
    """Return images, (n, 784), in the input shape of the network."""
    shapes = {"cnn": (SIDE, SIDE, 1), "lstm": (SIDE, SIDE)}
    return x.reshape(-1, *shapes[network]) if network in shapes else x


class GradusNetwork:
    """gradus as a user calls it, layer statistics recorded; loss and accuracy every epoch."""

    needs = ("gradus", "gradus.models.model")
    probes = True

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{}]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import gradus as gr

        self.network, self.batch, self.seed = job["network"], job["batch"], job["seed"]
        self.x, self.y = shaped(self.network, data.x), data.y
        self.test = shaped(self.network, data.x_test), data.y_test
        adam = gr.Adam(RATE)
        if self.network == "gan":
            generator = gr.Sequential(
                [gr.Dense(128, "relu"), gr.Dense(128, "relu"), gr.Dense(784, "sigmoid")]
            )
            discriminator = gr.Sequential(
                [gr.Dense(128, "relu"), gr.Dense(128, "relu"), gr.Dense(1)]
            )
            self.model: Any = gr.GAN(generator, discriminator, CODE, optimizer=adam)
            return
        if self.network == "autoencoder":
            encoder = gr.Sequential([gr.Dense(128, "relu"), gr.Dense(32)])
            decoder = gr.Sequential([gr.Dense(128, "relu"), gr.Dense(784, "sigmoid")])
            self.model = gr.Autoencoder(encoder, decoder, optimizer=adam, seed=self.seed)
            return
        end = gr.Dense(CLASSES, "softmax")
        if self.network == "cnn":
            layers = [
                *(gr.Conv2D(32, 3, activation="relu"), gr.MaxPooling2D(2)),
                *(gr.Conv2D(64, 3, activation="relu"), gr.MaxPooling2D(2)),
                *(gr.Flatten(), gr.Dense(128, "relu")),
            ]
        else:
            layers = [gr.LSTM(128)]
        self.model = gr.Model(
            gr.Sequential([*layers, end]),
            "sparse_categorical_crossentropy",
            adam,
            metrics=["accuracy"],
            seed=self.seed,
        )

    def train(self, epochs: int) -> None:
        y = self.y if self.network in ("cnn", "lstm") else None
        self.model.fit(
            self.x, y, batch_size=self.batch, epochs=epochs, probes=self.probes, verbose=False
        )

    def accuracy(self) -> float:
        if self.network not in ("cnn", "lstm"):
            return float("nan")
        return float(self.model.evaluate(*self.test)["accuracy"])


class GradusNetworkPlain(GradusNetwork):
    """gradus without layer statistics."""

    probes = False


class KerasNetwork:
    """Keras on its JAX backend, the loss (and accuracy) every epoch."""

    needs = ("keras", "jax")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        steps = -(-job["rows"] // job["batch"])
        return [{"steps_per_execution": n} for n in (1, 16, steps)]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import keras
        from keras import layers

        keras.utils.set_random_seed(job["seed"])
        self.network, self.batch = job["network"], job["batch"]
        self.x, self.y = shaped(self.network, data.x), data.y
        self.test = shaped(self.network, data.x_test), data.y_test
        if self.network == "autoencoder":
            widths = [(128, "relu"), (32, None), (128, "relu"), (784, "sigmoid")]
            inner, self.y, loss = [layers.Dense(*width) for width in widths], self.x, "mse"
        else:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            inner = (
                [
                    *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2)),
                    *(layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2)),
                    *(layers.Flatten(), layers.Dense(128, "relu")),
                ]
                if self.network == "cnn"
                else [layers.LSTM(128)]
            ) + [layers.Dense(CLASSES)]
        self.model = keras.Sequential([keras.Input(self.x.shape[1:]), *inner])
        metrics = ["accuracy"] if self.network in ("cnn", "lstm") else []
        adam = keras.optimizers.Adam(RATE)
        self.model.compile(optimizer=adam, loss=loss, metrics=metrics, **settings)

    def train(self, epochs: int) -> None:
        self.model.fit(self.x, self.y, batch_size=self.batch, epochs=epochs, verbose=0)

    def accuracy(self) -> float:
        if self.network not in ("cnn", "lstm"):
            return float("nan")
        found = self.model.evaluate(*self.test, batch_size=1000, verbose=0, return_dict=True)
        return float(found["accuracy"])


class TorchNetwork:
    """PyTorch, eager, with fused Adam; its loss every epoch."""

    needs = ("torch",)

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        threads = sorted({1, os.cpu_count() or 1})
        formats = ("contiguous", "channels last") if job["network"] == "cnn" else ("contiguous",)
        return [{"threads": n, "format": name} for name in formats for n in threads]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import torch
        from torch import nn

        self.torch, self.settings = torch, settings
        self.network, self.batch = job["network"], job["batch"]
        torch.manual_seed(job["seed"])
        torch.set_num_threads(settings.get("threads", os.cpu_count() or 1))
        self.x, self.y = torch.from_numpy(data.x), torch.from_numpy(data.y).long()
        self.x_test = torch.from_numpy(data.x_test)
        self.y_test = torch.from_numpy(data.y_test).long()
        if self.network == "cnn":
            self.model: Any = nn.Sequential(
                *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, CLASSES)),
            )
            self.x, self.x_test = (a.reshape(-1, 1, SIDE, SIDE) for a in (self.x, self.x_test))
            if settings.get("format") == "channels last":
                last = torch.channels_last
                self.model = self.model.to(memory_format=last)
                self.x, self.x_test = (
                    a.contiguous(memory_format=last) for a in (self.x, self.x_test)
                )
        elif self.network == "lstm":
            self.model = _LastStep(nn)
            self.x, self.x_test = (a.reshape(-1, SIDE, SIDE) for a in (self.x, self.x_test))
        elif self.network == "autoencoder":
            self.model = nn.Sequential(
                *(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, CODE)),
                *(nn.Linear(CODE, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid()),
            )
        self.step = self._adversaries(nn) if self.network == "gan" else self._plain()

    def _plain(self) -> Callable[[Any, Any], Any]:
        torch, functional = self.torch, self.torch.nn.functional
        adam = torch.optim.Adam(self.model.parameters(), RATE, fused=True)
        again = self.network == "autoencoder"

        def step(x: Any, y: Any) -> Any:
            adam.zero_grad(set_to_none=True)
            out = self.model(x)
            loss = functional.mse_loss(out, x) if again else functional.cross_entropy(out, y)
            loss.backward()
            adam.step()
            return loss.detach()

        return step

    def _adversaries(self, nn: Any) -> Callable[[Any, Any], Any]:
        torch = self.torch
        generator = nn.Sequential(
            *(nn.Linear(CODE, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
            *(nn.Linear(128, 784), nn.Sigmoid()),
        )
        discriminator = nn.Sequential(
            *(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)),
        )
        ours = torch.optim.Adam(generator.parameters(), RATE, fused=True)
        its = torch.optim.Adam(discriminator.parameters(), RATE, fused=True)
        softplus = nn.functional.softplus

        def step(x: Any, y: Any) -> Any:
            its.zero_grad(set_to_none=True)
            with torch.no_grad():
                fake = generator(torch.randn(len(x), CODE))
            first = softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean()
            first.backward()
            its.step()
            ours.zero_grad(set_to_none=True)
            discriminator.requires_grad_(False)  # its gradients are not needed here
            second = softplus(-discriminator(generator(torch.randn(len(x), CODE)))).mean()
            second.backward()
            ours.step()
            discriminator.requires_grad_(True)
            return (first + second).detach()

        return step

    def train(self, epochs: int) -> None:
        torch = self.torch
        torch.set_num_threads(self.settings.get("threads", os.cpu_count() or 1))
        for _ in range(epochs):
            total = torch.zeros(())
            for rows in torch.randperm(len(self.x)).split(self.batch):
                total += self.step(self.x[rows], self.y[rows]) * len(rows)
            self.loss = float(total) / len(self.x)

    def accuracy(self) -> float:
        if self.network not in ("cnn", "lstm"):
            return float("nan")
        with self.torch.no_grad():
            guessed = self.model(self.x_test).argmax(1)
        return float((guessed == self.y_test).float().mean())


def _LastStep(nn: Any) -> Any:  # noqa: N802 - it makes a module
    """Return an LSTM whose last output is classified."""

    class Classifier(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(SIDE, 128, batch_first=True)
            self.end = nn.Linear(128, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.end(self.lstm(x)[0][:, -1])

    return Classifier()


PEERS: dict[str, type] = {
    "gradus": GradusNetwork,
    "gradus without probes": GradusNetworkPlain,
    "keras (jax)": KerasNetwork,
    "torch eager": TorchNetwork,
}
