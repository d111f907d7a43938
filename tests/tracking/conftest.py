"""A small training and a small sweep, with neither a network nor a home folder."""

import socket

import numpy as np
import pytest

import gradus as gr

X = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
OPTIONS = {"epochs": 3, "batch_size": 4, "validation_split": 0.25, "verbose": False}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Work in an empty folder, which is home, too; refuse connections to other machines."""
    connect = socket.socket.connect

    def local_only(self, address):
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def train():
    """Train with a tracker; return the history."""

    def run(tracker, targets=2 * X, rate=0.1):
        model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(rate), ["mae"])
        return model.fit(X, targets, trackers=tracker, **OPTIONS)

    return run


@pytest.fixture
def sweep():
    """Train three trials of two seeds with a tracker; return the sweep."""

    def run(tracker):
        rates = gr.choice(0.01, 0.1, 0.2)
        model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(rates), ["mae"])
        return gr.Sweep(model, search="grid", seeds=2).fit(X, X, trackers=tracker, **OPTIONS)

    return run
