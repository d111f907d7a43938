"""Loss, metrics, optimizer, and schedule of a compiled Keras model, as gradus's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradus.bridges.keras.objects import construct, keras_class, short_float
from gradus.errors import GradusError
from gradus.init_args import snake_case
from gradus.objectives import metrics
from gradus.objectives.loss import REGISTRY as LOSSES
from gradus.objectives.metric import REGISTRY as METRICS
from gradus.optim import schedules
from gradus.optim.base import Optimizer
from gradus.optim.optimizers import SGD, Adam, AdamW
from gradus.serialization import settings_class

Note = Callable[[str], None]
# Metrics of Keras that are others under the same name here.
OTHER_METRICS = ("F1Score", "Precision", "Recall", "R2Score")


def read_loss(described: Any, note: Note) -> Any:
    """Return a loss of a compiled model.

    Args:
        described: as Keras serializes it.
        note: what remembers a sentence.

    Raises:
        GradusError: for a loss that gradus does not have, or a function of the user's own.
    """
    if isinstance(described, str):
        return _loss_of_name(described)
    name, config = keras_class(described, "losses", "The loss")
    cls = settings_class(f"losses.{name}")
    if cls is None:
        raise GradusError(f"The loss: gradus has no {name}; give another, loss=….")
    if name == "Huber" and "delta" not in config:
        note(
            "Keras does not write the delta of a Huber loss, so it is 1.0 here: to choose, "
            "write loss=…"
        )
    return construct(cls, config, f"The loss {name}")


def by_output(
    described: Any, outputs: list[str] | None, named: bool, read: Callable[[Any], Any]
) -> Any:
    """Return what a model is compiled with for its output, or a dict or a list for several.

    Args:
        described: as Keras serializes it: for several outputs a dict or a list.
        outputs: the names of the outputs; None for one.
        named: whether the outputs are a dict.
        read: what makes one of gradus's from one of Keras's.
    """
    if outputs is None:
        only = isinstance(described, list) and len(described) == 1
        return read(described[0] if only else described)
    if isinstance(described, list | tuple):
        described = dict(zip(outputs, described, strict=False))
    elif not isinstance(described, Mapping) or "class_name" in described:
        described = dict.fromkeys(outputs, described)
    values = {name: read(described.get(name)) for name in outputs}
    return values if named else list(values.values())


def _loss_of_name(name: str) -> str:
    if name not in LOSSES and name.lower() not in LOSSES:
        raise GradusError(f"The loss: gradus has no {name!r}; give another, loss=….")
    return name


def expects_logits(described: Any) -> bool:
    """Return whether a loss of Keras takes logits."""
    config = described.get("config") if isinstance(described, Mapping) else None
    return isinstance(config, Mapping) and bool(config.get("from_logits"))


def read_metrics(described: Any, note: Note) -> list[Any]:
    """Return the metrics of one output; those that gradus lacks are noted.

    Args:
        described: as Keras serializes them.
        note: what remembers a sentence.
    """
    return [m for each in _items(described) if (m := _metric(each, note)) is not None]


def _items(described: Any) -> list[Any]:
    """Return the metrics of one output as a list."""
    if described is None:
        return []
    if isinstance(described, list):
        return [each for item in described for each in _items(item)]
    return [described]


def _metric(described: Any, note: Note) -> Any:
    """Return one metric, or None if it is not carried."""
    name: Any = described
    config: dict[str, Any] = {}
    try:
        if not isinstance(described, str):
            name, config = keras_class(described, "metrics", "A metric")
        words = snake_case(str(name)).replace("sparse_top_k", "top_k")
        config = {k: v for k, v in config.items() if k not in ("name", "dtype")}
        if name not in OTHER_METRICS and words in METRICS:
            if "top_k" in words:
                return metrics.TopKAccuracy(config.get("k", 5))
            if words != "auc" or config.get("curve", "ROC") == "ROC":
                return metrics.AUC() if config.get("multi_label") else words
        if words in LOSSES:
            return words
    except GradusError:
        pass
    note(f"the metric {name!r} is not carried, as gradus has none that computes the same")
    return None


def read_optimizer(described: Any) -> Optimizer:
    """Return the optimizer of a compiled model, with its numbers.

    Raises:
        GradusError: for an optimizer, a schedule, or an option that gradus does not have.
    """
    name, config = keras_class(described, "optimizers", "The optimizer")
    cls = settings_class(name)
    if not (isinstance(cls, type) and issubclass(cls, Optimizer)) or name == "Muon":
        raise GradusError(
            f"The optimizer: gradus has no {name} that computes the same; give another, "
            "optimizer=gr.Adam(0.001)."
        )
    if isinstance(rate := config.get("learning_rate"), Mapping):
        config["learning_rate"] = _schedule(rate)
    if config.get("momentum") == 0.0:
        config["momentum"] = None
    config.pop("is_legacy_optimizer", None)
    optimizer: Optimizer = construct(cls, config, f"The optimizer {name}")
    return optimizer


def read_optimizer_state(
    optimizer: Optimizer, arrays: Mapping[str, np.ndarray], params: Mapping[str, Any]
) -> Any:
    """Return the state of Keras's optimizer as that of gradus's; None if it has another form.

    Args:
        optimizer: Adam, AdamW, or SGD without momentum.
        arrays: Keras's, by path: steps, the rate unless it is a schedule, and for each weight its
            moments.
        params: the trained weights by path, in Keras's order.
    """
    names = [f"optimizer/vars/{i}" for i in range(len(arrays))]
    found = [arrays[name] for name in names if name in arrays]
    state = {**optimizer.init(dict(params)), "step": np.int32(found[0])}
    if type(optimizer) is SGD and optimizer.momentum is None:
        return state
    moments = found[len(found) - 2 * len(params) :]
    if type(optimizer) not in (Adam, AdamW) or len(found) - len(moments) not in (1, 2):
        return None
    if any(a.size != np.size(w) for a, w in zip(moments[::2], params.values(), strict=True)):
        return None
    pairs = [zip(params.items(), moments[start::2], strict=True) for start in (0, 1)]
    state["inner"] = tuple(
        {path: np.float32(array).reshape(np.shape(w)) for (path, w), array in each}
        for each in pairs
    )
    return state


def _schedule(described: Any) -> schedules.Schedule:
    """Return a learning-rate schedule of Keras."""
    where = "The learning rate"
    name, config = keras_class(described, "schedules", where)
    warm_up = config.pop("warmup_target", None), config.pop("warmup_steps", 0)
    if name == "CosineDecay" and warm_up[0] is not None and warm_up[1]:
        start, target = config["initial_learning_rate"], short_float(warm_up[0])
        config["initial_learning_rate"] = target
        cosine = construct(schedules.CosineDecay, config, where)
        return schedules.WarmUp(warm_up[1], target, then=cosine, start=short_float(start))
    if name == "PiecewiseConstantDecay":  # Keras's rate changes after the boundary, ours at it
        bounds = tuple(bound + 1 for bound in config["boundaries"])
        return schedules.PiecewiseConstant(bounds, tuple(map(short_float, config["values"])))
    cls = settings_class(f"schedules.{name}")
    if cls is None:
        raise GradusError(
            f"{where}: gradus has no {name}; give another optimizer, "
            "optimizer=gr.Adam(gr.schedules.…)."
        )
    schedule: schedules.Schedule = construct(cls, config, where)
    return schedule
