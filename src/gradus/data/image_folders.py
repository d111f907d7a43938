"""Reading folders of image files by class."""

from __future__ import annotations

import mimetypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradus.data.array_preprocessor import EIGHT_BIT
from gradus.data.datasets import Dataset, labeled_dataset
from gradus.data.files import existing_file
from gradus.errors import DataError

ORIENTATION = 0x0112  # the EXIF tag
QUARTER_TURNS = (5, 6, 7, 8)  # its values that exchange width and height
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")


def read_image_folder(folder: str | Path, classes: tuple[str, ...] = ()) -> Dataset:
    """Read a folder with one subfolder of image files per class.

    All images are turned as their EXIF data say, then resized to the most common size; they are
    gray if every file is, else RGB. The images of a class may be in subfolders. If the subfolders
    are parts that hold the classes, such as `train` and `test` (or `val`), `test` is the test part;
    of three parts, `val` is left out, with a note. Hidden files are left out.

    Args:
        folder: the folder.
        classes: all class names, if the folder may lack some.

    Returns:
        uint8 images (n, h, w, 1 or 3) and labels; notes say how many were resized, and which files
        are no images.

    Raises:
        DataError: if there are fewer than two classes, a class has no images, or a file cannot
            be read as an image.

    Examples:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, gray in (("cat", 10), ("dog", 20)):
        ...         pathlib.Path(folder, name).mkdir()
        ...         Image.new("L", (6, 4), gray).save(pathlib.Path(folder, name, "1.png"))
        ...     data = gr.data.read_image_folder(folder)
        >>> data.x.shape, data.class_names
        ((2, 4, 6, 1), ('cat', 'dog'))
    """
    folder = _without_wrappers(existing_file(folder))
    parts = _parts(folder)
    if "train" not in parts or len(parts) < 2:
        return _read_classes(folder, classes)
    train = read_image_folder(parts["train"], classes)
    held_out = parts.get("test", parts.get("validation", folder))
    size, channels = train.x.shape[1:3], train.x.shape[3]
    test = _read_classes(held_out, train.class_names, size, channels)
    notes = train.notes
    if len(parts) > 2:
        notes += (f"the images in {parts['validation'].name!r} are not used",)
    return replace(train, name=folder.name, test=test, notes=notes)


def _parts(folder: Path) -> dict[str, Path]:
    """Return the subfolders "train", "test" and "validation" if a folder has no others.

    Their names may be "Training", "seg_train", "valid".
    """
    parts: dict[str, Path] = {}
    for entry in sorted(filter(_visible_dir, folder.iterdir())):
        words = re.split(r"[^a-z]+", entry.name.lower())
        found = [PARTS[word] for word in words if word in PARTS]
        if len(found) != 1 or found[0] in parts:
            return {}
        parts[found[0]] = entry
    return parts


def _without_wrappers(folder: Path) -> Path:
    """Return the folder of the classes, which others may wrap: archive/archive/cat."""
    subfolders = [entry for entry in folder.iterdir() if _visible_dir(entry)]
    if len(subfolders) != 1:
        return folder
    inner = _without_wrappers(subfolders[0])
    return inner if sum(map(_visible_dir, inner.iterdir())) > 1 else folder


def _visible_dir(entry: Path) -> bool:
    return entry.is_dir() and _is_visible(entry)


def _is_visible(entry: Path) -> bool:
    return not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_FILES


def _visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, without hidden ones."""
    for entry in sorted(filter(_is_visible, folder.iterdir())):
        if entry.is_dir():
            yield from _visible_files(entry)
        else:
            yield entry


def _read_classes(
    folder: Path,
    classes: tuple[str, ...] = (),
    size: tuple[int, int] | None = None,
    channels: int | None = None,
) -> Dataset:
    files: list[Path] = []
    names: list[str] = []
    others = [entry for entry in sorted(folder.iterdir()) if _is_picture(entry)]
    suffixes = _image_suffixes()
    for subfolder in sorted(filter(_visible_dir, folder.iterdir())):
        found = list(_visible_files(subfolder))
        images = [file for file in found if file.suffix.lower() in suffixes]
        if not images:
            raise DataError(
                f"The class folder {str(subfolder)!r} has no images: add some, or remove it."
            )
        others += [file for file in found if _is_picture(file) and file not in images]
        files += images
        names += [subfolder.name] * len(images)
    if not files:
        raise DataError(
            f"{str(folder)!r} has no folders of images; put the images of each class into a "
            "subfolder with the name of the class."
        )
    headers = _read_headers(files)
    size = size or headers.size
    channels = channels or (1 if headers.gray else 3)
    x = np.empty((len(files), *size, channels), np.uint8)
    resized = 0
    for index, file in enumerate(files):
        x[index], changed = _read_image(file, size, channels)
        resized += changed
    notes = _notes(folder, len(files), resized, size, headers, others)
    return labeled_dataset(
        x, names, "multiclass", classes, name=folder.name, notes=notes, scaling=EIGHT_BIT
    )


def _is_picture(entry: Path) -> bool:
    """Return whether a file's name is that of an image or a video, in whatever format."""
    kind = str(mimetypes.guess_type(entry.name)[0])
    return kind.startswith(("image/", "video/")) and entry.is_file() and _is_visible(entry)


def _image_suffixes() -> set[str]:
    """Return the endings of the files that Pillow reads as images."""
    from PIL import Image

    kinds = Image.registered_extensions()
    return {suffix for suffix, kind in kinds.items() if kind in Image.OPEN}


def _notes(
    folder: Path,
    count: int,
    resized: int,
    size: tuple[int, int],
    headers: _Headers,
    others: Sequence[Path],
) -> tuple[str, ...]:
    """Return what was done to the images, and which files were left out, in sentences."""
    notes = []
    if resized:
        notes.append(f"{resized} of {count} images were resized to {size[0]}×{size[1]}")
    if headers.transparent:
        notes.append(
            f"{headers.transparent} of {count} images have transparency, which is left out"
        )
    if headers.animated:
        notes.append(f"{headers.animated} of {count} images have several frames: the first is used")
    if others:
        shown = ", ".join(str(file.relative_to(folder)) for file in others[:3])
        more = ", …" if len(others) > 3 else ""
        kind = "1 file is" if len(others) == 1 else f"{len(others)} files are"
        why = "of no class, or of a format that cannot be read"
        notes.append(f"{kind} {why}: left out ({shown}{more})")
    return tuple(notes)


@dataclass(frozen=True)
class _Headers:
    """What the headers of images say: the common (height, width) once turned, and colors."""

    size: tuple[int, int]
    gray: bool
    transparent: int
    animated: int


def _read_headers(files: list[Path]) -> _Headers:
    from PIL import Image

    sizes: Counter[tuple[int, int]] = Counter()
    gray, transparent, animated = True, 0, 0
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
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError(f"{str(file)!r} cannot be read as an image: {error}.") from None
    return _Headers(sizes.most_common(1)[0][0], gray, transparent, animated)


def _read_image(file: Path, size: tuple[int, int], channels: int) -> tuple[np.ndarray, bool]:
    """Return the image as uint8 (h, w, c), and whether it was resized."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{str(file)!r} cannot be read as an image: {error}.") from None
    changed = (image.height, image.width) != size
    if changed:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(*size, channels), changed
