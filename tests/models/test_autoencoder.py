"""Autoencoders: against principal components, by hand, and what people may get wrong."""

import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA

import gradus as gr
from gradus.errors import DataError, GradusError, ShapeError
from gradus.nn.network import fresh
from gradus.train.batches import Batch

RNG = np.random.default_rng(0)
# Three directions and a little of everything else, between 0 and 1.
X = RNG.normal(size=(64, 3)) @ RNG.normal(size=(3, 6)) + 0.1 * RNG.normal(size=(64, 6))
X = ((X - X.min()) / np.ptp(X)).astype(np.float32)
PICTURES = X.reshape(-1, 3, 2, 1)
ONES = np.ones(len(X), np.float32)


def gradients(model, x):
    def loss(net):
        return model.task.measure(fresh(net), Batch(x, None, ONES, ONES))[0]

    return jax.grad(loss)(model.net)


@pytest.mark.slow
def test_a_linear_one_reconstructs_as_principal_components_do():
    model = gr.Autoencoder([2], optimizer=gr.LBFGS())
    history = model.fit(X, epochs=200, batch_size=None, probes=False, verbose=False)
    pca = PCA(2).fit(X)
    best = np.mean((pca.inverse_transform(pca.transform(X)) - X) ** 2)
    assert history["loss"][-1] == pytest.approx(best, rel=1e-3)
    assert model.evaluate(X)["loss"] == pytest.approx(best, rel=1e-3)
    # The codes span the plane of the first two components.
    codes = model.encode(X) - model.encode(X).mean(0)
    outside = codes - pca.transform(X) @ np.linalg.lstsq(pca.transform(X), codes, rcond=None)[0]
    assert np.abs(outside).max() < 0.01 * np.abs(codes).max()


def test_widths_mirror_themselves_and_pictures_keep_their_shape():
    model = gr.Autoencoder([5, 2], loss="binary_crossentropy").build(PICTURES)
    shapes = {path: value.shape for path, value in model.weights.items()}
    assert {path: shape for path, shape in shapes.items() if "kernel" in path} == {
        "encoder/dense/kernel": (6, 5),
        "encoder/dense_1/kernel": (5, 2),
        "decoder/dense/kernel": (2, 5),
        "decoder/dense_1/kernel": (5, 6),
    }
    codes = model.encode(PICTURES)
    assert codes.shape == (64, 2)
    assert codes.min() < 0  # a code is not squashed, though the output is
    assert model.code_shape == (2,)
    w = model.weights
    hidden = np.maximum(codes @ w["decoder/dense/kernel"] + w["decoder/dense/bias"], 0)
    z = hidden @ w["decoder/dense_1/kernel"] + w["decoder/dense_1/bias"]
    p = (1 / (1 + np.exp(-z))).reshape(PICTURES.shape)
    np.testing.assert_allclose(model.decode(codes), p, atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(PICTURES), p, atol=1e-6)
    entropy = -PICTURES * np.log(p) - (1 - PICTURES) * np.log(1 - p)
    assert model.evaluate(PICTURES)["loss"] == pytest.approx(entropy.mean(), rel=1e-5)
    # The sigmoid stands after the reshape, so that the loss works with logits either way.
    ended = gr.Autoencoder([5, 2], loss="binary_crossentropy", output_activation="sigmoid")
    ended.build(PICTURES)
    np.testing.assert_allclose(ended.reconstruct(PICTURES), p, atol=1e-6)
    assert ended.evaluate(PICTURES) == pytest.approx(model.evaluate(PICTURES), rel=1e-6)


