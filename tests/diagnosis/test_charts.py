"""The figure of a finding shows the numbers that it was made from, and their limits."""

import json

import numpy as np
import pytest

from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import (
    KernelRecord,
    LayerRecord,
    OutputRecord,
    SettingsRecord,
    TargetRecord,
)
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import LayerTraining, TrainingRecord, WeightTraining

EPOCHS = 20
UNKNOWN = np.full(5, np.nan)
SILENT = np.array([0.2, 0.4, 0.8, 1.0, 1.0])
SATURATED = np.array([0.0, 0.6, 0.7, 0.8, 0.9])
MADE = np.array([1, 1, 2, 5, 20])  # the epochs of the records
TIMES = [0.5, 1, 2, 5, 20]
FLAT = np.full(EPOCHS, 1.2)
FALLING = 1 / np.arange(1, EPOCHS + 1)
RISING = np.concatenate([np.linspace(0.9, 0.5, 8), np.linspace(0.6, 1, 12)])


def kernel(path, shape):
    return LayerRecord(path, "Dense", "relu", shape[1], shape[0], None, path == "head",
                       KernelRecord(shape, 0.0, 0.1, 0.3, 0.5, 0.5))  # fmt: skip


def layer(silent=UNKNOWN, saturated=UNKNOWN):
    return LayerTraining(UNKNOWN, UNKNOWN, saturated, silent, UNKNOWN)


def weight(*gradients):
    return WeightTraining(np.array(gradients), np.ones(5), np.full(5, 0.01))


def found(loss=FLAT, validation=None, layers=None, weights=None, counts=(), metrics=None):
    """Return the findings of a training by code."""
    constants = {"mean_squared_error": 1.0}
    targets = TargetRecord(200, 0, 1, 0.5, 0.5, constants, counts)
    output = OutputRecord("output", "head", "linear", "", (1,), "mean_squared_error", None,
                          "values", {}, targets, targets)  # fmt: skip
    training = TrainingRecord(
        EPOCHS, "", loss, validation, metrics or {}, loss, MADE, layers or {}, weights or {}
    )
    hidden = (kernel("first", (4, 9)), kernel("head", (9, 4)))
    settings = SettingsRecord("SGD", 0.1, 20, 200, EPOCHS)
    record = Record(outputs=(output,), layers=hidden, settings=settings, training=training)
    return {finding.code: finding for finding in examine(record)}


def shown(figure):
    return {line.name: (list(line.x), pytest.approx(list(line.y))) for line in figure.data}


@pytest.mark.parametrize(
    ("code", "layers", "name", "shares"),
    [
        ("dead-relu", {"first": layer(silent=SILENT)}, "share of silent units", SILENT),
        ("saturation", {"first": layer(saturated=SATURATED)}, "share of saturated outputs",
         SATURATED),
    ],
)  # fmt: skip
def test_a_layer_is_shown_over_the_records(code, layers, name, shares):
    figure = found(layers=layers)[code].figure()
    assert shown(figure) == {name: (TIMES, list(shares)), "limit": ([0.5, 20], [0.5, 0.5])}
    assert figure.layout.title.text.endswith("of first")
    assert figure.layout.yaxis.tickformat == ".0%"


def test_a_gradient_is_shown_beside_the_largest():
    # Their root mean squares: norms over 6, the root of 36 weights.
    weights = {"first/kernel": weight(6e-6, 6e-6, 6e-5, 0, 0),
               "head/kernel": weight(6, 12, 6, 6, 0)}  # fmt: skip
    finding = found(weights=weights)["vanishing-gradient"]
    curves = shown(finding.figure())
    assert curves["gradient / largest"] == (TIMES, [1e-6, 5e-7, 1e-5, 0, 0])
    assert curves["limit"] == ([0.5, 20], [1e-3, 1e-3])


def test_losses_are_shown_with_the_limit_and_the_epoch():
    finding = found(FALLING, RISING)["overfitting"]
    figure, epochs = finding.figure(), list(range(1, EPOCHS + 1))
    assert shown(figure) == {
        "training": (epochs, list(FALLING)),
        "validation": (epochs, list(RISING)),
        "constant prediction": ([1, 20], [1, 1]),
        "1.3 × minimum": ([1, 20], [0.65, 0.65]),
    }
    (line,) = figure.layout.shapes
    assert (line.x0, finding.epoch) == (8, 8)
    assert figure.layout.yaxis.type == "log"  # from 0.05 to 1


def test_of_few_epochs_their_parts_are_shown():
    training = TrainingRecord(
        2,
        "diverged",
        np.array([1.0, np.nan]),
        None,
        {},
        np.geomspace(1, 1e11, 12),
        MADE[:0],
        {},
        {},
    )
    (finding,) = examine(Record(training=training))
    curves = shown(finding.figure())
    assert curves == {
        "training, by part": ([(part + 1) / 6 for part in range(12)], [10.0**k for k in range(12)])
    }


def test_classes_are_shown_by_size():
    (bars,) = found(FALLING, counts=(190, 0, 10))["imbalance"].figure().data
    assert (list(bars.customdata), list(bars.x)) == (["class 0", "class 2"], [190, 10])
    (bars,) = found(FALLING, counts=(5000, *range(1, 31)))["imbalance"].figure().data
    assert list(bars.x) == [5000, *range(30, 21, -1), *range(10, 0, -1)]


def test_without_a_curve_the_evidence_is_shown():
    evidence = {"gain": {"value": 9.0, "threshold": 5.0}, "odd": {"value": None, "threshold": 1}}
    (bars,) = Finding("m", "", "", evidence=evidence).figure().data
    assert dict(zip(bars.customdata, bars.x, strict=True)) == {
        "gain": 9, "limit of gain": 5, "limit of odd": 1,
    }  # fmt: skip
    assert Finding("m", "", "").figure() is None


def test_a_chart_is_neither_compared_nor_written():
    finding = found(layers={"first": layer(silent=SILENT)})["dead-relu"]
    assert finding.chart is not None
    plain = json.loads(Diagnosis([finding]).to_json())["findings"][0]
    assert "chart" not in plain
    assert Finding(**plain) == finding
