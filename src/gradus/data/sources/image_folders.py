"""Reading folders of image files: by class to train on, of any kind to predict from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gradus.data.array_preprocessor import EIGHT_BIT
from gradus.data.datasets import Dataset, labeled_dataset
from gradus.data.files import existing_file
from gradus.data.images import (
    ImageSize,
    find_images,
    image_suffixes,
    is_picture,
    is_visible,
    left_out_note,
    name_broken,
    read_images,
    visible_files,
)
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_arguments

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}


@explain_arguments
def read_image_folder(
    folder: str | Path,
    classes: Sequence[str] = (),
    size: ImageSize = None,
    channels: int | None = None,
) -> Dataset:
    """Read a folder with one subfolder of image files per class.

    All images are turned as their EXIF data say, then resized, with black borders where their
    proportions differ; they are gray if every file is, else RGB. The images of a class may be in
    subfolders. If the subfolders are parts that hold the classes, such as `train` and `test` (or
    `val`), `test` is the test part; of three parts, `val` is the validation part. Hidden files are
    left out.

    Args:
        folder: the folder.
        classes: all class names, if the folder may lack some.
        size: (height, width) of the images; or the most pixels of the longer side, which the most
            common size is shrunk to; None for the most common size.
        channels: 1 or 3; None for those of the files.

    Returns:
        uint8 images (n, h, w, 1 or 3), labels, and the names of the files; notes say how many were
        resized, and which files are no images.

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
        >>> data.x.shape, data.class_names, data.files
        ((2, 4, 6, 1), ('cat', 'dog'), ('cat/1.png', 'dog/1.png'))
    """
    folder = _without_wrappers(existing_file(folder))
    if not folder.is_dir():
        raise DataError(f"{str(folder)!r} is a file, not a folder with a subfolder of each class.")
    parts = _parts(folder)
    if "train" not in parts or len(parts) < 2:
        return _read_classes(folder, classes, size, channels)
    train = read_image_folder(parts["train"], classes, size, channels)
    height, width, depth = train.x.shape[1:]
    rest = [
        _read_classes(parts[part], train.class_names, (height, width), depth)
        for part in ("test", "validation")
        if part in parts
    ]
    test, validation = rest[0], rest[1] if len(rest) > 1 else None
    return replace(train, name=folder.name, test=test, validation=validation)


def has_validation_part(folder: str | Path) -> bool:
    """Whether a folder of images exists and has a validation part beside training and test.

    Examples:
        >>> import pathlib, tempfile
        >>> from gradus.data.sources.image_folders import has_validation_part
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for part in ("train", "val", "test"):
        ...         pathlib.Path(folder, part).mkdir()
        ...     has_validation_part(folder)
        True
    """
    folder = Path(folder).expanduser()
    return folder.is_dir() and len(_parts(_without_wrappers(folder))) == 3


def read_unlabeled_images(path: str | Path, size: ImageSize, channels: int) -> Dataset:
    """Read one image file, or all in a folder and its subfolders, without classes.

    Args:
        path: of the file or folder.
        size: as in `read_image_folder`.
        channels: 1, 3, or 4.

    Images of a folder that cannot be read are left out, with a note, as long as others can.

    Raises:
        DataError: if there are no images, or none can be read.
    """
    path = existing_file(path)
    images, others = find_images(path)
    folder = path if path.is_dir() else path.parent
    found = read_images(images, size, channels, skip_broken=True)
    notes = [*found.notes, *left_out_note(others, folder)]
    if found.broken:
        told = name_broken(found.broken, len(images)).rstrip(".")
        notes.append(f"{told}; {'it is' if len(found.broken) == 1 else 'they are'} left out")
    return Dataset(
        found.x,
        name=path.name,
        notes=tuple(notes),
        scaling=EIGHT_BIT,
        files=_names(found.files, folder),
        unreadable=_names(list(found.broken), folder),
        resized=True,
    )


def image_dataset(files: Sequence[Path], size: ImageSize, channels: int) -> Dataset:
    """Return the data set of some image files, without classes, named by their paths.

    Args:
        files: the files.
        size: as in `read_image_folder`.
        channels: 1, 3, or 4.

    Raises:
        DataError: if one cannot be read.
    """
    found = read_images(files, size, channels)
    names = tuple(file.as_posix() for file in files)
    return Dataset(found.x, notes=tuple(found.notes), scaling=EIGHT_BIT, files=names, resized=True)


def _names(files: Sequence[Path], folder: Path) -> tuple[str, ...]:
    return tuple(file.relative_to(folder).as_posix() for file in files)


def _parts(folder: Path) -> dict[str, Path]:
    """Return the subfolders "train", "test" and "validation" if a folder has no others.

    Their names may be "Training", "seg_train", "valid".
    """
    parts: dict[str, Path] = {}
    for entry in _subfolders(folder):
        words = re.split(r"[^a-z]+", entry.name.lower())
        found = [PARTS[word] for word in words if word in PARTS]
        if len(found) != 1 or found[0] in parts:
            return {}
        parts[found[0]] = entry
    return parts


def _without_wrappers(folder: Path) -> Path:
    """Return the folder of the classes, which others may wrap: archive/archive/cat."""
    subfolders = _subfolders(folder) if folder.is_dir() else []
    if len(subfolders) != 1:
        return folder
    inner = _without_wrappers(subfolders[0])
    return inner if len(_subfolders(inner)) > 1 else folder


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and is_visible(entry)]


def _read_classes(
    folder: Path, classes: Sequence[str], size: ImageSize, channels: int | None
) -> Dataset:
    files: list[Path] = []
    names: list[str] = []
    others = [entry for entry in sorted(folder.iterdir()) if is_picture(entry)]
    suffixes = image_suffixes()
    for subfolder in _subfolders(folder):
        if classes and subfolder.name not in classes:
            raise DataError(
                f"The subfolder {subfolder.name!r} of {str(folder)!r} is none of the classes "
                f"{', '.join(classes)}."
            )
        found = visible_files(subfolder)
        images = [file for file in found if file.suffix.lower() in suffixes]
        if not images:
            what = "no images, but other files" if found else "no images"
            raise DataError(
                f"The folder {str(subfolder)!r} has {what}, so it is no class: put the images "
                "of one into it, or name a folder whose subfolders have those of a class each."
            )
        others += [file for file in found if is_picture(file) and file not in set(images)]
        files += images
        names += [subfolder.name] * len(images)
    if not files:
        raise DataError(
            f"{str(folder)!r} has no folders of images; put the images of each class into a "
            "subfolder with the name of the class."
        )
    found_images = read_images(files, size, channels)
    notes = (*found_images.notes, *left_out_note(others, folder))
    return labeled_dataset(
        found_images.x,
        names,
        "multiclass",
        classes,
        name=folder.name,
        notes=notes,
        scaling=EIGHT_BIT,
        files=_names(files, folder),
        resized=True,
    )
