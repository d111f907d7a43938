"""The native kernels, whatever the environment says."""

import contextlib

import pytest

from gradus import program_cache
from gradus.kernels import library as kernel_library


@pytest.fixture(scope="session")
def using():
    """Return a context manager in which GRADUS_KERNELS has a value."""

    @contextlib.contextmanager
    def use(setting):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRADUS_KERNELS", setting)
            forget_choice()
            yield
        forget_choice()

    return use


@pytest.fixture(scope="module")
def native(using):
    """Use the kernels in the tests of a module; they are skipped where none are compiled."""
    if kernel_library._path() is None:
        pytest.skip("the native kernels are not compiled: python setup.py build_ext --inplace")
    with using("on"):
        assert kernel_library.library().instructions
        yield


def forget_choice():
    """Forget the choice of this process, and the programs that were compiled by it."""
    kernel_library.library.cache_clear()
    for program in program_cache._programs:
        program.clear_cache()
