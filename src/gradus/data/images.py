"""Images: read from files, turned upright, and resized."""

from __future__ import annotations

import io
import mimetypes
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradus.checks import as_index, as_items
from gradus.data.files import existing_file
from gradus.errors import DataError
from gradus.host_memory import host_free_bytes, readable

ORIENTATION = 0x0112  # the EXIF tag
QUARTER_TURNS = (5, 6, 7, 8)  # its values that exchange width and height
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by the number of channels
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")
MOST_NAMED = 3  # files that a note or an error names

Size = tuple[int, int]
ImageSize = Size | int | None


# --- files --------------------------------------------------------------------------------------


def is_visible(entry: Path) -> bool:
    """Return whether a file or folder is neither hidden nor written by a system."""
    return not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_FILES


def visible_files(folder: Path, above: tuple[Path, ...] = ()) -> list[Path]:
    """Return the files in a folder and its subfolders in order, without hidden ones.

    Args:
        folder: the folder.
        above: the folders that it is in, into which a link may lead back.
    """
    above = (*above, folder.resolve())
    files: list[Path] = []
    for entry in sorted(filter(is_visible, folder.iterdir())):
        if not entry.is_dir():
            files.append(entry)
        elif entry.resolve() not in above:
            files += visible_files(entry, above)
    return files


def is_picture(file: Path) -> bool:
    """Return whether a file's name is that of an image or a video, in whatever format."""
    kind = str(mimetypes.guess_type(file.name)[0])
    return kind.startswith(("image/", "video/")) and not file.is_dir() and is_visible(file)


def image_suffixes() -> set[str]:
    """Return the endings of the files that Pillow reads as images."""
    from PIL import Image

    kinds = Image.registered_extensions()
    return {suffix for suffix, kind in kinds.items() if kind in Image.OPEN}


def find_images(path: str | Path) -> tuple[list[Path], list[Path]]:
    """Return the image files at a path, and the pictures there that cannot be read.

    Args:
        path: of one file, or of a folder, whose subfolders are searched too.

    Raises:
        DataError: if there is nothing there, or no image in the folder.
    """
    path = existing_file(path)
    if not path.is_dir():
        return [path], []
    files, suffixes = visible_files(path), image_suffixes()
    images = [file for file in files if file.suffix.lower() in suffixes]
    others = [file for file in files if is_picture(file) and file not in set(images)]
    if not images:
        found = f": it has {name_files(files, path)}" if files else ", it is empty"
        raise DataError(f"{str(path)!r} is a folder without images{found}.")
    return images, others


def name_files(files: Sequence[Path], folder: Path) -> str:
    """Return the names of some files in a folder, the first few of them."""
    shown = ", ".join(file.relative_to(folder).as_posix() for file in files[:MOST_NAMED])
    return f"{shown}, …" if len(files) > MOST_NAMED else shown


def left_out_note(others: Sequence[Path], folder: Path) -> list[str]:
    """Return a sentence on files that are not read, or nothing."""
    if not others:
        return []
    kind = "1 file is" if len(others) == 1 else f"{len(others)} files are"
    why = "of no class, or of a format that cannot be read"
    return [f"{kind} {why}: left out ({name_files(others, folder)})"]


# --- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReadImages:
    """Images that were read.

    Attributes:
        x: uint8, (n, height, width, channels).
        notes: what was done to them, in sentences.
        files: those that were read.
        broken: those that could not be read, and why.
    """

    x: np.ndarray
    notes: list[str]
    files: list[Path]
    broken: dict[Path, str]


@dataclass(frozen=True)
class _Headers:
    """What the headers of images say: the common (height, width) once turned, and colors."""

    size: Size
    gray: bool
    transparent: int
    animated: int
    broken: dict[Path, str]


