"""Optimizers against Optax and Keras with equal hyperparameters, and by hand."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optax import contrib

import gradus as gr
from gradus.errors import GradusError
from gradus.optim import optimizers as opt
from gradus.optim import schedules

STEPS = 10
RATE = 0.01
OURS_AND_OPTAX = [
    (opt.SGD(RATE), optax.sgd(RATE)),
    (opt.SGD(RATE, momentum=0.8), optax.sgd(RATE, 0.8)),
    (opt.SGD(RATE, momentum=0.8, nesterov=True), optax.sgd(RATE, 0.8, nesterov=True)),
    (opt.Adagrad(RATE), optax.adagrad(RATE, 0.1, eps=1e-7)),
    (opt.Adadelta(RATE, rho=0.8, epsilon=1e-3), optax.adadelta(RATE, 0.8, 1e-3)),
    (opt.RMSprop(RATE), optax.rmsprop(RATE, 0.9, eps=1e-7)),
    (
        opt.RMSprop(RATE, momentum=0.7, centered=True),
        optax.rmsprop(RATE, 0.9, eps=1e-7, centered=True, momentum=0.7),
    ),
    (opt.Adam(RATE), optax.adam(RATE, eps=1e-7)),
    (opt.Adam(RATE, 0.7, 0.9, 1e-2), optax.adam(RATE, 0.7, 0.9, 1e-2)),
    (opt.AdamW(RATE), optax.adamw(RATE, eps=1e-7, weight_decay=0.004)),
    (opt.Adamax(RATE), optax.adamax(RATE, eps=1e-7)),
    (opt.Nadam(RATE), optax.nadam(RATE, eps=1e-7)),
    (opt.RAdam(RATE), optax.radam(RATE, eps=1e-7)),
    (opt.Lion(RATE), optax.lion(RATE, weight_decay=0.0)),
    (opt.Lion(RATE, weight_decay=0.1), optax.lion(RATE, weight_decay=0.1)),
    (opt.Muon(RATE), contrib.muon(RATE, eps=1e-7, consistent_rms=0.2)),
    (opt.Muon(RATE, rms_rate=None), contrib.muon(RATE, eps=1e-7)),
]
OURS_AND_KERAS = [
    (opt.SGD(), keras.optimizers.SGD()),
    (opt.SGD(momentum=0.8), keras.optimizers.SGD(momentum=0.8)),
    (
        opt.SGD(momentum=0.8, nesterov=True),
        keras.optimizers.SGD(momentum=0.8, nesterov=True),
    ),
    (opt.Adagrad(), keras.optimizers.Adagrad()),
    (opt.Adadelta(), keras.optimizers.Adadelta()),
    (opt.RMSprop(), keras.optimizers.RMSprop()),
    (opt.RMSprop(momentum=0.5), keras.optimizers.RMSprop(momentum=0.5)),
    (opt.Adam(), keras.optimizers.Adam()),
    (opt.AdamW(), keras.optimizers.AdamW()),
    (opt.Adamax(), keras.optimizers.Adamax()),
    (opt.Lion(), keras.optimizers.Lion()),
    (opt.SGD(clipnorm=0.5), keras.optimizers.SGD(clipnorm=0.5)),
    (opt.SGD(clipvalue=0.3), keras.optimizers.SGD(clipvalue=0.3)),
    (opt.SGD(global_clipnorm=0.7), keras.optimizers.SGD(global_clipnorm=0.7)),
    (opt.SGD(weight_decay=0.1), keras.optimizers.SGD(weight_decay=0.1)),
]
EVERY = [
    opt.SGD(), opt.SGD(momentum=0.9), opt.Adagrad(), opt.Adadelta(), opt.RMSprop(),
    opt.RMSprop(momentum=0.9, centered=True), opt.Adam(), opt.AdamW(), opt.Adamax(), opt.Nadam(),
    opt.RAdam(), opt.Lion(), opt.Muon(),
    opt.LBFGS(memory_size=3, max_linesearch_steps=5),
]  # fmt: skip


def test_no_optimizer_is_left_out():
    assert {type(optimizer) for optimizer in EVERY} == {type(opt.get(n)) for n in opt.REGISTRY}


def name(value):
    return type(value).__name__ if isinstance(value, opt.Optimizer) else ""


def tree(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    shapes = {"dense/kernel": (4, 3), "dense/bias": (3,), "out/kernel": (3, 2), "out/scale": ()}
    return {k: jnp.asarray(rng.normal(0, scale, shape), jnp.float32) for k, shape in shapes.items()}


def loss(params):
    """A smooth bowl with a different curvature in each weight."""
    return sum((i + 1) * jnp.sum((w - 0.3) ** 2) for i, w in enumerate(jax.tree.leaves(params)))


def kinds(tree):
    """The structure, shapes, and types of a tree, which a loop's carry must keep."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(leaf.shape, leaf.dtype, jnp.asarray(leaf).weak_type) for leaf in leaves]


