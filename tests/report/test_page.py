"""The page holds what the run was, loads nothing, and lets nobody's text run."""

import datetime
import html
import os
import re
import stat

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, make_moons

import gradus as gr
from gradus.diagnosis.charts import Chart
from gradus.diagnosis.findings import Diagnosis, Finding
from gradus.errors import DataError, GradusError, SavedError
from gradus.models.model import Model
from gradus.report import figures
from gradus.report.page import (
    Panel,
    Report,
    format_duration,
    format_number,
    lay_out,
    render,
    write_report,
)
from gradus.report.report_builder import (
    build_report,
    model_settings,
    result_panels,
    training_metrics,
)
from gradus.streams import worded
from gradus.train.history import History

EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    net = gr.Sequential([gr.Dense(16, "tanh"), gr.Dropout(0.1), gr.Dense(10, "softmax")])
    model = Model(net, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:600], y[:600], epochs=4, validation_split=0.2, patience=3, verbose=False)
    return model, x[600:], y[600:]


@pytest.fixture(scope="module")
def moons():
    x, y = make_moons(200, noise=0.1, random_state=0)
    x = x.astype(np.float32)
    net = gr.Sequential([gr.Dense(8, "relu"), gr.Dense(1, "sigmoid")])
    model = Model(net, "binary_crossentropy", gr.Adam(0.02), metrics=["accuracy"])
    model.fit(x, y.astype(np.float32)[:, None], epochs=20, verbose=False)
    return model, x, y


@pytest.mark.slow
def test_report_of_a_classification(digits, read):
    model, x, y = digits
    report = build_report(model, x, y, title="Digits", data=["8 × 8 pixels"])
    page = read(render(report))
    measured = model.evaluate(x, y)
    assert report.metrics["test"] == measured
    assert f"test accuracy {100 * measured['accuracy']:.1f}%" in page.text
    titles = [panel.title for panel in report.figures]
    assert titles == ["Confusion matrix", "Precision and recall", "Calibration"]
    cells = report.figures[0].figure.data[0].customdata
    hits = sum(cells[i][i][0] for i in range(10))
    assert hits / len(y) == pytest.approx(measured["accuracy"])
    for words in ("8 × 8 pixels", "Loss", "Accuracy", "Gradients", "Updates", "Activations"):
        assert words in page.text
    assert "Dense(16, activation=tanh), 1,040 weights" in page.text
    assert "Dropout(0.1)" in page.text
    assert report.environment["python"] in page.text
    assert "penalties of the weights" not in page.text  # the network has none
    # Loss, accuracy, three of results, three of probes, the outputs by layer.
    assert len(page.charts) == 9
    assert page.charts[0]["data"][0]["name"] == "training"


@pytest.mark.slow
def test_report_of_yes_or_no_has_a_roc_curve(moons, read):
    model, x, y = moons
    report = build_report(model, x, y.astype(np.float32)[:, None], class_names=["upper", "lower"])
    assert report.figures[2].title == "ROC curve"
    assert report.figures[2].caption.startswith("lower is the positive class, upper ")
    read(render(report))


@pytest.mark.slow
def test_report_of_a_regression(read):
    x, y = load_diabetes(return_X_y=True)
    x, y = (x * 20).astype(np.float32), y.astype(np.float32)[:, None]
    net = gr.Dense(1, kernel_regularizer=gr.L2(0.01))
    model = Model(net, "mse", gr.Adam(0.1), metrics=["mae", "r2"])
    model.fit(x, y, epochs=3, verbose=False)
    report = build_report(model, x, y, unit="points")
    (panel,) = report.figures
    np.testing.assert_array_equal(panel.figure.data[1].x, y[:, 0])
    np.testing.assert_allclose(panel.figure.data[1].y, model.predict(x)[:, 0], rtol=1e-6)
    page = read(render(report))
    assert "test R²" in page.text
    assert "penalties of the weights included" in page.text
    assert "Adam(learning_rate=0.1)" in page.text or "Adam(0.1)" in page.text


def test_results_of_several_outputs_or_many_classes_are_left_out():
    two = {"a": np.zeros(3), "b": np.zeros(3)}
    assert result_panels("classes", two, two) == []
    assert result_panels("values", np.zeros((3, 2)), np.zeros((3, 2))) == []
    assert result_panels("flags", np.zeros((3, 2)), np.zeros((3, 2))) == []
    assert result_panels("classes", np.zeros(3, int), np.zeros((3, 1000))) == []


def test_numbers_are_those_of_the_epoch_that_was_kept():
    history = History()
    history.extend({"loss": np.array([3.0, 1.0, 2.0]), "val_loss": np.array([4.0, 5.0, 6.0])}, 3)
    assert training_metrics(history) == {"training": {"loss": 2.0}, "validation": {"loss": 6.0}}
    history.best_epoch = 2
    assert training_metrics(history)["training"] == {"loss": 1.0}
    history.best_epoch, history.stopped = 0, "diverged"
    assert training_metrics(history)["validation"] == {"loss": 5.0}