@pytest.mark.slow
def test_tied_weights_have_the_gradient_of_both_uses():
    tied = gr.Autoencoder([4, 2], tied=True, activation="tanh").build(X)
    kernels = {path: value for path, value in tied.weights.items() if "kernel" in path}
    assert sorted(kernels) == ["encoder/dense/kernel", "encoder/dense_1/kernel"]
    free = gr.Autoencoder([4, 2], activation="tanh").build(X)
    one, two = kernels.values()
    free.set_weights({**kernels, "decoder/dense/kernel": two.T, "decoder/dense_1/kernel": one.T})
    np.testing.assert_allclose(tied.reconstruct(X), free.reconstruct(X), atol=1e-6)
    np.testing.assert_allclose(tied.decode(tied.encode(X)), tied.reconstruct(X), atol=1e-6)
    shared, own = gradients(tied, X).encoder.layers, gradients(free, X)
    for layer, down, up in zip(
        shared[1:], own.encoder.layers[1:], own.decoder.layers[::-1], strict=True
    ):
        np.testing.assert_allclose(layer.kernel, down.kernel + up.kernel.T, rtol=1e-4, atol=1e-7)


def test_any_layers_will_do():
    encoder = gr.Sequential([gr.Conv2D(3, 2, activation="relu"), gr.Flatten(), gr.Dense(2)])
    decoder = gr.Sequential([gr.Dense(6), gr.Reshape((2, 1, 3)), gr.Conv2DTranspose(1, 2)])
    model = gr.Autoencoder(encoder, decoder).build(PICTURES)
    assert model.reconstruct(PICTURES).shape == PICTURES.shape
    assert model.encode(PICTURES).shape == (64, 2)
    with pytest.raises(GradusError, match="Conv2D"):
        gr.Autoencoder(encoder)
    spatial = gr.Autoencoder(gr.Conv2D(3, 2), gr.Conv2DTranspose(1, 2)).build(PICTURES)
    assert spatial.code_shape == (2, 1, 3)
    assert spatial.decode(spatial.encode(PICTURES)).shape == PICTURES.shape
    one = gr.Autoencoder(gr.Dense(2, "tanh")).build(X)  # has a mirror image
    assert one.decode([[0, 0]]).shape == (1, 6)


@pytest.mark.slow
def test_the_sparse_penalty_is_in_the_loss_and_the_history():
    model = gr.Autoencoder([4], code_activation="relu", sparsity=0.1).build(X)
    codes = model.encode(X)
    measured = model.evaluate(X)
    assert measured["sparsity"] == pytest.approx(0.1 * np.abs(codes).sum(1).mean(), rel=1e-5)
    errors = np.mean((model.reconstruct(X) - X) ** 2)
    assert measured["loss"] == pytest.approx(errors + measured["sparsity"], rel=1e-5)
    history = model.fit(X, epochs=20, validation_data=X, probes=False, verbose=False)
    assert history["val_sparsity"][-1] < measured["sparsity"]
    target = gr.Sparsity(0.5, target=0.1)
    model = gr.Autoencoder([4], code_activation="sigmoid", sparsity=target).build(X)
    mean = model.encode(X).mean(0)
    each = 0.1 * np.log(0.1 / mean) + 0.9 * np.log(0.9 / (1 - mean))
    assert model.evaluate(X)["sparsity"] == pytest.approx(0.5 * each.sum(), rel=1e-4)


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_and_pepper"])
def test_noise_is_there_in_training_alone(noise):
    model = gr.DenoisingAutoencoder([4], noise=noise, level=0.4).build(X)
    plain = gr.Autoencoder([4]).build(X)
    np.testing.assert_array_equal(model.reconstruct(X), plain.reconstruct(X))
    assert model.evaluate(X) == plain.evaluate(X)
    noisy = model.add_noise(X, seed=1)
    changed = noisy != X
    np.testing.assert_array_equal(noisy, model.add_noise(X, seed=1))
    assert (noisy != model.add_noise(X, seed=2)).any()
    if noise == "gaussian":
        assert (noisy - X).std() == pytest.approx(0.4, rel=0.15)
    else:  # 384 numbers: three standard deviations of a share of 0.4 are 0.075
        assert changed.mean() == pytest.approx(0.4, abs=0.075)
        assert set(np.unique(noisy[changed])) == ({0} if noise == "masking" else {0, 1})


