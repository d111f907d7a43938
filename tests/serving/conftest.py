"""A service of a small run, in a thread, and a client of it."""

import contextlib
import http.client
import json
import threading
import time

import pytest
import uvicorn

import gradus as gr
from gradus.serving import endpoints, predictor


class Client:
    """Sends requests to a service."""

    def __init__(self, port):
        self.port = port

    def send(self, method, path, body=None, **headers):
        """Return the status, the headers, and the body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def predict(self, content, **headers):
        """Return the status and the object that POST /predict answers to an object."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content_Type": "application/json", **headers}
        status, _, text = self.send("POST", "/predict", body, **headers)
        return status, json.loads(text)


@contextlib.contextmanager
def serving(run, **options):
    """Serve a run in a thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "ROWS_PER_BATCH", 4)  # fewer programs to compile
        application = endpoints.make_application(run, **options)
    config = uvicorn.Config(application, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield Client(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def cat_service(cat_run):
    with serving(gr.load(cat_run), host="127.0.0.1") as client:
        yield client


@pytest.fixture(scope="session")
def iris_service(iris_run):
    with serving(gr.load(iris_run), token="secret") as client:  # noqa: S106 - it is no secret
        yield client
