"""Fuzzing guided by coverage, with atheris: bytes that reach new lines are altered further.

`make fuzz` runs it, on Linux. By hand, on one target:

    python tests/fuzz/guided.py table -max_total_time=60
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

import atheris

os.environ.setdefault("JAX_PLATFORMS", "cpu")
with atheris.instrument_imports(include=["gradus"]):
    from gradus import records
    from gradus.data.reading.delimited_text import read_delimited
    from gradus.data.reading.json_files import read_json_table
    from gradus.data.sources.idx_files import read_idx
    from gradus.data.tables import as_table
    from gradus.errors import GradusError
    from gradus.experiments.settings.experiment import ExperimentError
    from gradus.experiments.settings.experiment_file import check_experiment

FOLDER = Path(tempfile.mkdtemp())


def table(content: bytes) -> None:
    """Read the bytes of a text file, and the types of its columns."""
    frame = read_delimited(content, "it").frame
    if frame.height < 200:
        as_table(frame)


def idx(content: bytes) -> None:
    """Read the bytes of an IDX file."""
    path = FOLDER / "x-idx"
    path.write_bytes(content)
    read_idx(path)


def json_table(content: bytes) -> None:
    """Read the bytes of a table in JSON."""
    as_table(read_json_table(content, "it"))


def record(content: bytes) -> None:
    """Read the bytes of a JSON file."""
    path = FOLDER / "record.json"
    path.write_bytes(content)
    records.read_json(path)


def experiment(content: bytes) -> None:
    """Check the settings of an experiment."""
    path = FOLDER / "experiment.toml"
    path.write_bytes(content)
    check_experiment(records.read_toml(path))


TARGETS = {
    "table": table,
    "json": json_table,
    "idx": idx,
    "record": record,
    "experiment": experiment,
}
SEEDS = {
    "table": [b"a,b\n1,2\n3,4\n5,6\n", b'"x";"y"\n1,5;"a ""b"""\n2,5;c\n', b"# t\na\tb\n1\t2\n"],
    "json": [b'{"a": 1, "b": "x"}\n{"a": null}\n', b'[{"a": 1.5}]', b'{"a": {"0": 1, "1": "y"}}'],
    "idx": [bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])],
    "record": [json.dumps({"format": 1, "kind": "x", "list": [1, None, "é"]}).encode()],
    "experiment": [b'data = "d.csv"\nmetrics = ["auc"]\n[network]\nlayers = [8]\n'],
}


def main(name: str, *options: str) -> None:
    """Fuzz one target with libFuzzer's options."""
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for index, seed in enumerate(SEEDS[name]):
        (corpus / str(index)).write_bytes(seed)

    def run(content: bytes) -> None:
        with contextlib.suppress(GradusError, ExperimentError):
            TARGETS[name](content)

    atheris.Setup([sys.argv[0], *options, str(corpus)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
