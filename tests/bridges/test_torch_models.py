"""Each module of PyTorch is carried to gradus and back with equal outputs, images transposed."""

import inspect
import re
import warnings
from pathlib import Path

import jax.numpy as jnp
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
    "Conv1d, padded": ([nn.Conv1d(2, 3, 3, stride=2, padding=1), nn.Dropout1d(0.1)], (4, 2, 7)),
    "Conv3d": ([nn.Conv3d(1, 2, 2), nn.MaxPool3d(2), nn.BatchNorm3d(2)], (4, 1, 4, 5, 3)),
    "GroupNorm": ([nn.GroupNorm(2, 4, eps=0.1), nn.Dropout2d(0.1)], (4, 4, 3, 2)),
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
    "Unflatten to channels": (
        [
            *(nn.Unflatten(1, (3, 2, 4)), nn.ConvTranspose2d(3, 2, 3, 2, (0, 1), (0, 1))),
            *(nn.InstanceNorm2d(2, affine=True), nn.Hardswish()),
        ],
        (4, 24),
    ),
    "Unflatten what was flattened": (
        [nn.ConstantPad2d(1, 0), nn.Flatten(), nn.RMSNorm(40), nn.Unflatten(1, (2, 5, 4))],
        (4, 2, 3, 2),
    ),
    "Conv1d, cropped": (
        [
            nn.ZeroPad1d((1, 2)),
            nn.ConvTranspose1d(2, 3, 4, 2, 2),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.MaxPool1d(3, 2, 1),
        ],
        (4, 2, 5),
    ),
    "AlphaDropout": ([nn.RMSNorm(3, elementwise_affine=False), nn.AlphaDropout(0.1)], (4, 3)),
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
    first_image = len(shape) >= 4 or name.startswith(
        ("Conv1d", "ConvT", "MaxPool1d", "AdaptiveMax")
    )
    x_ours = channels_last(x) if first_image else x
    y = (
        expected.numpy()
        if expected.ndim == 2 or not (first_image or name.startswith("Unflatten"))
        else channels_last(expected)
    )
    np.testing.assert_allclose(ours.predict(x_ours), y, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(back, expected, atol=1e-5, rtol=1e-5)


# Networks of gradus that need more than the layers of `EVERY`, and the shape of a sample.
OURS = {
    "Conv1D": ([gr.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="elu")], (7, 2)),
    "Conv2D": ([gr.Conv2D(3, 2, strides=2, padding="same", activation="softmax")], (5, 6, 2)),
    "DepthwiseConv2D": ([gr.DepthwiseConv2D(3, depth_multiplier=2), gr.Flatten()], (5, 6, 2)),
    "Conv1DTranspose": ([gr.Conv1DTranspose(3, 4, strides=2, padding="same")], (5, 2)),
    "Conv2DTranspose": ([gr.Conv2DTranspose(3, 3, strides=2, use_bias=False)], (3, 4, 2)),
    "MaxPooling1D": ([gr.Conv1D(3, 2), gr.MaxPooling1D(2, padding="same")], (6, 2)),
    "MaxPooling2D": ([gr.MaxPooling2D(3, strides=2, padding="same")], (5, 6, 2)),
    "AveragePooling1D": ([gr.AveragePooling1D(3, strides=1, padding="same")], (5, 2)),
    "AveragePooling2D": ([gr.AveragePooling2D(2), gr.UpSampling2D((1, 2))], (5, 6, 2)),
    "GlobalAveragePooling2D": ([gr.GlobalAveragePooling2D(), gr.Dense(3, "relu6")], (5, 6, 2)),
    "GlobalMaxPooling1D": ([gr.GlobalMaxPooling1D(), gr.Dense(3, "leaky_relu")], (5, 2)),
    "BatchNormalization": (
        [gr.Conv2D(2, 2), gr.Flatten(), gr.BatchNormalization(scale=False), gr.Dense(3, "mish")],
        (4, 5, 1),
    ),
    "LayerNormalization": ([gr.Flatten(), gr.LayerNormalization(center=False)], (4, 3)),
    "LSTM": ([gr.LSTM(3, return_sequences=True), gr.GRU(2), gr.Dense(2)], (5, 2)),
    "Bidirectional": ([gr.Bidirectional(gr.SimpleRNN(3)), gr.Dense(2, "softmax")], (5, 2)),
    "ReLU": ([gr.Conv1D(2, 2), gr.ReLU(), gr.ELU(0.5), gr.LeakyReLU(0.1), gr.Identity()], (5, 2)),
    "Softmax": ([gr.Conv2D(2, 2), gr.ReLU(6.0), gr.Softmax()], (4, 4, 1)),
    "ZeroPadding1D": ([gr.ZeroPadding1D((1, 2)), gr.Conv1D(2, 2)], (5, 2)),
    "Repeat": ([gr.Repeat(gr.Dense(4, "relu"), 2), gr.Activation("leaky_relu", 0.1)], (4,)),
    "Reshape": ([gr.Reshape((3, 4, 1)), gr.ZeroPadding2D(1), gr.PReLU(shared_axes=(1, 2))], (12,)),
    "Embedding": ([gr.Embedding(9, 3), gr.LSTM(2)], ("int", 5)),
}
# Layers that an nn.Sequential has no module for, each with the shape of a sample.
REFUSED = {
    "ColumnEmbedding": None,
    "GaussianNoise": (gr.GaussianNoise(0.1), (4,)),
    "MaskingNoise": (gr.MaskingNoise(0.1), (4,)),
    "Masking": (gr.Masking(), (4, 2)),
    "Maxout": (gr.Maxout(3), (4,)),
    "MultiHeadAttention": (gr.MultiHeadAttention(2), (4, 2)),
    "Parallel": (gr.Parallel([gr.Dense(2), gr.Dense(2)], "add"), (4,)),
    "Functional": (gr.Functional({"d": gr.Dense(2)}, {"y": ("d", "x")}), (4,)),
    "PositionalEmbedding": (gr.PositionalEmbedding(5), (4, 2)),
    "PositionalEncoding": (gr.PositionalEncoding(), (4, 2)),
    "RandomCrop": (gr.RandomCrop(2, 2), (4, 4, 1)),
    "RandomFlip": (gr.RandomFlip(), (4, 4, 1)),
    "RandomRotation": (gr.RandomRotation(0.1), (4, 4, 1)),
    "RandomTranslation": (gr.RandomTranslation(0.1, 0.1), (4, 4, 1)),
    "Rescaling": (gr.Rescaling(0.5), (4,)),
    "Residual": (gr.Residual([gr.Dense(4)]), (4,)),
    "SaltAndPepperNoise": (gr.SaltAndPepperNoise(0.1), (4,)),
    "Sparsity": (gr.Sparsity(0.1), (4,)),
    "TransformerEncoder": (gr.TransformerEncoder(1, 4), (4, 2)),
    "Lambda": (gr.Lambda(jnp.abs), (4,)),
    "Permute": (gr.Permute((2, 1)), (4, 2)),
    "RepeatVector": (gr.RepeatVector(2), (4,)),
    "SeparableConv2D": (gr.SeparableConv2D(2, 2), (4, 4, 1)),
    "TimeDistributed": (gr.TimeDistributed(gr.Dense(2)), (4, 2)),
    **{
        name: (getattr(gr, name)(*arguments), (4, 4, 1))
        for name, arguments in {
            **dict.fromkeys(("UnitNormalization", "RMSNormalization"), ()),
            **dict.fromkeys(("GaussianDropout", "ActivityRegularization"), (0.1,)),
            **dict.fromkeys(("RandomBrightness", "RandomContrast", "RandomZoom"), (0.1,)),
            **dict.fromkeys(("CenterCrop", "Resizing"), (2, 2)),
            "Cropping2D": (1,),
            "Normalization": (0.0, 1.0),
        }.items()
    },
    # What modules of PyTorch cannot do as these layers do.
    "Dense": (gr.Dense(2), (4, 4, 1)),
    "GRU": (gr.GRU(2, reset_after=False), (4, 2)),
    "LSTM": (gr.LSTM(2, activation="relu"), (4, 2)),
    "Bidirectional": (gr.Bidirectional(gr.GRU(2), "sum"), (4, 2)),
    "Embedding": (gr.Embedding(9, 2, mask_zero=True), ("int", 4)),
    "GlobalAveragePooling1D": (
        gr.Sequential([gr.GRU(3, return_sequences=True), gr.GlobalAveragePooling1D()]), (4, 2),
    ),
    "Reshape": (gr.Reshape((2, 2, 3)), (12,)),
}  # fmt: skip


