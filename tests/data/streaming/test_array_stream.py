"""Arrays of .npz files, and tables in .npy files, that are read in parts from memory maps."""

import os

import numpy as np
import pytest

import gradus as gr
from gradus.data import Preprocessing
from gradus.data.streaming import array_stream, mapped_files, open_arrays, split_rows, table_stream
from gradus.data.streaming.open_arrays import stream_arrays
from gradus.errors import DataError

ROWS = 1_000


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """Samples and blocks of a size that few rows exceed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_rows, "SAMPLE_ROWS", 320)
        patch.setattr(array_stream, "BLOCK_BYTES", 90 * 4 * 8)
        patch.setattr(table_stream, "BLOCK_ROWS", (1, 90))
        yield


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    x = np.asfortranarray(rng.normal([3, -2, 0, 9], [1, 2, 5, 0], (ROWS, 4)))
    y = x[:, :2].sum(axis=1) * 10
    return {"x": x, "y": y, "z": np.arange(3), "x_test": x[:200] + 1, "y_test": y[:200]}


@pytest.fixture(scope="module")
def path(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / "flat.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("scaling", ["auto", "minmax", "none"])
def test_statistics_are_those_of_all_training_rows(path, scaling):
    settings = Preprocessing(scaling=scaling)
    training, held_out = stream_arrays(path, preprocessing=settings).split(0.2)
    rows = training.load()
    assert len(rows) + len(held_out.load()) == ROWS
    assert training.count_rows() == len(rows) < ROWS - 100
    whole, fitted = rows.preprocessor(settings), training.preprocessor()
    assert held_out.preprocessor() is fitted
    assert fitted.target.mean == pytest.approx(whole.target.mean, rel=1e-12)
    assert fitted.target.std == pytest.approx(whole.target.std, rel=1e-12)
    if scaling == "none":
        assert fitted.scaling is None
    else:
        assert fitted.scaling.mean == pytest.approx(whole.scaling.mean, rel=1e-12)
        assert fitted.scaling.std == pytest.approx(whole.scaling.std, rel=1e-12)
    batches = list(training.batched(64, seed=1).epoch(0))
    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    expected = rows.xy(fitted)
    for given, wanted in zip((x, y), expected, strict=True):
        np.testing.assert_allclose(np.sort(given, axis=0), np.sort(wanted, axis=0), atol=1e-6)
    assert not np.allclose(y, expected[1])  # they are mixed


def test_a_file_is_read_as_in_memory(path):
    rows, whole = stream_arrays(path), gr.data.load(path)
    for part, expected in ((rows, whole), (rows.test, whole.test)):
        read = part.load()
        np.testing.assert_array_equal(read.x, expected.x)
        np.testing.assert_array_equal(read.y, expected.y)
        assert (read.task, read.class_names) == (expected.task, expected.class_names)
    assert rows.test.part == "its test part"
    assert "the array z is not used" in rows.example.notes
    assert max(len(part.x) for part in rows.parts()) <= 90


@pytest.mark.parametrize("kind", ["gray", "bytes", "channels first", "dark"])
def test_images_are_those_of_memory(tmp_path, kind):
    rng = np.random.default_rng(1)
    images = {
        "gray": rng.integers(0, 256, (600, 8, 8)),
        "bytes": rng.integers(0, 256, (600, 8, 8, 3), dtype=np.uint8),
        "channels first": rng.normal(size=(600, 3, 8, 6)).astype(np.float32),
        "dark": rng.integers(0, 9, (600, 8, 8), dtype=np.uint8),
    }[kind]
    if kind == "dark":
        images[1] = 10  # which the sample lacks
    names = rng.choice(["cat", "dog"], 600)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=names)
    rows, whole = stream_arrays(tmp_path / "images.npz"), gr.data.load(tmp_path / "images.npz")
    read = rows.load()
    np.testing.assert_array_equal(read.x, whole.x)
    assert read.x.dtype == whole.x.dtype
    assert read.class_names == ("cat", "dog")
    assert rows.class_counts() == dict(enumerate(np.bincount(whole.y)))
    np.testing.assert_allclose(
        rows.preprocessor().transform(read.x), whole.preprocessor().transform(whole.x), atol=1e-6
    )


def test_what_cannot_be_mapped_is_told(path, arrays, tmp_path, monkeypatch):
    def message(name="a.npz", save=np.savez, **given):
        save(tmp_path / name, **given)
        with pytest.raises(DataError) as told:
            list(stream_arrays(tmp_path / name).parts())
        return str(told.value)

    x = arrays["x"]
    assert "save it with np.savez instead of np.savez_compressed" in message(
        save=np.savez_compressed, x=x
    )
    assert "holds Python objects, which are pickles" in message(x=np.array([{}] * 9))
    assert "The numbers of rows differ: x has 1000, y has 3" in message(x=x, y=arrays["z"])
    assert "has the arrays a, b; name them x and y" in message(a=x, b=x)
    assert "There are no rows" in message(x=np.zeros((0, 2)))
    late = x.copy()
    late[500] = np.nan
    assert "Rows 450 to 539 of" in message(x=late)
    content = path.read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"is not an \.npz file, or is damaged"):
        stream_arrays(tmp_path / "cut.npz")
    monkeypatch.setattr(open_arrays, "host_free_bytes", lambda: 8 * ROWS)
    assert "The array y of" in message(x=x, y=arrays["y"])
    monkeypatch.undo()
    np.savez(tmp_path / "b.npz", x=x)
    rows = stream_arrays(tmp_path / "b.npz")
    with pytest.raises(DataError, match="has no targets to compare predictions to"):
        rows.labeled()
    os.utime(tmp_path / "b.npz", (1, 1))
    with pytest.raises(DataError, match=r"b.npz' was changed while it was read"):
        rows.load()
    assert not mapped_files.is_packed(tmp_path / "none.npz")


@pytest.mark.parametrize("named", [True, False])
def test_a_table_in_an_npy_file_is_read_as_in_memory(arrays, tmp_path, named):
    table = np.column_stack([arrays["x"], arrays["y"]])
    table[7, 1] = np.nan
    if named:
        fields = [(name, float) for name in "abcde"]
        table = np.array(list(map(tuple, table)), dtype=fields)
    np.save(tmp_path / "table.npy", table)
    rows = gr.data.stream(tmp_path / "table.npy", target=-1)
    whole = gr.data.load(tmp_path / "table.npy", target=-1)
    last = "e" if named else "column_5"
    assert rows.example.target == whole.target == last
    assert rows.load().x.equals(whole.x)
    assert whole.x[whole.x.columns[1]].null_count() == 1
    told = [note for note in whole.notes if "an array has no names" in note]
    assert bool(told) != named
    for shape in ((3,), (2, 2, 2)):
        np.save(tmp_path / "other.npy", np.zeros(shape))
        for read in (gr.data.load, gr.data.stream):
            with pytest.raises(DataError, match="a table has rows and columns; save inputs of"):
                read(tmp_path / "other.npy")
    (tmp_path / "other.npy").write_bytes(b"\x93NUMPY and no more")
    for read in (gr.data.load, gr.data.stream):
        with pytest.raises(DataError, match=r"is not an \.npy file"):
            read(tmp_path / "other.npy")
