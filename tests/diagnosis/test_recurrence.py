"""What recurrent layers carry of the first steps, by hand, and where it is a fault."""

import dataclasses

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import (
    InputRecord,
    LayerRecord,
    OutputRecord,
    RecurrenceRecord,
    SettingsRecord,
    TargetRecord,
)
from gradus.diagnosis.recurrence import carried_share, readers_of
from gradus.diagnosis.symptoms import examine
from gradus.diagnosis.training import TrainingRecord

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 16, 3)).astype(np.float32)
FACTOR = 0.5  # by which each step of the layer below multiplies its state
# Of 16 steps the first four are a quarter; the last counts most.
EXPECTED = np.sqrt(np.mean([FACTOR ** (2 * (15 - step)) for step in range(4)]))


def halving(**options):
    """A layer whose state is half of the former one, plus the input."""
    return gr.SimpleRNN(
        3,
        None,
        kernel_initializer="identity",
        recurrent_initializer=gr.initializers.Identity(FACTOR),
        **options,
    )


def carried(*layers, x=X):
    net = gr.init(gr.Sequential([*layers]), 0, x)
    readers = readers_of(net)
    return None if readers is None else carried_share(net, readers, x)


def test_the_share_of_the_first_steps_is_that_of_a_geometric_series():
    assert carried(halving(), gr.Dense(1)) == (16, pytest.approx(EXPECTED, rel=1e-5))
    # After two layers the output is the sum over t of (t + 1) / 2^t times the input t steps before.
    sizes = np.array([(t + 1) * FACTOR**t for t in range(16)])[::-1]
    expected = np.sqrt(np.mean(sizes[:4] ** 2)) / sizes.max()
    both = carried(halving(return_sequences=True), gr.Dropout(0.5), halving())
    assert both == (16, pytest.approx(expected, rel=1e-5))


@pytest.mark.parametrize("real", [slice(0, 8), slice(8, 16)])
def test_steps_that_are_padding_do_not_count(real):
    padded = np.zeros_like(X)
    padded[:, real] = X[:, real]
    expected = np.sqrt(np.mean([FACTOR ** (2 * (7 - step)) for step in range(2)]))
    assert carried(gr.Masking(), halving(), x=padded) == (16, pytest.approx(expected, rel=1e-5))


def test_where_the_first_steps_have_another_way_nothing_is_said():
    for layers in (
        [gr.Bidirectional(halving())],
        [halving(go_backwards=True)],
        [halving(return_sequences=True), gr.GlobalMaxPooling1D()],
        [gr.Flatten(), gr.Dense(1)],
    ):
        assert carried(*layers) is None
    assert carried(halving(), x=X[:, :7]) is None  # too short


def examined(carried, told=0.3, loss=0.9, optimizer_moves=True, **facts):
    targets = TargetRecord(100, 0, 1, 0.5, 0.5, {"mean_squared_error": 1.0})
    output = OutputRecord("output", None, "linear", "", (1,), "mean_squared_error", None,
                          "values", {}, targets)  # fmt: skip
    losses = np.full(20, loss)
    training = TrainingRecord(20, "", losses, losses, {}, losses, np.arange(1, 21), {}, {})
    record = Record(outputs=(output,), settings=SettingsRecord("Adam", 0.01, 10, 100), **facts)
    found = RecurrenceRecord("lstm", 60, carried, told, None)
    return examine(dataclasses.replace(record, training=training, recurrence=found))


def test_forgetting_is_a_fault_only_where_the_first_steps_would_help():
    (finding,) = examined(1e-4)
    assert (finding.severity, finding.code, finding.layer) == (
        "fault",
        "recurrent-gradient",
        "lstm",
    )
    assert examined(0.03).findings == ()
    assert examined(1e-4, told=0.99).findings == ()  # they do not tell the target
    assert examined(1e-4, loss=0.4).findings == ()  # the network has learned it


@pytest.mark.parametrize(("constant", "is_told"), [(0.9, True), (0.3, False)])
def test_codes_that_are_mostly_padding_are_to_be_skipped(constant, is_told):
    codes = InputRecord("x", 100, True, 1.0, 1.0, 1.0, constant, columns=60, shape=(60,))
    embedding = LayerRecord("embedding", "Embedding", "", 8, 60, None, False)
    (finding,) = examined(1e-4, inputs=(codes,), layers=(embedding,)).faults
    assert ("mask_zero=True" in finding.remedy) == is_told
    assert "gr.Bidirectional" in finding.remedy


def test_a_training_that_forgets_has_the_record_and_one_that_does_not_has_none(tmp_path):
    x = RNG.normal(size=(150, 16, 2)).astype(np.float32)
    models = []
    for labels in (x[:, 0, 0] > 0, x[:, -1, 0] > 0):
        net = gr.Sequential([gr.SimpleRNN(2, None), gr.Dense(2, "softmax")])
        net.layers[0].recurrent_initializer = gr.initializers.Identity(0.1)
        model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(0.02))
        model.fit(x, labels.astype(int), epochs=10, verbose=False, probes=False)
        models.append(model)
    assert [each.code for each in models[0].diagnose().faults] == ["recurrent-gradient"]
    assert models[1].record.recurrence is None
    loaded = gr.Model.load(models[0].save(tmp_path))
    assert loaded.record.recurrence == models[0].record.recurrence
