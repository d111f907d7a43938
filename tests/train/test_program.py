"""The training program against loops written by hand, Keras and SciPy; its cuts and populations."""

import dataclasses
import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from scipy import optimize

import gradus as gr
from gradus.models.supervised import make_supervised
from gradus.nn.network import weights
from gradus.nn.pytree import canonicalize
from gradus.train import layer_statistics, loop, training_program
from gradus.train.batches import BatchSource, Samples, validation_source
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.program import run_epochs
from gradus.train.state import init_train_state, without_weights

N, D, K = 50, 3, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = (X @ RNG.normal(size=(D, K))).argmax(1).astype(np.int32)
W = RNG.uniform(0, 3, N).astype(np.float32)
LOSS = "sparse_categorical_crossentropy"


def classifier(*between, **options):
    return gr.Sequential([gr.Dense(4, "tanh", **options), *between, gr.Dense(K, "softmax")])


def train(
    net, optimizer, epochs, batch=16, loss=LOSS, x=X, y=Y, weight=None, held=None,
    stopping=None, keep_best=False, probing=False, train_state=None, each=False,
    metrics=(), **options,
):  # fmt: skip
    """Train from the weights of seed 0; return the train state and the history."""
    net = gr.init(net, 0, x)
    task = make_supervised(loss, metrics, **options)
    stopping = stopping or EarlyStopping()
    train_state = train_state or init_train_state(net, optimizer, task, stopping, keep_best)
    history = History(*layer_statistics.recorded_paths(net))
    feed = None if held is None else validation_source(Samples(*held), None)
    config = training_program.FitConfig(epochs, batch, 0, 0, probing, each)
    data = jax.device_put(Samples(x, y, weight))
    training = training_program.TrainingProgram.create(
        net, optimizer, task, stopping, data, None, feed, config, train_state
    )
    return loop.run_training(training, train_state, [], history), history


def orders(epochs, batch):
    """Return each epoch's order of samples, drawn as the library draws it."""
    if batch is None:
        return [np.arange(N)] * epochs
    config = training_program.FitConfig(epochs, batch, 0, 0)
    shape = training_program.program_shape(N, config, False)
    return training_program.SampleOrder(np.arange(N), shape, config)(0, epochs).reshape(
        shape.max_epochs, -1
    )[:, :N]


def by_hand(batch, epochs, optimizer, weight=None, penalty=0.0):
    """Train the classifier in plain JAX and Optax over the exact batches, the last one short."""

    def loss_of(p, x, y, w):
        hidden = jnp.tanh(x @ p["dense/kernel"] + p["dense/bias"])
        logits = hidden @ p["dense_1/kernel"] + p["dense_1/bias"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        decay = sum(jnp.sum(p[path] ** 2) for path in ("dense/kernel", "dense_1/kernel"))
        return jnp.mean(w * losses) + penalty * decay

    params = jax.tree.map(jnp.asarray, weights(gr.init(classifier(), 0, X)))
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y, w):
        value, gradients = jax.value_and_grad(loss_of)(params, x, y, w)
        updates, state = optimizer.update(gradients, state, params)
        return value, optax.apply_updates(params, updates), state

    weight = np.ones(N, np.float32) if weight is None else weight
    history = []
    for order in orders(epochs, batch)[:epochs]:
        total = 0.0
        for begin in range(0, N, batch or N):
            rows = order[begin : begin + (batch or N)]
            value, params, state = step(params, state, X[rows], Y[rows], weight[rows])
            total += float(value) * len(rows)
        history.append(total / N)
    return params, history


def close(a, b, tolerance=2e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, tolerance, tolerance), a, b)


def identical(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 16, N, None])
@pytest.mark.parametrize("weight", [None, W])
def test_training_equals_a_loop_by_hand_over_the_exact_batches(batch, weight):
    train_state, history = train(classifier(), gr.Adam(0.01), 3, batch, weight=weight)
    params, losses = by_hand(batch, 3, optax.adam(0.01, eps=1e-7), weight)
    close(train_state.params, params)
    np.testing.assert_allclose(history["loss"], losses, rtol=2e-5)