def read_images(
    files: Sequence[Path],
    size: ImageSize = None,
    channels: int | None = None,
    skip_broken: bool = False,
) -> ReadImages:
    """Read image files, turned as their EXIF data say, in one size.

    An image of other proportions keeps them: it gets black borders.

    Args:
        files: the files, at least one.
        size: (height, width); or the most pixels of the longer side, which the most common size is
            shrunk to; None for the most common size.
        channels: 1, 3, or 4; None for 1 if every file is gray, else 3.
        skip_broken: whether files that cannot be read are left out, as long as others can.

    Raises:
        DataError: naming the files that cannot be read, or if they do not fit into memory.
    """
    headers, count = _read_headers(files), len(files)
    broken = dict(headers.broken)
    if not skip_broken or len(broken) == count:
        _refuse_broken(broken, count)
    files = [file for file in files if file not in broken]
    is_said = isinstance(size, tuple)
    size = chosen_size(size, headers.size)
    channels = channels or (1 if headers.gray else 3)
    shape = (len(files), *size, channels)
    _check_memory(shape)
    x = np.empty(shape, np.uint8)
    resized = padded = 0
    for index, file in enumerate(files):
        try:
            x[index], change = read_image(file, size, channels)
        except DataError as error:
            broken[file] = str(error)
            continue
        resized += change != "unchanged"
        padded += change == "padded"
    if not skip_broken or len(broken) == count:
        _refuse_broken(broken, count)
    read = [index for index, file in enumerate(files) if file not in broken]
    x = x if len(read) == len(files) else x[read]
    notes = _notes(len(read), 0 if is_said else resized, padded, size, headers)
    return ReadImages(x, notes, [files[index] for index in read], broken)


def read_image(source: Path | bytes, size: Size, channels: int) -> tuple[np.ndarray, str]:
    """Return an image as uint8 (h, w, c), and whether it is "unchanged", "resized", or "padded".

    Args:
        source: a file, or its content.
        size: (height, width).
        channels: 1, 3, or 4.

    Raises:
        DataError: if it is no image, or damaged.
    """
    from PIL import Image, ImageOps

    across = size[::-1]
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as opened:
            opened.draft(None, (2 * max(size), 2 * max(size)))  # a large JPEG is decoded smaller
            image = ImageOps.exif_transpose(opened).convert(MODES[channels])
            proportions = ImageOps.contain(image, across).size == across
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(source, error) from None
    change = "unchanged" if image.size == across else "resized" if proportions else "padded"
    if change != "unchanged":
        image = ImageOps.pad(image, across, Image.Resampling.BILINEAR, color=0)
    return np.asarray(image).reshape(*size, channels), change


def _read_headers(files: Sequence[Path]) -> _Headers:
    from PIL import Image

    sizes: Counter[Size] = Counter()
    gray, transparent, animated = True, 0, 0
    broken: dict[Path, str] = {}
    for file in files:
        try:
            with Image.open(file) as image:
                turned = image.getexif().get(ORIENTATION, 1) in QUARTER_TURNS
                sizes[image.size if turned else image.size[::-1]] += 1
                gray = gray and image.mode in ("1", "L", "LA")
                transparent += image.has_transparency_data
                animated += getattr(image, "n_frames", 1) > 1
                if image.mode[0] in "IF":
                    raise DataError(
                        f"{str(file)!r} has more than 8 bits per channel (mode {image.mode}); save "
                        "it with 8, or save the images as an .npz of float arrays."
                    )
        except DataError as error:
            broken[file] = str(error)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            broken[file] = str(_unreadable(file, error))
    size = sizes.most_common(1)[0][0] if sizes else (1, 1)
    return _Headers(size, gray, transparent, animated, broken)


def _unreadable(source: Path | bytes, error: Exception) -> DataError:
    """Return the error for a file that cannot be read as an image."""
    from PIL import UnidentifiedImageError

    name = "The body" if isinstance(source, bytes) else repr(str(source))
    reason = str(error).rstrip(".")
    if isinstance(source, Path) and source.is_file() and not source.stat().st_size:
        reason = "it is empty"
    elif isinstance(error, UnidentifiedImageError):
        reason = "it is none, or of an unknown format"
    return DataError(f"{name} cannot be read as an image: {reason}.")