def one_step(optimizer, params, state):
    value, gradients = jax.value_and_grad(loss)(params)
    return optimizer.update(gradients, state, params, value=value, value_fn=loss)


def assert_near(got, expected, **tolerance):
    tolerance = {"rtol": 2e-5, "atol": 1e-6} | tolerance
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), got, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), OURS_AND_OPTAX, ids=name)
def test_ten_steps_as_optax(ours, theirs):
    expected = params = tree(0)
    state, their_state = ours.init(params), theirs.init(params)
    update, their_update = jax.jit(ours.update), jax.jit(theirs.update)
    for i in range(STEPS):
        gradients = tree(i + 1)
        params, state = update(gradients, state, params)
        updates, their_state = their_update(gradients, their_state, expected)
        expected = optax.apply_updates(expected, updates)
    assert_near(params, expected)
    assert state["step"] == STEPS


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), OURS_AND_KERAS, ids=name)
def test_ten_steps_as_keras_with_its_defaults(ours, theirs):
    params = tree(0)
    theirs.build([keras.Variable(params[k]) for k in sorted(params)])
    state, their_state = ours.init(params), [variable.value for variable in theirs.variables]
    expected = [params[k] for k in sorted(params)]
    update, their_update = jax.jit(ours.update), jax.jit(theirs.stateless_apply)
    for i in range(STEPS):
        gradients = tree(i + 1)
        params, state = update(gradients, state, params)
        ordered = [gradients[k] for k in sorted(params)]
        expected, their_state = their_update(their_state, ordered, expected)
    for k, value in zip(sorted(params), expected, strict=True):
        np.testing.assert_allclose(params[k], value, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("optimizer", EVERY, ids=name)
def test_the_initial_state_is_that_of_the_rule(optimizer):
    params = tree(0)
    state, wanted = optimizer.init(params), optimizer.transformation(jnp.float32(0.1)).init(params)
    assert (state["step"], state["step"].dtype) == (0, jnp.int32)
    assert kinds(state["inner"]) == kinds(jax.tree.map(lambda x: jnp.asarray(x, x.dtype), wanted))
    jax.tree.map(np.testing.assert_array_equal, state["inner"], wanted)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", EVERY, ids=name)
def test_state_is_a_loop_carry(optimizer):
    """A while_loop accepts only a carry whose structure, dtypes and weak types stay the same."""

    @jax.jit
    def train(optimizer, params):
        carry = (0, params, optimizer.init(params))

        def body(carry):
            i, params, state = carry
            return (i + 1, *one_step(optimizer, params, state))

        return jax.lax.while_loop(lambda carry: carry[0] < 3, body, carry)

    _, params, state = train(optimizer, tree(0))
    assert state["step"] == 3
    assert loss(params) < loss(tree(0))
    # The state created outside a program has the same types as the one created inside.
    outside = optimizer.init(tree(0))
    assert kinds(outside) == kinds(state)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", EVERY, ids=name)
def test_new_values_compile_nothing_and_a_vector_of_them_is_a_sweep(optimizer):
    params = tree(0)

    @jax.jit
    def train(optimizer):
        start = params, optimizer.init(params)
        return jax.lax.fori_loop(0, 2, lambda _, carry: one_step(optimizer, *carry), start)[0]

    def at(rate):
        leaves, structure = jax.tree.flatten(optimizer)
        # Every other hyperparameter is traced too; the learning rate is the first leaf.
        return jax.tree.unflatten(structure, [jnp.float32(x) for x in [rate, *leaves[1:]]])

    rates = [0.001, 0.01, 0.1]
    solo = [train(at(rate)) for rate in rates]
    assert train._cache_size() == 1
    stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *[at(rate) for rate in rates])
    together = jax.vmap(train)(stacked)
    assert_near(together, jax.tree.map(lambda *xs: jnp.stack(xs), *solo), rtol=1e-4, atol=1e-5)
    if not optimizer.full_batch:  # its line search undoes most of a rate
        assert not np.allclose(solo[0]["dense/kernel"], solo[1]["dense/kernel"], atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.99), st.floats(0, 0.5))
