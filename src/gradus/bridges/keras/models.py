"""A Keras model as a `Model` of gradus, and the other way."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus.bridges.assembly import (
    DEFAULT_LOSSES,
    Note,
    built_network,
    default_loss,
    takes_codes,
    tell,
)
from gradus.bridges.keras.compiling import compile_keras
from gradus.bridges.keras.files import KerasArchive, read_keras_archive
from gradus.bridges.keras.graphs import KerasNetwork
from gradus.bridges.keras.masks import check_masks
from gradus.bridges.keras.training import (
    by_output,
    expects_logits,
    read_loss,
    read_metrics,
    read_optimizer,
    read_optimizer_state,
)
from gradus.bridges.keras.writing import LayerWriter
from gradus.errors import GradusError, SavedError
from gradus.foreign_names.arguments import explain_arguments
from gradus.models.model import Model
from gradus.models.supervised import output_heads
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.containers import Functional
from gradus.nn.network import weights
from gradus.optional import import_optional
from gradus.train.early_stopping import EarlyStopping
from gradus.train.state import init_train_state
from gradus.train.tasks.base import is_head

STEPS = 64  # of a sequence whose length the model leaves open, to build the network


@explain_arguments
def from_keras(
    model: Any, *, loss: Any = None, optimizer: Any = None, metrics: Any = None
) -> Model:
    """Return a Keras 3 model with its weights as a model of gradus, to predict and to train on.

    Sequential and functional models of layers that gradus has are taken. Chains, branches that are
    merged, and residual connections become `Sequential`, `Parallel`, and `Residual`; another graph,
    as where a layer is shared, is a `Functional`. Layers keep their names. A file is read, with
    h5py and without Keras; no code in it is run. What is not carried is told in one warning.

    Args:
        model: a Keras model, or the path of a `.keras` file.
        loss: the loss; None for the one that the model was compiled with.
        optimizer: the optimizer; None for the model's.
        metrics: the metrics; None for the model's.

    Returns:
        The model, built, with outputs equal to Keras's. Where the loss takes logits, `predict`
        returns probabilities, and `predict(x, logits=True)` what Keras returns.

    Raises:
        GradusError: for what gradus cannot compute; it names the layer and what it is about.
        SavedError: for a file that is damaged, of another format, or made to do harm.

    Examples:
        >>> import keras
        >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "tanh")])
        >>> net.compile("sgd", "mse")
        >>> model = gr.from_keras(net)
        >>> x = np.ones((3, 4), np.float32)
        >>> bool(np.allclose(model.predict(x), net(x), atol=1e-6))
        True
    """
    archive = read_keras_archive(model) if isinstance(model, str | Path) else _archive_of(model)
    given = {"loss": loss, "optimizer": optimizer, "metrics": metrics}
    given = {name: value for name, value in given.items() if value is not None}
    with _damage_as_error():
        network = KerasNetwork(archive.config, archive.arrays)
        example = _example(network)
        built, paths = built_network(network.net, example, network.weights)
        check_masks(built, example)
        settings = _compiled(network, archive.config.get("compile_config"), given)
        if loss is None and "loss" in settings:
            _compare_logits(archive.config["compile_config"]["loss"], built, example, network)
        if metrics is None and "auc" in jax.tree.leaves(settings.get("metrics")):
            _compare_areas(built, example, network)
    if "loss" not in settings:
        settings["loss"] = default_loss(built, example, network.reader.note)
    result = Model(network.net, **settings)
    result.net = built
    if _lengths_known(network):
        result.build(example)
    if optimizer is None and "optimizer" in settings:
        _carry_state(result, archive, paths, network.reader.note)
    tell("from_keras", network.reader.notes)
    return result


@contextlib.contextmanager
def _damage_as_error() -> Iterator[None]:
    """Turn what a description of another form than Keras's leads to into an error about it."""
    try:
        yield
    except GradusError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise SavedError(f"The description of the Keras model is damaged ({error!r}).") from error
    except RecursionError as error:
        raise SavedError("The description of the Keras model is nested too deeply.") from error


