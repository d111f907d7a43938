"""Loss, metrics, optimizer, and schedule of a compiled Keras model, as gradus's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradus.bridges.keras_objects import construct, keras_class, short_float
from gradus.errors import GradusError
from gradus.nn.layer import snake_case
from gradus.objectives import metrics
from gradus.objectives.loss import REGISTRY as LOSSES
from gradus.objectives.metric import REGISTRY as METRICS
from gradus.optim import schedules
from gradus.optim.base import Optimizer
from gradus.serialization import settings_class

Note = Callable[[str], None]
# Metrics of Keras that are others under the same name here.
OTHER_METRICS = ("F1Score", "Precision", "Recall", "R2Score")


def read_loss(described: Any, outputs: list[str] | None) -> Any:
    """Return the loss of a compiled model, or one for each output.

    Args:
        described: as Keras serializes it.
        outputs: the names of the outputs; None for one.

    Raises:
        GradusError: for a loss that gradus does not have, or a function of the user's own.
    """
    if isinstance(described, str):
        return _loss_of_name(described)
    if isinstance(described, list):
        return [read_loss(each, None) for each in described]
    if isinstance(described, Mapping) and "class_name" not in described:
        by_name = {str(name): read_loss(each, None) for name, each in described.items()}
        return [by_name[name] for name in outputs or by_name if name in by_name]
    name, config = keras_class(described, "losses", "The loss")
    cls = settings_class(f"losses.{name}")
    if cls is None:
        raise GradusError(f"The loss: gradus has no {name}; give another, loss=….")
    return construct(cls, config, f"The loss {name}")


def _loss_of_name(name: str) -> str:
    if name not in LOSSES and name.lower() not in LOSSES:
        raise GradusError(f"The loss: gradus has no {name!r}; give another, loss=….")
    return name


def expects_logits(described: Any) -> bool:
    """Return whether a loss of Keras takes logits."""
    config = described.get("config") if isinstance(described, Mapping) else None
    return isinstance(config, Mapping) and bool(config.get("from_logits"))


def read_metrics(described: Any, outputs: list[str] | None, note: Note) -> Any:
    """Return the metrics of a compiled model; those that gradus lacks are noted.

    Args:
        described: as Keras serializes them.
        outputs: the names of the outputs; None for one.
        note: what remembers a sentence.
    """
    if outputs is None:
        return [m for each in _items(described) if (m := _metric(each, note)) is not None]
    by_output = described or []
    if not isinstance(by_output, Mapping):
        by_output = dict(zip(outputs, by_output, strict=False))
    return [read_metrics(by_output.get(name), None, note) for name in outputs]


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
                return words
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