def test_a_loss_that_was_never_finite_has_no_panel(read):
    history = History()
    numbers = {"loss": [np.nan], "val_loss": [np.nan], "accuracy": [np.nan], "val_accuracy": [0.1]}
    history.extend({name: np.array(values) for name, values in numbers.items()}, 1)
    charts = read(render(Report("Diverged", history=history))).charts
    assert [chart["data"][0]["name"] for chart in charts] == ["training"]
    assert charts[0]["layout"]["yaxis"]["tickformat"] == "~%"


@pytest.mark.slow
def test_the_page_loads_nothing(digits, read):
    source = render(build_report(*digits))
    page = read(source)
    for tag, attrs in page.tags:
        assert tag not in {"iframe", "object", "embed", "img", "base"}
        assert "src" not in attrs
        assert not re.match(r"(https?:)?//", attrs.get("href") or "")
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "http" not in policy
    # Plotly stands there once.
    assert sum(len(script) > 1_000_000 for script in page.scripts) == 1


def test_foreign_text_is_only_text(read):
    history = History()
    history.extend({"loss": np.array([2.0, 1.0])}, 2)
    history.notes = [EVIL]
    report = Report(
        title=EVIL,
        data=[EVIL],
        metrics={EVIL: {EVIL: 1.0}},
        history=history,
        figures=[
            Panel(EVIL, EVIL, figures.confusion_matrix([0, 1], [1, 1], [EVIL, "</script>"])),
            (EVIL, 'a" onload="x', figures.curves_of({EVIL: history}, "loss")),
        ],
        settings={EVIL: {EVIL: EVIL}},
        environment={EVIL: EVIL},
        notes=[EVIL],
    )
    source = render(report)
    page = read(source)
    assert "alert" not in "".join(s for s in page.scripts if not s.startswith("{"))
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    # Ours: one for each of three figures, Plotly, and what draws.
    assert len(page.scripts) == 5
    assert page.text.count(EVIL) >= 8
    assert read(render(Report(title="t", settings=f"[a]\nb = '{EVIL}'"))).text.count(EVIL) == 1


def test_findings_are_first_with_the_evidence_of_what_is_not_shown_below(read):
    shares, losses = ((1.0, 2.0), (0.5, 0.75)), ((1.0, 2.0), (3.0, 2.0))
    layer = Chart(f"Silent units of {EVIL}", "epoch", "share", {EVIL: shares}, {"limit": 0.25})
    loss = Chart("Loss", "epoch", "loss", {"training": losses})
    found = [
        Finding("Many units are dead.", EVIL, "", chart=layer, code="dead-relu"),
        Finding("Gradients vanish.", "", "", chart=layer, cause="dead-relu"),
        Finding("It is slow.", "", "", chart=loss),
        Finding("Perhaps dead.", "", "", severity="note", chart=layer),
    ]
    page = read(render(Report(title="t", diagnosis=Diagnosis(found, ["Not all is known."]))))
    (chart,) = page.charts
    assert [line["name"] for line in chart["data"]] == [html.escape(EVIL, quote=False), "limit"]
    assert chart["data"][1]["y"] == [0.25, 0.25]
    words = ["Findings", "Many units are dead.", "Perhaps dead.", "Not all is known."]
    assert [page.text.index(word) for word in words] == sorted(map(page.text.index, words))
    assert "No problems were found" not in page.text
    sound = read(render(Report(title="t", diagnosis=Diagnosis([], ["Not all is known."]))))
    assert "No problems were found" in sound.text
    assert "Not all is known." in sound.text


def test_tiles_of_several_targets_are_of_all_or_of_none(read):
    names = ("loss", "r2", "r2 a_b", "r2 c", "mae a_b", "mae c")
    page = read(render(Report(title="t", metrics={"test": dict.fromkeys(names, 0.5)})))
    tiles = page.text.partition("All metrics")[0]
    assert all(f"test {label}" in tiles for label in ("R² a_b", "R² c", "loss"))
    assert "MAE" not in tiles


def test_messages_are_put_into_the_words_of_the_reader(read):
    found = [Finding("Too high.", "", "Write b=1.", code="c")]
    report = Report("t", notes=["Write b=1, too."], diagnosis=Diagnosis(found))
    with worded(lambda text: text.replace("b=", "--b ")):
        page = read(render(report))
    assert "Write --b 1." in page.text
    assert "Write --b 1, too." in page.text


def test_what_is_empty_is_left_out(read):
    page = read(render(Report(title="Nothing yet")))
    assert page.charts == []
    for words in ("Findings", "Learning", "Results", "Inside", "Settings", "All metrics"):
        assert words not in page.text