def test_every_epoch_sees_every_sample_once_and_in_another_order():
    drawn = orders(4, 16)[:4]
    assert all(sorted(order) == list(range(N)) for order in drawn)
    assert len({tuple(order) for order in drawn}) == 4


@pytest.mark.slow
def test_a_penalty_is_in_loss_and_gradient():
    expected, losses = by_hand(None, 3, optax.sgd(0.1), penalty=0.05)
    train_state, history = train(classifier(), gr.SGD(0.1), 3, None, penalty=gr.L2(0.05))
    close(train_state.params, expected)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)
    net = gr.Sequential(
        [
            gr.Dense(4, "tanh", kernel_regularizer=gr.L2(0.05)),
            gr.Dense(K, "softmax", kernel_regularizer=gr.L2(0.05)),
        ]
    )
    train_state, history = train(net, gr.SGD(0.1), 3, None)
    close(train_state.params, expected)


@pytest.mark.slow
def test_training_equals_keras():
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(K, "softmax")]
    model = keras.Sequential([keras.Input((D,)), *layers])
    model.compile(keras.optimizers.Adam(0.02), LOSS, metrics=["accuracy"])
    net = gr.Sequential([gr.Dense(4, "relu"), gr.Dense(K, "softmax")])
    drawn = weights(gr.init(net, 0, X))
    for layer, name in zip(layers, ("dense", "dense_1"), strict=True):
        layer.set_weights([drawn[f"{name}/kernel"], drawn[f"{name}/bias"]])
    losses, accuracies = [], []
    for order in orders(4, 16)[:4]:
        logs = model.fit(X[order], Y[order], 16, epochs=1, shuffle=False, verbose=0).history
        losses += logs["loss"]
        accuracies += logs["accuracy"]
    train_state, history = train(net, gr.Adam(0.02), 4, metrics=["accuracy"])
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
    np.testing.assert_allclose(history["accuracy"], accuracies, rtol=1e-5)
    np.testing.assert_allclose(
        train_state.params["dense/kernel"], layers[0].kernel, rtol=1e-3, atol=1e-4
    )


def noisy(rate=0.2):
    return classifier(gr.Dropout(rate), gr.BatchNormalization())


HELD = X[:20], Y[:20], None


def pieces(rate=0.2, learning_rate=0.05, patience=np.inf, min_delta=0.0):
    """Return the arguments of `run_epochs` that differ by member."""
    net = gr.init(noisy(rate), 0, X)
    optimizer = gr.Adam(learning_rate)
    stopping = EarlyStopping("val_loss", patience=patience, min_delta=min_delta)
    train_state = init_train_state(net, optimizer, make_supervised(LOSS), stopping, True)
    return train_state, *canonicalize((without_weights(net), optimizer, stopping))


def run_in(cuts, member):
    """Run one member in calls of so many epochs; return the train state and the joined history."""
    train_state, net, optimizer, stopping = member
    task = canonicalize(make_supervised(LOSS, ["accuracy"]))
    config = training_program.FitConfig(sum(cuts), 16, 0, 0)
    shape = dataclasses.replace(
        training_program.program_shape(N, config, True),
        max_epochs=8,
        steps_per_segment=2,
        segments_per_record=2,
        epochs_per_record=2,
    )
    feed = validation_source(Samples(*HELD), None)
    parts, first = [], 0
    for count in cuts:
        order = training_program.SampleOrder(np.arange(N), shape, config)(first, count)
        train_state, logs = run_epochs(
            train_state, net, optimizer, task, stopping,
            BatchSource(Samples(X, Y), order, np.int32(N)), feed,
            np.int32(count), np.int32(first), jax.random.key(0), shape=shape,
        )  # fmt: skip
        parts.append({name: np.asarray(value)[:count] for name, value in logs.items()})
        first += count
    return train_state, {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


@pytest.mark.slow
def test_how_epochs_are_cut_into_calls_changes_no_bit_and_compiles_nothing():
    whole = run_in([6], pieces())
    run_in([1, 1], pieces())  # the first call takes what NumPy drew, the others what it gave
    compiled = run_epochs._cache_size()
    for cuts in ([1, 2, 3], [1] * 6, [5, 1]):
        identical(run_in(cuts, pieces()), whole)
    # Nor does any new value of a rate, a dropout share, patience or a number of epochs.
    other = run_in([4], pieces(0.5, 0.001, 3.0, 0.1))
    assert not np.array_equal(other[1]["loss"], whole[1]["loss"][:4])
    assert run_epochs._cache_size() == compiled


def test_a_new_penalty_compiles_nothing():
    losses, compiled = [], []
    for strength in (0.1, 0.2):
        net = gr.Sequential([gr.Dense(K, "softmax", kernel_regularizer=gr.L2(strength))])
        _, history = train(net, gr.SGD(0.1), 1, penalty=gr.L1(strength))
        losses.append(history["loss"][0])
        compiled.append(run_epochs._cache_size())
    assert compiled[0] == compiled[1]
    assert losses[1] > losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [False, True])
