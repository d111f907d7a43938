"""Figures show the numbers that they were given."""

import html

import numpy as np
import pytest
from sklearn import metrics

from gradus.drawing import style
from gradus.errors import DataError, GradusError
from gradus.report import figures
from gradus.report.training import best_epoch, curve_names
from gradus.train.history import History
from gradus.train.lr_range_test import RangeTest

EPOCHS, SEGMENTS, LAYERS = 20, 3, ["dense", "dense_1"]
WEIGHTS = ["dense/bias", "dense/kernel", "dense_1/bias", "dense_1/kernel"]


def a_history(validated=True, probes=True):
    draw = np.random.default_rng(0)
    history = History(LAYERS, WEIGHTS)
    logs = {
        "loss": np.geomspace(2.0, 0.5, EPOCHS),
        "accuracy": np.linspace(0.2, 0.9, EPOCHS),
        "learning_rate": np.full(EPOCHS, 1e-3),
        "confusion_matrix": np.zeros((EPOCHS, 2, 2)),
    }
    if validated:
        logs["val_loss"] = np.abs(np.arange(EPOCHS) - 11.0) + 1  # lowest at epoch 12
        logs["val_accuracy"] = np.linspace(0.3, 0.8, EPOCHS)
    history.extend(logs, EPOCHS)
    if probes:
        for name in ("mean", "deviation", "saturated", "silent"):
            history.probes[name] = draw.random((EPOCHS, SEGMENTS, 2))
        for name in ("gradient", "weight", "update"):
            history.probes[name] = draw.random((EPOCHS, SEGMENTS, 4))
        history.probes["saturated"][:, :, 0] = np.nan  # a layer that cannot saturate
        for values in history.probes.values():
            values[1::2] = np.nan  # probes are taken every other epoch
    return history


def named(figure, name):
    """The traces of a name or legend group that are lines of data."""
    return [t for t in figure.data if name in (t.name, t.legendgroup) and t.fill is None]


# --- curves ------------------------------------------------------------------------------------


def test_the_legend_of_several_panels_lies_between_their_titles_and_that_of_the_figure():
    for names in (None, ["loss", "accuracy", "loss"]):
        layout = figures.learning_curves(a_history(), names).layout
        top = layout.margin.t  # of the panels, in pixels from the top
        height = layout.height - top - layout.template.layout.margin.b
        legend = top - (layout.legend.y - 1) * height  # its lower end
        title = (1 - layout.title.y) * layout.height  # its middle
        assert title + 8 <= legend - 20
        assert legend <= top - 16


def test_learning_curves_are_the_history():
    history = a_history()
    figure = figures.learning_curves(history)
    shown = {(t.name, t.yaxis): t for t in figure.data}
    for name, axis in (("loss", "y"), ("accuracy", "y2")):
        for part, key in (("training", name), ("validation", f"val_{name}")):
            np.testing.assert_array_equal(shown[part, axis].y, history[key])
            np.testing.assert_array_equal(shown[part, axis].x, np.arange(1, EPOCHS + 1))
    assert len(shown) == 4  # neither the learning rate nor a confusion matrix is a curve


def test_best_epoch_is_marked():
    history = a_history()
    assert best_epoch(history) == 12
    figure = figures.learning_curves(history, ["loss"])
    assert figure.layout.shapes[0].x0 == 12
    assert figure.layout.annotations[0].text == "lowest validation loss: epoch 12"
    history.best_epoch = 7
    figure = figures.learning_curves(history, ["loss"])
    assert figure.layout.shapes[0].x0 == 7
    assert "weights kept: epoch 7" in figure.layout.annotations[0].text


def test_ticks_of_a_loss_are_as_many_as_fit():
    history = History()
    history.extend({"loss": 10.0 ** -np.arange(9), "val_loss": 10.0 ** -np.arange(9) / 2}, 9)
    axis = figures.learning_curves(history, ["loss"]).layout.yaxis
    decades = 8 + np.log10(2)
    assert axis.type == "log"
    assert 3 <= decades / float(axis.dtick) <= 9  # and not three ticks in each decade


def test_best_epoch_without_validation_and_with_divergence():
    history = History()
    history.extend({"loss": np.array([3.0, 2.0, np.nan])}, 3)
    assert best_epoch(history) == 0  # a training loss tells of no epoch that it is the best
    diverged = History()
    diverged.extend({"val_loss": np.array([3.0, 2.0, np.nan])}, 3)
    assert best_epoch(diverged) == 2
    never = History()
    never.extend({"loss": np.array([np.nan]), "val_loss": np.array([np.nan])}, 1)
    assert best_epoch(never) == 0
    assert not figures.learning_curves(never).layout.shapes


