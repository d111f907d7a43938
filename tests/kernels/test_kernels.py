"""Each kernel against the JAX function beside it, NumPy in float64, and itself on other shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import gradus as gr
from gradus.kernels import library as kernel_library
from gradus.kernels import updates
from gradus.kernels.epilogues import affine, plain_rectify, rectify
from gradus.kernels.library import kernels
from gradus.kernels.matmul import MOST_OPERATIONS, count_operations, matmul, multiply
from gradus.kernels.rows import gather_rows
from gradus.kernels.updates import RULES, Leaf, Rule, plain_update, update

pytestmark = pytest.mark.usefixtures("native")
SIZES = (1, 7, 10, 17, 64, 784)
BATCHES = (1, 7, 32, 33, 128, 1024)
HALVED = ((40, 1001, 64), (300, 784, 33))  # where nothing is transposed: the sums of two products


ADAM = Rule("adam", 0.1, 0.9, 0.99, 1e-3, decay=0.01)
STATES = {"adam": 2, "sgd": 0, "momentum": 1, "nesterov": 1, "rmsprop": 1}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def traced(function, *arguments):
    with kernels():
        return str(jax.make_jaxpr(function)(*arguments))


def test_products_of_all_kinds_are_those_of_numpy():
    shapes = [(rows, *np.roll(SIZES, turn)[:2]) for turn, rows in enumerate(BATCHES)]
    shapes += [(1, 1, 1), (5, 600, 3), (65, 257, 40), *HALVED]
    kinds = [(False, False), (True, False), (False, True), (True, True)]
    pairs = []
    for rows, depth, columns in shapes:
        a, b = draw(rows, depth), draw(depth, columns, seed=1)
        pairs += [(a.T if of_a else a, b.T if of_b else b) for of_a, of_b in kinds]
    products = jax.jit(
        lambda pairs: [multiply(*pair, *kinds[i % 4]) for i, pair in enumerate(pairs)]
    )(pairs)
    for i, (product, (a, b)) in enumerate(zip(products, pairs, strict=True)):
        rows, depth, columns = shapes[i // 4]
        of_a, of_b = kinds[i % 4]
        wide = (a.T if of_a else a).astype(np.float64), (b.T if of_b else b).astype(np.float64)
        assert product.shape == (rows, columns)
        np.testing.assert_allclose(product, wide[0] @ wide[1], atol=2e-6 * depth, rtol=1e-5)
        if i % 4 or shapes[i // 4] not in HALVED:
            # A kind changes how operands are read, not what is added.
            np.testing.assert_array_equal(product, products[i // 4 * 4 + 1])


def test_rows_do_not_depend_on_their_number():
    x, kernel = draw(1024, 784), draw(784, 70, seed=1)  # on several threads, where there are some

    @jax.jit
    def products(x, kernel):
        with kernels():
            return matmul(x, kernel), matmul(x[500:533], kernel), matmul(x[7], kernel)

    whole, part, one = products(x, kernel)
    np.testing.assert_array_equal(whole[500:533], part)
    np.testing.assert_array_equal(whole[7], one)


@pytest.fixture(name="instructions", params=["avx512", "avx2", "baseline"])
def instructions_fixture(request, monkeypatch):
    """Use one instruction set in a test, and then the best again."""
    monkeypatch.setenv("GRADUS_KERNELS", request.param)
    kernel_library.library.cache_clear()
    found = kernel_library.library()
    yield found.instructions
    monkeypatch.undo()
    kernel_library.library.cache_clear()
    assert kernel_library.library().instructions


def test_every_instruction_set_computes_the_same(instructions):
    if instructions is None:
        pytest.skip("this processor lacks them")
    x, kernel = draw(37, 300), draw(300, 45, seed=1)
    g, w, m, v = (abs(draw(3, 15, seed=i)) for i in range(4))
    leaves = {name: [Leaf(g, w, (m, v)[: STATES[name]])] for name in RULES}
    rules = [ADAM._replace(name=name) for name in RULES]
    product, updated = jax.jit(
        lambda: (
            multiply(x, kernel, False, False),
            [update(rule, [True], leaves[rule.name])[0] for rule in rules],
        )
    )()
    np.testing.assert_allclose(product, x @ kernel, rtol=1e-4, atol=1e-4)
    for rule, found in zip(rules, updated, strict=True):
        np.testing.assert_allclose(found, plain_update(rule, [True], leaves[rule.name])[0], 1e-5)


def test_derivatives_of_first_and_second_order():
    x, kernel = draw(6, 17), draw(17, 10, seed=1)

    def loss(kernel, x, product):
        return jnp.sum(jnp.tanh(product(x, kernel)) ** 2)

    def derivatives(product):
        first = jax.grad(loss, (0, 1))(kernel, x, product)
        of_kernel = jax.grad(lambda kernel: loss(kernel, x, product))
        forward = jax.jvp(of_kernel, (kernel,), (jnp.ones_like(kernel),))[1]
        penalty = jax.grad(lambda kernel: jnp.sum(of_kernel(kernel) ** 2))(kernel)
        return *first, forward, penalty

    with kernels():
        found = jax.jit(lambda: derivatives(matmul))()
    for ours, plain in zip(found, derivatives(jnp.matmul), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)


def test_members_that_are_mapped_have_the_bits_of_one_alone():
    x, table = draw(3, 32, 20), draw(50, 4)
    weights = {"kernel": draw(3, 20, 10, seed=1), "bias": draw(3, 10, seed=2)}
    rows = np.array([[0, 49], [3, 3], [7, 1]], np.int32)

    def step(weights, x, rows):
        with kernels():
            gradients = jax.grad(
                lambda weights: jnp.sum(rectify(affine(x, weights["kernel"], weights["bias"])) ** 2)
            )(weights)
            leaves = [Leaf(gradients[n], w, (0.1 * w, w * w)) for n, w in weights.items()]
            return update(ADAM, [True, False], leaves), gather_rows(table, rows)

    mapped = jax.jit(jax.vmap(step))(weights, x, rows)
    shared = jax.jit(jax.vmap(step, (0, None, 0)))(weights, x[1], rows)
    alone = jax.jit(step)(jax.tree.map(lambda leaf: leaf[1], weights), x[1], rows[1])
    for together in (mapped, shared):
        for member, own in zip(*map(jax.tree.leaves, (together, alone)), strict=True):
            np.testing.assert_array_equal(member[1], own)


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (optax.sgd(0.01), Rule("sgd", 0.01)),
        (optax.sgd(0.01, momentum=0.8), Rule("momentum", 0.01, 0.8)),
        (optax.sgd(0.01, momentum=0.8, nesterov=True), Rule("nesterov", 0.01, 0.8)),
        (optax.rmsprop(0.01, 0.8, 1e-6), Rule("rmsprop", 0.01, 0.8, epsilon=1e-6)),
        (optax.adamw(0.01, 0.8, 0.95, 1e-6, weight_decay=0.1), Rule("adam", 0.01, 0.8, 0.95, 1e-6)),
    ],
)
def test_updates_are_those_of_optax(optimizer, rule):
    shapes = [(), (1,), (7,), (17, 10), (3, 64, 5)]
    weights = [draw(*shape, seed=i) for i, shape in enumerate(shapes)]
    gradients = [draw(*shape, seed=i + 9) for i, shape in enumerate(shapes)]
    gradients[1] *= 0  # of a weight that no sample reaches: v is 0
    expected, state = weights, optimizer.init(weights)
    states = STATES[rule.name]
    leaves = [Leaf(g, w, (0 * w,) * states) for g, w in zip(gradients, weights, strict=True)]

    @jax.jit
    def update_once(leaves, step):
        own = rule
        if rule.name == "adam":
            correction = jnp.sqrt(1 - 0.95**step)
            step_size = 0.01 * correction / (1 - 0.8**step)
            own = Rule("adam", step_size, 0.8, 0.95, 1e-6 * correction, decay=0.001)
        return update(own, [True] * len(leaves), leaves)

    for step in range(1, 4):
        changes, state = optimizer.update(gradients, state, expected)
        expected = optax.apply_updates(expected, changes)
        new = update_once(leaves, np.float32(step))
        leaves = [Leaf(g, w, tuple(own)) for g, (w, *own) in zip(gradients, new, strict=True)]
    for leaf, weight in zip(leaves, expected, strict=True):
        np.testing.assert_allclose(leaf.weight, weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("batch", "inputs", "units", "name"),
    [
        (1, 1, 1, "adam"),
        (5, 7, 10, "rmsprop"),
        (33, 17, 33, "sgd"),
        (600, 784, 70, "adam"),
        (1024, 8, 300, "momentum"),
    ],
)
def test_gradients_that_are_products_are_never_stored(batch, inputs, units, name):
    x, weights = draw(batch, inputs), [draw(inputs, units, seed=2), draw(units, seed=3)]
    states = [(abs(draw(*w.shape, seed=4)),) * STATES[name] for w in weights]

    @jax.jit
    def fused(weights):
        with kernels():
            loss = lambda weights: jnp.sum(rectify(affine(x, *weights)) ** 2)  # noqa: E731
            gradients = jax.grad(loss)(weights)
        leaves = [Leaf(*arrays) for arrays in zip(gradients, weights, states, strict=True)]
        return update(ADAM._replace(name=name), [True, False], leaves), gradients

    updated, gradients = fused(weights)  # elsewhere they are needed, too
    assert 'gradients = "pp"' in fused.lower(weights).as_text()
    leaves = [Leaf(*arrays) for arrays in zip(gradients, weights, states, strict=True)]
    stored = jax.jit(lambda leaves: update(ADAM._replace(name=name), [True, False], leaves))(leaves)
    for one, other in zip(*map(jax.tree.leaves, (updated, stored)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_gradient_of_an_l2_penalty_is_added_in_the_update():
    x, weights, strength = draw(40, 17), [draw(17, 10, seed=1), draw(10, seed=2)], np.float32(0.3)

    @jax.jit
    def fused(weights, strength):
        def loss_of(weights):
            penalty = gr.L2(strength)(weights[0])
            return penalty + jnp.sum(rectify(affine(x, *weights)) ** 2)

        with kernels():
            loss, gradients = jax.value_and_grad(loss_of)(weights)
        leaves = [Leaf(g, w, (w, w * w)) for g, w in zip(gradients, weights, strict=True)]
        return update(ADAM, [True, True], leaves, loss), gradients

    updated, gradients = fused(weights, strength)
    assert 'gradients = "qp"' in fused.lower(weights, strength).as_text()
    leaves = [Leaf(g, w, (w, w * w)) for g, w in zip(gradients, weights, strict=True)]
    expected = plain_update(ADAM, [True, True], leaves)
    for one, other in zip(*map(jax.tree.leaves, (updated, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 10, 17), (33, 17, 64), (300, 784, 70)])
def test_what_follows_a_product_is_done_in_its_call(shape):
    rows, depth, units = shape
    x, kernel, bias = draw(rows, depth), draw(depth, units, seed=1), draw(units, seed=2)
    last = draw(units, 5, seed=3)

    def loss(arguments, affine, rectify):
        x, kernel, bias, last = arguments
        return jnp.sum(jnp.sin(affine(rectify(affine(x, kernel, bias)), last, None)))

    def plain_affine(x, kernel, bias):
        return x @ kernel + (0 if bias is None else bias)

    @jax.jit
    def ours(arguments):
        with kernels():
            return jax.value_and_grad(loss)(arguments, affine, rectify)

    arguments = x, kernel, bias, last
    expected = jax.value_and_grad(loss)(arguments, plain_affine, plain_rectify)
    for one, other in zip(*map(jax.tree.leaves, (ours(arguments), expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-4 * np.abs(other).max())
    program = ours.lower(arguments)
    assert all(f'then = "{letters}"' in program.as_text() for letters in ("br", "g"))
    compiled = program.compile().as_text()  # without the calls that have no epilogue
    assert compiled.count('custom_call_target="gradus_matmul"') == 2 + 5  # forward, and gradients
    assert "select(" not in compiled


def test_epilogues_have_derivatives_of_second_order_and_keep_nan():
    x, kernel, bias = draw(6, 17), draw(17, 10, seed=1), draw(10, seed=2)

    def derivatives(affine, rectify):
        def loss(kernel, bias):
            return jnp.sum(rectify(affine(x, kernel, bias)) ** 3)

        of_bias = jax.grad(loss, 1)
        forward = jax.jvp(of_bias, (kernel, bias), (kernel, bias))[1]
        return forward, jax.grad(lambda kernel: jnp.sum(of_bias(kernel, bias) ** 2))(kernel)

    with kernels():
        found = jax.jit(lambda: derivatives(affine, rectify))()
        ends = jax.jit(rectify)(jnp.array([jnp.nan, -jnp.inf, jnp.inf, -0.0]))
    plain = derivatives(lambda x, kernel, bias: x @ kernel + bias, plain_rectify)
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(ends, [np.nan, 0, np.inf, 0])


def test_adam_at_the_ends_of_the_numbers():
    gradients = np.array([0, 1e-30, 1e-12, 1, 1e15, 1e25, -1e25, np.nan], np.float32)
    state = np.zeros_like(gradients)
    rule = Rule("adam", *jnp.array([0.001, 0.9, 0.999, 1e-7]))
    leaf = [Leaf(gradients, state + 1, (state, state))]
    ours = jax.jit(lambda leaf: update(rule, [False], leaf))(leaf)[0]
    plain = jax.jit(lambda leaf: plain_update(rule, [False], leaf))(leaf)[0]
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_adam_has_the_derivative_of_its_reference():
    g, w, m, v = (draw(5, seed=i) for i in range(4))
    leaves = [Leaf(g, w, (m, v * v))]
    ours, plain = (
        jax.grad(lambda leaves, update=update: jnp.sum(update(ADAM, [True], leaves)[0][0]))(leaves)
        for update in (updates.update, updates.plain_update)
    )
    for leaf, other in zip(*map(jax.tree.leaves, (ours, plain)), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-5)


def test_rows_of_every_dtype():
    rows = np.array([4, 0, 4, 2], np.int32)
    tables = [draw(5, 3, 2), draw(5).astype(jnp.bfloat16), np.arange(5) > 2, np.zeros((5, 0))]
    tables += [np.arange(10, dtype=np.uint8).reshape(5, 2), np.arange(5, dtype=np.int32)]
    with kernels():
        taken = jax.jit(
            lambda tables: gather_rows(tables[:3], rows) + gather_rows(tables[3:], rows)
        )(tables)
    for table, found in zip(tables, taken, strict=True):
        np.testing.assert_array_equal(found, jnp.asarray(table)[rows])


def test_other_dtypes_and_sizes_take_the_path_of_jax():
    x, kernel = draw(4, 3), draw(3, 2)
    assert "gradus_matmul" in traced(matmul, x, kernel)
    with kernels(), jax.disable_jit():
        np.testing.assert_allclose(matmul(x, kernel), x @ kernel, rtol=1e-5)
    assert "gradus_matmul" in traced(lambda x: jax.jit(matmul)(x, kernel), x)
    assert "gradus_matmul" not in str(jax.make_jaxpr(matmul)(x, kernel))
    assert "gradus_matmul" not in traced(matmul, x.astype(jnp.bfloat16), kernel)
    assert "gradus_matmul" not in traced(matmul, x[:0], kernel)
    for rows, takes in ((1000, True), (1001, False)):
        depth = int(MOST_OPERATIONS / 1000)
        arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((rows, depth), (depth, 1))]
        assert ("gradus_matmul" in traced(matmul, *arrays)) == takes
    assert "gradus_take_rows" not in traced(gather_rows, x, jnp.arange(2, dtype=jnp.uint8))


def test_operations_are_counted():
    with kernels():
        program = jax.jit(jax.value_and_grad(lambda k, x: matmul(x, k).sum()))
        lowered = program.lower(draw(3, 2), draw(4, 3))
    assert count_operations(lowered.as_text()) == 2 * (4 * 3 * 2) * 2  # the product, and of k
    assert count_operations("") == 0


PRODUCT = {"transpose_a": False, "transpose_b": False, "then": ""}
UPDATE = {"rule": "adam", "decays": "d", "gradients": "g"}


@pytest.mark.parametrize(
    ("target", "shapes", "result", "options"),
    [
        ("matmul", [(2, 3), (4, 5)], (2, 5), PRODUCT),
        ("matmul", [(2, 3), (3, 5)], (2, 6), PRODUCT),
        ("matmul", [(2, 3), (3, 5)], (2, 5), PRODUCT | {"transpose_a": True}),
        ("matmul", [(2, 3), (3, 5), (6,)], (2, 5), PRODUCT | {"then": "b"}),
        ("matmul", [(2, 3), (3, 5), (3, 5)], (2, 5), PRODUCT | {"then": "g"}),
        ("matmul", [(2, 3), (3, 5), (2, 5)], (2, 5), PRODUCT),
        ("update", [(5,), (3,), (3,), (2,), (3,)], (3,), UPDATE),
        ("update", [(4,), (3,), (3,), (3,), (3,)], (3,), UPDATE),
        ("update", [(5,), (3,), (3,), (3,), (3,)], (3,), UPDATE | {"gradients": "p"}),
        ("update", [(5,), (3,), (3,), (3,), (3,)], (3,), UPDATE | {"decays": ""}),
        ("update", [(5,), (3,), (3,), (3,), (3,)], (3,), UPDATE | {"rule": "sgd"}),
        ("update", [(5,), (3,), (3,), (3,), (3,)], (3,), UPDATE | {"rule": "unknown"}),
        ("update", [(5,), (9, 1), (8, 3), (3,), (3,), (3,)], (3,), UPDATE | {"gradients": "p"}),
        ("update", [(5,), (9, 1), (9, 4), (3,), (3,), (3,)], (3,), UPDATE | {"gradients": "p"}),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(target, shapes, result, options):
    results = jax.ShapeDtypeStruct(result, jnp.float32)
    call = jax.ffi.ffi_call(f"gradus_{target}", [results] * 3 if target == "update" else results)
    with pytest.raises(jax.errors.JaxRuntimeError, match="fit"):
        jax.block_until_ready(call(*map(jnp.zeros, shapes), **options))


@pytest.mark.parametrize("row", [-1, 3])
def test_a_row_outside_the_table_is_an_error(row):
    call = jax.ffi.ffi_call("gradus_take_rows", jax.ShapeDtypeStruct((1, 2), jnp.float32))
    with pytest.raises(jax.errors.JaxRuntimeError, match="outside"):
        jax.block_until_ready(call(jnp.array([row], jnp.int32), jnp.zeros((3, 2))))


def test_in_a_loop_the_weights_are_updated_in_their_place():
    gradient = weight = jnp.ones((64, 64))

    def update_once(_, new):
        return update(ADAM, [True], [Leaf(gradient, new[0][0], tuple(new[0][1:]))])

    start = [(weight,) * 3]
    program = jax.jit(lambda start: lax.fori_loop(0, 3, update_once, start)).lower(start).compile()
    body = program.as_text().split('custom_call_target="gradus_update"')[0].rpartition("\n\n")[2]
    assert "custom-call" in body
    assert "f32[64,64]{1,0} copy(" not in body
