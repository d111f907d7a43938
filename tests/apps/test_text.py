"""A table with a column of reviews, from the command line to each use of its run."""

import json

import numpy as np
import pytest

import gradus as gr
from gradus.apps.cli import main
from gradus.serving.description import describe_service, example_row

GOOD, BAD = ["great", "love it", "works well"], ["broken", "waste of money", "too small"]
NEW = 'review,price\n"Works well, great!",20\n,20\n世界,20\nbroken waste of money,20\n'


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """The path of 160 reviews, whose words alone tell how many stars they give."""
    rng, lines = np.random.default_rng(0), ["review,price,stars"]
    for _ in range(160):
        said = [str(rng.choice(GOOD if good else BAD)) for good in rng.random(4) < rng.random()]
        stars = sum(phrase in GOOD for phrase in said) + 1
        lines.append(f'"This lamp: {", ".join(said)}.",{rng.integers(5, 90)},{stars}')
    path = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(reviews):
    """The path of a run that learned from them."""
    folder = reviews.parent / "run"
    flags = ["--task", "regression", "--layers", "8", "--epochs", "40", "--learning-rate", "0.01"]
    assert main(["train", str(reviews), "--target", "stars", *flags, "--out", str(folder)]) == 0
    return folder


def test_a_network_learns_from_text(run, reviews, gradus_json):
    assert gradus_json("evaluate", run, reviews)["metrics"]["r2"] > 0.9
    name, kind, how = gr.load(run).preprocessor.column_rows()[0]
    assert (name, kind, how[-25:]) == ("review", "text", "character triples, TF-IDF")


def test_new_texts_are_predicted_from_and_strange_ones_told(run, gradus, work):
    (work / "new.csv").write_text(NEW)
    status, out, err = gradus("predict", run, "new.csv")
    assert status == 0
    good, _, _, bad = (float(line) for line in out.split()[1:])
    assert good > bad + 2
    assert "'世界' in row 2 (counted from 0) has no word of the training data" in err
    assert "column 'review': the value in row 1 (counted from 0) is missing" in err


def test_a_run_in_python_and_its_service(run):
    loaded = gr.load(run)
    prices = {"price": [20, 20]}
    good, bad = loaded.predict({"review": ["great, love it", "too small, broken"], **prices})
    assert good > bad + 1
    row = describe_service(loaded, 2**20, 100, False)["components"]["schemas"]["Row"]
    about = "A text. None was missing in training."
    assert row["properties"]["review"] == {"type": ["string", "null"], "description": about}
    assert example_row(loaded)["review"] in "broken great it"


def test_onnxruntime_reads_the_texts_themselves(run, gradus_json, work):
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    notes = gradus_json("export", run, "--out", "reviews.onnx")["notes"]
    assert notes == [
        "the input 'review' is divided into characters by an operation that only onnxruntime has"
    ]
    reviews = ["Works well, GREAT!", "", "世界", "broken—waste of MONEY", "nan"]
    prices = [20.0, np.nan, 5, 1e9, 7]
    session = ort.InferenceSession(work / "reviews.onnx")
    feeds = {"review": np.array(reviews, object), "price": np.array(prices)}
    (stars,) = session.run(["prediction"], feeds)
    (work / "new.csv").write_text(
        "\n".join(["review,price", *map('"{}",{}'.format, reviews, prices)])
    )
    expected = gradus_json("predict", run, "new.csv")["predictions"]["prediction"]
    np.testing.assert_allclose(stars, expected, atol=1e-5)


def test_slips_in_the_setting_and_the_flag_are_named(reviews, gradus, work):
    settings = {"data": str(reviews), "target": "stars", "task": "regression"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (work / "without.toml").write_text("\n".join([*lines, "[preprocessing]", "text_features = -1"]))
    status, _, err = gradus("train", "without.toml")
    assert status == 2
    assert "text_features" in err
    status, _, err = gradus("train", reviews, "--target", "stars", "--column", "reviw=text")
    assert status == 1
    assert "Did you mean 'review'?" in err
