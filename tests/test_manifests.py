"""What describes a saved folder is read whole and of its types, or refused."""

from __future__ import annotations

import json

import pytest

from gradus import files, manifests
from gradus.errors import SavedError
from gradus.records import checksum


class Box(manifests.Manifest, tag="box"):
    size: int


class Bag(manifests.Manifest, tag="bag"):
    pass


def test_a_manifest_of_another_kind_or_version_is_rejected(tmp_path, monkeypatch):
    with files.replacing(tmp_path) as new:
        manifests.write_manifest(new, "m.json", Box, {"size": 3})
    assert manifests.read_manifest(tmp_path, "m.json", Box).size == 3
    with pytest.raises(SavedError, match="not the description of a bag"):
        manifests.read_manifest(tmp_path, "m.json", Bag)
    monkeypatch.setattr(manifests, "FORMAT", manifests.FORMAT - 1)
    with pytest.raises(SavedError, match="newer gradus"):
        manifests.read_manifest(tmp_path, "m.json", Box)


DEEP = '{"a":' * 100_000


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\xff", DEEP, DEEP + "1" + "}" * 100_000])
def test_a_damaged_manifest_is_rejected(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(SavedError, match="damaged"):
        manifests.read_manifest(tmp_path, "m.json", Box)


@pytest.mark.parametrize("change", [{"size": "3"}, {"size": None}, {"files": {"a": 1}}])
def test_a_manifest_with_entries_of_other_types_is_rejected(tmp_path, change):
    with files.replacing(tmp_path) as new:
        manifests.write_manifest(new, "m.json", Box, {"size": 3})
    altered = json.loads((tmp_path / "m.json").read_text()) | change
    del altered["sha256"]
    altered["sha256"] = checksum(altered)
    (tmp_path / "m.json").write_text(json.dumps(altered))
    with pytest.raises(SavedError, match=rf"m\.json' is damaged: .*\$\.{next(iter(change))}"):
        manifests.read_manifest(tmp_path, "m.json", Box)


def test_a_manifest_of_a_terabyte_is_not_read(tmp_path):
    with (tmp_path / "m.json").open("wb") as file:
        file.truncate(2**40)  # it takes no room on the disk
    with pytest.raises(SavedError, match="1,048,576 MiB"):
        manifests.read_manifest(tmp_path, "m.json", Box)
