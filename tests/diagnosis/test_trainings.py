"""Small trainings that go wrong in one way each, and sound ones that come back without a fault."""

import dataclasses

import numpy as np
import pytest

import gradus as gr
from gradus.diagnosis.comparison import PartComparison, Shift
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import LayerRecord, OutputRecord, SettingsRecord, TargetRecord
from gradus.diagnosis.symptoms import examine, symptoms, with_causes
from gradus.diagnosis.symptoms.training import exploding_gradient
from gradus.diagnosis.symptoms.training.oscillation import swings
from gradus.diagnosis.training import TrainingRecord
from gradus.errors import GradusError
from gradus.models.diagnosing import silent_shares

RNG = np.random.default_rng(0)
X = RNG.normal(size=(480, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int)
VALUES = (X[:, :1] + X[:, 1:2] ** 2).astype(np.float32)
NOISE = RNG.normal(size=(480, 1)).astype(np.float32)
CLASSES = "sparse_categorical_crossentropy"


def train(*layers, x=X, y=Y, loss=CLASSES, optimizer=None, epochs=12, metrics=("accuracy",), **fit):
    net = gr.Sequential(list(layers))
    model = gr.Model(net, loss, optimizer or gr.Adam(0.01), metrics, **fit.pop("model", {}))
    options = {"batch_size": 32, "validation_split": 0.2, "verbose": False} | fit
    model.fit(x, y, epochs=epochs, **options)
    return model


def mlp(activation="relu", **options):
    return gr.Dense(16, activation, **options), gr.Dense(2, "softmax")


def summed(y_true, y_pred):
    import jax.numpy as jnp

    return jnp.full(y_pred.shape[:1], jnp.sum((y_true - y_pred) ** 2))


def raw_entropy(y_true, y_pred):
    import jax.numpy as jnp

    return -jnp.sum(y_true * jnp.log(jnp.clip(y_pred, 1e-7, 1.0)), axis=-1)


RARE = np.flatnonzero(Y == 1)[:200]
FEW = np.concatenate([np.flatnonzero(Y == 0)[:200], RARE[:4]])
HELD = np.concatenate([np.flatnonzero(Y == 0)[200:], RARE[4:]])
DEEP = (*(gr.Dense(8, "sigmoid") for _ in range(10)), gr.Dense(2, "softmax"))
WRONG = {
    "diverged": lambda: train(
        gr.Dense(16, "relu"), gr.Dense(1), y=VALUES, loss="mse", optimizer=gr.SGD(2.5), metrics=()
    ),
    "rate-high": lambda: train(
        gr.Dense(16, "relu"), gr.Dense(16, "relu"), gr.Dense(2, "softmax"), optimizer=gr.Adam(1.0)
    ),
    "rate-low": lambda: train(*mlp(), optimizer=gr.SGD(3e-4)),
    "too-few-epochs": lambda: train(
        gr.Dense(1),
        y=X.sum(axis=1, keepdims=True),
        loss="mse",
        metrics=(),
        optimizer=gr.SGD(1e-3),
        epochs=13,
    ),
    "dead-relu": lambda: train(
        gr.Dense(16, "relu", bias_initializer=gr.initializers.Constant(-50.0)),
        gr.Dense(2, "softmax"),
    ),
    "saturation": lambda: train(
        gr.Dense(16, "tanh", bias_initializer=gr.initializers.Constant(20.0)),
        gr.Dense(2, "softmax"),
    ),
    "vanishing-gradient": lambda: train(*DEEP, optimizer=gr.SGD(0.01)),
    "over-regularised": lambda: train(*mlp(), model={"penalty": gr.L2(1.0)}),
    "initial-scale": lambda: train(
        *mlp(kernel_initializer=gr.initializers.RandomNormal(0.0, 40.0)), optimizer=gr.Adam(1e-3)
    ),
    "inputs-unscaled": lambda: train(*mlp(), x=1e4 * X, optimizer=gr.SGD(1e-3)),
    "inputs-tiny": lambda: train(*mlp(), x=1e-4 * X, optimizer=gr.SGD(0.01)),
    "labels-shuffled": lambda: train(
        gr.Dense(64, "relu"),
        gr.Dense(2, "softmax"),
        y=np.random.default_rng(3).permutation(np.arange(480) % 2),
        epochs=20,
    ),
    "batch-size": lambda: train(
        gr.Dense(16, "relu"),
        gr.Dense(16, "relu"),
        gr.Dense(2, "softmax"),
        optimizer=gr.Adam(0.1),
        batch_size=1,
        epochs=2,
    ),
    "imbalance": lambda: train(
        *mlp(), x=X[FEW], y=Y[FEW], validation_split=0.0, validation_data=(X[HELD], Y[HELD])
    ),
    "loss-reduction": lambda: train(gr.Dense(1), y=VALUES, loss=summed, metrics=()),
    "loss-arithmetic": lambda: train(
        gr.Dense(2), y=np.eye(2, dtype=np.float32)[Y], loss=raw_entropy, metrics=()
    ),
    "not-learning": lambda: train(
        gr.Dense(1), y=NOISE, loss="mse", metrics=(), optimizer=gr.SGD(0.01), epochs=60
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("code", WRONG)
def test_what_goes_wrong_is_the_first_fault(code):
    model = WRONG[code]()
    diagnosis = model.diagnose()
    assert diagnosis.faults, repr(diagnosis)
    first = diagnosis.findings[0]
    assert (first.code, first.cause) == (code, None), repr(diagnosis)
    assert str(first) in model.history.notes


HEALTHY = {
    "mlp": lambda: train(*mlp(), epochs=40),
    "tanh": lambda: train(*mlp("tanh"), epochs=40),
    "linear": lambda: train(gr.Dense(1), y=X[:, :1] * 2 + 1, loss="mse", metrics=(), epochs=40),
    "regression": lambda: train(
        gr.Dense(32, "relu"), gr.Dense(1), y=VALUES, loss="mse", metrics=(), epochs=40
    ),
    "dropout": lambda: train(
        gr.Dense(32, "relu"), gr.Dropout(0.5), gr.Dense(2, "softmax"), epochs=40
    ),
    "penalty": lambda: train(*mlp(), model={"penalty": gr.L2(1e-3)}, epochs=40),
    "sgd": lambda: train(*mlp(), optimizer=gr.SGD(0.1, momentum=0.9), epochs=40),
    "stopped early": lambda: train(*mlp(), epochs=200, patience=5),
    "full batch": lambda: train(*mlp(), epochs=200, batch_size=None),
    "one short epoch": lambda: train(*mlp(), epochs=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_a_sound_training_has_no_fault(name):
    diagnosis = HEALTHY[name]().diagnose()
    assert diagnosis.healthy, repr(diagnosis)


# --- records made by hand ----------------------------------------------------------------------


def record(losses, validation=None, stopped="", **training):
    losses = np.asarray(losses, np.float64)
    targets = TargetRecord(100, 0, 1, 0.5, 0.5, {"mean_squared_error": 1.0})
    output = OutputRecord("output", None, "linear", "", (1,), "mean_squared_error", None,
                          "values", {}, targets)  # fmt: skip
    held = None if validation is None else np.asarray(validation, np.float64)
    made = TrainingRecord(
        len(losses), stopped, losses, held, {}, losses, np.arange(1, len(losses) + 1), {}, {}
    )
    made = dataclasses.replace(made, **training)
    return Record(outputs=(output,), settings=SettingsRecord("Adam", 0.01, 10, 100), training=made)


def codes(diagnosis):
    return [(finding.severity, finding.code) for finding in diagnosis]


def test_a_rising_validation_loss_is_noted_where_it_began():
    falls, rises = (
        np.linspace(0.9, 0.1, 20),
        [*np.linspace(0.9, 0.5, 8), *np.linspace(0.5, 0.9, 12)],
    )
    (finding,) = examine(record(falls, rises))
    assert (finding.severity, finding.code, finding.epoch) == ("note", "overfitting", 8)
    assert finding.evidence["validation loss / minimum"]["value"] == pytest.approx(0.9 / 0.5)
    assert codes(examine(record(falls, rises, stopped="patience"))) == []
    assert codes(examine(record(falls, np.linspace(0.9, 0.2, 20)))) == []


@pytest.mark.parametrize(("validation", "found"), [(0.1, []), (0.7, ["fault"]), (None, ["note"])])
def test_dropout_is_too_strong_where_validation_samples_are_not_learned_either(validation, found):
    held = None if validation is None else np.full(20, validation)
    dropped = LayerRecord("dropout", "Dropout", "", 8, 8, None, False, rate=0.95)
    made = dataclasses.replace(record(np.full(20, 0.7), held), layers=(dropped,))
    strong = [each for each in examine(made) if each.code == "over-regularised"]
    assert [each.severity for each in strong] == found


@pytest.mark.parametrize(("steps", "found"), [(17, []), (100, [("fault", "over-regularised")])])
def test_penalties_are_judged_after_a_hundred_steps(steps, found):
    """In the first epoch they are most of a loss that has hardly begun to fall."""
    made = record([1.3], penalty=0.6)
    settings = dataclasses.replace(made.settings, samples=10 * steps)
    assert codes(examine(dataclasses.replace(made, settings=settings, penalty=0.8))) == found


def test_a_loss_that_rises_above_a_constant_is_a_rate_that_is_too_high():
    calm, wild = np.full(20, 0.99), np.array([0.9, 3.0] * 10)
    assert codes(examine(record(calm))) == [("fault", "not-learning")]
    assert codes(examine(record(wild))) == [("fault", "rate-high")]
    learned = np.array([0.9, 3.0, *np.linspace(0.8, 0.1, 18)])
    assert codes(examine(record(learned))) == []


def test_a_loss_that_swings_is_told_and_noise_and_single_bursts_are_not():
    waves = np.tile([0.9, 0.5, 0.3, 0.5, 0.9], 12)
    settings = SettingsRecord("SGD", 0.1, 32, 4_000)

    def examined(losses):
        return codes(examine(dataclasses.replace(record(losses), settings=settings)))

    assert examined(waves) == [("fault", "oscillation")]
    assert examined(0.3 * waves) == [("note", "oscillation")]
    assert examined(0.05 * waves) == []  # fitted
    burst = np.concatenate([np.linspace(0.9, 0.5, 30), [0.9, 0.8], np.linspace(0.5, 0.47, 28)])
    assert examined(burst) == []
    rng = np.random.default_rng(0)
    few = dataclasses.replace(settings, samples=200)  # whose losses differ by 2 / √200
    for _ in range(20):
        noisy = 0.5 * np.exp(2 / np.sqrt(200) * rng.normal(size=100))
        assert "oscillation" not in str(examine(dataclasses.replace(record(noisy), settings=few)))


def test_swings_are_rises_with_a_fall_after_them():
    curve = np.array([5, 1, 2, 1.5, 2.5, 1, 1.9, 0, 3, 2.9, 3.5, 2, 9.0])
    assert swings(curve, 1.0) == [(4, 1.5), (10, 3.5)]  # at 9 nothing falls any more
    assert swings(curve, 2.0) == []  # from 3.5 it falls by 1.5
    assert swings(np.array([1.0]), 1.0) == []


def test_another_scale_is_a_fault_where_validation_is_worse_than_a_constant():
    shift = Shift("x", columns=6, scale=2.0, move=1.0, noise=0.05)
    for last, severity in ((0.5, "note"), (1.5, "fault")):
        trained = record(np.linspace(0.9, 0.1, 9), np.linspace(1.6, last, 9))
        compared = dataclasses.replace(
            trained, comparisons=(PartComparison("validation", shifts=(shift,)),)
        )
        assert codes(examine(compared)) == [(severity, "preprocessing-mismatch")]
    # Later rows of a series may be harder by themselves; what is predicted well is not harmed.
    series = dataclasses.replace(shift, likeness=0.6)
    compared = dataclasses.replace(
        trained, comparisons=(PartComparison("validation", shifts=(series,)),)
    )
    assert codes(examine(compared)) == [("note", "preprocessing-mismatch")]
    large = dataclasses.replace(shift, scale=20.0)
    for last, severity in ((0.2, "note"), (0.6, "fault")):
        trained = record(np.linspace(0.9, 0.1, 9), np.linspace(1.6, last, 9))
        compared = dataclasses.replace(
            trained, comparisons=(PartComparison("validation", shifts=(large,)),)
        )
        assert codes(examine(compared)) == [(severity, "preprocessing-mismatch")]


def test_a_loss_without_a_gradient_is_told():
    def rounded(y_true, y_pred):
        import jax.numpy as jnp

        return (y_true - jnp.round(y_pred)) ** 2

    model = train(gr.Dense(1), y=VALUES, loss=rounded, epochs=2, metrics=())
    diagnosis = model.diagnose()
    assert codes(diagnosis) == [("fault", "vanishing-gradient")]
    assert "0 in every record" in diagnosis[0].message
    assert "without rounding" in diagnosis[0].remedy


def test_targets_that_hardly_vary_are_told_where_they_are_not_learned():
    made = record(np.geomspace(0.5, 0.01, 20))
    small = TargetRecord(100, 0, 0.03, 0.01, 0.01, {"mean_squared_error": 1e-4})
    output = dataclasses.replace(made.outputs[0], targets=small)
    made = dataclasses.replace(made, outputs=(output,))
    assert codes(examine(made)) == [("fault", "targets-unscaled")]  # and no exploding gradient
    assert "deviation of only 0.01" in examine(made)[0].message
    learned = dataclasses.replace(made.training, loss=np.geomspace(0.5, 1e-6, 20))
    assert codes(examine(dataclasses.replace(made, training=learned))) == []


@pytest.mark.parametrize(
    ("segments", "verb"), [([500, 9, 20], "began at"), ([9, 500, 20], "rose to")]
)
def test_a_loss_that_began_high_did_not_rise(segments, verb):
    made = record(np.full(20, 20.0), segments=np.asarray(segments, np.float64))
    (told,) = exploding_gradient.find(made)
    assert told.message.startswith(f"The loss {verb} 500;")


@pytest.mark.parametrize(
    ("first", "severity"), [([1.5, 0.7], "note"), ([0.66, 0.65], None), ([1.5, 1.0], "fault")]
)
def test_a_rate_that_ends_before_the_training_is_told_where_the_loss_was_falling(first, severity):
    losses = np.concatenate([first, np.full(18, first[-1])])
    rates = {"learning_rate": 0.01 * 0.01 ** np.arange(20.0)}
    found = [each for each in examine(record(losses, metrics=rates)) if each.code == "rate-low"]
    assert [each.severity for each in found] == [severity] * (severity is not None)


def test_a_divergence_and_a_high_rate_follow_from_what_makes_their_losses():
    found = [
        Finding("", "", "", code=code)
        for code in ("output-loss", "diverged", "augmentation-range", "rate-high")
    ]
    for first, later in (found[:2], found[2:]):
        assert [each.cause for each in with_causes([first, later])] == [None, first.code]


def test_penalties_are_no_loss_of_the_data():
    losses = np.full(20, 2.0)
    assert record(losses, penalty=1.9).remaining == pytest.approx(0.1)
    assert record(losses, penalty=1.9).learned
    assert codes(examine(record(losses, penalty=1.9))) == []


def test_a_short_training_is_not_judged_by_what_it_learned():
    short = dataclasses.replace(record(np.full(9, 1.0)))
    assert (short.is_long, short.learned) == (False, None)
    assert record(np.full(10, 1.0)).learned is False


def test_causes_are_codes_and_have_no_cycle():
    known = {symptom.code: (*symptom.causes, *symptom.unless) for symptom in symptoms()}
    for code, others in known.items():
        assert len(set(others)) == len(others), code
        for other in others:
            assert other == "*" or other in known, (code, other)
            assert code not in known.get(other, ()), f"{code} and {other} explain each other"


def test_silent_units_are_counted_on_many_samples():
    net = gr.init(gr.Sequential([gr.Dense(4, "relu", use_bias=False)]), 0, X)
    kernel = np.zeros((6, 4), np.float32)
    kernel[0, :3] = 1  # three units see the first input, one none
    model = gr.Model(net, "mse").build(X)
    model.set_weights({"dense/kernel": kernel})
    assert silent_shares(model.net, X)["dense"] == 0.25


# --- Model.diagnose ----------------------------------------------------------------------------


def test_diagnose_needs_a_training_and_leaves_out_codes():
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse")
    with pytest.raises(GradusError, match=r"never trained. model.check\(x, y\)"):
        model.diagnose()
    model.fit(100 * X, VALUES, epochs=1, verbose=False)
    assert "inputs-unscaled" in [finding.code for finding in model.diagnose()]
    rest = [finding.code for finding in model.diagnose(ignore="inputs-unscaled")]
    assert rest == ["exploding-gradient"]  # which was a consequence, and is told alone
    with pytest.raises(GradusError, match="Did you mean 'inputs-unscaled'"):
        model.diagnose(ignore=["input-unscaled"])


def test_findings_are_saved_with_the_model(tmp_path):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(1e6))
    model.fit(X, VALUES, epochs=2, verbose=False)
    assert "diverged" in [finding.code for finding in model.diagnose().faults]
    loaded = gr.Model.load(model.save(tmp_path / "model"))
    assert isinstance(loaded.history.findings, Diagnosis)
    assert loaded.diagnose().findings == model.diagnose().findings


# --- while training runs -----------------------------------------------------------------------

DEAD = gr.initializers.Constant(-50.0)


@pytest.mark.slow
def test_a_dead_layer_is_told_while_training_runs_and_may_end_it(capsys):
    layers = gr.Dense(16, "relu", bias_initializer=DEAD), gr.Dense(2, "softmax")
    warned = train(*layers, epochs=30, verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Layer 'dense': 100% of its units have been dead since epoch 1."
    assert sum("have been dead since" in line for line in lines[1:]) == 1  # the finding at the end
    assert (warned.history.epochs, warned.history.stopped) == (30, "")

    stopped = train(*layers, epochs=30, verbose=True, on_fault="stop")
    assert (stopped.history.epochs, stopped.history.stopped) == (1, "fault")
    assert "Stopped after epoch 1: going on would be pointless." in capsys.readouterr().err
    assert train(*mlp(), epochs=3, on_fault="stop").history.stopped == ""


@pytest.mark.slow
def test_a_layer_without_statistics_behind_a_dead_one_is_no_obstacle():
    layers = gr.Conv2D(4, 3, activation="relu", bias_initializer=DEAD), gr.MaxPooling2D(2)
    images = np.abs(RNG.normal(size=(480, 8, 8, 1))).astype(np.float32)
    model = train(*layers, gr.Flatten(), gr.Dense(2, "softmax"), x=images)
    first = model.diagnose().faults[0]
    assert (first.code, first.layer) == ("dead-relu", "conv2d")


def test_units_that_were_dead_from_the_start_explain_nothing_while_the_others_learn():
    """Petals are positive: 10 of 16 units are drawn dead, and the loss falls all along."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    layers = gr.Dense(16, "relu"), gr.Dense(3, "softmax")
    model = train(*layers, x=x, y=y, optimizer=gr.Adam(0.001), epochs=20)
    assert 0.5 < model.record.training.silent_share("dense") < 0.99
    assert [finding.code for finding in model.diagnose().faults] == ["too-few-epochs"]


def test_on_fault_is_a_known_word():
    with pytest.raises(GradusError, match="Did you mean 'stop'"):
        train(*mlp(), epochs=1, on_fault="stopp")
