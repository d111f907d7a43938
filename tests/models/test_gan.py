"""The adversarial network: whose turn moves what, the losses, and what people may get wrong."""

import jax
import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError, GradusError, ShapeError
from gradus.models.gan import GAN
from gradus.nn import prng
from gradus.nn.network import fresh
from gradus.train.batches import Batch

X = np.random.default_rng(0).normal(2, 0.5, size=(64, 2)).astype(np.float32)
ONES = np.ones(len(X), np.float32)


def made(**options):
    generator = gr.Sequential([gr.Dense(8, "relu"), gr.Dense(2)])
    discriminator = gr.Sequential([gr.Dense(8, "relu"), gr.Dense(1, options.pop("end", None))])
    return GAN(generator, discriminator, code=3, **options)


def scores(model):
    """Return D(x) and D(G(z)) as they are outside training."""
    real, fake = fresh(model.net)(X)
    return np.asarray(real)[:, 0].astype(float), np.asarray(fake)[:, 0].astype(float)


def losses(model):
    task, net = model.task, fresh(model.net)
    its, other = (
        part.measure(net, Batch(X, None, ONES, ONES))[0]
        for part in (task.discriminator, task.generator)
    )
    return float(its), float(other)


@pytest.mark.slow
def test_non_saturating_losses_by_hand():
    model = made(label_smoothing=0.1).build(X)
    real, fake = (1 / (1 + np.exp(-score)) for score in scores(model))
    its = -0.9 * np.log(real) - 0.1 * np.log(1 - real) - np.log(1 - fake)
    assert losses(model) == pytest.approx((its.mean(), -np.log(fake).mean()), rel=1e-5)
    # A discriminator that ends in a sigmoid has the same loss, of its logits.
    assert losses(made(label_smoothing=0.1, end="sigmoid").build(X)) == pytest.approx(losses(model))


@pytest.mark.slow
def test_least_squares_losses_by_hand():
    model = made(loss="least_squares", label_smoothing=0.1).build(X)
    real, fake = scores(model)
    its = 0.5 * (real - 0.9) ** 2 + 0.5 * fake**2
    assert losses(model) == pytest.approx((its.mean(), 0.5 * ((fake - 1) ** 2).mean()), rel=1e-5)


@pytest.mark.slow
def test_each_turn_moves_its_own_weights():
    rates = {"generator": 0.0}
    model = made(optimizer=gr.SGD(0.1, layer_rates=rates)).build(X)
    before = model.weights
    model.fit(X, epochs=1, probes=False, verbose=False)
    moved = {
        path for path, value in model.weights.items() if not np.array_equal(value, before[path])
    }
    assert moved == {path for path in before if path.startswith("discriminator/")}


@pytest.mark.slow
def test_a_step_is_the_discriminators_and_then_the_generators():
    model = made(optimizer=gr.SGD(0.1)).build(X)
    task, net = model.task, model.net
    key = jax.random.fold_in(jax.random.fold_in(prng.make_key(0), 0), 0)

    def descend(net, part, key):
        def loss(net):
            return part.measure(fresh(net, key, training=True), Batch(X, None, ONES, ONES))[0]

        return jax.grad(loss)(net)

    g = descend(net, task.discriminator, key)
    discriminator = jax.tree.map(lambda w, d: w - 0.1 * d, net.discriminator, g.discriminator)
    net.__dict__["discriminator"] = discriminator
    g = descend(net, task.generator, jax.random.fold_in(key, 1))
    generator = jax.tree.map(lambda w, d: w - 0.1 * d, net.generator, g.generator)
    model = made(optimizer=gr.SGD(0.1))
    model.fit(X, batch_size=None, epochs=1, probes=False, verbose=False)
    for name, part in (("discriminator", discriminator), ("generator", generator)):
        for wanted, got in zip(
            jax.tree.leaves(part), jax.tree.leaves(getattr(model.net, name)), strict=True
        ):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_it_learns_where_the_data_are_and_is_saved(tmp_path):
    model = made(optimizer=gr.Adam(0.01, beta_1=0.5)).build(X)
    away = np.linalg.norm(model.sample(200, seed=1).mean(0) - X.mean(0))
    history = model.fit(X, epochs=150, probes=False, verbose=False)
    assert set(history) >= {
        "loss",
        "discriminator_loss",
        "generator_loss",
        "discriminator_accuracy",
    }
    samples = model.sample(200, seed=1)
    assert samples.shape == (200, 2)
    assert np.linalg.norm(samples.mean(0) - X.mean(0)) < away / 3
    assert 0 <= model.predict(X).min() <= model.predict(X).max() <= 1
    again = gr.Model.load(model.save(tmp_path / "gan"))
    np.testing.assert_array_equal(again.sample(5), model.sample(5))
    assert not np.array_equal(model.sample(5, seed=1), model.sample(5, seed=2))


def test_bad_input():
    with pytest.raises(GradusError, match="non_saturating"):
        made(loss="non_saturation")
    with pytest.raises(GradusError, match=r"label_smoothing=3.*between 0 and 1"):
        made(label_smoothing=3.0)
    with pytest.raises(DataError, match="samples alone"):
        made().fit(X, np.zeros(len(X)), verbose=False)
    with pytest.raises(GradusError, match="generator"):
        GAN("dense", gr.Dense(1))
    with pytest.raises(ShapeError, match=r"makes samples of shape \(2,\).*\(3,\)"):
        made().fit(np.zeros((4, 3), np.float32), verbose=False)
    with pytest.raises(ShapeError, match=r"one number for each sample"):
        GAN(gr.Dense(2), gr.Dense(2), code=3).fit(X, verbose=False)
    with pytest.raises(ShapeError, match=r"write \(n, 3\)"):
        made().build(X).generate(np.zeros((4, 2)))
