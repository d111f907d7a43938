"""Single rows per second of `gradus serve`, with 8 clients that keep their connections.

The server is a process of its own, on the cores that the clients use too. A client sends a row,
waits for the answer, and sends the next; all are sockets of one loop, without a library for HTTP,
so that they take little of the machine. Goal: 2,000 single rows per second on two cores. Also the
rows per second in requests of 1,000 rows, and the seconds from the start of the process until it
answers.
"""

from __future__ import annotations

import contextlib
import csv
import json
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import common
import numpy as np

CLIENTS = 8
GOAL = 2000.0  # single rows per second
MANY = 1000  # rows of a large request


class Case(NamedTuple):
    """A data set to train on, and its target if it is a table."""

    source: str
    target: str | None = None


CASES = {
    "adult, 14 columns": Case("tabular/adult_train.csv", "income"),
    "breast_cancer, 30 numbers": Case("breast_cancer"),
}


class Client:
    """A connection that sends requests, one after another, and times the answers."""

    def __init__(self, address: tuple[str, int], requests: list[bytes], first: int) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests, self.next = requests, first
        self.seconds: list[float] = []
        self.answer = b""

    def send(self) -> None:
        """Send the next request."""
        self.answer, self.began = b"", time.perf_counter()
        self.socket.sendall(self.requests[self.next % len(self.requests)])
        self.next += 1

    def receive(self) -> bool:
        """Read what has come, and return whether the answer is complete."""
        self.answer += self.socket.recv(1 << 20)
        head, _, body = self.answer.partition(b"\r\n\r\n")
        if not body:
            return False
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self.answer.decode())
        self.seconds.append(time.perf_counter() - self.began)
        return True


def environment() -> dict[str, str]:
    """Return the environment of commands: the user's cache of compiled programs."""
    return common.environment(Path(tempfile.gettempdir(), "gradus-serve-benchmark"))


def train(case: Case, folder: Path, quick: bool) -> Path:
    """Train a run with its defaults, and return its folder."""
    source = case.source if case.target is None else str(common.DATA / case.source)
    if case.target is not None and not Path(source).exists():
        raise common.LeftOutError("not in the folder that GRADUS_DATA names")
    command = [sys.executable, "-m", "gradus", "train", source, "--out", str(folder), "--quiet"]
    command += [] if case.target is None else ["--target", case.target]
    command += ["--epochs", "2"] if quick else []
    subprocess.run(command, check=True, capture_output=True, env=environment())
    return folder


def rows_of(case: Case, count: int) -> list[Any]:
    """Return rows as JSON has them: of a table by column, without the target."""
    if case.target is None:
        from gradus.data import load

        return load(case.source).x[:count].tolist()
    with (common.DATA / case.source).open() as file:
        found = [row for row, _ in zip(csv.DictReader(file), range(count), strict=False)]
    return [
        {name: _cell(value) for name, value in row.items() if name != case.target} for row in found
    ]


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return None if text.strip() == "?" else text.strip()


@contextlib.contextmanager
def server(run: Path) -> Iterator[tuple[tuple[str, int], float]]:
    """Yield the address of a server, and the seconds until it answered."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "gradus", "serve", str(run), "--port", "0", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    )
    try:
        url = urllib.parse.urlsplit(json.loads(process.stdout.readline())["url"])
        yield (url.hostname, url.port), time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def request(content: Any) -> bytes:
    """Return the bytes of a request."""
    body = json.dumps(content).encode()
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def load_server(
    address: tuple[str, int], requests: list[bytes], clients: int, seconds: float
) -> dict[str, float]:
    """Return requests per second, and the median and 99th percentile of the time of an answer."""
    with selectors.DefaultSelector() as ready:
        opened = [Client(address, requests, 17 * number) for number in range(clients)]
        for client in opened:
            ready.register(client.socket, selectors.EVENT_READ, client)
            client.send()
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            for key, _ in ready.select(1):
                if key.data.receive():
                    key.data.send()
        elapsed = time.perf_counter() - began
        for client in opened:
            client.socket.close()
    times = np.array([second for client in opened for second in client.seconds]) * 1e3
    return {
        "per_second": len(times) / elapsed,
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
    }


def measure(options: Any) -> dict[str, Any]:
    """Return the rates and times of all cases."""
    seconds, left_out = 1.0 if options.quick else 10.0, dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        trained, rows = {}, {}
        for name in options.cases:
            try:
                trained[name] = train(
                    CASES[name], Path(folder, f"run-{len(trained)}"), options.quick
                )
                rows[name] = rows_of(CASES[name], MANY)
            except common.LeftOutError as error:
                left_out[name] = common.leave_out(name, error)

        def once(name: str, _: int) -> dict[str, float]:
            with server(trained[name]) as (address, start_s):
                singles = [request(row) for row in rows[name]]
                load_server(address, singles, CLIENTS, seconds / 5)
                single = load_server(address, singles, CLIENTS, seconds)
                many = load_server(address, [request({"rows": rows[name]})], 2, seconds)
            size = len(rows[name])
            return {**single, "many_rows_per_second": many["per_second"] * size, "start_s": start_s}

        runs = common.interleave(list(trained), options.rounds, once, left_out)
    cases = {name: {**common.medians(these), "runs": these} for name, these in runs.items()}
    return {"clients": CLIENTS, "cases": cases, "left_out": left_out}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all cases."""
    rows = [
        [
            name,
            common.goal(case["per_second"], GOAL),
            case["p50_ms"],
            case["p99_ms"],
            case["many_rows_per_second"],
            case["start_s"],
        ]
        for name, case in result["cases"].items()
    ]
    heads = [
        f"{result['clients']} clients",
        "single rows per second",
        "median, ms",
        "99th percentile, ms",
        "rows per second, 1,000 a request",
        "start, s",
    ]
    return {"serve": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=5, cases=CASES)
