import gzip
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gradus.data import (
    ArrayPreprocessor,
    Scaling,
    as_array,
    load,
    read_idx,
    read_idx_folder,
    read_image_folder,
)
from gradus.errors import DataError

REAL = Path(os.environ.get("GRADUS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def idx_bytes(array, code=0x08):
    return struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    ("dtype", "code"), [("u1", 8), ("i1", 9), (">i2", 11), (">i4", 12), (">f4", 13), (">f8", 14)]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_of_every_type_are_read(tmp_path, dtype, code, pack):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "images"
    path.write_bytes(pack(idx_bytes(array, code)))
    assert np.array_equal(read_idx(path), array)
    assert read_idx(path).dtype == array.dtype.newbyteorder("=")


GOOD = idx_bytes(np.zeros((3, 2, 2), np.uint8))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\0\0", "magic number is 0x0000"),
        (b"\x89PNG" + GOOD, "magic number is 0x89504e47"),
        (b"\0\0\x07\x03" + GOOD[4:], "magic"),
        (GOOD[:9], "header"),
        (GOOD[:-1], "cut short: .* takes 12 bytes, but there are 11"),
        (GOOD + b"x", "too long"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "cut short"),
        (gzip.compress(GOOD, mtime=0)[:-9], "cut short"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 20, "damaged"),
    ],
)
def test_broken_idx_files_raise(tmp_path, content, word):
    path = tmp_path / "file.gz" if content[:2] == b"\x1f\x8b" else tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=word):
        read_idx(path)


def test_a_missing_file_is_named_with_the_nearest(tmp_path):
    (tmp_path / "train-images").write_bytes(GOOD)
    with pytest.raises(DataError, match=r"Did you mean .*train-images"):
        read_idx(tmp_path / "train-image")


def write_pair(folder, part, images, labels):
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))


def test_a_folder_of_idx_pairs_has_a_test_part_with_the_same_classes(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 5, 4), np.uint8)
    write_pair(tmp_path, "train", images, np.array([0, 1, 2, 0, 1, 2], np.uint8))
    write_pair(tmp_path, "t10k", images[:2], np.array([2, 1], np.uint8))
    data = load(tmp_path)
    assert np.array_equal(data.x[..., 0], images)
    assert data.class_names == data.test.class_names == ("0", "1", "2")
    assert data.test.y.tolist() == [2, 1]
    assert load(tmp_path, classes=("2", "1", "0")).y.tolist() == [2, 1, 0, 2, 1, 0]
    x, y = data.xy(data.preprocessor())
    np.testing.assert_allclose(x[..., 0], images / 255, rtol=1e-6)
    assert y.dtype == np.int32

    write_pair(tmp_path, "train", images, np.array([0, 1], np.uint8))
    with pytest.raises(DataError, match=r"6 images, but .* 2 labels"):
        read_idx_folder(tmp_path)


def save(path, color, size=(4, 6), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)


