import gzip
import http.server
import threading
import time

import pytest

from gradus.data import load, read_table
from gradus.data.reading import addresses
from gradus.errors import DataError

CSV = b"size,kind\n1.5,u\n2.5,v\n3.5,u\n"
FILES = {
    "/t.csv": CSV,
    "/t.csv.gz": gzip.compress(CSV),
    "/download": b'{"size": 1.5}\n{"size": 2.5}\n',
    "/page.csv": b"<!DOCTYPE html><html>log in</html>",
    "/empty.csv": b"",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with files, and in the ways in which a server fails."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/slow.csv":
            time.sleep(0.3)
        elif path in ("/huge.csv", "/short.csv"):
            self.answer(200, CSV, 10**15 if path == "/huge.csv" else 100)
        elif path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/t.csv")
            self.end_headers()
        elif path in FILES:
            self.answer(200, FILES[path], len(FILES[path]))
        else:
            self.answer(401 if path == "/private.csv" else 404, b"", 0)

    def answer(self, status, content, length):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/t.csv", "/t.csv.gz", "/t.csv?version=3", "/moved"])
def test_a_table_at_an_address(server, path):
    data = load(server + path, "kind")
    assert data.x["size"].to_list() == [1.5, 2.5, 3.5]
    assert data.y.tolist() == [0, 1, 0]
    assert data.name == {"/moved": "moved"}.get(path, "t")


def test_the_content_tells_the_format_where_the_address_does_not(server):
    assert read_table(f"{server}/download")["size"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/none.csv", r"\(404\): there is no such file"),
        ("/private.csv", r"\(401\): it asks for a login"),
        ("/slow.csv", "gave no answer for 0 seconds"),
        ("/huge.csv", "has 1,000,000 GB or more, but"),
        ("/short.csv", "ended after 28 of 100 bytes"),
        ("/page.csv", "is not a table, but a web page"),
        ("/empty.csv", "is empty"),
    ],
)
def test_an_address_without_a_table_is_refused(server, monkeypatch, path, words):
    if path == "/slow.csv":
        monkeypatch.setattr(addresses, "TIMEOUT", 0.1)
    with pytest.raises(DataError, match=words):
        read_table(server + path)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://bucket/t.csv", "begin with https:// or http://"),
        ("file:///etc/passwd", "begin with https:// or http://"),
        ("http://127.0.0.1:1/t.csv", "cannot be reached: .*refused"),
        ("https://[bad/t.csv", "is not an address"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address, words):
    with pytest.raises(DataError, match=words):
        read_table(address)


def test_an_encrypted_address_that_leads_to_a_plain_one_is_refused(server, monkeypatch):
    class Answer:
        """What urllib returns once it has followed a redirection."""

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def geturl(self):
            return f"{server}/t.csv"

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer())
    with pytest.raises(DataError, match="which is not encrypted"):
        read_table("https://example.invalid/t.csv")