def test_momentum_by_hand(momentum, rate):
    """Two steps with gradients 1 and 2: velocities 1, then μ + 2."""
    optimizer = opt.SGD(rate, momentum=momentum)
    w, state = jnp.float32(5.0), optimizer.init(jnp.float32(5.0))
    for gradient in (1.0, 2.0):
        w, state = optimizer.update(jnp.float32(gradient), state, w)
    assert w == pytest.approx(5 - rate * 1 - rate * (momentum + 2), abs=1e-5)


def test_plain_descent_keeps_no_velocity():
    params = tree(0)
    assert len(jax.tree.leaves(opt.SGD().init(params))) == 1  # the step alone
    plain, zero = opt.SGD(), opt.SGD(momentum=0.0)
    got, _ = zero.update(tree(1), zero.init(params), params)
    expected, _ = plain.update(tree(1), plain.init(params), params)
    assert_near(got, expected, rtol=0, atol=0)


# --- Options ---------------------------------------------------------------------------------


def gradient_after(**options):
    """The clipped gradient: SGD at rate 1 from zero moves by minus that."""
    params = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
    optimizer = opt.SGD(1.0, **options)
    gradients = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([0.0, -12.0])}
    moved, _ = optimizer.update(gradients, optimizer.init(params), params)
    return {k: (-v).tolist() for k, v in moved.items()}


def test_clipping_by_hand():
    # Norms: a is 5, b is 12, all together √(25 + 144) = 13.
    assert gradient_after() == {"a": [3, 4], "b": [0, -12]}
    assert gradient_after(clipvalue=3.5) == {"a": [3, 3.5], "b": [0, -3.5]}
    assert gradient_after(clipnorm=10.0) == {"a": [3, 4], "b": [0, pytest.approx(-10)]}
    got = gradient_after(global_clipnorm=6.5)
    assert got == {"a": pytest.approx([1.5, 2]), "b": pytest.approx([0, -6])}
    assert gradient_after(global_clipnorm=13.5) == gradient_after()


def test_clipping_a_zero_gradient():
    params = jnp.ones(2)
    optimizer = opt.SGD(1.0, clipnorm=1.0, global_clipnorm=1.0)
    moved, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)
    assert moved.tolist() == [1, 1]


