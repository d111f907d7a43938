"""What pip builds and installs: a wheel with every file of the package, and a command that runs."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from gradus.optional import DISTRIBUTION

ROOT = Path(__file__).parents[1]
BUILD = (
    "import sys, setuptools.build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"
)
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
SUFFIXES = (".py", ".html", ".css", ".js", ".typed")  # of the files that gradus needs when it runs


def build(kind, source, out):
    """Build as pip does, by the build system of pyproject.toml; return the file."""
    command = [sys.executable, "-W", "ignore", "-c", BUILD, kind, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def sources():
    package = ROOT / "src" / "gradus"
    files = (path for path in package.rglob("*") if path.suffix in SUFFIXES)
    return {path.relative_to(ROOT / "src").as_posix() for path in files}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that is built from the sdist, as on the package index."""
    folder = tmp_path_factory.mktemp("distribution")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    sdist = build("sdist", folder, folder)
    assert sdist.name.startswith("gradus_nn-")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **SAFELY)  # noqa: S202
    return build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)


@pytest.mark.slow
def test_the_wheel_of_the_sdist_has_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("gradus/")}
    assert names == sources()


@pytest.mark.slow
def test_an_installed_wheel_runs_in_an_empty_environment(wheel, tmp_path):
    """Its dependencies are those of this environment, which finds no gradus of its own there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    bin_folder = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = bin_folder / "python"
    options = ["--no-deps", "--no-index", "--ignore-installed", "--quiet"]
    install = [sys.executable, "-m", "pip", "--python", python, "install", *options, wheel]
    subprocess.run(install, check=True)
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    script = "import gradus; print(gradus.__file__, gradus.__version__)"

    def output(*command):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    place, version = output(python, "-c", script).split()
    assert Path(place).is_relative_to(tmp_path / "venv")
    command = bin_folder / "gradus"
    assert output(command, "--version").split()[-1] == version
    assert "perceptron" in output(command, "lessons")


def test_no_page_tells_to_install_the_other_project():
    """`gradus` on the package index is not this project."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py")]
    wrong = re.compile(r"pip install [^\n]*[ '\"]gradus(?!-nn)\b")
    assert not [page for page in pages if wrong.search(page.read_text())]
    assert DISTRIBUTION == "gradus-nn"
