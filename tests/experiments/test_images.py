"""Runs on folders of images: trained, and used on image files."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

import gradus as gr
from gradus.apps.cli import main
from gradus.errors import DataError, GradusError
from gradus.experiments.settings.defaults import DataSummary, fill_defaults
from gradus.experiments.settings.experiment import Experiment, NetworkSection
from gradus.serving.predictor import Predictor

SIZE = (12, 16)  # height and width


def stripes(kind, seed, size=SIZE):
    """An RGB image of bright stripes, that lie or stand, on dark noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (*size, 3))
    start = rng.integers(0, 4)
    stripe = (slice(start, None, 4),) if kind == "lying" else (slice(None), slice(start, None, 4))
    pixels[stripe] += 180
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for kind in ("lying", "standing"):
        (folder / kind).mkdir()
        for index in range(24):
            stripes(kind, index).save(folder / kind / f"{index:02}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "stripes"
    flags = ("--conv", "6", "--layers", "8", "--epochs", "30", "--shift", "0.1", "--rotation", "0")
    status = main(["train", str(photos), *flags, "--zoom", "0", "--quiet", "--out", str(folder)])
    assert status == 0
    return gr.load(folder)


@pytest.fixture
def gradus(capsys):
    def command(*arguments):
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return command


def test_a_folder_of_images_trains_a_convolutional_network(run):
    kinds = [type(layer).__name__ for layer in run.model.net.layers]
    assert kinds == [
        *("RandomTranslation", "Rescaling", "Conv2D", "MaxPooling2D", "Flatten"),
        *("Dense", "Dropout", "Dense"),
    ]
    assert run.record.metrics["accuracy"] == 1.0
    assert run.experiment.preprocessing.image_size == SIZE
    assert run.experiment.network.conv == [6]


def test_one_image_a_flat_folder_and_a_nested_one_are_predicted(run, tmp_path, gradus):
    (tmp_path / "more").mkdir()
    stripes("lying", 100).save(tmp_path / "b.PNG")
    stripes("standing", 101).save(tmp_path / "more" / "a.png")
    (tmp_path / "more" / "Thumbs.db").write_bytes(b"junk")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "more" / "back").symlink_to(tmp_path)  # a link that leads back
    status, out, err = gradus("predict", run.folder, tmp_path)
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["file"], row["prediction"]) for row in rows] == [
        ("b.PNG", "lying"),
        ("more/a.png", "standing"),
    ]
    pixels = np.asarray(Image.open(tmp_path / "b.PNG"))
    expected = run.predict_proba(pixels[None])[0]
    np.testing.assert_allclose(float(rows[0]["probability_lying"]), expected[0], rtol=1e-5)
    assert gradus("predict", run.folder, tmp_path / "b.PNG")[1].splitlines()[1].startswith("b.PNG,")
    assert run.predict(tmp_path / "b.PNG").tolist() == ["lying"]
    assert run.predict([tmp_path / "b.PNG", str(tmp_path / "more/a.png")]).tolist() == [
        "lying",
        "standing",
    ]


