"""The literature's faulty programs as gradus programs.

    cases = read_cases()
    found = program(cases["MUT-R3"], seed=0)
    model = found.build()
    model.fit(found.data.x, found.data.y, validation_data=found.data.validation, **found.fit)

The cases are read from the folder that the environment variable GRADUS_DOCTOR names, by default
`../shared/doctor`: `cases.json`, and `labels.json`, which maps each case to the categories that may
be named for it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import translate
from arrays import Data
from spec import Spec, read

import gradus as gr
from data import STAND_INS, MissingDataError

Case = Mapping[str, Any]

_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "doctor"
FOLDER = Path(os.environ.get("GRADUS_DOCTOR", _DEFAULT))


@dataclasses.dataclass(frozen=True)
class Program:
    """A case as a gradus program, or the same program without its fault.

    Attributes:
        id: of the case.
        seed: of the weights, the order of rows, and the data.
        spec: the program in plain values.
        categories: the categories that may be named for the case; empty for a twin.
        healthy: whether the case is published as healthy, or the program is a twin.
        static: why the program is wrong whatever its training does; empty if it isn't.
        stand_in: what stands in for the case's data; empty if they are at hand or synthetic.
        copies: the ids of the cases that are copies of this one, in the order of the file.
        published: what other tools said of the case, as the file has it.
        fix: what a twin does otherwise than the case; empty for the case itself.
    """

    id: str
    seed: int
    spec: Spec
    categories: frozenset[str]
    healthy: bool
    static: str = ""
    stand_in: str = ""
    copies: tuple[str, ...] = ()
    published: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fix: str = ""

    def build(self) -> gr.Model:
        """Return a new, untrained model."""
        return translate.build(self.spec, self.seed)

    @property
    def data(self) -> Data:
        """The arrays; they must not be changed."""
        return self.spec.recipe.load(self.seed)

    @property
    def fit(self) -> dict[str, Any]:
        """What `Model.fit` takes besides the arrays."""
        return {
            "epochs": self.spec.epochs,
            # Keras takes all rows where there are fewer than a batch; gradus refuses.
            "batch_size": min(self.spec.batch, len(self.data.x)),
            "shuffle_seed": self.seed,
        }

    @property
    def caps(self) -> tuple[str, ...]:
        """What was reduced, in words."""
        return self.spec.caps

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs from the case, in words."""
        return self.spec.notes


@dataclasses.dataclass(frozen=True)
class Prevented:
    """A case that is no program of gradus.

    Attributes:
        id: of the case.
        reason: "refused" (gradus raises an error before training), "semantics" (its fault cannot
            happen in gradus), "unknown" (this folder cannot write a part of it), or "no-data" (a
            file is absent).
        text: the error, or what gradus does instead.
        categories: as for a `Program`.
        stand_in: as for a `Program`.
    """

    id: str
    reason: str
    text: str
    categories: frozenset[str]
    stand_in: str = ""


# --- reading ------------------------------------------------------------------------------------


def is_there() -> bool:
    """Return whether the folder of cases is there."""
    return (FOLDER / "cases.json").is_file() and (FOLDER / "labels.json").is_file()


@functools.lru_cache(maxsize=1)
def read_cases() -> dict[str, Case]:
    """Return all cases by id.

    Raises:
        FileNotFoundError: if the folder lacks them; the message says what to set.
        ValueError: if an id is there twice.
    """
    if not is_there():
        raise FileNotFoundError("set GRADUS_DOCTOR to the folder of cases.json and labels.json")
    listed = json.loads((FOLDER / "cases.json").read_text())["cases"]
    found = {case["id"]: case for case in listed}
    if len(found) < len(listed):
        raise ValueError("an id is there twice")
    return found


@functools.lru_cache(maxsize=1)
def labels() -> dict[str, Mapping[str, Any]]:
    """Return by case its `kind`, "faulty" or "healthy", and the `labels` that are right for it."""
    read: dict[str, Mapping[str, Any]] = json.loads((FOLDER / "labels.json").read_text())
    return read


@functools.lru_cache(maxsize=1)
def copies() -> dict[str, tuple[str, ...]]:
    """Return by case the ids of the cases that are copies of it, for those that have any."""
    parts = ("architecture", "loss", "optimizer", "batch_size", "epochs", "dataset")
    groups: dict[str, list[str]] = {}
    for name, case in read_cases().items():
        groups.setdefault(json.dumps([case[part] for part in parts]), []).append(name)
    return {
        name: tuple(other for other in same if other != name)
        for same in groups.values()
        if len(same) > 1
        for name in same
    }