def test_the_panels_own_figure_is_unchanged():
    history = History()
    history.extend({"loss": np.array([2.0, 1.0])}, 2)
    figure = figures.learning_curves(history)
    before = figure.to_dict()
    render(Report(title="t", figures=[("a", "b", figure)]))
    assert figure.to_dict() == before


def test_accessible(digits, read):
    page = read(render(build_report(*digits)))
    assert ("html", {"lang": "en"}) in page.tags
    assert "Results on test samples" in page.text
    charts = [attrs for _, attrs in page.tags if attrs.get("class") == "chart"]
    assert charts
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
    assert sum(tag == "h1" for tag, _ in page.tags) == 1


def test_write_report_replaces_the_former_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("former")
    assert write_report(path, Report(title="Now")) == path
    assert "<h1>Now</h1>" in path.read_text()
    assert os.listdir(tmp_path) == ["report.html"]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRGRP


def test_a_report_that_cannot_be_written_leaves_the_former(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("former")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SavedError, match="No space left"):
        write_report(path, Report(title="Now"))
    assert path.read_text() == "former"
    assert os.listdir(tmp_path) == ["report.html"]
    monkeypatch.undo()
    (tmp_path / "data.csv").write_text("mine")
    with pytest.raises(SavedError, match=r"ends in \.html"):
        write_report(tmp_path / "data.csv", Report(title="Now"))
    assert (tmp_path / "data.csv").read_text() == "mine"
    with pytest.raises(SavedError, match="nowhere"):
        write_report(tmp_path / "nowhere" / "report.html", Report(title="Now"))


@pytest.mark.slow
def test_activation_histograms_are_shares_of_the_outputs(moons):
    model, x, _ = moons
    figure = figures.activation_histograms(model, x)
    first, last = figure.data
    assert sum(first.y) == pytest.approx(1)
    hidden = np.maximum(x @ model.weights["dense/kernel"] + model.weights["dense/bias"], 0)
    counts, _ = np.histogram(hidden, bins=len(first.y))
    np.testing.assert_allclose(first.y, counts / hidden.size, atol=1e-3)
    assert f"{100 * np.mean(hidden == 0):.1f}% zero" in figure.layout.annotations[0].text
    np.testing.assert_allclose(
        np.sum(np.array(last.x) * last.y), model.predict(x).mean(), atol=0.02
    )
    with pytest.raises(GradusError, match="call fit first"):
        figures.activation_histograms(Model(gr.Sequential([gr.Dense(1)]), "mse"), x)


def test_decision_boundary_colors_what_the_model_names(moons):
    model, x, y = moons
    figure = figures.decision_boundary(model, x, y, ["up", "down"])
    up, down, points_up, points_down = figure.data
    plane = np.stack(np.meshgrid(up.x, up.y), axis=-1).reshape(-1, 2).astype(np.float32)
    named = model.predict_classes(plane).reshape(np.shape(up.z))
    np.testing.assert_array_equal(~np.isnan(np.array(up.z)), named == 0)
    sure = np.abs(2 * model.predict(plane).reshape(named.shape) - 1)
    np.testing.assert_allclose(np.array(down.z)[named == 1], sure[named == 1], atol=1e-5)
    assert (len(points_up.x), len(points_down.x)) == (100, 100)
    with pytest.raises(DataError, match="two features"):
        figures.decision_boundary(model, np.zeros((3, 4)), [0, 1, 0])


def test_settings_are_written_without_defaults(moons):
    settings = model_settings(moons[0])
    assert settings["layer"]["dense"] == "Dense(8, activation=relu), 24 weights"
    assert settings["optimizer"] in ("Adam(0.02)", "Adam(learning_rate=0.02)")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.017, "17 ms"), (3.14, "3.1 s"), (125, "2 min 5 s"), (3840, "1 h 4 min")],
)
def test_duration(seconds, words):
    assert format_duration(seconds) == words


def test_number():
    assert format_number("accuracy", 0.9731) == "97.3%"
    assert format_number("val_top_5_accuracy", 1.0) == "100.0%"
    assert format_number("discriminator_accuracy", 0.5) == "50.0%"  # of one output
    assert format_number("loss", 0.034567) == "0.03457"
    assert format_number("r2", -0.00006856) == "-0.0001"
    assert format_number("loss", 1234567.8) == "1,234,568"
    assert format_number("loss", float("nan")) == "not finite"


def test_date_of_the_environment(digits):
    date, _, zone = build_report(digits[0]).environment["date"].rpartition(" ")
    now = datetime.datetime.now()
    assert abs(datetime.datetime.fromisoformat(date) - now) < datetime.timedelta(minutes=5)
    assert zone == now.astimezone().tzname()


def test_no_panel_stands_alone_in_half_a_row():
    panels = [
        Panel(str(i), "", None, wide) for i, wide in enumerate([True, False, True, *[False] * 3])
    ]
    assert [panel.wide for panel in lay_out(panels)] == [True, True, True, False, False, True]
