"""Tables that are read in parts: their preprocessing, their order, and what goes wrong."""

import bz2
import gzip
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile

import jax
import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.data.reading.delimited_text import REPEATS_NOTE
from gradus.data.streaming import (
    block_cache,
    mapped_arrays,
    open_rows,
    parquet_rows,
    split_rows,
    table_stream,
)
from gradus.data.streaming import held_out as held_out_rules
from gradus.data.streaming.held_out import ByGroup, ByTime
from gradus.data.streaming.row_source import Block
from gradus.data.streaming.shuffling import WINDOW_BLOCKS, block_batches
from gradus.data.table_options import TableOptions
from gradus.errors import DataError, GradusError
from gradus.models.inputs import streamed_data
from gradus.train.progress import TrainingProgress
from gradus.train.streaming import chunks

ROWS, PER_FILE = 6_000, (2_500, 0, 3_500)


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """Samples and blocks of a size that a small table exceeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_rows, "SAMPLE_ROWS", 600)
        patch.setattr(table_stream, "BLOCK_ROWS", (1, 700))
        yield


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    columns = {
        "row": np.arange(ROWS),
        "size": rng.normal(170, 10, ROWS),
        "kind": rng.choice(["a", "b", "c"], ROWS),
        "odd": np.zeros(ROWS),  # constant, but for one row
        "at": np.datetime64("2024-01-01", "us") + np.arange(ROWS) * np.timedelta64(3600, "s"),
    }
    columns["y"] = columns["size"] / 10 + (columns["kind"] == "a") + rng.normal(size=ROWS)
    frame = pl.DataFrame(columns)
    row = pl.col("row")
    return frame.with_columns(
        pl.when(row == 4_321).then(None).otherwise("size").alias("size"),
        pl.when(row.is_in([4_322, 4_323])).then(pl.lit("rare")).otherwise("kind").alias("kind"),
        pl.when(row == 4_324).then(9.0).otherwise("odd").alias("odd"),
        pl.when(row % 500 == 7).then(None).otherwise("y").alias("y"),
    )


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    path, start = tmp_path_factory.mktemp("rows"), 0
    for number, count in enumerate(PER_FILE):
        table[start : start + count].write_parquet(path / f"part-{number}.parquet")
        start += count
    return path


@pytest.fixture(scope="module")
def rows(folder):
    return gr.data.stream(folder, "y", drop=["row"])


@pytest.fixture(scope="module")
def split(rows):
    return rows.split(0.2, seed=3)


def written(rows):
    """The rows of a stream, typed, as one frame."""
    return pl.concat(list(rows.frames()))


def test_files_are_one_table(rows):
    assert len(rows) == ROWS
    assert rows.schema == {
        "row": "number",
        "size": "number",
        "kind": "category",
        "odd": "number",
        "at": "date",
        "y": "number",
    }
    assert any("1 of 3 files have no rows" in note for note in rows.source.notes)


def test_rows_are_held_out_by_their_number(table, split):
    training, held_out = split
    parts = [written(part)["row"].to_list() for part in split]
    assert sorted([*parts[0], *parts[1]]) == table.drop_nulls("y")["row"].to_list()
    assert 0.17 < len(parts[1]) / ROWS < 0.23
    again = training.source.blocks(97)  # in other blocks, too
    other = [row for frame in held_out.frames(again) for row in frame["row"]]
    assert other == parts[1]
    rest, more = training.split(0.1)  # of the rows that are left, by the same seed
    assert 0.07 < more.count_rows() / len(parts[0]) < 0.13
    assert len(more) == pytest.approx(more.count_rows(), rel=0.2)
    again = [*written(rest)["row"], *written(more)["row"]]
    assert sorted(again) == parts[0]
    assert sorted(c for p in rest.held_out for c in written(p)["row"]) == sorted(
        [*parts[1], *written(more)["row"]]
    )


def test_whole_groups_are_held_out(table, rows, monkeypatch):
    def split_by(column, share, seed=0):
        rule = ByGroup.fit(rows.frames(columns=[column]), share, column, seed)
        return rows.split_by(rule)

    training, held_out = split_by("row", 0.3)
    assert written(held_out).height == round(0.3 * rows.count_rows())  # each row is a group
    again = [k for f in held_out.frames(training.source.blocks(97)) for k in f["row"]]
    assert again == written(held_out)["row"].to_list()
    assert again != written(split_by("row", 0.3, seed=1)[1])["row"].to_list()
    for share in (0.01, 0.9):  # of few groups, one and all but one at least are held out
        parts = [set(written(part)["kind"]) for part in split_by("kind", share)]
        assert not parts[0] & parts[1]
        assert parts[0] | parts[1] == set(table["kind"])
        assert all(parts)
    with pytest.raises(DataError, match="'size' is empty in a row, so rows cannot be split by it"):
        split_by("size", 0.5)
    monkeypatch.setattr(held_out_rules, "MAX_GROUPS", 100)
    assert 0.27 < written(split_by("row", 0.3)[1]).height / ROWS < 0.33
    with pytest.raises(DataError, match="'row' is the same in all of these rows"):
        ByGroup.fit([table[:1]], 0.5, "row")


@pytest.mark.parametrize("column", ["at", "row"])
def test_the_latest_rows_are_held_out(table, rows, column):
    rule = ByTime.fit(rows.frames(columns=[column]), 0.1, len(rows), column)
    training, held_out = rows.split_by(rule)
    assert written(training)[column].max() < written(held_out)[column].min()
    present = table.drop_nulls("y")
    assert written(held_out).height == 599  # one fewer than a tenth, as no time is divided
    assert training.count_rows() + held_out.count_rows() == present.height
    alike = [table.select(pl.col("odd")), table.select(pl.lit(1.0).alias("odd"))]
    assert ByTime.fit(alike[:1], 0.1, ROWS, "odd").last < 9  # one row, not 600, is the latest
    with pytest.raises(DataError, match="'odd' is the same in all of these rows"):
        ByTime.fit(alike[1:], 0.1, ROWS, "odd")
    with pytest.raises(DataError, match=r"read as text, such as .* a split by time needs"):
        ByTime.fit([table], 0.1, ROWS, "kind")


def test_several_targets_are_those_of_a_table_in_memory(folder, table, monkeypatch):
    monkeypatch.setattr(split_rows, "SAMPLE_ROWS", ROWS)
    monkeypatch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
    streamed = gr.data.stream(folder, ["y", "size"], drop=["row"])
    fitted = streamed.preprocessor()
    x, y = (
        np.concatenate(part) for part in zip(*streamed.batched(512, None).epoch(0), strict=True)
    )
    data = gr.data.load(table, "y,size")
    whole = data.preprocessor(drop=["row"])
    assert fitted.target.columns == ("y", "size")
    for given, expected in zip((x, y), data.xy(whole), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-5)
    assert streamed.count_rows() == len(data)


def test_targets_that_have_a_task_each_are_learned_of_all_rows(folder, monkeypatch):
    monkeypatch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
    monkeypatch.setattr(split_rows, "SAMPLE_ROWS", ROWS // 8)
    streamed = gr.data.stream(folder, ["y", "kind"], drop=["row"])
    assert "rare" not in streamed.example.class_names["kind"]
    training, held_out = streamed.split(0.2)
    target = training.preprocessor().target
    assert [part.task for part in target.parts] == ["regression", "multiclass"]
    assert target.classes == {"y": (), "kind": ("a", "b", "c", "rare")}
    written_rows = written(training)
    assert target.parts[0].mean == pytest.approx((written_rows["y"].mean(),), rel=1e-12)
    assert target.parts[0].std == pytest.approx((written_rows["y"].std(ddof=0),), rel=1e-12)
    counts = written_rows["kind"].value_counts().sort("kind")["count"].to_list()
    assert list(training.class_counts(target.parts[1]).values()) == counts
    batches = [y for _, y in training.batched(512, None).epoch(0)]
    expected = target.transform_frame(written_rows)
    for name in ("y", "kind"):
        found = np.concatenate([batch[name] for batch in batches])
        np.testing.assert_array_equal(found, expected[name])
    assert set(held_out.load().y) == {"y", "kind"}


def test_classes_of_rows_held_out_are_known(folder, monkeypatch):
    monkeypatch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
    latest = gr.data.stream(folder, "kind", drop=["row"])
    training, held_out = latest.split_by(ByTime(0.3, "row", 4_321.0))
    assert training.preprocessor().target.class_names == ("a", "b", "c", "rare")
    assert training.class_counts()[3] == 0
    assert (held_out.load().y == 3).sum() == 2


def test_statistics_are_those_of_all_training_rows(split):
    frame, fitted = written(split[0]), split[0].preprocessor()
    assert split[1].preprocessor() is fitted
    encoders = {column.name: column for column in fitted.columns}
    size = frame["size"].drop_nulls().to_numpy()
    assert len(split[0].example) < ROWS / 5
    assert encoders["size"].mean == pytest.approx(size.mean(), rel=1e-12)
    assert encoders["size"].std == pytest.approx(size.std(), rel=1e-12)
    assert encoders["size"].indicator == (frame["size"].null_count() > 0)
    assert encoders["kind"].levels == tuple(sorted(frame["kind"].unique()))
    assert fitted.ranges["size"].low == size.min()
    assert fitted.ranges["size"].high == size.max()
    assert ("odd" in encoders) == (frame["odd"].n_unique() > 1)
    assert "odd" in encoders  # which is constant in the sample
    days = frame["at"].dt.epoch("ms").to_numpy() / 86_400_000
    part = next(part for part in encoders["at"].parts if part.name == "days")
    assert part.knots or part.mean == pytest.approx(days.mean(), rel=1e-12)
    y = frame["y"].to_numpy()
    assert fitted.target.mean == pytest.approx((y.mean(),), rel=1e-12)
    assert fitted.target.std == pytest.approx((y.std(),), rel=1e-12)
    assert any(f"of {len(frame):,} rows" in note for note in fitted.notes)


def test_a_sample_of_all_rows_fits_what_a_table_in_memory_does(folder, table, monkeypatch):
    monkeypatch.setattr(split_rows, "SAMPLE_ROWS", ROWS)
    fitted = gr.data.stream(folder, "y", drop=["row"]).preprocessor()
    whole = gr.data.load(table, "y").preprocessor(drop=["row"])
    assert [c.name for c in fitted.columns] == [c.name for c in whole.columns]
    np.testing.assert_allclose(fitted.transform(table), whole.transform(table), atol=1e-6)
    assert not any("read in parts" in note for note in fitted.notes)


def test_each_row_is_read_once_in_an_order_of_each_epoch(split):
    batches = split[0].batched(128, seed=5)
    epochs = [np.concatenate([y for _, y in batches.epoch(epoch)])[:, 0] for epoch in (0, 1)]
    in_order = np.concatenate([y for _, y in split[0].batched(128, None).epoch(0)])[:, 0]
    count = written(split[0]).height
    assert [len(y) for _, y in batches.epoch(0)] == [128] * (count // 128) + [count % 128]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.sort(in_order))
    assert not np.array_equal(*epochs)
    again = np.concatenate([y for _, y in split[0].batched(128, seed=5).epoch(1)])[:, 0]
    np.testing.assert_array_equal(again, epochs[1])
    places = np.argsort(np.argsort(in_order))[np.argsort(np.argsort(epochs[0]))]
    assert abs(np.corrcoef(np.arange(count), places)[0, 1]) < 0.9


def test_encoding_is_that_of_the_preprocessor(split):
    x, y = (
        np.concatenate(each) for each in zip(*split[1].batched(500, None).epoch(0), strict=True)
    )
    expected = split[1].preprocessor().xy(written(split[1]))
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(y, expected[1])


def test_evaluation_and_prediction_equal_those_of_arrays(split):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.Adam(0.05), ["r2"])
    model.fit(split[0], batch_size=256, epochs=2, validation_data=split[1], verbose=False)
    assert model.history["val_r2"][-1] > 0
    x, y = split[1].preprocessor().xy(written(split[1]))
    assert model.evaluate(split[1])["loss"] == pytest.approx(model.evaluate(x, y)["loss"], rel=1e-5)
    has_target = np.concatenate(
        [f["y"].is_not_null().to_numpy() for f in split[1].inputs().frames()]
    )
    predicted = model.predict(split[1])  # of each row, also of those without a target
    assert len(predicted) > has_target.sum() == len(x)
    np.testing.assert_allclose(predicted[has_target], model.predict(x), rtol=1e-5, atol=1e-6)


def test_other_rows_are_encoded_as_those_trained_on(split, table, tmp_path):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse")
    model.fit(split[0], batch_size=256, epochs=1, verbose=False)
    other = table.filter(pl.col("kind") != "b").head(300)
    other.drop("y").write_parquet(path := tmp_path / "other.parquet")
    preprocessor = split[0].preprocessor()
    encoded = gr.data.stream(path, preprocessor=preprocessor)
    expected = model.predict(preprocessor.transform(other))
    np.testing.assert_allclose(model.predict(encoded), expected, rtol=1e-5, atol=1e-6)
    own = gr.data.stream(path, drop=["row"])
    with pytest.raises(DataError, match=r"^x is encoded by its own rows, .*preprocessor=training"):
        model.predict(own)
    with pytest.raises(DataError, match=r"^validation x is encoded by its own rows"):
        model.fit(split[0], validation_data=own, verbose=False)


def test_a_training_that_was_cut_resumes_at_its_epoch(split, tmp_path, monkeypatch):
    def train(**options):
        model = gr.Model(gr.Sequential([gr.Dense(4, "relu"), gr.Dense(1)]), "mse", "adam")
        return model, model.fit(split[0], batch_size=256, verbose=False, **options)

    monkeypatch.setattr(chunks, "CHUNK_STEPS", 4)
    whole, _ = train(epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        calls = []

        def pressed(progress):  # Ctrl-C within the second epoch of five chunks
            calls.append(1)
            progress.interrupted = len(calls) > 6
            return progress.interrupted

        patch.setattr(TrainingProgress, "was_interrupted", pressed)
        _, history = train(epochs=3, checkpoint=tmp_path / "saved")
    assert history.stopped == "interrupted"
    assert history.epochs == 2
    resumed, history = train(epochs=3, resume=tmp_path / "saved")
    assert history.epochs == 3
    for one, other in zip(jax.tree.leaves(whole.net), jax.tree.leaves(resumed.net), strict=True):
        np.testing.assert_array_equal(one, other)


def test_at_most_two_windows_are_in_memory():
    held, most, blocks = 0, 0, [Block(0, 10 * index, 10, 10 * index) for index in range(40)]

    def read(block):
        nonlocal held, most
        held += block.size
        most = max(most, held)
        return np.arange(block.row, block.row + block.size)

    seen = []
    for batch in block_batches(blocks, read, 20, seed=0):
        held -= len(batch)
        seen += batch.tolist()
    assert sorted(seen) == list(range(400))
    assert most <= 2 * WINDOW_BLOCKS * 10


def test_blocks_are_kept_as_long_as_there_is_room():
    reads = []

    def read(block):
        reads.append(block)
        return {"a": np.arange(4.0), "b": np.array([[block.row]], np.int32)}, None

    cache = block_cache.BlockCache(read, most=40)
    blocks = [Block(0, row, 1, row) for row in (0, 1)]
    for _ in range(2):
        for block in blocks:
            (x, y) = cache.read(block)
            assert (x["a"].tolist(), x["b"].tolist(), y) == ([0, 1, 2, 3], [[block.row]], None)
    assert reads == [blocks[0], blocks[1], blocks[1]]  # the second one has no room


def test_a_row_group_is_decoded_once_for_all_of_its_blocks(tmp_path, monkeypatch):
    count, groups = 2_600, (1_000, 1_000, 600)
    frame = pl.DataFrame({"row": np.arange(count), "y": np.arange(count) / 7})
    frame.write_parquet(path := tmp_path / "rows.parquet", row_group_size=groups[0])
    calls, decode = [], parquet_rows.ParquetRows._decode
    monkeypatch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
    monkeypatch.setattr(
        parquet_rows.ParquetRows,
        "_decode",
        lambda self, block, columns: calls.append(block) or decode(self, block, columns),
    )
    monkeypatch.setattr(table_stream, "BLOCK_ROWS", (1, 400))
    monkeypatch.setattr(parquet_rows, "COLUMN_BYTES", 1)  # one column after another
    rows = gr.data.stream(path, "y", keep=["row"])
    blocks = rows.blocks()
    assert [block.size for block in blocks] == [334, 334, 332, 334, 334, 332, 300, 300]
    assert np.cumsum([0, *(block.size for block in blocks)])[:-1].tolist() == [
        block.row for block in blocks
    ]
    calls.clear()
    assert written(rows).equals(frame)
    whole = [(block.start, block.size) for block in calls]
    assert whole == [(0, 1_000), (1_000, 1_000), (2_000, 600)]
    assert rows.source._decoded is None
    rows.preprocessor()
    calls.clear()
    batches = rows.batched(100, seed=1)
    for epoch in range(2):  # whose blocks are those of any group
        y = np.concatenate([y for _, y in batches.epoch(epoch)])[:, 0]
        np.testing.assert_allclose(np.sort(y), np.sort(rows.preprocessor().xy(frame)[1][:, 0]))
    assert sorted((block.start, block.size) for block in calls) == whole
    small = parquet_rows.ParquetRows([path], "rows").blocks(2_100)  # of several groups
    assert [(block.start, block.size, block.group) for block in small] == [
        (0, 2_000, None),
        (2_000, 600, None),
    ]


def test_row_groups_too_large_for_memory_are_copied_in_small_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_rows, "COLUMN_BYTES", 1)
    monkeypatch.setattr(open_rows, "GROUP_BYTES", 10_000)
    monkeypatch.setattr(open_rows, "COPY_ROWS", 250)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    values = np.arange(600)
    frame = pl.DataFrame({"n": values, "kind": pl.Series(values % 3).cast(pl.String), "y": values})
    frame = frame.with_columns(pl.col("kind").cast(pl.Categorical), pl.col("y") / 7)
    (tmp_path / "rows").mkdir()
    for part in range(2):
        frame[part * 400 : part * 400 + 400].write_parquet(tmp_path / f"rows/{part}.parquet")
    rows = gr.data.stream(tmp_path / "rows", "y")
    assert rows.schema == {"n": "number", "kind": "category", "y": "number"}
    assert [block.size for block in rows.source.blocks(10_000)] == [250, 150, 200]
    assert (
        written(rows)
        .with_columns(pl.col("kind").cast(pl.String))
        .equals(frame.with_columns(pl.col("kind").cast(pl.String)))
    )
    (note,) = rows.source.notes
    assert re.search(r"a row group takes 1[0-9] kB in memory, so a copy with smaller ones", note)
    (copies,) = (tmp_path / "temporary").glob("gradus-*")
    assert sorted(path.name for path in copies.iterdir())[0] == f"{0:015d}.parquet"
    monkeypatch.setattr(open_rows.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(DataError, match="set TMPDIR to a folder on a larger disk"):
        gr.data.stream(tmp_path / "rows", "y")


LIMITED = """
import resource, sys
from pathlib import Path
import gradus as gr
from gradus.data.streaming import parquet_rows, split_rows, table_stream