# --- programs -----------------------------------------------------------------------------------


def program(case: Case, seed: int = 0) -> Program | Prevented:
    """Return a case as a program, after all checks that gradus makes before training."""
    spec = read(case)
    categories = frozenset(labels()[spec.id]["labels"])
    if reason := _taken_away(spec, categories):
        return Prevented(spec.id, "semantics", reason, categories, STAND_INS.get(spec.id, ""))
    made = Program(
        id=spec.id,
        seed=seed,
        spec=spec,
        categories=categories,
        healthy=labels()[spec.id]["kind"] == "healthy",
        stand_in=STAND_INS.get(spec.id, ""),
        copies=copies().get(spec.id, ()),
        published=published(case),
    )
    return checked(made)


def checked(made: Program) -> Program | Prevented:
    """Return the program, or why gradus refuses it."""

    def prevented(reason: str, error: Exception) -> Prevented:
        text = f"{type(error).__name__}: {error}"
        return Prevented(made.id, reason, text, made.categories, made.stand_in)

    try:
        data = made.data
        model = made.build().build(data.x)
        model.task_for(data.x, data.y)
        model.check_input(data.x_val, "validation x")
        model.task_for(data.x_val, data.y_val, "validation y")
    except MissingDataError as error:
        return prevented("no-data", error)
    except translate.UnknownPartError as error:
        return prevented("unknown", error)
    except gr.GradusError as error:
        return prevented("refused", error)
    return dataclasses.replace(made, static=statically_wrong(made.spec, data))


def published(case: Case) -> dict[str, Any]:
    """Return what other tools said of a case: counts by tool, and DeepDiagnosis's words."""
    found = dict(case.get("published_tool_results_per_case") or {})
    if said := case["faults_published"].get("DeepDiagnosis_tool_output"):
        found["DeepDiagnosis"] = said
    return found


def _taken_away(spec: Spec, categories: frozenset[str]) -> str:
    """Return why a case's only fault cannot happen in gradus; empty if it can."""
    if (
        categories == {"output-activation"}
        and spec.layers[-1]["activation"] == "linear"
        and spec.loss == "categorical_crossentropy"
    ):
        return "gradus takes outputs without an activation for logits and applies softmax itself"
    return ""


# --- wrong before training ----------------------------------------------------------------------

_LINKS = {
    "categorical_crossentropy": ("softmax", "linear"),
    "sparse_categorical_crossentropy": ("softmax", "linear"),
    "binary_crossentropy": ("sigmoid", "linear"),
}


def statically_wrong(spec: Spec, data: Data) -> str:
    """Return why a program is wrong whatever its training does; empty if it may be right.

    Only what no choice of other settings would make right: a mean squared error of probabilities,
    a hidden layer without an activation, or raw inputs count only where the program comes out
    poor. It is written without the doctor, by which it must not be influenced.
    """
    loss, end = translate.loss(spec.loss), spec.layers[-1]["activation"]
    if callable(loss):
        if loss is translate.clipped_raw_crossentropy:
            return "the cross-entropy of outputs that are not probabilities"
        if loss is translate.summed_value_crossentropy:
            return "the cross-entropy of values"
        if loss in translate.SUMMED:
            return "the loss is summed over the batch"
    elif loss in _LINKS and end not in _LINKS[loss]:
        return f"{end} outputs under {loss}"
    elif loss == "hinge" and end in ("softmax", "sigmoid"):
        return f"{end} outputs under a hinge loss"
    if len(np.unique(data.y, axis=0)) == 1:
        return "every target is the same"
    if not len(data.x_val) or np.shares_memory(data.x, data.x_val):
        return "training rows validate"
    if spec.recipe.options.get("shuffled"):
        return "the labels belong to other rows"
    constant = [_is_constant(layer) for layer in spec.layers if "kernel_init" in layer]
    if any(first and second for first, second in itertools.pairwise(constant)):
        return "all units of a hidden layer begin alike, and so does what reads them"
    return ""


def _is_constant(layer: Mapping[str, Any]) -> bool:
    return str(layer["kernel_init"]).lower().startswith(("const", "zeros", "ones"))
