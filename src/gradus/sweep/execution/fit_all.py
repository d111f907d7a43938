"""Trains models of one structure side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradus.checks import as_items, flag
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments
from gradus.models.inputs import arguments
from gradus.models.inputs.training_data import make_training_data
from gradus.models.model import Model
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism, structure_error
from gradus.sweep.members.factory import MemberBuilder
from gradus.sweep.members.fold import Fold


@explain_arguments
def fit_all(
    models: Sequence[Model],
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = arguments.DEFAULT_BATCH,
    epochs: int = 10,
    validation_data: Any = None,
    shuffle: bool = True,
    shuffle_seed: int = 0,
    probes: bool = True,
) -> list[Model]:
    """Train models of one structure side by side; each gets the result of its own `fit`.

    They may differ in any number: the seed, the learning rate, a dropout rate, a penalty.

    Args:
        models: untrained models; afterward each has its weights and history.
        x: inputs, as in `Model.fit`.
        y: targets, as in `Model.fit`.
        batch_size: samples per step; None for all.
        epochs: the number of epochs.
        validation_data: `(x, y)` to evaluate after each epoch.
        shuffle: whether each epoch has an order of its own; False trains in the given order.
        shuffle_seed: the seed of the sample order, which all models share.
        probes: whether to record layer statistics, and what `Model.diagnose` examines. The latter
            takes some ten milliseconds for each model; without it, only curves are judged.

    Returns:
        The models.

    Raises:
        GradusError: if the models differ in structure.

    Examples:
        >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
        >>> models = [gr.Model(gr.Dense(1), "mse", gr.SGD(lr)) for lr in (0.001, 0.1)]
        >>> slow, fast = gr.fit_all(models, x, 2 * x, epochs=3, probes=False)
        >>> bool(fast.history["loss"][-1] < slow.history["loss"][-1])
        True
    """
    models = as_items(models) or []
    if not models or not all(isinstance(model, Model) for model in models):
        raise GradusError("fit_all(models=…): write a list of models, [gr.Model(…), …].")
    probes, shuffle = flag("probes", probes), flag("shuffle", shuffle)
    data = make_training_data(x, y, validation_data=validation_data, shuffle_seed=shuffle_seed)
    fit_settings = {
        "batch_size": batch_size, "epochs": epochs, "patience": None, "min_delta": 0.0,
        "shuffle_seed": shuffle_seed,
    }  # fmt: skip
    options = {
        "monitor": None, "mode": None, "target": None, "restore_best": False, "probes": probes,
        "shuffle": shuffle,
    }  # fmt: skip
    builder, fold = MemberBuilder(options), Fold.create(data)
    members = [builder.build(n, model, fit_settings, fold) for n, model in enumerate(models)]
    if len({member.structure_key for member in members}) != 1:
        raise structure_error()
    records = [member.record_before() for member in members] if probes else []
    program = PopulationProgram(members[0], Parallelism(len(members)))
    program.train(members)
    trained = [member.finish() for member in members]
    for member, record in zip(members, records, strict=False):
        member.diagnose(record)
    return trained
