"""Compiles the native kernels where there is a compiler; without them gradus runs on XLA alone."""

from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = "src/gradus/kernels/native"
OPTIONS = ["-std=c++17", "-O3", "-fno-math-errno", "-pthread", "-g0"]


def extensions() -> list[Extension]:
    """Return the library of kernels, if jaxlib's headers are there."""
    try:
        import jaxlib
    except ImportError:
        return []
    from pathlib import Path

    headers = Path(jaxlib.__file__).parent / "include"
    return [
        Extension(
            "gradus.kernels.libgradus_kernels",
            [f"{FOLDER}/native.cc"],
            depends=glob(f"{FOLDER}/**/*.inc", recursive=True),
            extra_compile_args=[*OPTIONS, "-isystem", str(headers)],  # their warnings are not ours
            language="c++",
            optional=True,  # without a compiler the installation succeeds
        )
    ]


class BuildLibrary(build_ext):
    """Compiles a shared library that is no Python module, and is named so."""

    def get_ext_filename(self, name: str) -> str:
        """Return the file of a library, of its dotted name."""
        return f"{name.replace('.', '/')}.so.1"


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildLibrary})