def test_weight_decay_by_hand():
    params = {"layer": {"kernel": jnp.array([2.0]), "bias": jnp.array([2.0])}}
    zero = jax.tree.map(jnp.zeros_like, params)
    for excluded in (("bias",), ["bias"], "bias"):
        optimizer = opt.SGD(0.5, weight_decay=0.1, exclude_from_weight_decay=excluded)
        moved, _ = optimizer.update(zero, optimizer.init(params), params)
        assert moved["layer"]["kernel"] == pytest.approx(2 - 0.5 * 0.1 * 2)
        assert moved["layer"]["bias"] == 2
    flat = {"layer/kernel": jnp.array([2.0]), "layer.bias": jnp.array([2.0])}
    moved, _ = optimizer.update(jax.tree.map(jnp.zeros_like, flat), optimizer.init(flat), flat)
    assert moved["layer.bias"] == 2
    assert moved["layer/kernel"] < 2


def test_layer_rates_by_hand():
    params = {name: jnp.ones(1) for name in ("a/kernel", "a/b/kernel", "ab/kernel")}
    rates = {"a": 2.0, "a/b": 0.0}
    optimizer = opt.SGD(0.1, layer_rates=rates)
    moved, _ = optimizer.update(
        params, optimizer.init(params), params, learning_rate_scale=0.5
    )  # fmt: skip
    assert moved["a/kernel"] == pytest.approx(1 - 0.1 * 0.5 * 2)
    assert moved["a/b/kernel"] == 1
    assert moved["ab/kernel"] == pytest.approx(1 - 0.1 * 0.5)


@pytest.mark.parametrize("rates", [0.1, {"a": "x"}, {"a": -1}, {"a": np.float32(-1)}, {3: 1}])
def test_layer_rates_must_be_a_dict_of_factors(rates):
    with pytest.raises(GradusError, match="a dict from a layer's path to a factor"):
        opt.SGD(0.1, layer_rates=rates)


@pytest.mark.slow
def test_absent_params_and_other_dtypes():
    params = {"a": jnp.ones(2, jnp.bfloat16), "b": None}
    optimizer = opt.Adam(jnp.float32(0.001), jnp.float32(0.9))
    state = optimizer.init(params)
    moved, after = optimizer.update(params, state, params)
    assert moved["a"].dtype == jnp.bfloat16
    assert moved["b"] is None
    assert kinds(state) == kinds(after)


# --- Learning rate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rate",
    [
        schedules.ExponentialDecay(0.1, 1, 0.5),
        lambda step: 0.1 * 0.5**step,
        optax.exponential_decay(0.1, 1, 0.5),
    ],
)
def test_schedules_and_functions_of_the_step(rate):
    optimizer = opt.SGD(rate)
    params = jnp.float32(0.0)
    state = optimizer.init(params)
    update = jax.jit(lambda o, s, p: o.update(jnp.float32(1.0), s, p))
    for _ in range(3):
        params, state = update(optimizer, state, params)
    assert params == pytest.approx(-(0.1 + 0.05 + 0.025))
    assert optimizer.rate(2) == pytest.approx(0.025)


def test_rate_of_a_number_is_strong_float32():
    rate = opt.Adam(1).rate(jnp.int32(5))
    assert rate.dtype == jnp.float32
    assert not rate.weak_type


# --- L-BFGS ----------------------------------------------------------------------------------


def minimize(function, start, steps):
    optimizer = opt.LBFGS()

    @jax.jit
    def step(w, state):
        value, gradient = jax.value_and_grad(function)(w)
        return optimizer.update(gradient, state, w, value=value, value_fn=function)

    w, state = start, optimizer.init(start)
    for _ in range(steps):
        w, state = step(w, state)
    return w