def name_broken(broken: dict[Path, str], count: int) -> str:
    """Return which of some files cannot be read, and why the first of them, in sentences."""
    first, *others = broken
    message = broken[first]
    if others:
        more = ", ".join(repr(str(file)) for file in others[: MOST_NAMED - 1])
        message += f" Nor can {more}{', …' if len(others) >= MOST_NAMED else ''}"
        message += f": {len(broken)} of {count} files."
    return message


def _refuse_broken(broken: dict[Path, str], count: int) -> None:
    """Raise an error that names all files that cannot be read, if there are any."""
    if not broken:
        return
    message, others = name_broken(broken, count), len(broken) > 1
    if count > 1:
        message += " Save them anew, or remove them." if others else " Save it anew, or remove it."
    raise DataError(message)


def _check_memory(shape: tuple[int, ...]) -> None:
    """Refuse images that do not fit into memory, before any is read.

    Raises:
        DataError: saying how large they are.
    """
    size, free = int(np.prod(shape, dtype=np.int64)), host_free_bytes()
    if 2 * size > free:  # a part of them is copied for the training
        raise DataError(
            f"{shape[0]:,} images of {shape[1]}×{shape[2]} pixels take {readable(size)}, but "
            f"{readable(free)} are free here: have them shrunk, such as image_size = (64, 64)."
        )


def _notes(count: int, resized: int, padded: int, size: Size, headers: _Headers) -> list[str]:
    """Return what was done to images, in sentences."""
    notes = []
    if resized:
        notes.append(f"{resized} of {count} images were resized to {size[0]}×{size[1]}")
    if padded:
        notes.append(
            f"{padded} of {count} images have other proportions than {size[0]}×{size[1]}: they got "
            "black borders"
        )
    if headers.transparent:
        notes.append(
            f"{headers.transparent} of {count} images have transparency, which is left out"
        )
    if headers.animated:
        notes.append(f"{headers.animated} of {count} images have several frames: the first is used")
    return notes


# --- sizes and arrays ---------------------------------------------------------------------------


def chosen_size(size: ImageSize, common: Size) -> Size:
    """Return the size that images get.

    Args:
        size: as in `read_images`.
        common: their most common size.

    Raises:
        DataError: for a size that is not a height and a width.
    """
    if size is None:
        return common
    longest = as_index(size)
    if longest is not None:
        if longest < 1:
            raise DataError(f"image_size = {size!r}: write the most pixels of a side, such as 64.")
        share = min(1.0, longest / max(common))
        return max(1, round(common[0] * share)), max(1, round(common[1] * share))
    check_size(size)
    return size[0], size[1]  # type: ignore[index]


def check_size(size: Any) -> None:
    """Check that a size is a height and a width.

    Raises:
        DataError: if it is not.
    """
    sides = [as_index(side) or 0 for side in as_items(size) or ()]
    if len(sides) != 2 or min(sides) < 1:
        raise DataError(f"image_size = {size!r}: write a height and a width, such as (28, 28).")


def resize_images(x: Any, size: Size) -> np.ndarray:
    """Resize images with Pillow's bilinear filter, which averages when it shrinks.

    Args:
        x: `(n, height, width, channels)`, uint8 or floats.
        size: (height, width).

    Returns:
        uint8 or float32, as x is.

    Raises:
        DataError: if x is not an array of images, or the size is invalid.
    """
    if not isinstance(x, np.ndarray) or x.ndim != 4:
        raise DataError(
            f"image_size = {size!r} is for images, arrays (n, height, width, channels): leave it "
            "out for other data."
        )
    check_size(size)
    if x.shape[1:3] == tuple(size):
        return x
    dtype = np.uint8 if x.dtype == np.uint8 else np.float32
    resized = np.empty((len(x), *size, x.shape[3]), dtype)
    for target, image in zip(resized, x.astype(dtype, copy=False), strict=True):
        for channel in range(x.shape[3]):
            target[..., channel] = _resize_channel(image[..., channel], size)
    return resized


def _resize_channel(plane: np.ndarray, size: Size) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
