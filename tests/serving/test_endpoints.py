"""The endpoints of a service, over a socket."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris

import gradus as gr
from gradus.serving import endpoints

pytestmark = pytest.mark.slow

ROW = {"weight": 4.2, "age": 3, "color": "red", "born": "2020-03-11"}
INPUTS = list(ROW)


def test_one_row_and_several(cat_service, cat_run, cats):
    table = pl.read_csv(cats).select(INPUTS)
    run = gr.load(cat_run)
    expected, classes = run.predict_proba(table), run.predict(table)
    status, found = cat_service.predict({"rows": table.to_dicts()})
    assert status == 200
    for answer, row, name in zip(found["predictions"], expected, classes, strict=True):
        assert answer["prediction"] == name
        np.testing.assert_allclose(list(answer["probabilities"].values()), row, rtol=1e-5)
        assert list(answer["probabilities"]) == ["no", "yes"]
    assert "notes" not in found
    status, alone = cat_service.predict(table.to_dicts()[7])
    assert (status, alone["prediction"]) == (200, found["predictions"][7]["prediction"])


def test_clients_at_once_get_their_own_answers(cat_service, cats):
    rows = pl.read_csv(cats).select(INPUTS).to_dicts()
    alone = [cat_service.predict(row) for row in rows]
    rows[5] = rows[5] | {"weight": "heavy"}  # one at fault spoils no other
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(cat_service.predict, rows))
    for index, (answer, expected) in enumerate(zip(found, alone, strict=True)):
        if index == 5:
            assert answer[0] == 400
            assert "'heavy' in row 0 (counted from 0)" in answer[1]["error"]
        else:
            assert answer[0] == 200
            assert answer[1]["prediction"] == expected[1]["prediction"]
            got, wanted = (list(a[1]["probabilities"].values()) for a in (answer, expected))
            np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_what_cannot_be_trusted_is_in_the_answer(cat_service):
    odd = ROW | {"color": "green", "weight": 99, "id": 7}
    _, found = cat_service.predict(odd)
    assert [note.split(" in row")[0] for note in found["notes"]] == [
        "column 'weight': 99",
        "column 'color': 'green'",
        "1 column is not used: id",
    ]
    _, found = cat_service.predict({"rows": [ROW, ROW | {"color": "green"}]})
    assert "'green' in row 1" in found["notes"][0]


def test_a_table_as_csv_is_answered_as_csv(cat_service, cat_run, cats):
    status, headers, body = cat_service.send(
        "POST", "/predict", cats.read_bytes(), Content_Type="text/csv"
    )
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    frame = pl.read_csv(io.BytesIO(body))
    assert frame.columns == ["prediction", "probability_no", "probability_yes"]
    assert json.loads(headers["gradus-notes"]) == ["1 column is not used: tag"]
    plain = pl.read_csv(cats).select(INPUTS)
    assert frame["prediction"].to_list() == gr.load(cat_run).predict(plain).tolist()
    text = json.dumps(ROW)
    both = {"Content_Type": "application/json", "Accept": "text/csv"}
    status, _, body = cat_service.send("POST", "/predict", text, **both)
    assert body.decode().splitlines()[0] == "prediction,probability_no,probability_yes"
    asked = {"Content_Type": "text/csv", "Accept": "application/json"}
    status, _, body = cat_service.send("POST", "/predict", cats.read_bytes(), **asked)
    assert len(json.loads(body)["predictions"]) == 90


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"{'weight': 3}", "not JSON"),
        (b'{"weight": NaN}', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "The body is no row"),
        (3, "The body is no row"),
        ([ROW], 'for several rows {"rows": [{"column": value, …}, …]}'),
        ({"rows": []}, "There are no rows"),
        ({"rows": [ROW, 3]}, "Row 1 (counted from 0) is 3"),
        ({}, "Row 0 (counted from 0) has no column 'weight'"),
        ({"rows": [ROW, {"Weight": 3}]}, "Row 1 (counted from 0) has no column 'weight'"),
        (ROW | {"born": "long ago"}, "'long ago' in row 0"),
        (ROW | {"color": ["red"]}, "Column 'color' is a list in row 0"),
    ],
)
def test_bad_rows_are_answered(cat_service, content, words):
    status, found = cat_service.predict(content)
    assert status == 400
    assert list(found) == ["error"]
    assert words in found["error"]


def test_other_requests_are_answered(cat_service):
    text = json.dumps(ROW)
    for method, path, headers, status, words in (
        ("GET", "/nothing", {}, 404, "nothing at /nothing"),
        ("POST", "/predict/", {}, 404, "nothing at /predict/"),
        ("GET", "/predict", {}, 405, "GET is not for /predict"),
        ("POST", "/health", {}, 405, "POST is not for /health"),
        ("POST", "/predict", {}, 415, "no content type"),
        ("POST", "/predict", {"Content_Type": "text/plain"}, 415, "'text/plain' is not known"),
        (
            "POST",
            "/predict?threshold=0.3",
            {"Content_Type": "application/json"},
            400,
            "'threshold'",
        ),
        (
            "POST",
            "/predict",
            {"Content_Type": "text/csv", "Content_Encoding": "gzip"},
            415,
            "packed",
        ),
        ("GET", "/health", {"Host": "rebound.example:80"}, 403, "'rebound.example:80'"),
    ):
        found, answer, body = cat_service.send(method, path, text, **headers)
        assert found == status
        assert words in json.loads(body)["error"]
        assert ("allow" in answer) == (status == 405)
    assert cat_service.send("POST", "/predict", b"", Content_Type="text/csv")[0] == 400
    short = cat_service.send("POST", "/predict", b"weight\n3\n", Content_Type="text/csv")
    assert "no column 'age'" in json.loads(short[2])["error"]


def test_large_requests_are_refused(cat_service, monkeypatch):
    monkeypatch.setattr(endpoints, "MOST_ROWS", 3)
    assert cat_service.predict({"rows": [ROW] * 3})[0] == 200
    status, found = cat_service.predict({"rows": [ROW] * 4})
    assert (status, "4 rows; send at most 3" in found["error"]) == (413, True)
    table = "weight,age,color,born\n" + "4.2,3,red,2020-03-11\n" * 4
    assert cat_service.send("POST", "/predict", table, Content_Type="text/csv")[0] == 413
    monkeypatch.setattr(endpoints, "LARGEST_BODY", 2**20)
    headers = {"Content_Type": "application/json"}
    assert cat_service.send("POST", "/predict", b" " * (2**20 + 1), **headers)[0] == 413
    parts = (b" " * 2**18 for _ in range(5))  # without a length
    status, _, body = cat_service.send("POST", "/predict", parts, **headers)
    assert (status, "larger than 1 MiB" in json.loads(body)["error"]) == (413, True)


def test_health_and_description(cat_service, cat_run, read):
    status, _, body = cat_service.send("GET", "/health")
    assert (status, json.loads(body)) == (200, {"status": "ok", "run": "cats"})
    described = json.loads(cat_service.send("GET", "/openapi.json")[2])
    assert described["openapi"] == "3.1.0"
    assert set(described["paths"]) == {"/predict", "/health"}
    schemas = described["components"]["schemas"]
    assert schemas["Row"]["required"] == INPUTS
    color = schemas["Row"]["properties"]["color"]
    assert color["anyOf"][0]["enum"] == ["black", "red", "white"]
    content = described["paths"]["/predict"]["post"]["requestBody"]["content"]
    for row in (content["application/json"]["example"], ROW, ROW | {"age": None}):
        jsonschema.validate(row, schemas["Row"])
        answered = cat_service.predict(row)
        jsonschema.validate(answered[1], schemas["Prediction"])
    for bad in (ROW | {"age": "old"}, {"age": 3}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schemas["Row"])
    page = read(cat_service.send("GET", "/")[2].decode())
    assert "black, red, white" in page.text
    assert not [a for _, a in page.tags if "//" in (a.get("src") or a.get("href") or "")]


def test_a_run_on_arrays_with_a_token(iris_service, iris_run):
    x, run = load_iris().data, gr.load(iris_run)
    bearer = {"Authorization": "Bearer secret"}
    assert iris_service.send("GET", "/health")[0] == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
        status, found = iris_service.predict(x[0].tolist(), **headers)
        assert (status, "token is missing or wrong" in found["error"]) == (401, True)
    assert iris_service.send("GET", "/openapi.json")[1]["www-authenticate"] == "Bearer"
    assert iris_service.send("GET", "/", Host="example.org", **bearer)[0] == 200
    status, found = iris_service.predict(x[0].tolist(), **bearer)
    assert (status, found["prediction"]) == (200, run.predict(x[:1])[0])
    status, found = iris_service.predict({"rows": x.tolist()}, **bearer)
    assert [row["prediction"] for row in found["predictions"]] == run.predict(x).tolist()
    for content, words in (
        ({"rows": [[1, 2, 3]]}, "(1, 3)"),
        ({"rows": [[1, 2, 3, 4], [1, 2]]}, "equal length"),
        ([1, 2, 3, "four"], "not numbers"),
        ({"sepal": 3}, "The body is no row"),
    ):
        status, found = iris_service.predict(content, **bearer)
        assert (status, words in found["error"]) == (400, True), found
    headers = {"Content_Type": "text/csv", **bearer}
    status, _, body = iris_service.send("POST", "/predict", b"a\n1\n", **headers)
    assert (status, "send JSON" in json.loads(body)["error"]) == (400, True)
