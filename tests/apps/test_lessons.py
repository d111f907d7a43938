"""`gradus lesson` and `gradus lessons`."""

import json

import pytest

from gradus.lessons import catalog


@pytest.mark.slow
def test_a_lesson_is_printed_and_written(gradus, work):
    status, out, err = gradus("lesson", "perceptron", "--out", "pages")
    assert (status, err) == (0, "")
    lesson = catalog.find_lesson("perceptron")
    assert out.startswith(lesson.title + "\n")
    for words in ("Rosenblatt", "Figure: ", "wrong on XOR", "pages/perceptron.html"):
        assert words in out
    assert lesson.title in (work / "pages" / "perceptron.html").read_text("utf-8")


@pytest.mark.slow
def test_with_json_text_goes_to_standard_error(gradus, work):
    status, out, err = gradus("lesson", "perceptron", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["numbers"]["wrong_on_AND"] == 0
    assert found["numbers"]["wrong_on_XOR"] > 0
    assert found["page"] == "perceptron.html"
    assert (work / "perceptron.html").is_file()
    assert "Rosenblatt" in err


def test_an_unknown_lesson_is_bad_usage_with_the_nearest_name(gradus):
    for arguments in (["lesson", "perceptorn"], ["lessons", "--only", "perceptorn"]):
        status, out, err = gradus(*arguments)
        assert (status, out) == (2, "")
        assert "Unknown lesson 'perceptorn'. Did you mean 'perceptron'?" in err


def test_data_is_for_lessons_on_images(gradus, work):
    status, _, err = gradus("lesson", "perceptron", "--data", "mnist")
    assert status == 2
    assert "'perceptron' is not about images: leave out --data" in err
    assert list(work.iterdir()) == []


def test_data_reaches_a_lesson_on_images(gradus_json, monkeypatch):
    def run(page, data="digits"):
        """Do nothing."""
        return {"mnist": float(data == "mnist"), "ratio": float("nan")}

    lesson = catalog.find_lesson("perceptron")._replace(run=run)
    monkeypatch.setattr(catalog, "find_lesson", lambda name: lesson)
    found = gradus_json("lesson", "perceptron", "--data", "mnist")
    assert found["numbers"] == {"mnist": 1.0, "ratio": None}


def test_the_list(gradus, gradus_json):
    status, out, _ = gradus("lessons")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "One unit"
    assert f"  {'perceptron':<21} {catalog.title('perceptron')}" in lines
    listed = gradus_json("lessons")["lessons"]
    assert [each["lesson"] for each in listed] == catalog.lesson_files()
    (one,) = gradus_json("lessons", "--only", "perceptron")["lessons"]
    assert one == {
        "chapter": "One unit",
        "lesson": "perceptron",
        "title": catalog.title("perceptron"),
    }


@pytest.mark.slow
def test_a_course_is_built(gradus_json, work):
    found = gradus_json("lessons", "--build", "course", "--only", "perceptron")
    assert found == {"index": "course/index.html", "lessons": ["perceptron"]}
    names = {path.name for path in (work / "course").iterdir()}
    assert names == {"index.html", "plotly.js", "perceptron.html"}


@pytest.mark.parametrize("where", ["file/pages"])
def test_an_invalid_folder_is_reported_before_the_lesson_runs(gradus, work, where):
    (work / "file").write_text("")
    status, out, err = gradus("lesson", "perceptron", "--out", where)
    assert (status, out) == (1, "")
    assert "'file/pages' cannot be created" in err
