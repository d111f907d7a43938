"""One layer of Keras as a layer of gradus: by name, and those few that need more than that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradus.bridges.keras.objects import RENAMED, construct, keras_class
from gradus.bridges.own_layers import own_layer
from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.nn.layers.attention import MultiHeadAttention
from gradus.nn.layers.bidirectional import Bidirectional
from gradus.nn.layers.normalization import Normalization

Arrays = Sequence[np.ndarray]


class LayerReader:
    """Turns descriptions of Keras's layers into layers, and remembers what was not carried.

    Attributes:
        notes: sentences about what was changed or dropped, each once.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        """Remember a sentence for the user."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def read(self, entry: Mapping[str, Any], arrays: Arrays = (), causal: bool = False) -> Layer:
        """Return the layer of gradus for one of Keras, unbuilt.

        Args:
            entry: the layer, as Keras serializes it.
            arrays: its weights, of which some become settings.
            causal: whether it is called with `use_causal_mask=True`.

        Raises:
            GradusError: for what gradus cannot compute; it names the layer and the argument.
        """
        where = layer_name(entry)
        name, config = keras_class(entry, "layers", where)
        self._check_dtype(config.get("dtype"), where)
        if config.get("seed") is not None:
            self.note(f"{where}: the seed is not carried; draws follow from the seed of the Model")
        special: dict[str, Callable[..., Layer]] = {
            "MultiHeadAttention": self._attention,
            "Bidirectional": self._bidirectional,
            "Normalization": self._normalization,
        }
        if name == "UpSampling2D" and config.get("interpolation", "nearest") != "nearest":
            layer = self._resizing(config, where, _input_shape(entry))
        elif name in special:
            layer = special[name](config, where, arrays, causal)
        else:
            if name == "Lambda":
                raise GradusError(
                    f"{where} holds code, which is not run here: write it as a layer of your own."
                )
            cls = own_layer(name, where)
            self._note_changes(where, config, _CHANGED.get(name, {}))
            self._simplify_factors(name, config)
            for argument, value in _SPELLED.get(name, {}).items():
                if config.get(argument, ...) in (None, 0.0):
                    config[argument] = value
            layer = construct(
                cls,
                config,
                where,
                rank=_rank(entry),
                renamed=RENAMED.get(name),
                layer=self.read,
            )
        own_name = config.get("name")
        if isinstance(own_name, str) and own_name and "/" not in own_name:
            layer.named(own_name)
        return layer if config.get("trainable", True) else layer.freeze()

    def _attention(self, config: dict[str, Any], where: str, arrays: Arrays, causal: bool) -> Layer:
        if config.pop("value_dim", None) not in (None, config.get("key_dim")):
            raise GradusError(f"{where}: value_dim cannot be carried unless it equals key_dim.")
        return construct(MultiHeadAttention, {**config, "causal": causal}, where)

    def _bidirectional(
        self, config: dict[str, Any], where: str, arrays: Arrays, causal: bool
    ) -> Layer:
        parts = config.get("layer"), config.pop("backward_layer", None)
        layers = [each for each in parts if isinstance(each, Mapping)]
        settings = [_mirrored(each.get("config", {})) for each in layers]
        if len(settings) == 2 and settings[0] != settings[1]:
            raise GradusError(
                f"{where}: its backward layer has other settings than the forward one, which "
                "gradus's Bidirectional cannot have."
            )
        if layers:  # outputs of padded steps are zero in gradus's, too
            inner = {**layers[0].get("config", {}), "zero_output_for_mask": False}
            config["layer"] = {**layers[0], "config": inner}
        return construct(Bidirectional, config, where, layer=self.read)

    def _normalization(
        self, config: dict[str, Any], where: str, arrays: Arrays, causal: bool
    ) -> Layer:
        mean, variance = config.get("mean"), config.get("variance")
        if mean is None and len(arrays) >= 2:
            mean, variance = arrays[0], arrays[1]
        if mean is None or variance is None:
            raise GradusError(f"{where}: call adapt in Keras first; it has no mean and variance.")
        if config.get("invert"):
            raise GradusError(f"{where}: invert=True cannot be carried.")
        mean, variance = np.asarray(mean, np.float32), np.asarray(variance, np.float32)
        if max(mean.ndim, variance.ndim) > 1 and mean.size != mean.shape[-1]:
            raise GradusError(
                f"{where}: axis={config.get('axis')!r} cannot be carried, only the last axis."
            )
        return Normalization(mean.ravel(), variance.ravel())

    def _resizing(self, config: Mapping[str, Any], where: str, shape: Any) -> Layer:
        """Return the layer for upsampling that interpolates, which needs the size of images."""
        if config.get("data_format") == "channels_first" or not shape or None in shape[1:3]:
            raise GradusError(
                f"{where}: interpolation={config['interpolation']!r} can be carried only for "
                "images of a known size, channels last: write it in keras.Input."
            )
        height, width = (int(n * k) for n, k in zip(shape[1:3], config["size"], strict=True))
        sizes = {"height": height, "width": width, "interpolation": config["interpolation"]}
        return construct(own_layer("Resizing"), sizes, where)

    def _check_dtype(self, policy: Any, where: str) -> None:
        """Note a policy other than float32; refuse weights in whole numbers."""
        name = policy.get("config", {}).get("name") if isinstance(policy, Mapping) else policy
        name = name or "float32"
        quantized = isinstance(policy, Mapping) and "Quantized" in str(policy.get("class_name"))
        if quantized or "int" in str(name) or "float8" in str(name):
            raise GradusError(f"{where}: its weights are quantized ({name}), which is not carried.")
        if name != "float32":
            self.note(f"all is computed in float32 here, where Keras computes in {name}")

    def _note_changes(self, where: str, config: dict[str, Any], fill: Mapping[str, Any]) -> None:
        """Note how training differs."""
        for argument, known in fill.items():
            if (value := config.pop(argument, known)) != known:
                self.note(
                    f"{where}: {argument}={value!r} becomes {known!r}, which changes training alone"
                )

    def _simplify_factors(self, name: str, config: dict[str, Any]) -> None:
        """Write the range of an augmentation as one number; Keras's contrast begins at zero."""
        for argument in ("factor", "height_factor", "width_factor"):
            match config.get(argument):
                case [low, high] if low == (0 if name == "RandomContrast" else -high):
                    config[argument] = high


