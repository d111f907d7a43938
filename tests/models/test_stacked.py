"""The stacked autoencoder: what each phase trains and leaves alone, and what comes of it."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError, GradusError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 2)) @ RNG.normal(size=(2, 6)) + 0.05 * RNG.normal(size=(64, 6))
X = ((X - X.min()) / np.ptp(X)).astype(np.float32)
Y = (X[:, 0] > np.median(X[:, 0])).astype(np.int32)
QUIET = {"verbose": False, "probes": False}


def made(**options):
    settings = {"activation": "sigmoid", "optimizer": gr.Adam(0.03)}
    return gr.StackedAutoencoder([5, 3], **settings | options)


def kernels(model):
    return {path: value for path, value in model.weights.items() if "kernel" in path}


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_each_phase_trains_its_own_layer_on_the_code_below(tied):
    model = made(tied=tied).build(X)
    start = kernels(model)
    phases = model.pretrain(X, epochs=[20, 0], **QUIET)
    first = kernels(model)
    moved = {path for path in start if not np.array_equal(first[path], start[path])}
    assert moved == {"encoder/dense/kernel"} | (set() if tied else {"decoder/dense_1/kernel"})
    assert list(phases) == list(model.phases) == ["autoencoder_1", "autoencoder_2"]
    assert phases["autoencoder_2"].epochs == 0
    codes = np.asarray(1 / (1 + np.exp(-(X @ first["encoder/dense/kernel"] + biases(model, 0)))))
    phases = model.pretrain(X, epochs=[0, 20], shuffle=False, **QUIET)
    second = kernels(model)
    moved = {path for path in first if not np.array_equal(second[path], first[path])}
    assert moved == {"encoder/dense_1/kernel"} | (set() if tied else {"decoder/dense/kernel"})
    # The second one learned the first one's code: alone, on that code, it does the same.
    alone = gr.Autoencoder(
        [3],
        code_activation="sigmoid",
        output_activation="sigmoid",
        tied=tied,
        optimizer=gr.Adam(0.03),
    ).build(codes)
    places = {"encoder/dense/kernel": "encoder/dense_1/kernel"}
    if not tied:
        places["decoder/dense/kernel"] = "decoder/dense/kernel"
    alone.set_weights({own: first[path] for own, path in places.items()})
    history = alone.fit(codes, epochs=20, shuffle=False, **QUIET)
    np.testing.assert_allclose(phases["autoencoder_2"]["loss"], history["loss"], rtol=1e-3)


def biases(model, index):
    return model.weights["encoder/dense/bias" if index == 0 else f"encoder/dense_{index}/bias"]


@pytest.mark.slow
def test_from_pre_training_to_a_classifier(tmp_path):
    model = made()
    phases = model.pretrain(X, epochs=30, **QUIET)
    for history in phases.values():
        assert history["loss"][-1] < 0.7 * history["loss"][0]
    before, pretrained = model.evaluate(X)["loss"], model.encode(X)
    model.fit(X, epochs=200, **QUIET)
    assert model.evaluate(X)["loss"] < before
    assert len(model.history.notes) == 2  # of the two phases: nothing to be warned of
    assert "autoencoder_2, 5 → 3" in model.history.notes[1]
    tuned, codes = kernels(model), model.encode(X)
    assert not np.allclose(codes, pretrained)
    classifier = model.classifier(2).build(X)
    for path, value in classifier.weights.items():
        if path.startswith("encoder/"):
            np.testing.assert_array_equal(value, model.weights[path])
    w = classifier.weights
    z = codes @ w["dense/kernel"] + w["dense/bias"]
    np.testing.assert_allclose(classifier.predict(X, logits=True), z, atol=1e-5)
    classifier.fit(X, Y, epochs=60, **QUIET)
    assert classifier.evaluate(X, Y)["accuracy"] > 0.9
    assert list(model.phases) == ["autoencoder_1", "autoencoder_2", "fine_tuning", "classifier"]
    assert model.phases["classifier"] is classifier.history
    assert model.phases["classifier"].epochs == 60
    for path, value in tuned.items():  # the classifier's training is its own
        np.testing.assert_array_equal(model.weights[path], value)
    again = gr.Model.load(model.save(tmp_path / "stacked"))
    assert isinstance(again, gr.StackedAutoencoder)
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    assert again.history.notes == model.history.notes
    loaded = gr.Model.load(classifier.save(tmp_path / "classifier"))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))


@pytest.mark.slow
def test_noise_corrupts_the_code_that_a_phase_is_given():
    mild, wild = (made(noise="gaussian", level=level) for level in (0.0, 2.0))
    for model in (mild, wild):
        model.pretrain(X, epochs=[0, 1], **QUIET)
    first, second = (model.phases["autoencoder_2"]["loss"][0] for model in (mild, wild))
    assert second > first
    np.testing.assert_array_equal(wild.encode(X), wild.encode(X))


def test_without_pre_training_it_says_so(capsys):
    model = made()
    model.fit(X, epochs=1, probes=False)
    assert "not pre-trained" in capsys.readouterr().err
    assert len(model.history.notes) == 1
    model.fit(X, epochs=1, **QUIET)
    assert len(model.history.notes) == 1


def test_from_scratch_and_pre_trained_begin_alike():
    model = made(seed=3)
    scratch = model.classifier(2).build(X).weights
    assert [path for path in scratch if path.startswith("encoder/")]
    model.build(X)
    for path, value in model.classifier(2).build(X).weights.items():
        np.testing.assert_array_equal(scratch[path], value)


def test_pictures_are_taken_as_rows():
    model = made().build(X.reshape(-1, 3, 2))
    model.pretrain(X.reshape(-1, 3, 2), epochs=[1, 0], **QUIET)
    assert model.reconstruct(X.reshape(-1, 3, 2)).shape == (64, 3, 2)
    assert model.decode(model.encode(X.reshape(-1, 3, 2))).shape == (64, 3, 2)


def test_bad_input():
    for wrong in ([], 3, gr.Dense(3)):
        with pytest.raises(GradusError, match="width"):
            gr.StackedAutoencoder(wrong)
    with pytest.raises(GradusError, match="masking"):
        made(noise="mask")
    with pytest.raises(GradusError, match="list of 2"):
        made().pretrain(X, epochs=[1, 2, 3], **QUIET)
    with pytest.raises(GradusError, match="epochs"):
        made().pretrain(X, epochs=1.5, **QUIET)
    with pytest.raises(DataError, match="its input"):
        made().fit(X, Y, **QUIET)


def test_a_diagnosis_after_pretraining_alone_says_what_was_trained():
    model = made()
    with pytest.raises(GradusError, match="never trained"):
        model.diagnose()
    model.pretrain(X, epochs=[0, 1], **QUIET)
    with pytest.raises(GradusError, match=r"only single .*phases\['autoencoder_2'\].findings"):
        model.diagnose()
    assert model.phases["autoencoder_2"].findings is not None
