"""Altered files are read, or refused with an error that says why; nothing else happens.

`make fuzz` tries many more alterations than `make test`.
"""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import struct
import zipfile

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import gradus as gr
from gradus.data import load
from gradus.errors import GradusError

LONG = "GRADUS_FUZZ_EXAMPLES" in os.environ  # else the same examples in every run
EXAMPLES = int(os.environ.get("GRADUS_FUZZ_EXAMPLES", "25"))
fuzzed = settings(
    max_examples=EXAMPLES, derandomize=not LONG, deadline=None,
    suppress_health_check=list(HealthCheck), database=None,
)  # fmt: skip
RNG = np.random.default_rng(0)
DAYS = [*range(1, 10)] * 4
CELLS = zip(RNG.normal(size=30), range(30), ["x", "y", "?"] * 10, DAYS, strict=False)
ROWS = [f"{a:.2f};{b},5;{c};0{d}.02.2024" for a, b, c, d in CELLS]
CSV = "\n".join(["a;b;c;d", *ROWS]).encode()


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def png():
    content = io.BytesIO()
    Image.fromarray(RNG.integers(0, 255, (6, 6)).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


RECORDS = "\n".join(f'{{"a": {i}.5, "b": "{i},5", "c": null}}' for i in range(9)).encode()


def zipped(name, content):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


FILES = {
    "t.csv": CSV,
    "t.tsv": CSV.replace(b";", b"\t"),
    "q.csv": b'a,b\n"x, ""y""",1\n"z",2\n' + b'"w",3\n' * 20,
    "u.csv": CSV.decode().encode("utf-16"),
    "t.csv.gz": gzip.compress(CSV, mtime=0),
    "t.csv.xz": lzma.compress(CSV),
    "t.csv.bz2": bz2.compress(CSV),
    "t.zip": zipped("t.csv", CSV),
    "t.jsonl": RECORDS,
    "t.json": b"[" + RECORDS.replace(b"\n", b",") + b"]",
    "t.npz": npz(x=RNG.normal(size=(9, 3)), y=np.arange(9) % 2),
    "images/train-images-idx3-ubyte": struct.pack(">4B3I", 0, 0, 8, 3, 4, 2, 2) + bytes(16),
    "pets/cat/1.png": png(),
}


@st.composite
def alterations(draw):
    """A few changes of bytes: flipped, cut out, put in twice, or cut off."""
    kinds = st.sampled_from(["flip", "cut", "double", "end", "put"])
    return draw(
        st.lists(
            st.tuples(kinds, st.floats(0, 1), st.integers(0, 40), st.integers(0, 255)),
            min_size=1, max_size=5,
        )
    )  # fmt: skip


def altered(content, changes):
    data = bytearray(content)
    for kind, where, length, value in changes:
        at = int(where * max(len(data) - 1, 0))
        if kind == "flip" and data:
            data[at] ^= value or 1
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "end":
            del data[at:]
        else:
            data[at:at] = bytes([value]) * (length % 4)
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_an_altered_data_file_is_read_or_refused(name, tmp_path):
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    labels = struct.pack(">4BI", 0, 0, 8, 1, 4) + bytes([0, 1, 0, 1])
    (tmp_path / "images" / "train-labels-idx1-ubyte").write_bytes(labels)
    (tmp_path / "pets" / "dog").mkdir()
    (tmp_path / "pets" / "dog" / "1.png").write_bytes(png())
    top = tmp_path / name.split("/")[0]

    @fuzzed
    @given(alterations(), st.sampled_from([None, 1, -1]))
    def read(changes, target):
        (tmp_path / name).write_bytes(altered(FILES[name], changes))
        is_table = not name.endswith((".npz", "ubyte", ".png"))
        try:
            data = load(top, target if is_table else None)
            preprocessor = data.preprocessor()
            x, _ = data.xy(preprocessor)
        except GradusError:
            return
        numbers = x.get("numbers", 0) if isinstance(x, dict) else x
        assert np.isfinite(numbers).all()
        restored = gr.data.preprocessor_from_dict(json.loads(json.dumps(preprocessor.to_dict())))
        assert restored == preprocessor

    read()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t.feather", "t.parquet", "t.xlsx"])
def test_an_altered_typed_file_is_read_or_refused(name, tmp_path):
    """Few of them: each is read in a process of its own."""
    frame = pl.DataFrame({"a": range(40), "b": list("xy") * 20, "c": DAYS + [None] * 4})
    writers = {"t.feather": frame.write_ipc, "t.parquet": frame.write_parquet}
    writers.get(name, frame.write_excel)(tmp_path / name)
    content = (tmp_path / name).read_bytes()

    @settings(fuzzed, max_examples=max(1, EXAMPLES // 25))
    @given(alterations())
    def read(changes):
        (tmp_path / name).write_bytes(altered(content, changes))
        with contextlib.suppress(GradusError):
            load(tmp_path / name, "b").preprocessor()

    read()


@pytest.mark.slow
def test_an_altered_model_is_loaded_whole_or_refused(tmp_path):
    model = gr.Model(gr.mlp([3, 1]), "mse").build(np.zeros((1, 2)))
    model.save(tmp_path / "m")
    files = {path.name: path.read_bytes() for path in sorted((tmp_path / "m").iterdir())}
    expected = model.weights

    @fuzzed
    @given(st.sampled_from(sorted(files)), alterations())
    def read(name, changes):
        for other, content in files.items():
            (tmp_path / "m" / other).write_bytes(content)
        (tmp_path / "m" / name).write_bytes(altered(files[name], changes))
        try:
            loaded = gr.Model.load(tmp_path / "m")
        except GradusError:
            return
        for path, value in loaded.weights.items():
            np.testing.assert_array_equal(value, expected[path])

    read()
