"""A case as a specification: what `cases.json` says, with names resolved and the work capped."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Literal

from data import Recipe

Layer = Mapping[str, Any]

DENSE_ROWS, CONVOLUTION_ROWS = 10_000, 4_000  # of MNIST and what resembles it
CONVOLUTION_EPOCHS = 4
# A network of seven million weights, whose batches shrink with its rows: with whole ones an epoch
# would have two steps instead of thirty, which is another fault.
ROWS = {"SO-44164749": 4_000}
# Epochs that keep one training within some twenty seconds on two cores.
EPOCHS = {
    "IPS-1": 2,  # its convolutions take three times as long as the others'
    "IPS-4": 10,
    "IPS-14": 20,
    "AT-motiv-OL": 10,
    "GH-FacialKeypointsDetection": 30,
}
# What a case leaves open, from its post; "unit1" is a name in its authors' tables.
UNITS = {"unit1": 600, "n_classes": 20, "out": 1}
LOGIT_THRESHOLD = 0.6225  # the sigmoid of ½: where IPS-12 compares the logit with ½


@dataclasses.dataclass(frozen=True)
class Spec:
    """A program in plain values, from which a model is built.

    Attributes:
        id: of the case.
        layers: its layers, as the case writes them.
        loss: as the case writes it.
        optimizer: its name and settings, as the case writes them.
        batch: rows of a step.
        epochs: after the cap.
        recipe: its data.
        task: the kind of targets: "classes" (one of K), "flags" (each yes or no), or "values".
        threshold: the prediction above which the program's own metric says yes.
        caps: what was reduced, in words.
        notes: what differs from the case, or what it leaves open, in words.
    """

    id: str
    layers: tuple[Layer, ...]
    loss: str
    optimizer: Mapping[str, Any]
    batch: int
    epochs: int
    recipe: Recipe
    task: Literal["classes", "flags", "values"]
    threshold: float = 0.5
    caps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Spec:
        """Return the specification with other fields."""
        return dataclasses.replace(self, **changes)


def read(case: Mapping[str, Any]) -> Spec:
    """Return the specification of a case of `cases.json`."""
    name, caps = case["id"], []
    layers = tuple(_layer(layer) for layer in case["architecture"])
    convolves = any(layer["type"] == "Conv2D" for layer in layers)
    recipe, whole = _recipe(name, case["dataset"] or {}, convolves)
    batch, rule = _batch(case["batch_size"])
    if name in ROWS:
        recipe = recipe.but(rows=ROWS[name])
        batch, large = batch * ROWS[name] // whole, batch
        caps.append(f"batches of {batch} instead of {large:,}: as many steps an epoch")
    if whole:
        caps.append(f"{recipe.options['rows']:,} rows, capped from {whole:,}")
    epochs = most = int(re.match(r"\d+", str(case["epochs"]))[0])
    if convolves and recipe.name in ("mnist", "small_fashion"):
        epochs = min(epochs, CONVOLUTION_EPOCHS)
    epochs = min(epochs, EPOCHS.get(name, epochs))
    if name == "GH-MovieReviews_Keras":
        epochs = 20
        rule = "20 epochs instead of 4: the case says that overfitting shows only then"
        caps.append("4,000 rows, capped from 15,000")
    if epochs < most:
        caps.append(f"{epochs} epochs, capped from {most}")
    notes = (rule, _NOTES.get(name, ""), _optimizer_note(case))
    return Spec(
        id=name,
        layers=layers,
        loss=case["loss"],
        optimizer=case["optimizer"],
        batch=batch,
        epochs=epochs,
        recipe=recipe,
        task=_task(case, layers),
        threshold=LOGIT_THRESHOLD if name == "IPS-12" else 0.5,
        caps=tuple(caps),
        notes=tuple(note for note in notes if note),
    )


_NOTES = {
    "AT-motiv-OL": "images are flattened before the network, whose layers the case lists without "
    "a Flatten",
    "IPS-12": "its metric compares the logit with ½: written as a threshold of the probability",
    "IPS-13": "l2_loss(w) is ½Σw²: written as L2(0.5)",
    "MUT-R1": "the strength of its L1 penalty is Keras's default, 0.01",
    "SO-56380303": "data and classes are not in the case: they are the post's",
    "SO-41600519": "data and widths are not in the case: they are the post's",
    "SO-51181393": "data are not in the case: they are the post's",
    "UMLAUT-A": "gradus takes a linear end for logits, so of the three faults the missing softmax "
    "is gone",
}


def _optimizer_note(case: Mapping[str, Any]) -> str:
    """Return a note on optimizers whose constants differ from those of Keras 2.2."""
    if case["optimizer"]["name"] == "adagrad":
        return "the accumulator starts at 0, as in Keras 2.2"
    if "decay" in case["optimizer"]:
        return "Keras's decay is written as a schedule, η / (1 + decay · step)"
    return ""


def _layer(layer: Mapping[str, Any]) -> Layer:
    units = layer.get("units")
    return {**layer, "units": UNITS.get(units, units)} if units is not None else dict(layer)


def _batch(size: Any) -> tuple[int, str]:
    """Return the rows of a step, and a note if the case has phases of training."""
    if isinstance(size, int):
        return size, ""
    note = "only the main phase of training, without the tool's overfitting of a few rows"
    return int(re.search(r"\d+$", size)[0]), note


def _task(case: Mapping[str, Any], layers: tuple[Layer, ...]) -> Any:
    if case["loss"].startswith("binary") and case["id"] != "SO-50079585":
        return "flags"
    described = (case["dataset"] or {}).get("task", "")
    classes = "multiclass" in described or "binary" in described
    return "classes" if classes or layers[-1]["activation"] == "softmax" else "values"


# --- data ---------------------------------------------------------------------------------------

_BY_CASE = {
    "SO-51181393": Recipe("multiples"),
    "SO-56380303": Recipe("remainders"),
    "SO-41600519": Recipe("higgs"),
    "SO-48594888": Recipe("small_fashion"),
    "UMLAUT-A": Recipe("small_fashion", {"labels": True}),
    "UMLAUT-B": Recipe("small_fashion", {"labels": True, "divide": 255, "seen": 100}),
    "TDC-regrNN-dbl_norm": Recipe("mpg", {"divisions": 2}),
    "TDC-regrNN-sum_loss": Recipe("mpg", {"target": "tenfold"}),
    "TDC-regrNN-broadcast_loss": Recipe("mpg", {"column": False}),
    "TDC-baseCNN-dbl_norm": Recipe("mnist", {"divide": 255 * 255}),
    "TDC-baseCNN-miss_norm": Recipe("mnist", {"divide": 1}),
    "TDC-baseCNN-wrong_lbl": Recipe("mnist", {"shuffled": True}),
    "TDC-baseCNN-unbalanced": Recipe("mnist", {"uneven": True}),
}
_BY_DATA = {  # by the beginning of the data set's name
    "10-row county": "voting",
    "21-row table": "letters",
    "sine": "sine",
    "network packets": "packets",
    "MNIST": "mnist",
    "UCI Adult": "adult",
    "18-row table": "z_scores",
    "Titanic": "titanic",
    "car damage": "three_garments",
    "Game of Life": "life",
    "Pima": "pima",
    "IMDB": "reviews",
    "Kaggle facial": "faces",
    "line": "line",
    "14-feature": "clouds",
    "SAheart": "heart",
    "Reuters": "topics",
    "auto-mpg": "mpg",
    "sklearn make_blobs": "blobs",
    "sklearn make_circles": "circles",
}
_WHOLE = {"mnist": 60_000, "small_fashion": 50_000, "adult": 32_561, "three_garments": 979}


def _recipe(name: str, dataset: Mapping[str, Any], convolves: bool) -> tuple[Recipe, int]:
    """Return a case's data, and the rows of the original if they are more; else 0."""
    recipe = _BY_CASE.get(name)
    if recipe is None:
        called = dataset.get("name", "")
        recipe = next(Recipe(r) for start, r in _BY_DATA.items() if called.startswith(start))
    if recipe.name not in _WHOLE:
        return recipe, 0
    whole = _WHOLE[recipe.name]
    rows = min(whole, CONVOLUTION_ROWS if convolves else DENSE_ROWS)
    flat = {"flat": True} if recipe.name == "mnist" and not convolves else {}
    return recipe.but(rows=rows, **flat), whole if rows < whole else 0
