"""The files of a folder are replaced all or none, whatever happens in between."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from gradus import files
from gradus.errors import SavedError

NAMES = ("a", "b", "c")


def put(folder: Path, text: str) -> None:
    with files.replacing(folder) as new:
        for name in NAMES:
            (new / name).write_text(text)


def content(folder: Path) -> set[str]:
    return {files.current_path(folder, name).read_text() for name in NAMES}


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