def _compiled(network: KerasNetwork, compiled: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a `Model`: those that are given, others as Keras was compiled."""
    settings = dict(given)
    outputs, note = (network.outputs, network.named_outputs), network.reader.note
    readers: dict[str, Callable[[Any], Any]] = {
        "metrics": lambda each: read_metrics(each, note),
        "loss": lambda each: read_loss(each, note),
        "loss_weights": float,
    }
    compiled = compiled if isinstance(compiled, Mapping) else {}
    for name, read in readers.items():
        if compiled.get(name) is not None and name not in given:
            settings[name] = by_output(compiled[name], *outputs, read)
    if compiled.get("optimizer") is not None and "optimizer" not in given:
        settings["optimizer"] = read_optimizer(compiled["optimizer"])
    return settings


def _carry_state(model: Model, archive: KerasArchive, paths: list[str], note: Note) -> None:
    """Give a model the state that Keras's optimizer has after some steps; note where it cannot."""
    if not archive.arrays.get("optimizer/vars/0", 0) > 0:  # the number of steps
        return
    params = weights(model.net, "param")
    in_order = {path: params[path] for path in paths if path in params}
    state = read_optimizer_state(model.optimizer, archive.arrays, in_order)
    if state is None:
        note("the optimizer begins anew, without the state of Keras's")
        return
    stopping = EarlyStopping("loss", "min")
    train_state = init_train_state(model.net, model.optimizer, model.task, stopping, False)
    model.train_state = dataclasses.replace(train_state, opt_states=(state,))


def _archive_of(model: Any) -> KerasArchive:
    """Return what Keras writes about a model to a file."""
    keras = _import_keras("from_keras(model)")
    if not isinstance(model, keras.Model):
        raise GradusError(
            f"from_keras({type(model).__name__}): write a Keras 3 model, or the path of a .keras "
            "file."
        )
    if not model.built:
        raise GradusError("from_keras: the model has no weights yet: call it on data first.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what saving does within Keras
                model.save(path)
        except Exception as error:
            raise GradusError(f"from_keras: Keras cannot describe the model: {error}") from error
        return read_keras_archive(path)


def _example(network: KerasNetwork) -> Any:
    """Return two rows of zeros for a network, of length `STEPS` where it leaves that open."""
    several = len(network.inputs) > 1
    takers = _takers_of_inputs(network.net) if several else {}
    examples = {}
    for name, (shape, dtype) in network.inputs.items():
        if not isinstance(shape, list) or len(shape) < 2 or dtype == "string":
            raise GradusError(
                f"from_keras: the input {name!r} has no shape of numbers ({shape!r}, {dtype}): "
                "give the model a keras.Input, or call it on data, and save it again."
            )
        codes = "int" not in dtype and any(map(takes_codes, takers.get(name, [network.net])))
        sizes = (2, *(STEPS if size is None else int(size) for size in shape[1:]))
        examples[name] = np.zeros(sizes, "int32" if codes else _dtype(dtype, name))
    return examples if several else next(iter(examples.values()))


def _takers_of_inputs(net: Layer) -> dict[str, list[Layer]]:
    """Return the layers that take each of several inputs, by its name."""
    if isinstance(net, Functional):
        return {name: net.layers_given(name) for name in net.inputs}
    for _, layer in named_layers(net):
        branches = getattr(layer, "branches", None)
        if isinstance(branches, dict):
            return {name: [branch] for name, branch in branches.items()}
    return {}


def _dtype(name: str, where: str) -> Any:
    if name in ("bfloat16", "float64", "float16"):
        return np.dtype(np.float32)
    try:
        return np.dtype(name)
    except TypeError:
        raise GradusError(f"from_keras: the input {where!r} has the type {name!r}.") from None


def _lengths_known(network: KerasNetwork) -> bool:
    return all(None not in shape[1:] for shape, _ in network.inputs.values())


def _compare_logits(loss: Any, net: Layer, example: Any, network: KerasNetwork) -> None:
    """Note where Keras takes one output for logits and gradus for probabilities, or vice versa."""
    heads, _ = output_heads(net, example)
    words = str(loss.get("class_name") if isinstance(loss, Mapping) else loss)
    if not is_head(heads) or "crossentropy" not in words.lower():
        return
    logits = heads.activation not in DEFAULT_LOSSES
    if logits != expects_logits(loss):
        told, taken = ("probabilities", "logits") if logits else ("logits", "probabilities")
        network.reader.note(
            f"Keras was told that the outputs are {told}, but they are {taken}, which is what "
            "gradus computes the loss from; so the loss is another, and predict(x, logits=True) "
            "returns what Keras does"
        )


def _compare_areas(net: Layer, example: Any, network: KerasNetwork) -> None:
    """Note that of several classes the area under the ROC curve is another."""
    _, outputs = output_heads(net, example)
    if any(size > 1 for output in jax.tree.leaves(outputs) for size in output.shape[1:]):
        network.reader.note(
            "the metric 'auc' is the mean over the classes, where Keras counts all outputs as one"
        )


@explain_arguments
def to_keras(model: Model) -> Any:
    """Return a model of gradus as a Keras 3 model with the same weights, compiled as it is.

    The backend is the one that Keras was started with. What is not carried is told in one warning.

    Args:
        model: a model that has its weights.

    Returns:
        A `keras.Sequential` where the network is one, else a functional model. Its layers have the
        paths of gradus's as names.

    Raises:
        GradusError: for a model without weights, or a layer that Keras does not have; it names the
            layer.

    Examples:
        >>> net = gr.Sequential([gr.Dense(3, "relu"), gr.Dense(2)])
        >>> model = gr.Model(net, "mse").build(np.zeros((1, 4)))
        >>> written = gr.to_keras(model)
        >>> x = np.ones((5, 4), np.float32)
        >>> bool(np.allclose(written(x), model.predict(x), atol=1e-6))
        True
    """
    if not isinstance(model, Model):
        raise GradusError(f"to_keras({type(model).__name__}): write a gradus Model.")
    model.require_built("to_keras")
    if model.example is None:
        raise GradusError("to_keras: the shape of the inputs is not known yet: call build(x).")
    keras = _import_keras("to_keras")
    writer, notes = LayerWriter(keras, model.net), list[str]()
    inputs = _keras_inputs(keras, model.example)
    example = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), model.example)
    with warnings.catch_warnings():  # of masks that Keras drops, which are checked
        warnings.filterwarnings("ignore", "Layer .* was passed an input with a mask", UserWarning)
        outputs = writer.apply(model.net, inputs)
        paths = writer.carry_weights()
        check_masks(model.net, example)
        if writer.chain is not None:
            written = keras.Sequential([inputs, *writer.chain])
        else:
            written = keras.Model(inputs, outputs)
    compile_keras(keras, written, model, output_heads(model.net, example)[0], paths, notes)
    tell("to_keras", notes)
    return written


def _import_keras(function: str) -> Any:
    """Import Keras.

    Raises:
        GradusError: if it is not installed, or its backend is not.
    """
    try:
        return import_optional("keras", function, "keras")
    except GradusError:
        if importlib.util.find_spec("keras") is None:
            raise
        raise GradusError(
            f"{function}: Keras's backend is not installed: write os.environ['KERAS_BACKEND'] = "
            "'jax' before keras is imported."
        ) from None


def _keras_inputs(keras: Any, example: Any) -> Any:
    """Return Keras's symbolic inputs for samples like an example."""
    if isinstance(example, dict):
        return {
            name: keras.Input(a.shape[1:], dtype=np.dtype(a.dtype).name, name=name)
            for name, a in example.items()
        }
    if not hasattr(example, "shape"):
        raise GradusError("to_keras: write inputs as a dict, not as a tuple.")
    return keras.Input(example.shape[1:], dtype=np.dtype(example.dtype).name)
