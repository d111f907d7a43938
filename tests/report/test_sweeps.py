"""Figures and the page of a sweep show its trials."""

import copy
import math

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.report import sweeps
from gradus.report.sweep_page import write_sweep

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)


@pytest.fixture(scope="module")
def sweep():
    """Trials of two activations, of a momentum under one of two optimizers, one diverged."""
    net = gr.Sequential([gr.Dense(4, gr.choice("relu", "tanh")), gr.Dense(2, "softmax")])
    sgd = gr.SGD(gr.log_uniform(1e-3, 1), momentum=gr.uniform(0, 0.9))
    adam = gr.Adam(gr.logspace(1e-3, 1e-1, 3))
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.choice(sgd, adam), ["accuracy"])
    made = gr.Sweep(model, 12).fit(X, Y, epochs=3, batch_size=16, monitor="val_loss", verbose=False)
    made.trials[3].score, made.trials[3].status = float("nan"), "diverged"
    return made


def columns(sweep):
    return {row["trial"]: row for row in sweep.table().to_dicts() if np.isfinite(row["score"])}


@pytest.mark.slow
def test_parallel_axes_are_the_settings_and_the_score(sweep):
    (trace,) = gr.figures.parallel(sweep).data
    axes = {axis.label: axis for axis in trace.dimensions}
    assert list(axes) == [*sweep.hypers, "validation loss"]
    rows = sorted(columns(sweep).values(), key=lambda row: -row["score"])  # the best is the last
    assert len(trace.line.color) == len(rows) == 11
    assert (trace.line.color[0], trace.line.color[-1]) == (0, 1)
    assert np.all(np.diff(trace.line.color) > 0)
    words = axes["dense.activation"].ticktext
    assert [words[k] for k in axes["dense.activation"].values] == [
        row["dense.activation"] for row in rows
    ]
    rate = axes["optimizer.sgd.learning_rate"]
    lowest = rate.tickvals[0]  # where a trial without it passes
    assert rate.ticktext[0] == "–"
    for place, row in zip(rate.values, rows, strict=True):
        value = row["optimizer.sgd.learning_rate"]
        assert place == pytest.approx(lowest if value is None else np.log10(value))


@pytest.mark.slow
def test_few_options_are_all_written_beside_their_axis(sweep):
    (trace,) = gr.figures.parallel(sweep).data
    axis = next(one for one in trace.dimensions if one.label == "optimizer.adam.learning_rate")
    assert axis.ticktext == ("–", "0.001", "0.01", "0.1")
    np.testing.assert_allclose(axis.tickvals[1:], [-3, -2, -1])


def test_curves_are_those_of_all_trials_and_the_best_is_apart(sweep):
    others, best = gr.figures.trial_curves(sweep, "val_accuracy").data
    first = sweep.ranking[0]
    assert best.name == f"best: trial {first.number}"
    np.testing.assert_allclose(best.y, first.histories[0]["val_accuracy"])
    np.testing.assert_array_equal(best.x, [1, 2, 3])
    drawn = {}
    for number, value in zip(others.customdata, others.y, strict=True):
        if np.isfinite(value):
            drawn.setdefault(int(number), []).append(value)
    assert len(drawn) == 11
    for number, values in drawn.items():
        np.testing.assert_allclose(values, sweep.trials[number].histories[0]["val_accuracy"])


@pytest.mark.parametrize(
    ("name", "axis"),
    [("optimizer.sgd.learning_rate", "log"), ("optimizer.adam.learning_rate", "log"),
     ("optimizer.sgd.momentum", None)],
)  # fmt: skip
def test_a_number_by_a_range_is_the_table(sweep, name, axis):
    figure = gr.figures.metric_by(sweep, name)
    points = sorted((x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True))
    rows = [(r[name], r["score"]) for r in columns(sweep).values() if r[name] is not None]
    np.testing.assert_allclose(points, sorted(rows))
    assert figure.layout.xaxis.type == axis


def test_options_stand_side_by_side(sweep):
    figure = gr.figures.metric_by(sweep, "dense.activation", "val_accuracy")
    words = figure.layout.xaxis.ticktext
    points = [(words[round(x)], y) for t in figure.data for x, y in zip(t.x, t.y, strict=True)]
    rows = [(r["dense.activation"], r["val_accuracy"]) for r in columns(sweep).values()]
    assert sorted(points) == sorted(rows)