def test_a_population_is_run_mapped_and_equals_single_runs(stop):
    settings = {"patience": 2.0, "min_delta": 0.02} if stop else {}
    members = [
        pieces(rate, learning_rate, **settings)
        for learning_rate in (0.002, 0.02, 0.3)
        for rate in (0.1, 0.6)
    ]
    leaves = [jax.tree.leaves(member) for member in members]
    structure = jax.tree.structure(members[0])
    assert all(jax.tree.structure(member) == structure for member in members)
    stacked = [np.stack(column) for column in zip(*leaves, strict=True)]
    task = canonicalize(make_supervised(LOSS, ["accuracy"]))
    config = training_program.FitConfig(8, 16, 0, 0)
    shape = dataclasses.replace(
        training_program.program_shape(N, config, True),
        max_epochs=8,
        steps_per_segment=2,
        segments_per_record=2,
        epochs_per_record=2,
    )
    order = training_program.SampleOrder(np.arange(N), shape, config)(0, 8)
    feed = validation_source(Samples(*HELD), None)

    def one(leaves):
        train_state, net, optimizer, stopping = jax.tree.unflatten(structure, leaves)
        return run_epochs(
            train_state, net, optimizer, task, stopping,
            BatchSource(Samples(X, Y), order, np.int32(N)), feed,
            np.int32(8), np.int32(0), jax.random.key(0), shape=shape,
        )  # fmt: skip

    carries, logs = jax.jit(jax.vmap(one))(stacked)
    ends = []
    for index, member in enumerate(members):
        train_state, alone = run_in([8], member)
        ends.append(int(train_state.epoch))
        at = jax.tree.map(lambda a, i=index: a[i], (carries, logs))
        assert int(at[0].epoch) == int(train_state.epoch)
        assert bool(at[0].stopped) == bool(train_state.stopped)
        close(at[0].params, train_state.params, 1e-4)
        close(at[0].best, train_state.best, 1e-4)
        for name in ("loss", "val_loss", "accuracy", "val_accuracy", "probes"):
            np.testing.assert_allclose(at[1][name], alone[name], rtol=2e-4, atol=2e-4)
    assert (min(ends) < 8 <= max(ends)) == stop
    assert stop or set(ends) == {8}


@pytest.mark.slow
def test_a_dropout_share_of_zero_trains_like_no_dropout_which_draws_no_numbers(monkeypatch):
    texts, lower = [], training_program.TrainingProgram.lowered

    def lowered(training, train_state):
        (program,) = lower(training, train_state)
        texts.append(program.as_text())
        return [program]

    monkeypatch.setattr(training_program.TrainingProgram, "lowered", lowered)
    train_state, _ = train(classifier(gr.Dropout(0.0)), gr.Adam(0.01), 2)
    plain, _ = train(classifier(), gr.Adam(0.01), 2)
    close(train_state.params, plain.params)
    drawn = ["threefry" in text or "keep_mask" in text for text in texts]
    assert drawn == [True, False]