table_stream.BLOCK_BYTES, parquet_rows.COLUMN_BYTES = 1 << 18, 1 << 20
split_rows.SAMPLE_ROWS = 5_000
parquet_rows._check_files = lambda *_: []  # which is another process

def read(path):
    rows = gr.data.stream(path, preprocessor=fitted)
    return sum(len(y) for _, y in rows.batched(4096, seed=0).epoch(0))

fitted = gr.data.stream(sys.argv[1], "y").preprocessor()
read(sys.argv[1])  # what that takes is in use
fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
limit = 1024 * int(fields["VmData"].split()[0]) + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
print(read(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux counts the memory of a process")
def test_an_epoch_needs_less_memory_than_half_of_the_rows(tmp_path):
    rng, extra, rows, parts = np.random.default_rng(0), 32 << 20, 25_000, 16
    group = pl.DataFrame({f"n{i}": rng.random(rows) for i in range(20)})
    group = group.with_columns(y=pl.col("n0") * 2)
    few, many = tmp_path / "few.parquet", tmp_path / "many"
    group.head(20_000).write_parquet(few, compression="uncompressed")
    many.mkdir()
    for part in range(parts):
        group.write_parquet(many / f"{part:02d}.parquet", compression="uncompressed")
    assert sum(path.stat().st_size for path in many.iterdir()) > 2 * extra
    command = [sys.executable, "-c", LIMITED, str(few), str(many), str(extra)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == f"{parts * rows}\n", done.stderr


def test_a_file_that_changes_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "rows.parquet"
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=300), "y": np.arange(300) / 7})
    frame.write_parquet(path)
    rows = gr.data.stream(path, "y")
    rows.preprocessor()
    os.utime(path, (1, 1))
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse")
    with pytest.raises(DataError, match=r"rows.parquet' was changed while it was read"):
        model.fit(rows, verbose=False)
    path.unlink()
    with pytest.raises(DataError, match=r"rows.parquet' cannot be read any more: No such file"):
        model.fit(rows, verbose=False)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="is not a Parquet file, or is damaged"):
        gr.data.stream(path, "y")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": [1.0], "y": [2.0], "z": [3]}, "b.parquet has a column 'z', unlike a.parquet"),
        ({"x": [1.0]}, "b.parquet lacks the column 'y', unlike a.parquet"),
        ({"x": ["1"], "y": [2.0]}, "Column 'x' is String in b.parquet, but Float64 in a.parquet"),
    ],
)
def test_files_of_other_columns_are_refused(tmp_path, monkeypatch, other, message):
    pl.DataFrame({"x": [1.0, 2.0], "y": [2.0, 3.0]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame(other).write_parquet(tmp_path / "b.parquet")
    monkeypatch.setattr(parquet_rows, "_check_files", lambda *_: [])  # faster
    with pytest.raises(DataError, match=message):
        gr.data.stream(tmp_path, "y")


def test_text_files_are_read_as_in_memory(tmp_path, table):
    path = tmp_path / "rows.csv"
    told = table.with_columns(pl.col("size").round(1).cast(pl.String).str.replace(r"\.", ","))
    told.drop("at", "odd").write_csv(path, separator=";")
    rows = gr.data.stream(path, "kind", drop=["row"])
    assert rows.preprocessor().target.class_names == ("a", "b", "c", "rare")
    assert rows.schema["size"] == "number"
    whole = gr.data.load(path, "kind")
    frame = written(rows)
    assert frame["size"].to_list() == whole.x["size"].to_list()
    assert frame["kind"].to_list() == whole.x["kind"].to_list()
    assert rows.class_counts() == dict(enumerate(np.bincount(whole.y)))
    assert any("a copy in Parquet is kept in" in note for note in rows.preprocessor().notes)


@pytest.mark.parametrize("head", [100, 1 << 20])  # bytes, without the second header, and with it
def test_files_that_were_joined_are_read_as_in_memory(tmp_path, monkeypatch, head):
    monkeypatch.setattr(open_rows, "HEAD_BYTES", head)
    path = tmp_path / "rows.csv"
    part = "x,y\n" + "".join(f"{index / 8},{'ab'[index % 2]}\n" for index in range(40))
    path.write_text(part + part)
    rows, whole = gr.data.stream(path, "y"), gr.data.load(path, "y")
    assert rows.preprocessor().target.class_names == ("a", "b")
    assert written(rows)["x"].to_list() == whole.x["x"].to_list()
    assert [note for note in rows.preprocessor().notes if "repeat" in note] == [REPEATS_NOTE]
    path.write_text("# from a lake\n" + part)
    with pytest.raises(DataError, match="cannot be read in parts, as its first rows are no plain"):
        gr.data.stream(path, "y")


@pytest.mark.parametrize("text", ["x,y\n1,2\n,\n3,4\n", "x,y\n1,2\n\n  \n3,4\n\n", "x\n1\n\n3\n"])
def test_blank_lines_are_no_rows_and_rows_without_a_value_are(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    assert written(gr.data.stream(path)).equals(gr.data.load(path).x)
    if "," in text:
        path.write_text("x,y\n1,2\n,\n\n3,4\n")
        with pytest.raises(DataError, match="has blank lines, and rows without any value"):
            gr.data.stream(path)


@pytest.mark.parametrize("sample", [40, 1_000])  # rows, of which some or all lack a target
def test_notes_count_rows_and_spellings_beyond_the_sample(tmp_path, monkeypatch, sample):
    monkeypatch.setattr(split_rows, "SAMPLE_ROWS", sample)
    path = tmp_path / "rows.parquet"
    y = [None if index in (0, 301, 302) else index % 2 for index in range(400)]
    town = ["ulm" if index == 305 else ["Ulm", "Bonn"][index % 7 > 3] for index in range(400)]
    table = {"x": [index / 8 for index in range(400)], "town": town, "y": y}
    pl.DataFrame(table).write_parquet(path)
    rows = gr.data.stream(path, "y")
    told = [note for note in rows.preprocessor().notes if "no target" in note]
    assert told == ["3 rows have no target 'y' and are not used"]
    assert sum("('Ulm' and 'ulm')" in note for note in rows.preprocessor().notes) == 1
    (note,) = (n for n in rows.split(0.2)[0].preprocessor().notes if "no target" in n)
    assert note.startswith("of the rows to train on, ")


def test_a_cell_that_fits_no_number_is_told_with_its_row(tmp_path):
    path = tmp_path / "rows.csv"
    lines = [f"{index / 8},{index}" for index in range(3_000)]
    lines[1_234] = "oops,7"
    path.write_text("\n".join(["x,y", *lines, ""]))
    with pytest.raises(DataError, match=r"Rows 0 to 2,999 of '.*rows.csv'.*'oops' in row 1234"):
        gr.data.stream(path, "y")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("4,5\n6,7,8\n", r"1 row has fewer values than the 3 columns, .* line 402"),
        ('"4,5",6\n6,7,8\n"a, b"\n', r"2 rows have fewer values .* line 402"),
        ('"4\n,5",6,7\n6,"7\n"\n', r"1 row has fewer values .* line 404"),
        ('"4\n,5",6,7\n\n5" ,6" ,7\n"a ""b, c""",4,5\n', None),
    ],
)
def test_rows_with_fewer_values_than_columns_are_told(tmp_path, monkeypatch, rows, told):
    monkeypatch.setattr(open_rows, "HEAD_BYTES", 600)
    path = tmp_path / "rows.csv"
    path.write_text("x,y,z\n" + "1,2,3\n\n" * 200 + rows)
    head = open_rows._head(path, "it", TableOptions())
    if told is None:
        assert open_rows._check_lines(path, head, "it")
        return
    with pytest.raises(DataError, match=told):
        gr.data.stream(path, "y")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_packed_text_is_unpacked_first(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = tmp_path / f"rows.csv{suffix}"
    content = ("x,y\n" + "".join(f"{i / 8},{i}\n" for i in range(900))).encode()
    packed = compress(suffix, content)
    path.write_bytes(packed)
    rows = gr.data.stream(path, "y")
    assert written(rows)["y"].to_list() == list(range(900))
    assert [each.name for each in rows.source.states[0].path.parent.iterdir()].count(path.name)
    (kept,) = (tmp_path / "tmp").iterdir()
    assert {each.suffix for each in kept.iterdir()} == {".parquet"}
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"rows.csv\.\w+' is (cut short|damaged)"):
        gr.data.stream(path, "y")
    path.write_bytes(packed)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000))
    with pytest.raises(DataError, match=r"unpacks to more than .*: set TMPDIR to a folder"):
        gr.data.stream(path, "y")
    assert list((tmp_path / "tmp").iterdir()) == [kept]
    path.write_bytes(b"x,y\n1,2\n")
    with pytest.raises(DataError, match=rf"is named \{suffix} but is not"):
        gr.data.stream(path, "y")


