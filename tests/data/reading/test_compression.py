import bz2
import gzip
import io
import lzma
import sys
import zipfile

import pytest

from gradus.data import read_table
from gradus.errors import DataError, GradusError

CSV = b"a,b\n1,x\n2,y\n3,x\n"


def zstd(content):
    if sys.version_info >= (3, 14):
        import compression.zstd

        return compression.zstd.compress(content)
    return pytest.importorskip("backports.zstd").compress(content)


PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


@pytest.mark.parametrize("ending", PACK)
def test_a_packed_file_is_read_and_a_damaged_one_refused(tmp_path, ending):
    path, packed = tmp_path / f"t.csv.{ending}", PACK[ending](CSV)
    path.write_bytes(packed)
    assert read_table(path)["a"].to_list() == [1, 2, 3]
    path.with_name("unnamed.csv").write_bytes(packed)  # as its first bytes say
    assert read_table(path.with_name("unnamed.csv"))["b"].to_list() == ["x", "y", "x"]
    path.write_bytes(packed[:-6])
    with pytest.raises(DataError, match=r"cut short|damaged"):
        read_table(path)
    path.write_bytes(packed[:8] + b"rubbish" * 9)
    with pytest.raises(DataError, match=r"cut short|damaged"):
        read_table(path)
    path.write_bytes(CSV)
    with pytest.raises(DataError, match=f"named .{ending} but is not"):
        read_table(path)


@pytest.mark.parametrize("ending", PACK)
def test_what_unpacks_to_more_than_the_memory_is_refused(tmp_path, monkeypatch, ending):
    path = tmp_path / f"t.csv.{ending}"
    path.write_bytes(PACK[ending](CSV + b"1,x\n" * 50_000))
    monkeypatch.setattr("gradus.data.reading.compression.host_free_bytes", lambda: 300_000)
    with pytest.raises(DataError, match="unpacks to 200 kB or more, but 300 kB are free"):
        read_table(path)


def test_zstandard_names_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "t.csv.zst"
    path.write_bytes(zstd(CSV))
    monkeypatch.setattr("sys.version_info", (3, 11))
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(GradusError, match=r"pip install 'gradus-nn\[zstd\]'"):
        read_table(path)


def archive(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name.replace("__", "/").replace("_", "."), content)
    return path


def test_an_archive_holds_one_table_or_it_is_named(tmp_path):
    path = archive(tmp_path / "t.zip", in__t_csv=CSV)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("__MACOSX/in/._t.csv", b"a system's file")
    assert read_table(path)["a"].to_list() == [1, 2, 3]
    two = archive(tmp_path / "two.zip", a_csv=CSV, b_csv_gz=gzip.compress(CSV), c_png=b"\x89PNG")
    with pytest.raises(DataError, match=r"2 tables \(a.csv, b.csv.gz\): name one.*two.zip/a"):
        read_table(two)
    assert read_table(two / "b.csv.gz")["b"].to_list() == ["x", "y", "x"]
    with pytest.raises(DataError, match=r"no file 'd.csv'. Did you mean '[ab].csv"):
        read_table(two / "d.csv")
    with pytest.raises(DataError, match="is not a table that is read from a zip"):
        read_table(two / "c.png")
    one = archive(tmp_path / "one.zip", readme_md=b"# Cats", t_csv=CSV)
    assert read_table(one)["a"].to_list() == [1, 2, 3]
    with pytest.raises(DataError, match=r"has no table, but a.png: unpack it"):
        read_table(archive(tmp_path / "images.zip", a_png=b"\x89PNG"))
    with pytest.raises(DataError, match="empty zip"):
        read_table(archive(tmp_path / "none.zip"))


def test_damaged_and_encrypted_archives_are_refused(tmp_path, monkeypatch):
    path = archive(tmp_path / "t.zip", t_csv=CSV * 50)
    content = path.read_bytes()
    path.write_bytes(content[:60])
    with pytest.raises(DataError, match="is not a zip archive, or is damaged"):
        read_table(path)
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        flags = made.start_dir + 8
    path.write_bytes(content[:6] + b"\1" + content[7:flags] + b"\1" + content[flags + 1 :])
    with pytest.raises(DataError, match="is encrypted"):
        read_table(path)
    path.write_bytes(content)
    monkeypatch.setattr("gradus.data.reading.compression.host_free_bytes", lambda: 900)
    with pytest.raises(DataError, match="unpacks to"):
        read_table(path)
