"""How Keras describes an object, and which of them are gradus's under the same name.

`{"module": "keras.layers", "class_name": "Dense", "config": {"units": 3, …}}` becomes the class of
gradus of that name, with the arguments that both have. What gradus lacks must be without effect.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradus.errors import GradusError
from gradus.nn import activations
from gradus.nn.layer import Layer
from gradus.serialization import settings_class

# Arguments that have another name here, by Keras's class ("" for all).
RENAMED: dict[str, dict[str, str]] = {
    "DepthwiseConv2D": {
        "depthwise_initializer": "kernel_initializer",
        "depthwise_regularizer": "kernel_regularizer",
        "depthwise_constraint": "kernel_constraint",
    },
    "L1": {"l1": "strength"},
    "L2": {"l2": "strength"},
}
# Classes that have another name here.
RENAMED_CLASSES = {"IdentityInitializer": "Identity", "OrthogonalInitializer": "Orthogonal"}
ANYTHING = object()
# Arguments that gradus lacks, and the values with which it computes the same all the same. None
# always means without.
NO_EFFECT: dict[str, tuple[Any, ...]] = {
    "name": (ANYTHING,),
    "trainable": (ANYTHING,),  # read separately, as is dtype
    "dtype": (ANYTHING,),
    "batch_input_shape": (ANYTHING,),
    "data_format": ("channels_last",),
    "axis": (-1, [-1]),
    "attention_axes": ([1],),
    "recurrent_dropout": (0.0,),
    **dict.fromkeys(("return_state", "stateful", "zero_output_for_mask"), (False,)),
    **dict.fromkeys(("renorm", "rms_scaling", "use_gate", "sparse"), (False,)),
    **dict.fromkeys(("moving_mean_initializer", "moving_variance_initializer"), (ANYTHING,)),
    **dict.fromkeys(("unroll", "use_cudnn", "flash_attention", "renorm_momentum"), (ANYTHING,)),
    "synchronized": (ANYTHING,),  # gradus always takes the statistics of the whole batch
    **dict.fromkeys(("input_axes", "output_axes", "seed"), (ANYTHING,)),  # of initial weights
    "interpolation": ("nearest",),
    **dict.fromkeys(("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"), (False,)),
    "fill_mode": ("constant",),
    "fill_value": (0.0,),
    "reduction": ("sum_over_batch_size",),
    "from_logits": (ANYTHING,),  # gradus asks the network
    **dict.fromkeys(("use_ema", "amsgrad", "cycle"), (False,)),
    "ema_momentum": (ANYTHING,),
}


def keras_class(described: Any, family: str, where: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a class of Keras's own and its arguments.

    Args:
        described: the object, as Keras serializes it.
        family: the module of Keras that has it: "layers", "initializers", …
        where: the layer that has it, for errors.

    Raises:
        GradusError: for a class or a function of the user's own, or of another form.
    """
    if not isinstance(described, Mapping):
        raise GradusError(f"{where}: {described!r} is no object of Keras.")
    name, config = described.get("class_name"), described.get("config")
    module = str(described.get("module"))
    registered = described.get("registered_name")
    what = registered or name or described
    if module in ("builtins", "None") or (registered not in (None, name)) or ">" in str(name):
        shown = config if module == "builtins" else what
        raise GradusError(
            f"{where}: {shown!r} is code of its author, which is not run here; only Keras's own "
            f"{family} are taken."
        )
    if not (module == "keras" or module.startswith(("keras.", "keras_core."))):
        raise GradusError(f"{where}: {what!r} of {module} is none of Keras's own {family}.")
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise GradusError(f"{where}: {what!r} is described without its arguments.")
    return RENAMED_CLASSES.get(name, name), dict(config)


def construct(
    cls: type,
    config: Mapping[str, Any],
    where: str,
    *,
    rank: int | None = None,
    renamed: Mapping[str, str] | None = None,
    layer: Callable[[Any], Layer] | None = None,
) -> Any:
    """Return an object of gradus with Keras's arguments.

    Args:
        cls: the class of gradus.
        config: Keras's arguments.
        where: the layer or what else this is, for errors.
        rank: the number of axes of a layer's input, if known.
        renamed: the names of arguments here, if they are others.
        layer: how a layer within a layer is read.

    Raises:
        GradusError: for an argument that gradus does not have, or a value that it does not take.
    """
    accepted, arguments = inspect.signature(cls).parameters, {}
    for name, value in config.items():
        own_name = (renamed or {}).get(name, name)
        if own_name in accepted and name not in ("name", "trainable", "dtype"):
            arguments[own_name] = _value(own_name, value, where, layer)
        elif value is not None and not _without_effect(name, value, rank):
            raise GradusError(
                f"{where}: {name}={value!r} cannot be carried, as gradus's {cls.__name__} has no "
                f"{name}."
            )
    try:
        return cls(**arguments)
    except GradusError as error:
        raise GradusError(f"{where}: {error}") from None
    except TypeError as error:
        raise GradusError(f"{where}: {cls.__name__} cannot be made ({error}).") from None


def _without_effect(name: str, value: Any, rank: int | None) -> bool:
    """Return whether an argument that gradus lacks changes nothing with its value."""
    values = NO_EFFECT.get(name, ())
    if name == "axis" and rank is not None and value in (rank - 1, [rank - 1]):
        return True
    return any(known is ANYTHING or known == value for known in values)


def _value(name: str, value: Any, where: str, layer: Callable[[Any], Layer] | None) -> Any:
    """Return the value of an argument as gradus takes it."""
    if isinstance(value, list):
        return tuple(_value(name, item, where, layer) for item in value)
    if isinstance(value, float):
        return short_float(value)
    if name.endswith("activation"):
        return _activation(value, where, layer)
    if not isinstance(value, Mapping):
        return value
    for ending, family, module in _FAMILIES:
        if name.endswith(ending):
            return family_member(value, family, module, f"{where}, {name}")
    if layer is not None:
        return layer(value)
    raise GradusError(f"{where}: {name}={value!r} cannot be carried.")


_FAMILIES = (
    ("_initializer", "initializers", "initializers"),
    ("_regularizer", "regularizers", "penalties"),
    ("_constraint", "constraints", "penalties"),
)


def family_member(described: Any, family: str, module: str, where: str) -> Any:
    """Return an initializer, a penalty, or the like, of the name that Keras gives it.

    Args:
        described: the object, as Keras serializes it.
        family: the module of Keras that has it.
        module: the module of gradus that has it.
        where: the layer that has it, for errors.
    """
    name, config = keras_class(described, family, where)
    cls = settings_class(f"{module}.{name}")
    if cls is None:
        raise GradusError(f"{where}: gradus has no {name}.")
    if config.get("distribution") == "untruncated_normal":
        config["distribution"] = "normal"
    return construct(cls, config, where, renamed=RENAMED.get(name))


def _activation(value: Any, where: str, layer: Callable[[Any], Layer] | None) -> Any:
    """Return an activation of Keras: a name, or a layer."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            activations.get(value)
        except GradusError as error:
            raise GradusError(f"{where}: {error}") from None
        return None if value == "linear" else value
    name, _ = keras_class(value, "activations", where)
    if layer is None:
        raise GradusError(f"{where}: the activation {name!r} cannot be carried.")
    return layer(value)


def short_float(value: float) -> float:
    """Return the shortest number that is the same in float32: 0.001, not 0.0010000000474974513."""
    return float(str(np.float32(value))) if abs(value) < 1e38 else value