def compress(suffix, content):
    if suffix == ".zst":
        return pytest.importorskip("backports.zstd").compress(content)
    return {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix].compress(content)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": None}, "batch_size=None needs all samples in memory"),
        ({"batch_size": "all"}, "batch_size='all': write a whole number of at least 1"),
        ({"y": "y"}, "x is .*, which yields its target 'y', too: leave y out"),
        ({"steps_per_epoch": 3}, "steps_per_epoch=3: an epoch is all of"),
    ],
)
def test_what_needs_all_samples_is_refused(split, options, message):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse")
    with pytest.raises(GradusError, match=message):
        model.fit(split[0], verbose=False, **options)


def test_what_takes_rows_in_memory_says_how_to_get_some(split):
    rows = split[0]
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.Adam(0.01))
    code = r"x, y = rows.preprocessor().xy(rows.sample(10_000).x)"
    calls = (model.check, model.find_learning_rate, lambda rows: gr.repair(model, rows))
    for call in calls:
        with pytest.raises(GradusError, match=f"which is read in parts, .*{re.escape(code)}"):
            call(rows)
    names: dict = {"rows": rows}
    exec(code, names)  # noqa: S102 - it is our own message
    assert model.find_learning_rate(names["x"], names["y"], steps=3).losses.shape == (3,)
    with pytest.raises(GradusError, match="The loss needs targets"):
        model.find_learning_rate(names["x"])