def test_a_folder_of_images_has_a_class_for_each_subfolder(tmp_path):
    save(tmp_path / "cat" / "a.png", 10)
    save(tmp_path / "cat" / "b.png", 20, size=(8, 12))
    save(tmp_path / "dog" / "c.png", 30)
    (tmp_path / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / ".cache").mkdir()
    data = load(tmp_path)
    assert data.x.shape == (3, 6, 4, 1)
    assert data.x.dtype == np.uint8
    assert data.x[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert data.class_names == ("cat", "dog")
    assert data.y.tolist() == [0, 0, 1]
    assert data.notes == ("1 of 3 images were resized to 6×4",)

    save(tmp_path / "dog" / "d.png", (1, 2, 3), mode="RGB")
    data = read_image_folder(tmp_path)
    assert data.x.shape == (4, 6, 4, 3)
    assert data.x[3, 0, 0].tolist() == [1, 2, 3]
    assert read_image_folder(tmp_path, ("bird", "cat", "dog")).y.tolist() == [1, 1, 2, 2]


def test_train_and_test_folders_share_classes_and_size(tmp_path):
    for name in ("a", "b", "c"):
        save(tmp_path / "train" / name / "1.png", 1)
    save(tmp_path / "test" / "b" / "1.png", 1, size=(3, 3))
    data = read_image_folder(tmp_path)
    assert data.test.x.shape == (1, 6, 4, 1)
    assert data.test.y.tolist() == [1]


def test_folders_without_images_and_broken_images_raise(tmp_path):
    with pytest.raises(DataError, match="no folders of images"):
        load(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="no images, so it is no class"):
        load(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="no images, but other files") as told:
        load(tmp_path)
    assert "remove" not in str(told.value)  # what a user has there is not for gradus to remove
    (tmp_path / "cat" / "notes.txt").unlink()
    save(tmp_path / "dog" / "a.png", 1)
    broken = tmp_path / "cat" / "b.png"
    broken.write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"b\.png.* cannot be read as an image"):
        load(tmp_path)
    whole = (tmp_path / "dog" / "a.png").read_bytes()
    broken.write_bytes(whole[:-25])
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path)
    save(broken, 1, mode="I;16")
    with pytest.raises(DataError, match="8 bits"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_mnist_files(name, monkeypatch):
    if not (REAL / name).is_dir():
        pytest.skip(f"{name} is not in GRADUS_DATA")
    monkeypatch.setenv("GRADUS_DATA", str(REAL))
    data = load(name)
    assert data.x.shape == (60000, 28, 28, 1)
    assert data.test.x.shape == (10000, 28, 28, 1)
    assert len(data.class_names) == 10
    assert np.bincount(data.test.y).sum() == 10000
    if name == "mnist":
        assert data.y[:5].tolist() == [5, 0, 4, 1, 9]


def test_upright_photos_are_turned_before_their_sizes_are_compared(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 10, 3)).astype(np.uint8)
    for name in ("a", "b"):
        image = Image.fromarray(pixels)
        exif = image.getexif()
        exif[0x0112] = 6  # a quarter turn
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / "1.png", exif=exif)
    data = load(tmp_path)
    assert (data.x.shape, data.notes) == ((2, 10, 6, 3), ())
    np.testing.assert_array_equal(data.x[0], np.rot90(pixels, k=-1))


def test_images_in_subfolders_belong_to_the_class_above(tmp_path):
    for place in ("cat/2023/a.PNG", "cat/2024/b.png", "dog/c.png"):
        save(tmp_path / "archive" / "pets" / place, 1)
    data = load(tmp_path)
    assert (data.class_names, data.y.tolist()) == (("cat", "dog"), [0, 0, 1])


@pytest.mark.parametrize(
    ("parts", "held_out", "validation"),
    [
        (("train", "test", "val"), 1, 2),
        (("Train", "Test"), 1, None),
        (("training", "validation"), 1, None),
        (("seg_train", "seg_test"), 1, None),
    ],
)
def test_the_parts_of_a_data_set_are_not_its_classes(tmp_path, parts, held_out, validation):
    for index, part in enumerate(parts):
        for name in ("cat", "dog"):
            save(tmp_path / part / name / "1.png", index)
    data = load(tmp_path)
    assert (data.class_names, len(data), data.notes) == (("cat", "dog"), 2, ())
    assert data.test.x.max() == held_out
    assert (None if data.validation is None else data.validation.x.max()) == validation


@pytest.mark.parametrize("size", ["32", 0, -4, 8.0, (0, 5), (8, "8"), (8, 8, 3)])
def test_a_size_that_is_none_is_named(size):
    with pytest.raises(DataError, match=re.escape(f"image_size = {size!r}: write ")):
        load("digits", image_size=size)


def test_a_single_image_is_told_from_a_batch():
    fitted = ArrayPreprocessor(size=(8, 8))
    with pytest.raises(DataError, match=r"for a single image write x\[None\]"):
        fitted.transform(np.zeros((6, 8, 3), np.uint8))


def test_texts_are_told_from_tables():
    with pytest.raises(DataError, match=r"x holds texts: write .*TextVectorizer"):
        as_array(["a fine film", "dull"], "x")