# What gradus does in training, whatever Keras's layer is told: how augmentation fills what is
# outside an image, and what dropout is drawn for.
_CHANGED: dict[str, dict[str, Any]] = {
    "RandomRotation": {"fill_mode": "constant", "fill_value": 0.0, "interpolation": "bilinear"},
    "RandomZoom": {"fill_mode": "constant", "fill_value": 0.0, "interpolation": "bilinear"},
    "RandomTranslation": {"fill_mode": "constant", "fill_value": 0.0, "interpolation": "nearest"},
    "Dropout": {"noise_shape": None},
    **{name: {"recurrent_dropout": 0.0} for name in ("SimpleRNN", "LSTM", "GRU")},
}
# How gradus writes what Keras writes as None or 0.0.
_SPELLED: dict[str, dict[str, Any]] = {
    "PReLU": {"shared_axes": ()},
    **{name: {"dropout": None} for name in ("SimpleRNN", "LSTM", "GRU")},
}


def layer_name(entry: Any) -> str:
    """Return what errors call a layer: "Layer 'dense_1' (Dense)"."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    name = config.get("name") if isinstance(config, Mapping) else None
    kind = entry.get("class_name") if isinstance(entry, Mapping) else entry
    return f"Layer {name!r} ({kind})" if name else f"The layer {kind}"


def _rank(entry: Mapping[str, Any]) -> int | None:
    """Return the number of axes of a layer's input, or of its first."""
    shape = _input_shape(entry)
    return None if shape is None else len(shape)


def _input_shape(entry: Mapping[str, Any]) -> list[Any] | None:
    """Return the shape of a layer's input, or of its first, with None for what is open."""
    build = entry.get("build_config")
    shape = build.get("input_shape") if isinstance(build, Mapping) else None
    if isinstance(shape, list) and shape and isinstance(shape[0], list):
        shape = shape[0]
    return shape if isinstance(shape, list) else None


def _mirrored(config: Any) -> dict[str, Any]:
    """Return the settings of a recurrent layer that both directions share."""
    other = ("name", "go_backwards", "dtype", "zero_output_for_mask", "seed")
    return {name: _without_ids(value) for name, value in config.items() if name not in other}


def _without_ids(value: Any) -> Any:
    """Return a description without the numbers by which Keras finds objects that it shares."""
    if not isinstance(value, Mapping):
        return value
    return {k: _without_ids(v) for k, v in value.items() if k != "shared_object_id"}