def test_unknown_curve_names_the_nearest():
    with pytest.raises(GradusError, match="Did you mean 'accuracy'"):
        figures.learning_curves(a_history(), ["acuracy"])


def test_curve_names_begin_with_the_loss():
    assert curve_names(a_history()) == ["loss", "accuracy"]


def test_curves_of_several():
    one, two = a_history(), a_history()
    figure = figures.curves_of({"one": one, "<two>": two}, "val_accuracy")
    assert [t.name for t in figure.data] == ["one", "&lt;two&gt;"]
    np.testing.assert_array_equal(figure.data[1].y, two["val_accuracy"])
    with pytest.raises(GradusError, match="at least one"):
        figures.curves_of({})


def test_learning_rate():
    history = a_history()
    np.testing.assert_array_equal(
        figures.learning_rate(history).data[0].y, history["learning_rate"]
    )


@pytest.mark.parametrize(
    ("rates", "kind"),
    [(0.1 * (1 + np.cos(np.linspace(0, 3.1415, 20))), None), (np.geomspace(1, 1e-4, 20), "log")],
)
def test_a_cosine_fills_a_linear_axis_and_an_exponential_decay_a_logarithmic_one(rates, kind):
    history = History()
    history.extend({"learning_rate": rates}, len(rates))
    assert figures.learning_rate(history).layout.yaxis.type == kind


def test_nothing_recorded_is_an_error():
    for draw in (figures.learning_curves, figures.learning_rate):
        with pytest.raises(GradusError, match="call fit first"):
            draw(History())
    for draw in (
        figures.activations_by_layer,
        figures.gradients_by_layer,
        figures.updates_by_layer,
    ):
        with pytest.raises(GradusError, match="probes=True"):
            draw(a_history(probes=False))


# --- probes ------------------------------------------------------------------------------------


def test_activations_are_the_probes_at_their_time():
    history = a_history()
    figure = figures.activations_by_layer(history)
    mean, silent = named(figure, "dense")  # no line of a share that is NaN throughout
    taken = np.arange(0, EPOCHS, 2)
    # The second of three segments of epoch 3 ends at 2 ⅔ epochs.
    when = np.add.outer(taken, np.array([1, 2, 3]) / 3).ravel()
    np.testing.assert_allclose(mean.x, when)
    np.testing.assert_array_equal(mean.y, history.probes["mean"][::2, :, 0].ravel())
    np.testing.assert_array_equal(silent.y, history.probes["silent"][::2, :, 0].ravel())
    saturated = named(figure, "dense_1")[1]
    np.testing.assert_array_equal(saturated.y, history.probes["saturated"][::2, :, 1].ravel())
    bands = [t for t in figure.data if t.fill == "toself"]
    wide = history.probes["deviation"][::2, :, 0].ravel()
    half = len(bands[0].y) // 2
    np.testing.assert_allclose((bands[0].y[:half] - bands[0].y[half:][::-1]) / 2, wide)


def test_a_gradient_of_zero_is_drawn_and_its_true_value_told():
    history = a_history()
    history.probes["gradient"][0, 0, 1] = 0.0
    line = next(t for t in figures.gradients_by_layer(history).data if t.line.dash == "solid")
    assert line.y[0] == 1e-12
    assert line.customdata[0] == 0.0
    np.testing.assert_array_equal(line.y[1:], history.probes["gradient"][::2, :, 1].ravel()[1:])


def test_updates_are_shares_of_the_weights_without_biases():
    history = a_history()
    history.probes["weight"][0, 0, 1] = 0.0
    figure = figures.updates_by_layer(history)
    assert [t.name for t in figure.data] == ["dense", "dense_1"]
    share = history.probes["update"] / np.where(
        history.probes["weight"] == 0, np.nan, history.probes["weight"]
    )
    np.testing.assert_array_equal(figure.data[0].y, share[::2, :, 1].ravel())
    assert np.isnan(figure.data[0].y[0])
    band = figure.layout.shapes[0]
    assert (band.y0, band.y1) == (1e-4, 1e-2)


def test_many_probes_are_thinned_evenly_with_the_last():
    kept = style.evenly_spaced(10_001, 101)
    np.testing.assert_array_equal(kept, np.arange(0, 10_001, 100))