def test_folders_name_classes_as_they_are_spelled(tmp_path):
    names = ("1.1", "1.10", "7", "007", "NA", "nan", "none")
    for name in names:
        for index in range(2):
            save(tmp_path / name / f"{index}.png", 1)
    data = load(tmp_path)
    assert (set(data.class_names), data.notes) == (set(names), ())


def test_what_is_left_out_of_a_folder_is_told_unless_a_system_wrote_it(tmp_path):
    for name in ("cat", "dog"):
        save(tmp_path / name / "1.png", (1, 2, 3, 4), mode="RGBA")
    for junk in ("cat/.DS_Store", "cat/._1.png", "__MACOSX/._1.png", "dog/Thumbs.db"):
        (tmp_path / junk).parent.mkdir(exist_ok=True)
        (tmp_path / junk).write_bytes(b"junk")
    save(tmp_path / "cat" / ".ipynb_checkpoints" / "1.png", 1)
    data = load(tmp_path)
    transparent = "2 of 2 images have transparency, which is left out"
    assert (len(data), data.notes) == (2, (transparent,))
    for other in ("cat/2.heic", "cat/3.pdf", "stray.png"):
        (tmp_path / other).write_bytes(b"")
    told = "2 files are of no class, or of a format that cannot be read: left out"
    assert load(tmp_path).notes[1].startswith(told)


@pytest.mark.parametrize(
    ("code", "values", "top"),
    [(0x08, 255, 1), (0x08, 1, 1), (0x0D, 1.0, None), (0x0E, 255.0, None), (0x0B, 9999, None)],
)
def test_images_of_an_idx_file_are_scaled_by_their_range(tmp_path, code, values, top):
    x = np.round(np.random.default_rng(0).random((6, 5, 5)), 3) * values
    x[0, 0, :2] = 0, values
    images = x.round() if code < 0x0D else x
    dtype = {0x08: "u1", 0x0B: ">i2", 0x0D: ">f4", 0x0E: ">f8"}[code]
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx_bytes(images.astype(dtype), code))
    labels = np.array([0, 1] * 3, np.uint8)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    data = load(tmp_path)
    got = data.xy(data.preprocessor())[0][..., 0]
    wanted = images / images.max() if top else (images - images.mean()) / images.std()
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize(("first", "second"), [(255, 1), (1, 255)])
def test_images_of_another_range_than_in_training_are_refused(first, second):
    bytes_ = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3)).astype(np.uint8)
    of_range = {255: bytes_, 1: bytes_ / 255}
    scaling = Scaling((0,), (255,)) if first == 255 else None
    fitted = ArrayPreprocessor.fit(of_range[first], scaling=scaling)
    with pytest.raises(DataError, match="by 255"):
        fitted.transform(of_range[second])
    assert fitted.transform(of_range[first]).std() < 2


def test_what_is_not_used_of_an_archive_or_an_image_is_told(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 2))
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1] * 3, x_val=x, y_val=[0, 1] * 3)
    assert load(tmp_path / "a.npz").notes == ("the arrays x_val, y_val are not used",)
    frames = [Image.new("L", (5, 5), color) for color in (1, 2)]
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        frames[0].save(tmp_path / f"pets/{name}/1.tiff", save_all=True, append_images=frames[1:])
    told = "2 of 2 images have several frames: the first is used"
    assert load(tmp_path / "pets").notes == (told,)


@pytest.mark.parametrize(("shape", "largest"), [((9, 8, 8), 255), ((9, 8, 8, 1), 60_000)])
def test_images_of_wide_integers_are_scaled(tmp_path, shape, largest):
    x = np.random.default_rng(0).integers(0, largest + 1, shape)
    np.savez(tmp_path / "a.npz", x=x)
    data = load(tmp_path / "a.npz")
    got = data.xy(data.preprocessor())[0].reshape(shape)
    wanted = x / 255 if largest == 255 else (x - x.mean()) / x.std()
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert data.notes[0].startswith("x has whole numbers")
