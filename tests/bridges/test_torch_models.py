"""Each module of PyTorch is carried to gradus and back with equal outputs, images transposed."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import gradus as gr
from gradus.data import load

torch = pytest.importorskip("torch")
nn = torch.nn

# Modules, the shape of a batch of their inputs in PyTorch ("int" for codes).
EVERY = {
    "Linear": ([nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False)], (4, 4)),
    "Linear of steps": ([nn.Linear(4, 3), nn.LayerNorm(3, eps=0.1), nn.Softmax(-1)], (4, 5, 4)),
    "Conv1d": ([nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4), nn.Tanh()], (4, 3, 6)),
    "Conv2d": ([nn.Conv2d(4, 6, (3, 2), stride=2, groups=2), nn.SiLU()], (4, 4, 7, 6)),
    "Conv2d, padded": ([nn.Conv2d(2, 3, 3, stride=2, padding=(1, 2))], (4, 2, 7, 6)),
    "Conv2d, same": ([nn.Conv2d(2, 3, 4, padding="same", dilation=2)], (4, 2, 9, 8)),
    "ConvTranspose1d": ([nn.ConvTranspose1d(3, 2, 3, stride=2)], (4, 3, 5)),
    "ConvTranspose2d": ([nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1)], (4, 3, 5, 4)),
    "BatchNorm2d": ([nn.BatchNorm2d(3, momentum=0.3, eps=0.1)], (4, 3, 5, 4)),
    "BatchNorm1d, bare": ([nn.BatchNorm1d(5, affine=False)], (4, 5)),
    "Flatten": (
        [
            *(
                nn.Conv2d(2, 3, 3),
                nn.LeakyReLU(),
                nn.Flatten(),
                nn.BatchNorm1d(36),
                nn.Dropout(0.1),
            ),
            *(nn.Linear(36, 5), nn.GELU(), nn.Linear(5, 2)),
        ],
        (4, 2, 5, 6),
    ),
    "Flatten of images": ([nn.Flatten(), nn.LayerNorm(60), nn.Linear(60, 3)], (4, 3, 4, 5)),
    "MaxPool1d": ([nn.Conv1d(3, 4, 1), nn.MaxPool1d(3, stride=1, padding=1)], (4, 3, 6)),
    "MaxPool2d": ([nn.MaxPool2d((2, 3), stride=2)], (4, 3, 6, 7)),
    "AvgPool2d": ([nn.AvgPool2d(3, stride=2, padding=1), nn.ELU(0.5)], (4, 3, 6, 7)),
    "AdaptiveAvgPool2d": (
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2), nn.LogSoftmax(1)],
        (4, 3, 6, 7),
    ),
    "AdaptiveMaxPool1d": ([nn.AdaptiveMaxPool1d(1), nn.Flatten()], (4, 3, 6)),
    "PReLU": ([nn.Conv2d(2, 3, 1), nn.PReLU(3), nn.PReLU(), nn.Softmax(1)], (4, 2, 4, 3)),
    "Upsample": ([nn.Upsample(scale_factor=2), nn.ZeroPad2d((0, 1, 2, 3))], (4, 2, 4, 3)),
    "Unflatten": ([nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 2, 2)], (4, 12)),
    "Embedding": ([nn.Embedding(9, 3), nn.Linear(3, 2), nn.Mish()], ("int", 4, 6)),
    "LSTM": ([nn.LSTM(3, 4, batch_first=True)], (4, 5, 3)),
    "GRU": ([nn.GRU(3, 4, 2, batch_first=True, bidirectional=True)], (4, 5, 3)),
    "RNN": ([nn.RNN(3, 4, batch_first=True, nonlinearity="relu", bias=False)], (4, 5, 3)),
    "within": (
        [nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU6()), nn.Identity(), nn.Softplus()],
        (4, 2, 4, 3),
    ),
    **{
        kind: ([nn.Linear(3, 4), getattr(nn, kind)()], (4, 3))
        for kind in ("SELU", "Sigmoid", "Softsign", "Hardsigmoid", "ELU")
    },
}
RECURRENT = ("LSTM", "GRU", "RNN")


def channels_last(x):
    """What gradus takes for PyTorch's images."""
    return np.moveaxis(np.asarray(x), 1, -1)


def with_other_weights(module):
    """Give a module weights and statistics that are nowhere zero or one."""
    generator = torch.Generator().manual_seed(0)
    state = module.state_dict()
    for value in state.values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.2)
    module.load_state_dict(state)
    return module.eval()


@pytest.mark.parametrize("name", EVERY)
def test_outputs_are_those_of_pytorch_and_back(name, rng):
    modules, shape = EVERY[name]
    if shape[0] == "int":
        x = rng.integers(0, 9, shape[1:])
    else:
        x = rng.normal(size=shape).astype(np.float32)
    theirs = with_other_weights(nn.Sequential(*modules))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours = gr.from_torch(theirs, x, loss="mse")
    with torch.no_grad():
        expected = theirs(torch.tensor(x))
        expected = expected[0] if name in RECURRENT else expected
        back = gr.to_torch(ours)(torch.tensor(x))
    first_image = len(shape) == 4 or name.startswith(
        ("Conv1d", "ConvT", "MaxPool1d", "AdaptiveMax")
    )
    x_ours = channels_last(x) if first_image else x
    y = (
        expected.numpy()
        if expected.ndim == 2 or not (first_image or name == "Unflatten")
        else channels_last(expected)
    )
    np.testing.assert_allclose(ours.predict(x_ours), y, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(back, expected, atol=1e-5, rtol=1e-5)


def test_the_page_runs(tmp_path, monkeypatch):
    """Its blocks of PyTorch are marked `py`, as other tests do not need that package."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "keras-and-pytorch.md").read_text()
    blocks = re.findall(r"```py\n(.*?)```", page, re.S)
    assert len(blocks) == 2
    digits = load("digits")
    names = {"gr": gr, "np": np, "digits": digits, "y": digits.y}
    exec("\n".join(blocks), names)  # noqa: S102 - it is our own page
