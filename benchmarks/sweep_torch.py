"""Optuna studies of PyTorch networks, trained by two processes that live as long as the study.

The loop uses the fastest settings of `peers.py`: preloaded tensors, one thread per process, fused
updates; it computes nothing that the study does not need.
"""

# ruff: noqa: D102 - `sweep_peers.py` says what each method of a sweeper does
from __future__ import annotations

import itertools
import math
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import sweep_cases
from peers import Arrays
from sweep_cases import CASES, Case, drawn

PROCESSES = 2


class Trainer:
    """Trains one network after another and keeps the best.

    Args:
        case: the sweep.
        job: the job of a worker: "data", "batch", "epochs".
        settings: "gather", by "step" or "epoch"; "update", "fused", "foreach" or "plain".
    """

    def __init__(self, case: Case, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        self.torch, self.case, self.job, self.settings = torch, case, job, settings
        folder = Path(job["data"])
        read = {
            name: np.load(folder / f"{name}.npy")
            for name in ("x_train", "y_train", "x_test", "y_test")
        }
        self.x, self.y, self.x_held, self.y_held = map(self._tensor, read.values())
        last = sweep_cases.final(job)
        self.last = None if last is None else tuple(map(self._tensor, last))
        self.best = -math.inf
        self.loss_of = (
            torch.nn.functional.cross_entropy
            if case.outputs > 1
            else lambda guess, y: torch.nn.functional.mse_loss(guess[:, 0], y)
        )

    def _tensor(self, array: np.ndarray) -> Any:
        made = self.torch.from_numpy(array)
        return made.long() if array.dtype == np.int32 else made

    def train(
        self, values: dict[str, Any], goes_on: Callable[[int, float], bool] | None = None
    ) -> dict[str, Any]:
        """Train a network and return its score, and more if it is the best so far.

        Args:
            values: the values from `sweep_cases.drawn`.
            goes_on: called after each epoch with its number and score; False ends the training.
        """
        torch = self.torch
        torch.manual_seed(values["seed"])
        network = self._network(values)
        update = self._optimizer(network, values)
        score = -math.inf
        for epoch in range(self.job["epochs"]):
            network.train()
            for x, y in self._batches():
                update.zero_grad(set_to_none=True)
                self.loss_of(network(x), y).backward()
                update.step()
            last = epoch + 1 == self.job["epochs"]
            if last or goes_on is not None:
                score = self._score(network, self.x_held, self.y_held)
            if not last and goes_on is not None and not goes_on(epoch, score):
                return {"pruned": score}
        if not score > self.best:
            return {"score": score}
        self.best = score
        weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
        final = None if self.last is None else self._score(network, *self.last)
        return {"score": score, "final": final, "weights": weights}

    def _batches(self) -> Any:
        order, batch = self.torch.randperm(len(self.x)), self.job["batch"]
        if self.settings.get("gather") == "epoch":
            yield from zip(self.x[order].split(batch), self.y[order].split(batch), strict=True)
            return
        for rows in order.split(batch):
            yield self.x[rows], self.y[rows]

    def _network(self, values: dict[str, Any]) -> Any:
        nn = self.torch.nn
        kinds = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
        layers: list[Any] = []
        for a, b in itertools.pairwise([self.x.shape[1], *values["widths"]]):
            layers += [nn.Linear(a, b), kinds[values["activation"]]()]
            if "dropout" in values:
                layers.append(nn.Dropout(values["dropout"]))
        return nn.Sequential(*layers, nn.Linear(values["widths"][-1], self.case.outputs))

    def _optimizer(self, network: Any, values: dict[str, Any]) -> Any:
        optim, how = self.torch.optim, self.settings.get("update", "fused")
        kernels = [weight for weight in network.parameters() if weight.ndim > 1]
        biases = [weight for weight in network.parameters() if weight.ndim == 1]
        # λ Σw² has the gradient 2 λ w; PyTorch adds weight_decay · w.
        decayed = {"params": kernels, "weight_decay": 2 * values.get("penalty", 0.0)}
        groups, rate = [decayed, {"params": biases}], values["rate"]
        kind = values["optimizer"]
        if kind == "rmsprop":  # it has no fused kernel
            return optim.RMSprop(groups, rate, alpha=0.9, foreach=how == "foreach")
        options = {"fused": how == "fused"} if how != "foreach" else {"foreach": True}
        if kind == "adam":
            return optim.Adam(groups, rate, **options)
        return optim.SGD(groups, rate, momentum=values["momentum"], **options)

    def _score(self, network: Any, x: Any, y: Any) -> float:
        network.eval()
        with self.torch.no_grad():
            guess = network(x)
        if self.case.outputs > 1:
            return float((guess.argmax(1) == y).float().mean())
        score = float(1 - (guess[:, 0] - y).square().sum() / (y - y.mean()).square().sum())
        return score if math.isfinite(score) else -math.inf


def serve(pipe: Connection, job: dict[str, Any], settings: dict[str, Any]) -> None:
    """Train requested networks until the pipe closes; runs in a child process."""
    case = CASES[job["sweep"]]
    trainer = Trainer(case, job, settings)
    warm = trainer.job
    trainer.job = {**warm, "epochs": 1}
    trainer.train(drawn(case, sweep_cases.Draw(0)))  # warm-up: PyTorch loads much at first use
    trainer.job, trainer.best = warm, -math.inf
    pipe.send("ready")

    def goes_on(epoch: int, score: float) -> bool:
        pipe.send({"epoch": epoch, "score": score})
        return bool(pipe.recv())

    while True:
        try:
            values = pipe.recv()
        except EOFError:
            return
        pipe.send(trainer.train(values, goes_on if settings.get("pruner") else None))


class OptunaTorch:
    """Optuna, in memory, driving two PyTorch processes."""

    needs = ("optuna", "torch")

    @staticmethod
    def candidates(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"gather": gather, "update": update}
            for gather in ("step", "epoch")
            for update in ("fused", "foreach", "plain")
        ]

    def __init__(self, data: Arrays, job: dict[str, Any], settings: dict[str, Any]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.case, self.settings = optuna, CASES[job["sweep"]], settings
        context = multiprocessing.get_context("spawn")
        self.pipes = []
        for _ in range(PROCESSES):
            ours, theirs = context.Pipe()
            context.Process(target=serve, args=(theirs, job, settings), daemon=True).start()
            theirs.close()
            self.pipes.append(ours)
        for pipe in self.pipes:
            pipe.recv()
        self._study(0).ask()  # warm-up: imports its modules

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        return self._run(self._study(seed), trials, math.inf)

    def search(self, seconds: float, seed: int) -> dict[str, Any]:
        return self._run(self._study(seed), 10**9, time.perf_counter() + seconds)

    def _study(self, seed: int) -> Any:
        samplers, pruners = self.optuna.samplers, self.optuna.pruners
        tpe = self.settings.get("sampler") == "tpe"
        # The sampler assumes the worst of running trials, so that the two differ.
        sampler = (
            samplers.TPESampler(seed=seed, constant_liar=True)
            if tpe
            else samplers.RandomSampler(seed)
        )
        pruner = (
            pruners.MedianPruner()
            if self.settings.get("pruner") == "median"
            else pruners.NopPruner()
        )
        return self.optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)

    def _run(self, study: Any, trials: int, end: float) -> dict[str, Any]:
        """Keep both processes busy until there are enough trials or the time is up."""
        under_way: dict[Connection, Any] = {}
        done, pruned, best = 0, 0, {"score": -math.inf}

        def ask(pipe: Connection) -> None:
            if done + len(under_way) < trials:
                under_way[pipe] = study.ask()
                pipe.send(drawn(self.case, under_way[pipe]))

        for pipe in self.pipes:
            ask(pipe)
        while under_way:
            left = end - time.perf_counter()
            ready = wait(list(under_way), None if left == math.inf else max(left, 0))
            if time.perf_counter() > end:
                break
            for pipe in ready:
                found, trial = pipe.recv(), under_way[pipe]
                if "epoch" in found:
                    trial.report(found["score"], found["epoch"])
                    pipe.send(not trial.should_prune())
                    continue
                del under_way[pipe]
                done += 1
                if "pruned" in found:
                    pruned += 1
                    study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
                else:
                    study.tell(trial, found["score"])
                    best = max(best, found, key=lambda one: one["score"])
                ask(pipe)
        found = {"score": best["score"], "final": best.get("final"), "trials": done}
        return {**found, "pruned": pruned, "beyond": len(under_way)}
