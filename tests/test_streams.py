"""Streams that are absent, closed, or lack characters: what is written there is never an error."""

import io
import sys

import numpy as np
import pytest

import gradus as gr
from gradus.streams import all_writable, writable


def stream_of(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def written(stream):
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ascii", "a -> b... 2 * 3 - 1 x R2 <= sum alpha, cafe ? |--"),
        ("latin-1", "a -> b... 2 · 3 - 1 × R² <= sum alpha, café ? |--"),
        ("cp1252", "a -> b… 2 · 3 – 1 × R² <= sum alpha, café ? |--"),
        ("utf-8", "a → b… 2 · 3 – 1 × R² ≤ Σα, café 日 │──"),
    ],
)
def test_characters_that_a_stream_lacks_are_replaced_by_plain_ones(encoding, text):
    stream = stream_of(encoding)
    print("a → b… 2 · 3 – 1 × R² ≤ Σα, café 日 │──", end="", file=writable(stream))
    assert written(stream) == text
    assert writable(stream).isatty() is False


def test_a_name_that_is_not_unicode_is_written_to_utf_8():
    stream = stream_of("utf-8")
    writable(stream).write("runs/\udce9")
    assert written(stream) == "runs/?"


def test_what_is_written_to_no_stream_is_lost():
    closed = stream_of("utf-8")
    closed.close()
    for stream in (None, closed):
        assert writable(stream).write("lost") == 4
        assert not writable(stream).isatty()


def test_the_standard_streams_are_restored(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with all_writable():
        assert sys.stdout.write("…") == 1
    assert sys.stdout is None


@pytest.mark.parametrize("stream", [None, stream_of("ascii")])
def test_progress_needs_no_console(stream, monkeypatch):
    x = np.ones((8, 2), np.float32)
    gr.Model(gr.Dense(1), "mse")  # imports absl, whose handler keeps the stream of that time
    monkeypatch.setattr(sys, "stderr", stream)
    model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-2, name="α")))
    gr.Sweep(model, 2).fit(x, x[:, :1], epochs=1)
    assert gr.Model(gr.Dense(1), "mse").fit(x, x[:, :1], epochs=1).epochs == 1
    assert stream is None or "alpha" in written(stream)