def test_memory_maps_larger_than_memory_are_read_in_parts(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 3))
    np.save(tmp_path / "x.npy", x)
    mapped, y = np.load(tmp_path / "x.npy", mmap_mode="r"), x @ [1.0, 2.0, 3.0]

    def loss(given):
        model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(0.1))
        history = model.fit(given, y, batch_size=100, epochs=3, shuffle=False, verbose=False)
        return history["loss"].tolist()

    expected = loss(x)
    monkeypatch.setattr(mapped_arrays, "MAPPED_BLOCK_BYTES", 32 * 170)
    monkeypatch.setattr(streamed_data, "host_free_bytes", lambda: 900 * 32)
    reads = []
    read = mapped_arrays.MappedArrays.read

    def counted(arrays, block):
        reads.append(block.size)
        return read(arrays, block)

    monkeypatch.setattr(mapped_arrays.MappedArrays, "read", counted)
    with pytest.warns(RuntimeWarning, match="this memory map is read in parts"):
        assert loss(mapped) == pytest.approx(expected, rel=1e-5)
    assert set(reads) == {170, 50}
    parts = mapped_arrays.MappedArrays(mapped, y).hold_out(0.2, 0)
    found = [[x for x, _ in part.batched(64, None).epoch(0)] for part in parts]
    counts = [sum(map(len, batches)) for batches in found]
    assert (counts, sum(counts)) == ([part.rows for part in parts], 900)
    assert 150 < counts[1] < 210
    mixed = np.concatenate([*found[0], *found[1]])
    np.testing.assert_array_equal(np.sort(mixed[:, 0]), np.sort(x[:, 0]))
    assert parts[0].identity != parts[1].identity


def test_wrong_calls_say_what_to_write(folder, split):
    with pytest.raises(DataError, match=r"share must be the fraction held out"):
        split[0].split(2)
    with pytest.raises(DataError, match="held out already: split the others"):
        split[1].split(0.1)
    with pytest.raises(DataError, match=r"cannot be read in parts: these are \.parquet files"):
        gr.data.stream(__file__)
    with pytest.raises(DataError, match=r"^source is a DataFrame, not a path: .*gr\.data\.load"):
        gr.data.stream(pl.DataFrame({"a": [1]}), "a")
    with pytest.raises(DataError, match=r"The preprocessor says target: leave target out"):
        gr.data.stream(folder, "y", preprocessor=split[0].preprocessor())