@pytest.mark.slow
def test_patience_ends_training_and_the_best_weights_are_those_of_the_best_epoch():
    stopping = EarlyStopping("val_loss", patience=2.0)
    held = X[:20], (Y[:20] + 1) % K, None  # wrong labels: validation soon gets worse
    train_state, history = train(
        noisy(), gr.Adam(0.05), 30, held=held, stopping=stopping, keep_best=True
    )
    best = int(np.argmin(history["val_loss"]))
    assert bool(train_state.stopped)
    assert not bool(train_state.diverged)
    assert history.epochs == int(train_state.epoch) == best + 3
    assert int(train_state.stopping_state["epoch"]) == best + 1
    until, _ = train(noisy(), gr.Adam(0.05), best + 1, held=held, stopping=stopping, keep_best=True)
    identical(train_state.best, (until.params, until.model_state))


@pytest.mark.slow
def test_a_target_ends_training():
    stopping = EarlyStopping("accuracy", "max", target=0.5)
    train_state, history = train(
        classifier(), gr.Adam(0.05), 50, metrics=["accuracy"], stopping=stopping
    )
    assert bool(train_state.stopped)
    assert history["accuracy"][-1] >= 0.5
    assert (history["accuracy"][:-1] < 0.5).all()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_weights():
    net = gr.Sequential([gr.Dense(1)])
    settings = {"loss": "mse", "y": X[:, :1], "batch": 16}
    train_state, history = train(net, gr.SGD(100.0), 20, **settings)
    assert bool(train_state.diverged)
    assert bool(train_state.stopped)
    good = int(train_state.epoch)
    assert 0 < good < 20
    assert history.epochs == good + 1
    assert not np.isfinite(history["loss"][-1])
    assert np.isfinite(history["loss"][:-1]).all()
    assert all(np.isfinite(value).all() for value in train_state.params.values())
    again, _ = train(net, gr.SGD(100.0), good, **settings)
    identical(again.params, train_state.params)


@pytest.mark.slow
def test_reduce_on_plateau_follows_its_rule():
    rate = gr.schedules.ReduceOnPlateau(0.5, factor=0.1, patience=2, min_delta=0.01)
    _, history = train(
        classifier(), gr.SGD(rate), 40, held=HELD, stopping=EarlyStopping("val_loss")
    )
    scale, best, wait, expected = 1.0, np.inf, 0, []
    for value in history["val_loss"]:
        expected.append(0.5 * scale)
        best, wait = (value, 0) if value < best - 0.01 else (best, wait + 1)
        if wait >= 2:
            scale, wait = scale * 0.1, 0
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-5)
    assert len(set(expected)) > 1


def test_a_schedule_counts_steps():
    schedule = gr.schedules.ExponentialDecay(0.1, 1, 0.5)
    _, history = train(classifier(), gr.SGD(schedule), 3)
    np.testing.assert_allclose(history["learning_rate"], 0.1 * 0.5 ** np.array([3, 7, 11]), 1e-5)


@pytest.mark.slow
def test_a_constraint_holds_after_every_update():
    free, _ = train(classifier(), gr.SGD(1.0), 5)
    assert np.linalg.norm(free.params["dense/kernel"], axis=0).max() > 0.5
    bound = classifier(kernel_constraint=gr.MaxNorm(0.5))
    train_state, _ = train(bound, gr.SGD(1.0), 5)
    assert np.linalg.norm(train_state.params["dense/kernel"], axis=0).max() <= 0.5 + 1e-5