def test_images_that_cannot_be_read_are_named_and_the_others_predicted(run, tmp_path, gradus):
    stripes("lying", 100).save(tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes(b"junk")
    (tmp_path / "c.png").write_bytes((tmp_path / "b.png").read_bytes()[:-25])
    status, out, err = gradus("predict", run.folder, tmp_path)
    assert (status, out.count("\n")) == (1, 2)
    assert out.splitlines()[1].startswith("b.png,lying,")
    assert re.search(r"a\.png' cannot be read .* Nor can .*c\.png': 2 of 3 .* left out", err)
    unreadable = json.loads(gradus("predict", run.folder, tmp_path, "--json")[1])["unreadable"]
    assert unreadable == ["a.png", "c.png"]
    with pytest.warns(RuntimeWarning, match="left out"):
        assert run.predict(tmp_path).tolist() == ["lying"]
    with pytest.raises(DataError, match="Save them anew"):  # else rows would be others
        run.predict([tmp_path / name for name in ("a.png", "b.png", "c.png")])
    (tmp_path / "b.png").unlink()
    with pytest.raises(DataError, match="2 of 2 files"):
        run.predict(tmp_path)


def test_files_are_resized_turned_and_colored_as_in_training(run, tmp_path):
    large = stripes("lying", 5).resize((64, 48), Image.Resampling.NEAREST)
    exif = large.getexif()
    exif[0x0112] = 3  # upside down
    large.save(tmp_path / "turned.png", exif=exif)
    transparent = stripes("lying", 6).convert("RGBA")
    transparent.save(tmp_path / "transparent.png")
    stripes("lying", 7, (12, 12)).convert("CMYK").save(tmp_path / "square.tiff")
    with pytest.warns(RuntimeWarning) as told:
        made = run.predict_proba(tmp_path)
    assert {str(warning.message) for warning in told} == {
        "1 of 3 images have other proportions than 12×16: they got black borders",
        "1 of 3 images have transparency, which is left out",
    }
    square = Image.open(tmp_path / "square.tiff").convert("RGB")
    upright = large.transpose(Image.Transpose.ROTATE_180)
    by_hand = [
        ImageOps.expand(square, (2, 0)),  # 2 black columns on both sides
        stripes("lying", 6),
        upright.resize((16, 12), Image.Resampling.BILINEAR),
    ]
    expected = run.predict_proba(np.stack([np.asarray(image) for image in by_hand]))
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_a_folder_by_class_is_evaluated(run, photos, tmp_path, gradus):
    shutil.copytree(photos / "lying", tmp_path / "lying")
    status, out, _ = gradus("evaluate", run.folder, tmp_path)
    assert status == 0
    assert re.search(r"accuracy +1\.0000", out)
    shutil.copytree(photos / "lying", tmp_path / "flying")
    status, _, err = gradus("evaluate", run.folder, tmp_path)
    assert status == 1
    assert "subfolder 'flying'" in err
    assert "none of the classes lying, standing" in err
    status, _, err = gradus("evaluate", run.folder, photos / "lying")
    assert (status, "has no folders of images" in err) == (1, True)


def test_what_is_no_image_is_named(run, tmp_path, gradus, photos, iris_run):
    (tmp_path / "a.png").write_text("hello")
    (tmp_path / "b.jpg").touch()
    (tmp_path / "c.jpg").write_bytes((photos / "lying" / "00.png").read_bytes()[:-30])
    for source, *words in (
        ("a.png", "'a.png' cannot be read as an image: it is none, or of an unknown format"),
        ("b.jpg", "it is empty"),
        ("c.jpg", "truncated"),
        (".", "Nor can 'b.jpg'", "3 of 3 files"),
        ("d.png", "There is no file", "Did you mean"),
        ("empty", "is a folder without images"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            status, _, err = gradus("predict", run.folder, source)
        assert status == 1
        for word in words:
            assert word in err
    deep = np.full((4, 4), 9000, np.uint16)
    (tmp_path / "deep").mkdir()
    Image.fromarray(deep).save(tmp_path / "deep" / "1.png")
    with pytest.raises(GradusError, match=r"^'[^']*1\.png' has more than 8 bits per channel"):
        run.predict(tmp_path / "deep")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    status, _, err = gradus("predict", run.folder, tmp_path / "table.csv")
    assert (status, "trained on images" in err, "is a table" in err) == (1, True, True)
    status, _, err = gradus("predict", iris_run, photos / "lying" / "00.png")
    assert (status, "trained on arrays" in err, "is an image" in err) == (1, True, True)
    status, _, err = gradus("train", photos / "lying" / "00.png")
    assert (status, "is one image: name a folder" in err) == (1, True)
    with pytest.raises(GradusError, match="A list of images has no classes"):
        run.evaluate([photos / "lying" / "00.png"])


def test_the_report_shows_samples_mistakes_and_filters(run, photos):
    page = (run.folder / "report.html").read_text()
    shown = re.findall(r"<h3>(Samples|Augmented samples|Mistakes|Filters)</h3>", page)
    assert shown == ["Samples", "Augmented samples", "Filters"]  # it makes no mistakes
    pictures = re.findall(r'<img src="(data:image/png;base64,[^"]+)" alt="([^"]*)"', page)
    assert len(pictures) == 32
    assert {alt.partition("/")[0] for _, alt in pictures} == {"lying", "standing"}


def test_a_script_reads_the_images_in_the_size_of_the_run(run, tmp_path):
    gr.export(run.folder, tmp_path / "run.py")
    assert "image_size=(12, 16))" in (tmp_path / "run.py").read_text()


def test_a_service_takes_an_image_file(run, photos):
    body = (photos / "standing" / "03.png").read_bytes()
    found = Predictor(run).predict_image(body)
    assert found.columns["prediction"].tolist() == ["standing"]
    with pytest.raises(GradusError, match="The body cannot be read as an image"):
        Predictor(run).predict_image(b"no image")


def test_defaults_of_images_depend_on_their_number_and_size():
    def complete(rows, size, resized=True, **settings):
        summary = DataSummary(rows, "multiclass", True, size, resized)
        return fill_defaults(Experiment("x", **settings), summary)

    few, many, tiny = complete(300, (48, 64)), complete(60_000, (28, 28)), complete(300, (6, 6))
    assert (few.network.conv, many.network.conv, tiny.network.conv) == ([16, 32, 64], [16, 32], [])
    assert few.augmentation.flip == "none"
    assert few.augmentation.shift > 0
    assert many.augmentation.shift == tiny.augmentation.shift == 0
    assert (few.training.patience, few.schedule["name"]) == (0, "cosine")
    assert many.training.epochs < 10
    assert few.preprocessing.image_size == (48, 64)
    assert complete(300, (48, 64), resized=False).preprocessing.image_size is None
    dense = complete(300, (48, 64), network=NetworkSection(conv=[]))
    assert (dense.network.conv, dense.network.layers) == ([], [256, 128])
    assert dense.augmentation.shift == 0


@pytest.mark.parametrize("data", ["iris", "table"])
def test_convolutions_are_for_images(data, cats, gradus):
    source = ("iris",) if data == "iris" else (cats, "--target", "tame")
    status, _, err = gradus("train", *source, "--conv", "8")
    assert (status, "--conv 8 is for images" in err) == (1, True)


def test_sizes_on_the_command_line_are_checked(photos, gradus):
    for size in ("wide", "1,2,3", "0"):
        status, _, err = gradus("train", photos, "--image-size", size)
        assert status == 2
        assert "such as 48,64" in err