def built(layers, shape):
    """A model of gradus with weights that are nowhere zero or one."""
    x = np.zeros((2, *shape[1:]), np.int32) if shape[0] == "int" else np.zeros((2, *shape))
    model = gr.Model(gr.Sequential(layers), "mse").build(x)
    rng = np.random.default_rng(0)
    model.set_weights({name: rng.uniform(0.2, 1, w.shape) for name, w in model.weights.items()})
    return model


def test_no_layer_is_left_out():
    layers = {
        name
        for name in gr.__all__
        if inspect.isclass(cls := getattr(gr, name)) and issubclass(cls, gr.Layer)
    }
    there_and_back = {"Activation", "Dropout", "Flatten", "Dense", "PReLU", "SimpleRNN", "GRU"}
    there_and_back |= {"ZeroPadding2D", "UpSampling2D", "GlobalMaxPooling2D"}
    there_and_back |= {
        "Conv3D",
        "MaxPooling3D",
        "GroupNormalization",
        "ELU",
        "LeakyReLU",
        "Identity",
    }
    there_and_back |= {"SpatialDropout1D", "SpatialDropout2D", "AlphaDropout"}
    # Of the same families as others, which are refused or carried.
    there_and_back |= {"Add", "Average", "Concatenate", "Maximum"}
    there_and_back |= {"Minimum", "Multiply", "Subtract"}
    there_and_back |= {"AveragePooling3D", "GlobalAveragePooling3D", "GlobalMaxPooling3D"}
    there_and_back |= {"Cropping1D", "SeparableConv1D", "UpSampling1D"}
    there_and_back |= {"GlobalAveragePooling1D", "Sequential", "Layer"}
    assert layers <= {*OURS, *REFUSED, *there_and_back}