@pytest.mark.slow
def test_several_inputs_and_outputs_add_their_weighted_losses():
    x = {"left": X, "right": X[:, :2]}
    y = {"b": Y, "a": X[:, :1]}
    body = gr.Parallel({"left": gr.Dense(4, "tanh"), "right": gr.Dense(2)}, "concatenate")
    net = gr.Sequential([body, gr.Parallel({"b": gr.Dense(K, "softmax"), "a": gr.Dense(1)})])
    options = {
        "loss": {"b": LOSS, "a": "mse"}, "loss_weights": {"a": 0.5, "b": 2.0},
        "metrics": {"b": ["accuracy"]},
    }  # fmt: skip
    train_state, history = train(net, gr.SGD(0.1), 2, None, x=x, y=y, **options)

    def loss_of(p):
        def dense(x, path):
            return x @ p[f"{path}/kernel"] + p[f"{path}/bias"]

        left = jnp.tanh(dense(X, "parallel/branches/left"))
        right = dense(X[:, :2], "parallel/branches/right")
        h = jnp.concatenate([left, right], 1)
        out = {name: dense(h, f"parallel_1/branches/{name}") for name in "ab"}
        ce = optax.softmax_cross_entropy_with_integer_labels(out["b"], Y).mean()
        mse = jnp.mean((out["a"] - X[:, :1]) ** 2)
        return 2 * ce + 0.5 * mse, (ce, mse)

    params = jax.tree.map(jnp.asarray, weights(gr.init(net, 0, x)))
    step = jax.jit(jax.value_and_grad(loss_of, has_aux=True))
    for epoch in range(2):
        (loss, (ce, mse)), gradients = step(params)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients)
        found = [history[name][epoch] for name in ("loss", "b_loss", "a_loss")]
        np.testing.assert_allclose(found, [loss, ce, mse], rtol=1e-4)
    close(train_state.params, params, 1e-4)
    assert "b_accuracy" in history


@pytest.mark.slow
def test_lbfgs_reaches_the_optimum_of_scipy():
    y = (X @ [1.0, -2.0, 0.5] + 0.3 > 0).astype(np.float32)[:, None]
    net, strength = gr.Dense(1, "sigmoid"), 0.01
    train_state, history = train(
        net, gr.LBFGS(), 40, None, loss="binary_crossentropy", y=y, penalty=gr.L2(strength)
    )

    def objective(p):
        z = X.astype(float) @ p[:3] + p[3]
        return np.mean(np.logaddexp(0, z) - y[:, 0] * z) + strength * np.sum(p[:3] ** 2)

    best = optimize.minimize(objective, np.zeros(4), tol=1e-10)
    found = np.concatenate([train_state.params["kernel"][:, 0], train_state.params["bias"]])
    np.testing.assert_allclose(found, best.x, rtol=2e-2, atol=1e-2)
    assert history["loss"][-1] == pytest.approx(best.fun, abs=1e-5)


def test_frozen_layers_stay_as_they_are():
    net = classifier()
    net.layers[0].freeze()
    before = weights(gr.init(net, 0, X))
    train_state, _ = train(net, gr.Adam(0.1), 2)
    assert train_state.params.keys() == {"dense_1/kernel", "dense_1/bias"}
    np.testing.assert_array_equal(train_state.model_state["dense/kernel"], before["dense/kernel"])
    assert not np.array_equal(train_state.params["dense_1/kernel"], before["dense_1/kernel"])


def test_a_frozen_layer_has_no_penalty_as_in_keras():
    net = classifier()
    net.layers[0].freeze()
    kernel = weights(gr.init(net, 0, X))["dense_1/kernel"]
    plain, penalized = (
        train(net, gr.SGD(0.0), 1, None, penalty=penalty)[1]["loss"][0]
        for penalty in (None, gr.L2(0.5))
    )
    assert penalized - plain == pytest.approx(0.5 * np.square(kernel).sum(), rel=1e-4)


@pytest.mark.slow
def test_batches_of_weight_zero_change_no_weight():
    weight = np.zeros(N, np.float32)
    weight[orders(1, 16)[0][:5]] = 1  # only samples of the first batch count in the first epoch
    train_state, history = train(classifier(), gr.SGD(0.1), 1, weight=weight)
    assert np.isfinite(history["loss"]).all()
    rows = np.flatnonzero(weight)
    # The five count among the sixteen of their batch.
    once, _ = train(classifier(), gr.SGD(0.1 * 5 / 16), 1, None, x=X[rows], y=Y[rows])
    close(train_state.params, once.params)
