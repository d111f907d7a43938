"""Whether the kernels are used: what the environment, the file, and the machine say."""

import ctypes.util

import pytest

import gradus as gr
from gradus.kernels import library as kernel_library


@pytest.fixture(name="choose")
def choose_fixture(monkeypatch):
    """Return a function that gives the choice for a setting and a file."""

    def choose(setting, path=None):
        monkeypatch.setenv("GRADUS_KERNELS", setting)
        monkeypatch.setattr(kernel_library, "_path", lambda: path)
        kernel_library.library.cache_clear()
        return kernel_library.library()

    yield choose
    kernel_library.library.cache_clear()


@pytest.mark.parametrize("setting", ["off", "0"])
def test_they_can_be_turned_off(choose, setting):
    assert str(choose(setting)) == f"off: GRADUS_KERNELS={setting}"


def test_they_are_on_where_nothing_is_said(choose):
    path = kernel_library.Path(kernel_library.__file__).with_name("libgradus_kernels.so.1")
    if not path.is_file():
        pytest.skip("the native kernels are not compiled")
    assert choose("", path) == choose("on", path)
    assert str(choose("", path)).startswith("on, with ")


def test_an_unknown_setting_is_an_error(choose):
    with pytest.raises(gr.GradusError, match="GRADUS_KERNELS=onn: write off, or on or avx512"):
        choose("onn")


def test_without_a_compiled_file_there_are_none(choose, capsys):
    assert choose("on").instructions is None
    gr.show_config()
    assert "native kernels: off: they were not compiled when gradus was installed" in (
        capsys.readouterr().out
    )


def test_a_damaged_file_is_left_out_with_one_line(choose, tmp_path):
    broken = tmp_path / "libgradus.so.1"
    broken.write_bytes(b"\x7fELF, and then nothing")
    with pytest.warns(
        RuntimeWarning, match=r"kernels are off: libgradus.so.1 cannot be used \(.*\)"
    ):
        assert choose("on", broken).instructions is None
    with kernel_library.kernels():
        assert not kernel_library.in_use()


def test_the_file_of_another_library_is_left_out(choose, tmp_path):
    other = tmp_path / "libgradus.so.1"
    other.symlink_to(ctypes.CDLL(None)._name or _path_of_libm())
    with pytest.warns(RuntimeWarning, match="gradus_choose"):
        assert choose("on", other).instructions is None


def _path_of_libm():
    """Return the path of a shared library that has nothing of gradus."""
    ctypes.CDLL(ctypes.util.find_library("m"))
    with open("/proc/self/maps") as maps:
        return next(line.split()[-1] for line in maps if "/libm.so" in line or "/libm-" in line)
