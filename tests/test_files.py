"""The files of a folder are replaced all or none, whatever happens in between."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from gradus import files
from gradus.errors import SavedError
from gradus.records import checksum

NAMES = ("a", "b", "c")


class Box(files.Manifest, tag="box"):
    size: int


class Bag(files.Manifest, tag="bag"):
    pass


def put(folder: Path, text: str) -> None:
    with files.replacing(folder) as new:
        for name in NAMES:
            (new / name).write_text(text)


def content(folder: Path) -> set[str]:
    return {files.valid(folder, name).read_text() for name in NAMES}


def test_new_files_replace_the_old_ones_and_others_stay(tmp_path):
    put(tmp_path, "one")
    (tmp_path / "mine").write_text("kept")
    put(tmp_path, "two")
    assert content(tmp_path) == {"two"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c", "mine"]


def test_a_block_that_fails_changes_nothing(tmp_path):
    put(tmp_path, "one")

    def fail():
        with files.replacing(tmp_path) as new:
            (new / "a").write_text("two")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(tmp_path) == {"one"}
    assert sorted(p.name for p in tmp_path.iterdir()) == list(NAMES)


class Killed(BaseException):
    """Simulates the end of the process: no code of gradus runs after it."""


@pytest.mark.parametrize("after", range(12))
def test_killed_after_any_call_the_content_is_consistent(tmp_path, monkeypatch, after):
    put(tmp_path, "one")
    left = [after]

    def dying(function):
        def call(*arguments, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((os, "replace"), (os, "fsync"), (Path, "rename"), (Path, "rmdir")):
            patch.setattr(owner, name, dying(getattr(owner, name)))
        patch.setattr(files, "_remove", lambda folder: None)  # a dead process cleans nothing up
        try:
            put(tmp_path, "two")
            ended = True
        except Killed:
            ended = False
    found = content(tmp_path)
    assert found in ({"one"}, {"two"})
    assert found == {"two"} or not ended
    put(tmp_path, "three")  # and the next save works
    assert content(tmp_path) == {"three"}


def test_a_full_disk_keeps_the_old_files(tmp_path):
    put(tmp_path, "one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(SavedError, match="unchanged"):
            put(tmp_path, "two" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(tmp_path) == {"one"}


def test_an_invalid_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SavedError, match="cannot be written"):
        put(tmp_path / "file" / "folder", "one")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_keeps_the_old_files(tmp_path):
    put(tmp_path, "one")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(SavedError, match="cannot be written"):
            put(tmp_path, "two")
    finally:
        tmp_path.chmod(0o755)
    assert content(tmp_path) == {"one"}


def test_a_manifest_of_another_kind_or_version_is_rejected(tmp_path, monkeypatch):
    with files.replacing(tmp_path) as new:
        files.write_manifest(new, "m.json", Box, {"size": 3})
    assert files.read_manifest(tmp_path, "m.json", Box).size == 3
    with pytest.raises(SavedError, match="not the description of a bag"):
        files.read_manifest(tmp_path, "m.json", Bag)
    monkeypatch.setattr(files, "FORMAT", files.FORMAT - 1)
    with pytest.raises(SavedError, match="newer gradus"):
        files.read_manifest(tmp_path, "m.json", Box)


DEEP = '{"a":' * 100_000


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\xff", DEEP, DEEP + "1" + "}" * 100_000])
def test_a_damaged_manifest_is_rejected(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(SavedError, match="damaged"):
        files.read_manifest(tmp_path, "m.json", Box)


@pytest.mark.parametrize("change", [{"size": "3"}, {"size": None}, {"files": {"a": 1}}])
def test_a_manifest_with_entries_of_other_types_is_rejected(tmp_path, change):
    with files.replacing(tmp_path) as new:
        files.write_manifest(new, "m.json", Box, {"size": 3})
    altered = json.loads((tmp_path / "m.json").read_text()) | change
    del altered["sha256"]
    altered["sha256"] = checksum(altered)
    (tmp_path / "m.json").write_text(json.dumps(altered))
    with pytest.raises(SavedError, match=rf"m\.json' is damaged: .*\$\.{next(iter(change))}"):
        files.read_manifest(tmp_path, "m.json", Box)


def test_a_manifest_of_a_terabyte_is_not_read(tmp_path):
    with (tmp_path / "m.json").open("wb") as file:
        file.truncate(2**40)  # it takes no room on the disk
    with pytest.raises(SavedError, match="1,048,576 MiB"):
        files.read_manifest(tmp_path, "m.json", Box)