def test_what_cannot_be_drawn_is_said(sweep):
    with pytest.raises(GradusError, match=r"Did you mean 'dense\.activation'"):
        gr.figures.metric_by(sweep, "dense.activatio")
    with pytest.raises(GradusError, match="'val_accuracy'"):
        gr.figures.metric_by(sweep, "dense.activation", "val_acuracy")
    with pytest.raises(GradusError, match="'val_loss'"):
        gr.figures.trial_curves(sweep, "val_los")
    net = gr.Sequential([gr.Dense(4), gr.Dense(1)])
    broken = gr.Sweep(gr.Model(net, "mse", gr.SGD(gr.choice(1e20, 1e21))), search="grid")
    broken.fit(X, X[:, :1], epochs=2, verbose=False)
    with pytest.raises(GradusError, match="2 diverged"):
        gr.figures.parallel(broken)


@pytest.mark.slow
def test_the_page_holds_leaders_figures_and_commands(sweep, tmp_path, read):
    path = tmp_path / "sweep.html"
    write_sweep(
        path, sweep, title="<mine>", data=["60 rows"], settings="a = 1", commands=["gradus runs"]
    )
    page = read(path.read_text())
    for words in ("<mine>", "60 rows", "best validation loss", "11 finished", "1 diverged",
                  "The best 10 of 12 trials", "gradus runs", "a = 1"):  # fmt: skip
        assert words in page.text
    # Parallel axes, the loss and the accuracy, and one for each hyperparameter.
    assert len(page.charts) == 1 + 2 + len(sweep.hypers)
    cells = page.text.split("epochs", 2)[-1]
    first = sweep.ranking[0]
    assert cells.split()[:2] == [str(first.number), f"{first.score:.4g}"]


def test_a_range_whose_best_values_lie_at_its_end_is_named(tmp_path, read):
    net = gr.Sequential([gr.Dense(2, "softmax")])
    adam = gr.Adam(gr.log_uniform(1e-3, 1e-1), beta_1=gr.uniform(0.1, 0.9))
    model = gr.Model(net, "sparse_categorical_crossentropy", adam)
    made = gr.Sweep(model, 40).fit(X, Y, epochs=1, batch_size=16, verbose=False)
    for trial in made.trials:  # the larger the rate, the better
        trial.score = 1 - trial.values["optimizer.learning_rate"]
    write_sweep(tmp_path / "sweep.html", made)
    text = read((tmp_path / "sweep.html").read_text()).text
    assert "The best values of optimizer.learning_rate lie at an end of its range" in text
    assert "The best values of optimizer.beta_1" not in text


def test_scores_beyond_the_axis_are_marked():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 50.0])
    axis = sweeps._score_axis(scores, "val_loss")
    low, high = axis["range"]
    assert low == 0.1
    assert 0.4 < high < 50
    np.testing.assert_allclose(axis["values"], [0.1, 0.2, 0.3, 0.4, high])
    assert (axis["ticktext"][0], axis["ticktext"][-1]) == ("0.1", f"≥ {high:.3g}")
    assert (axis["tickvals"][0], axis["tickvals"][-1]) == (low, high)
    shares = sweeps._score_axis(np.array([0.01, 0.95, 0.96, 0.96, 0.97]), "val_accuracy")
    assert shares["ticktext"][0].startswith("≤ ")
    assert shares["ticktext"][-1] == "97.0%"
    assert "ticktext" not in sweeps._score_axis(scores[:-1], "val_loss")


def test_the_page_says_what_the_marks_mean_and_what_the_time_is_of(sweep, tmp_path, read):
    changed = copy.copy(sweep)
    changed.trials = [copy.copy(trial) for trial in sweep.trials]
    changed.seconds = 8.0
    for trial in changed.trials[:4]:  # as restored from a storage
        trial.histories = []
    text = read(write_sweep(tmp_path / "one.html", changed).read_text()).text
    assert "1.0 s per trial" in text
    assert "the 8 trials since it was resumed" in text
    assert "marked ≤ or ≥" not in text
    changed.trials[0].score = 1e6
    text = read(write_sweep(tmp_path / "two.html", changed).read_text()).text
    assert "A line that ends at a score marked ≤ or ≥ may have a score beyond it." in text
    text = read(write_sweep(tmp_path / "three.html", sweep).read_text()).text
    assert "resumed" not in text


@pytest.mark.slow
def test_the_labels_of_parallel_axes_have_room(sweep):
    figure = gr.figures.parallel(sweep)
    (trace,) = figure.data
    lengths = [7 * len(axis.label) for axis in trace.dimensions]  # 7 pixels a character, at most
    tilt = math.radians(-trace.labelangle)
    margin = figure.layout.margin
    plot = figure.layout.height - 72 - margin.b  # 72: above, with the title
    assert (1 - trace.domain.y[1]) * plot >= max(lengths) * math.sin(tilt)
    assert margin.r >= lengths[-1] * math.cos(tilt)
    # As parallel lines, labels are further apart than they are high, on axes 50 pixels apart.
    assert 50 * math.sin(tilt) > 1.5 * trace.labelfont.size