@pytest.mark.slow
def test_the_target_of_noisy_input_is_the_clean_one():
    model = gr.DenoisingAutoencoder([4], level=0.5).build(X)
    key = jax.random.key(3)
    net = fresh(model.net, key, training=True)
    value, _ = model.task.measure(net, Batch(X, None, ONES, ONES))
    again = fresh(model.net, key, training=True)
    outputs = np.asarray(again(X))
    assert not np.allclose(outputs, model.reconstruct(X))
    assert value == pytest.approx(np.mean((outputs - X) ** 2), rel=1e-5)


def test_noise_levels_are_swept_within_one_program():
    mild, wild = (gr.DenoisingAutoencoder([3], level=level).build(X) for level in (0.1, 0.6))
    assert jax.tree.structure(mild.net) == jax.tree.structure(wild.net)
    assert mild.net.noise.rate == pytest.approx(0.1)
    assert 0.6 in [float(leaf) for leaf in jax.tree.leaves(wild.net) if np.ndim(leaf) == 0]


@pytest.mark.slow
def test_saved_and_loaded_it_goes_on(tmp_path):
    sparse = gr.Sparsity(0.01, target=0.2)
    model = gr.Autoencoder([4, 3], code_activation="sigmoid", tied=True, sparsity=sparse, seed=2)
    model.fit(PICTURES, epochs=2, probes=False, verbose=False)
    again = gr.Model.load(model.save(tmp_path / "sparse"))
    assert isinstance(again, gr.Autoencoder)
    np.testing.assert_array_equal(again.encode(PICTURES), model.encode(PICTURES))
    np.testing.assert_array_equal(
        again.fit(PICTURES, epochs=1, probes=False, verbose=False)["loss"],
        model.fit(PICTURES, epochs=1, probes=False, verbose=False)["loss"],
    )
    noisy = gr.DenoisingAutoencoder([3], noise="gaussian", level=0.1).build(X)
    again = gr.Model.load(noisy.save(tmp_path / "noisy"))
    np.testing.assert_array_equal(again.add_noise(X), noisy.add_noise(X))
    np.testing.assert_array_equal(again.reconstruct(X), noisy.reconstruct(X))


def test_bad_input():
    with pytest.raises(ShapeError, match=r"makes samples of shape \(5,\).*\(6,\)"):
        gr.Autoencoder(gr.Dense(2), gr.Dense(5)).fit(X, verbose=False)
    model = gr.Autoencoder([2]).build(X)
    with pytest.raises(ShapeError, match=r"\(4, 3\): write \(n, 2\)"):
        model.decode(np.zeros((4, 3)))
    with pytest.raises(DataError, match="its input"):
        model.fit(X, X, verbose=False)
    with pytest.raises(ShapeError, match="samples of shape"):
        model.encode(PICTURES)
    with pytest.raises(DataError, match=r"\[0, 1\]|between 0 and 1"):
        gr.Autoencoder([2], loss="binary_crossentropy").fit(2 * X, verbose=False)
    with pytest.raises(GradusError, match="salt_and_pepper"):
        gr.DenoisingAutoencoder([2], noise="salt-and-pepper")
    for wrong in ([], 32, "dense", [3, 0]):
        with pytest.raises(GradusError, match=r"width|whole number"):
            gr.Autoencoder(wrong)
    with pytest.raises(GradusError, match="leave decoder out"):
        gr.Autoencoder([2], gr.Dense(6), tied=True)
    with pytest.raises(GradusError, match="output_activation"):
        gr.Autoencoder([2], gr.Dense(6), output_activation="sigmoid")
    with pytest.raises(GradusError, match="code_activation='sigmoid'"):
        gr.Autoencoder([2], sparsity=gr.Sparsity(1.0, target=0.1))
    with pytest.raises(GradusError, match="build"):
        gr.Autoencoder([2]).encode(X)
    with pytest.raises(GradusError, match="one array"):
        gr.Autoencoder([2]).build({"a": X})
    frozen = gr.Autoencoder(gr.Dense(2).freeze(), gr.Dense(6).freeze())
    with pytest.raises(GradusError, match="left to train"):
        frozen.fit(X, verbose=False)
