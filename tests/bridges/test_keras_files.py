"""Files that are damaged, of other formats, or made to do harm are refused; no code is run."""

import io
import json
import random
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import SavedError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """What a `.keras` file of a small network holds."""
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    start = keras.Input((3,))
    x = keras.layers.Dense(3, "tanh", name="first")(start)
    model = keras.Model(start, keras.layers.Add()([start, x]))
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members, **changed):
    """Write a `.keras` file; a member that is None is left out."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, **changed}.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def weights_file(change):
    """The bytes of an HDF5 file, as `change` makes it."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        change(file)
    return content.getvalue()


def external_link(file):
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname.h5", "/")


def external_storage(file):
    raw = [("/etc/hostname", 0, 36)]
    file.create_dataset("layers/dense/vars/0", (3, 3), "f4", external=raw)


def virtual(file):
    layout = h5py.VirtualLayout((3, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname.h5", "x", (3, 3))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def of_a_billion(file):
    file.create_dataset("layers/dense/vars/0", (10**5, 10**5), "f4", chunks=(10, 10))


def of_text(file):
    file["layers/dense/vars/0"] = "a text"


def of_another_shape(file):
    file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.zeros((2, 3)), np.zeros(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_link, "no weights for residual/first/bias"),
        (external_storage, "kept in another file"),
        (virtual, "kept in another file"),
        (of_a_billion, "more than the file"),
        (of_text, "no array of float32"),
        (of_another_shape, r"first/kernel' has shape \(3, 3\) but \(2, 3\) is given"),
    ],
)
def test_weights_that_are_elsewhere_or_do_not_fit(change, message, members, tmp_path):
    path = write(tmp_path / "a.keras", members, **{"model.weights.h5": weights_file(change)})
    with pytest.raises(gr.GradusError, match=message):
        gr.from_keras(path)


def test_archives_that_are_none(members, tmp_path):
    path = tmp_path / "a.keras"
    with pytest.raises(SavedError, match="There is no file"):
        gr.from_keras(path)
    path.write_bytes(b"no archive")
    with pytest.raises(SavedError, match="is not a"):
        gr.from_keras(path)
    old = tmp_path / "a.h5"
    old.write_bytes(members["model.weights.h5"])
    with pytest.raises(SavedError, match="load it in Keras 3 and save it"):
        gr.from_keras(str(old))
    weights = old.rename(tmp_path / "a.weights.h5")
    with pytest.raises(SavedError, match="holds weights alone: save the whole model"):
        gr.from_keras(weights)
    whole = write(path, members).read_bytes()
    for length in (len(whole) // 3, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(SavedError):
            gr.from_keras(path)
    write(path, members, **{"config.json": None})
    with pytest.raises(SavedError, match=r"holds no config\.json"):
        gr.from_keras(path)
    for content in ("[" * 100_000, "{", "[1]", "\udcff".encode("utf-8", "surrogateescape")):
        with pytest.raises(SavedError, match=r"config\.json"):
            gr.from_keras(write(path, members, **{"config.json": content}))
    with pytest.raises(SavedError, match=r"weights\.h5 cannot be read"):
        gr.from_keras(write(path, members, **{"model.weights.h5": b"\x89HDF" * 20}))
    for name in ("../evil.py", "/etc/evil", "C:\\evil"):
        with pytest.raises(SavedError, match="outside of it"):
            gr.from_keras(write(path, members, **{name: b""}))


def test_a_member_larger_than_the_memory_is_not_read(members, tmp_path, monkeypatch):
    path = write(tmp_path / "a.keras", members)
    monkeypatch.setattr("gradus.bridges.keras.files.host_free_bytes", lambda: 1000)
    with pytest.raises(SavedError, match="there is room for"):
        gr.from_keras(path)


def places(value, path=()):
    """Yield the path of each value within JSON."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def test_no_description_leads_to_another_error(members, tmp_path):
    config = json.loads(members["config.json"])
    draw, path = random.Random(0), tmp_path / "a.keras"
    values = (None, -1, 10**30, "x", [], {}, [None], {"class_name": "Lambda"}, 0.5, True, [1, 2])
    every = [place for place in places(config) if place]
    read = 0
    for place in draw.sample(every, 60):
        changed = json.loads(members["config.json"])
        parent = changed
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = draw.choice(values)
        write(path, members, **{"config.json": json.dumps(changed)})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                gr.from_keras(path)
            read += 1
        except gr.GradusError:
            pass
    assert 0 < read < 60


def test_code_is_refused_by_name(members, tmp_path):
    function = {"module": "builtins", "class_name": "function", "config": "evil"}
    for change in (
        {"module": "evil", "class_name": "Dense"},
        {"module": "keras.layers", "registered_name": "evil>Dense"},
        {"class_name": "Lambda"},
        {"config": {"units": 3, "activation": function}},
        {"config": {"units": 3, "kernel_initializer": {**function, "module": "evil"}}},
    ):
        config = json.loads(members["config.json"])
        entry = next(e for e in config["config"]["layers"] if e["class_name"] == "Dense")
        entry |= change
        path = write(tmp_path / "a.keras", members, **{"config.json": json.dumps(config)})
        with pytest.raises(gr.GradusError, match=r"evil|holds code"):
            gr.from_keras(path)


def test_a_file_is_read_without_keras(members, tmp_path, monkeypatch):
    path = write(tmp_path / "a.keras", members)
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    assert gr.from_keras(str(path)).predict(np.ones((2, 3))).shape == (2, 3)
    with pytest.raises(gr.GradusError, match=r"pip install '.*\[keras\]'|KERAS_BACKEND"):
        gr.to_keras(gr.from_keras(path))