@pytest.mark.slow
def test_lbfgs_solves_a_quadratic():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 6))
    a, b = (a @ a.T + np.eye(6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    w = minimize(lambda w: 0.5 * w @ a @ w - b @ w, jnp.zeros(6), 25)
    np.testing.assert_allclose(w, np.linalg.solve(a, b), atol=1e-3)


@pytest.mark.slow
def test_lbfgs_solves_rosenbrock():
    w = minimize(
        lambda w: (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2, jnp.array([-1.2, 1.0]), 50
    )
    np.testing.assert_allclose(w, [1, 1], atol=1e-3)


# --- Muon ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_muon_moves_a_matrix_by_a_nearly_orthogonal_one():
    gradient = jnp.asarray(np.random.default_rng(0).normal(size=(8, 5)), jnp.float32)
    optimizer = opt.Muon(1.0, rms_rate=None)
    moved, _ = optimizer.update(gradient, optimizer.init(gradient), jnp.zeros((8, 5)))
    singular = np.linalg.svd(moved, compute_uv=False)
    assert singular.min() > 0.6  # Newton-Schulz leaves them between about 0.7 and 1.2
    assert singular.max() < 1.3


# --- Names and errors ------------------------------------------------------------------------


def test_get():
    assert opt.get("Adam") == opt.Adam()
    assert opt.get("gd") == opt.SGD()
    assert opt.get("momentum") == opt.SGD(momentum=0.9)
    assert opt.get("nag") == opt.SGD(momentum=0.9, nesterov=True)
    assert opt.get(opt.Lion) == opt.Lion()
    adam = opt.Adam(0.1)
    assert opt.get(adam) is adam
    for known in opt.REGISTRY:
        assert isinstance(opt.get(known), opt.Optimizer)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: opt.get("adm"), "Did you mean 'adam"),
        (lambda: opt.get(0.1), "neither a name nor an optimizer"),
        (lambda: opt.Adam("0.1"), "a learning rate is a number"),
        (lambda: opt.Adam([0.1, 0.2]), "gr.choice"),
        (lambda: opt.Adam((1e-3, 1e-2)), r"Adam\(learning_rate=.*gr.choice"),
        (lambda: opt.SGD(momentum=[0.1, 0.9]), r"SGD\(momentum=\[.*gr.choice\(0.1, 0.9\).*uniform"),
        (
            lambda: opt.AdamW(weight_decay="0.1"),
            r"AdamW\(weight_decay='0.1'\): write one number\.$",
        ),
        (lambda: opt.Adam(-0.1), "learning_rate=-0.1.*0 or more"),
        (lambda: opt.Adam(np.float32(-0.1)), "0 or more"),
        (lambda: opt.Adam(beta_1=1.0), "beta_1=1.0.*less than 1"),
        (lambda: opt.SGD(momentum=-0.5), "momentum=-0.5"),
        (lambda: opt.SGD(clipnorm=0.0), "clipnorm=0.0.*greater than 0"),
        (lambda: opt.Adam(weight_decay=-1), "weight_decay=-1"),
        (lambda: opt.Adam(float("nan")), "0 or more"),
        (lambda: opt.SGD(nesterov=True), "momentum=0.9, nesterov=True"),
        (lambda: opt.LBFGS(clipnorm=1.0).init(jnp.ones(1)), "line search"),
        (lambda: opt.LBFGS(layer_rates={"a": 0.1}).init(jnp.ones(1)), "LBFGS.layer_rates"),
    ],
)
def test_errors(make, message):
    with pytest.raises(GradusError, match=message):
        make()


def test_lbfgs_needs_the_loss():
    optimizer = opt.LBFGS()
    assert optimizer.full_batch
    assert not opt.Adam().full_batch
    w = jnp.ones(2)
    with pytest.raises(GradusError, match="value_fn"):
        optimizer.update(w, optimizer.init(w), w)


def test_leaves_may_have_any_type_while_a_tree_is_rebuilt():
    optimizer = opt.Adam(0.1, clipnorm=1.0)
    axes = jax.tree.map(lambda _: None, optimizer)
    assert axes.learning_rate is None
    assert jax.tree.structure(jax.tree.map(lambda _: object(), optimizer)) == (
        jax.tree.structure(optimizer)
    )
    assert opt.Adam(gr.choice(0.1)).learning_rate is not None  # a space, replaced before use