@pytest.mark.parametrize("name", OURS)
def test_networks_of_gradus_in_pytorch(name, rng):
    layers, shape = OURS[name]
    model = built(layers, shape)
    x = rng.normal(size=(4, *shape)).astype(np.float32) if shape[0] != "int" else None
    x = rng.integers(0, 9, (4, *shape[1:])) if x is None else x
    features_last = ("LSTM", "Bidirectional", "LayerNormalization")
    images = x.ndim == 4 or (x.ndim == 3 and name not in features_last)
    if name == "DepthwiseConv2D":
        with pytest.warns(UserWarning, match="in the order of channels first"):
            module = gr.to_torch(model)
    else:
        module = gr.to_torch(model)
    with torch.no_grad():
        y = module(torch.tensor(np.moveaxis(x, -1, 1) if images else x)).numpy()
    expected = model.predict(x)
    if name == "DepthwiseConv2D":  # flattened at the end, in the order of channels first
        expected = np.moveaxis(expected.reshape(4, 3, 4, 4), -1, 1).reshape(4, -1)
    y = channels_last(y) if y.ndim == 4 or (images and y.ndim == 3) else y
    np.testing.assert_allclose(y, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in REFUSED if REFUSED[name]])
def test_a_layer_that_pytorch_lacks_is_named(name):
    layer, shape = REFUSED[name]
    with pytest.raises(gr.GradusError, match=rf"Layer '.*' \({name}\) cannot be carried"):
        gr.to_torch(built([layer, gr.Flatten()], shape))


class Mine(nn.Module):
    def forward(self, x):
        return x