# --- classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_confusion_counts_are_scikit_learns(classes):
    draw = np.random.default_rng(classes)
    true = draw.integers(0, classes, 500)
    guess = np.where(draw.random(500) < 0.7, true, draw.integers(0, classes, 500))
    truth = metrics.confusion_matrix(true, guess)
    right, wrong = figures.confusion_matrix(true, guess).data
    counts = np.array([[cell[0] for cell in row] for row in right.customdata])
    np.testing.assert_array_equal(counts, truth)
    share = np.where(np.isnan(right.z), wrong.z, right.z)
    np.testing.assert_allclose(share, metrics.confusion_matrix(true, guess, normalize="true"))
    assert np.isnan(right.z).sum() == classes * (classes - 1)
    words = np.char.add(np.asarray(right.text, str), np.asarray(wrong.text, str))
    np.testing.assert_array_equal(words, np.where(truth > 0, truth.astype(str), ""))


def test_confusion_takes_one_hot_rows_and_probabilities():
    true, guess = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    plain = figures.confusion_matrix(true, guess)
    other = figures.confusion_matrix(np.eye(3)[true], 0.7 * np.eye(3)[guess] + 0.1)
    assert plain.data[0].customdata == other.data[0].customdata
    with pytest.raises(DataError, match="what is true first"):
        figures.confusion_matrix(0.7 * np.eye(3)[guess] + 0.1, true)


def test_class_names_are_shown_letter_by_letter():
    figure = figures.confusion_matrix([0, 1], [0, 1], ["<b>bold</b>", "R&D"])
    assert figure.layout.xaxis.ticktext == tuple(map(html.escape, ("<b>bold</b>", "R&D")))


def test_bad_labels_are_refused():
    with pytest.raises(DataError, match="y_true has 2 labels but y_pred has 3"):
        figures.confusion_matrix([0, 1], [0, 1, 1])
    with pytest.raises(DataError, match=r"p > 0\.5"):
        figures.confusion_matrix([0, 1], [0.2, 0.9])
    with pytest.raises(DataError, match="integers 0, 1"):
        figures.confusion_matrix([-1, 1], [0, 1])
    with pytest.raises(DataError, match="2 classes but a label is 2"):
        figures.confusion_matrix([0, 2], [0, 1], ["a", "b"])


def test_scores_by_class_are_scikit_learns():
    draw = np.random.default_rng(1)
    true, guess = draw.integers(0, 4, 200), draw.integers(0, 4, 200)
    figure = figures.scores_by_class(true, guess)
    precision, recall, _, _ = metrics.precision_recall_fscore_support(true, guess)
    np.testing.assert_allclose(named(figure, "precision")[0].x, precision)
    np.testing.assert_allclose(named(figure, "recall")[0].x, recall)
    sound = figures.scores_by_class([0, 1], [0, 1])
    assert tuple(sound.layout.xaxis.range) == (0.9, 1)  # so that ticks are whole percents


def test_scores_of_a_class_never_named_have_no_precision():
    figure = figures.scores_by_class([0, 1, 1], [0, 0, 0])
    assert np.isnan(named(figure, "precision")[0].x[1])
    assert named(figure, "recall")[0].x[1] == 0


def test_an_axis_of_perfect_scores_spans_a_tenth():
    assert figures.scores_by_class([0, 1], [0, 1]).layout.xaxis.range[0] <= 0.9


# --- values ------------------------------------------------------------------------------------


def test_predicted_against_true_and_residuals():
    true, guess = np.array([1.0, 2.0, 4.0]), np.array([[1.5], [2.0], [3.0]])
    figure = figures.predicted_against_true(true, guess, "m²")
    line, cloud, left = figure.data[:3]
    assert (line.x, line.y) == ((1, 4), (1, 4))
    np.testing.assert_array_equal(cloud.x, true)
    np.testing.assert_array_equal(cloud.y, guess[:, 0])
    np.testing.assert_array_equal(left.x, guess[:, 0])
    np.testing.assert_array_equal(left.y, [-0.5, 0.0, 1.0])
    assert figure.layout.xaxis.title.text == "true (m²)"
    with pytest.raises(DataError, match="one value per sample"):
        figures.predicted_against_true(true, np.ones((3, 2)))


def test_the_range_test_shows_what_it_found():
    found = RangeTest(
        rates=np.array([1e-3, 1e-2, 1e-1, 1.0]),
        losses=np.array([2.0, 1.0, 3.0, np.inf]),
        smoothed=np.array([2.0, 1.5, 9.0, np.inf]),
        suggestion=1e-3,
    )
    shown = figures.range_test(found)
    np.testing.assert_array_equal(shown.data[0].x, found.rates)
    np.testing.assert_array_equal(shown.data[0].y, [2.0, 1.0, 3.0, np.nan])
    np.testing.assert_array_equal(shown.data[1].y, [2.0, 1.5, np.nan, np.nan])  # 9 > 4 · 2: blown
    assert shown.layout.shapes[0].x0 == found.suggestion