BAD = {
    "Module '0' .Mine. is code of its author": ([Mine()], (2, 3)),
    "Module '1' .Bilinear.: gradus has no layer": ([nn.Linear(3, 3), nn.Bilinear(3, 3, 3)], (2, 3)),
    "batch_first=True": ([nn.LSTM(3, 2)], (2, 4, 3)),
    "Module '1' .Linear. follows Module '0' .GRU., which returns a tuple": (
        [nn.GRU(3, 2, batch_first=True), nn.Linear(2, 1)], (2, 4, 3),
    ),
    "proj_size=1 cannot": ([nn.LSTM(3, 2, batch_first=True, proj_size=1)], (2, 4, 3)),
    "padding_mode='reflect'": ([nn.Conv2d(1, 2, 3, padding_mode="reflect")], (2, 1, 5, 5)),
    "takes data of 4 axes, the batch first, but is given 3": ([nn.Conv2d(1, 2, 3)], (1, 5, 5)),
    "ceil_mode=True": ([nn.MaxPool2d(2, ceil_mode=True)], (2, 1, 5, 5)),
    "padding=1 cannot": ([nn.MaxPool2d(3, stride=2, padding=1)], (2, 1, 5, 5)),
    "output_padding": ([nn.ConvTranspose2d(1, 2, 3, 2, 0, 1)], (2, 1, 5, 5)),
    "makes other channels of those": (
        [nn.Conv2d(1, 4, 1), nn.Flatten(), nn.Unflatten(1, (2, 2, 4))], (2, 1, 2, 2),
    ),
    "value=2.0 cannot": ([nn.ConstantPad1d(1, 2.0)], (2, 1, 5)),
    "only an output_size of 1": ([nn.AdaptiveAvgPool2d(2)], (2, 1, 5, 5)),
    "dim=0 is not": ([nn.Linear(3, 2), nn.Softmax(0)], (2, 3)),
    "mixes the last axis of images": ([nn.Conv2d(1, 2, 3), nn.Linear(3, 2)], (2, 1, 5, 5)),
    "only Flatten.1, -1": ([nn.Flatten(0)], (2, 3, 4)),
    "normalizes other axes": ([nn.LayerNorm((3, 4))], (2, 3, 4)),
    "approximate='tanh'": ([nn.GELU("tanh"), nn.Linear(3, 2)], (2, 3)),
    "track_running_stats=False": ([nn.BatchNorm1d(3, track_running_stats=False)], (2, 3)),
    "from_torch: inputs of shape .2, 4. do not fit: .* but .3, 2. is given": (
        [nn.Linear(4, 2), nn.Linear(3, 2)], (2, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_what_gradus_cannot_compute_is_named(message):
    modules, shape = BAD[message]
    with pytest.raises(gr.GradusError, match=message):
        gr.from_torch(nn.Sequential(*modules), np.zeros(shape, np.float32), loss="mse")


def test_wrong_arguments_and_what_is_told():
    twin = nn.Linear(3, 3)
    with pytest.raises(gr.GradusError, match=r"'1' .Linear. stands twice"):
        gr.from_torch(nn.Sequential(twin, twin))
    with pytest.raises(gr.GradusError, match=r"write from_torch.module, x. with a batch"):
        gr.from_torch(nn.Sequential(nn.Conv2d(1, 2, 3)))
    with pytest.raises(gr.GradusError, match=r"from_torch.dict.: write a torch\.nn\.Sequential"):
        gr.from_torch({"weight": 1})
    with pytest.raises(gr.GradusError, match="write a batch of inputs"):
        gr.from_torch(nn.Sequential(nn.Linear(3, 1)), 3)
    with pytest.raises(gr.GradusError, match="no weights yet"):
        gr.to_torch(gr.Model(gr.Dense(3), "mse"))
    with pytest.raises(gr.GradusError, match="write a gradus Model"):
        gr.to_torch(twin)
    with pytest.warns(UserWarning, match="no loss, so sparse_categorical_crossentropy was taken"):
        gr.from_torch(nn.Sequential(nn.Linear(3, 2), nn.Softmax(-1)))
    relu = nn.ReLU()
    module = nn.Sequential(nn.Linear(3, 2), relu, nn.Linear(2, 2), relu)
    assert len(gr.from_torch(module, loss="mse").net.layers) == 4


def test_training_goes_on(rng):
    x = rng.normal(size=(64, 1, 6, 6)).astype(np.float32)
    y = (x[:, 0, 0, 0] > 0).astype(np.int32)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    model = gr.from_torch(
        module, torch.tensor(x), loss="sparse_categorical_crossentropy", optimizer=gr.Adam(0.01)
    )
    before = model.evaluate(channels_last(x), y)["loss"]
    model.fit(channels_last(x), y, epochs=5, verbose=False)
    assert model.evaluate(channels_last(x), y)["loss"] < 0.9 * before


def test_the_last_output_survives_a_file(tmp_path):
    module = gr.to_torch(built([gr.GRU(3)], (4, 2)))
    torch.save(module, tmp_path / "module.pt")
    again = torch.load(tmp_path / "module.pt", weights_only=False)
    x = torch.ones(2, 4, 2)
    assert torch.equal(again(x), module(x))
    assert gr.from_torch(again, x, loss="mse").net.layers[0].return_sequences is False


def test_the_page_runs(tmp_path, monkeypatch):
    """Its blocks of PyTorch are marked `py`, as other tests do not need that package."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "keras-and-pytorch.md").read_text()
    blocks = re.findall(r"```py\n(.*?)```", page, re.S)
    assert len(blocks) == 2
    digits = load("digits")
    names = {"gr": gr, "np": np, "digits": digits, "y": digits.y}
    exec("\n".join(blocks), names)  # noqa: S102 - it is our own page
