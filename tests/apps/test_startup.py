"""Start-up of gradus, which imports only what it needs; and its public names."""

import subprocess
import sys
from importlib.metadata import version

import jax
import pytest

import gradus
from gradus import cache

HEAVY = ("jax", "numpy", "polars", "sklearn", "pandas", "plotly", "optax")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from gradus.apps.cli import main; status = main(['--help']);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], status, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[] 0"
    for command in ("train", "sweep", "evaluate", "predict", "export", "report", "runs", "serve"):
        assert command in done.stdout


def test_python_dash_m_gradus():
    done = subprocess.run(
        [sys.executable, "-m", "gradus", "trian"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "train" in done.stderr
    assert done.stdout == ""


def test_every_command_and_flag_has_help(gradus):
    status, out, _ = gradus("train", "--help")
    assert status == 0
    for flag in ("--epochs", "--batch-size", "--learning-rate", "--optimizer", "--loss", "--layers",
                 "--activation", "--dropout", "--seed", "--target", "--json"):  # fmt: skip
        assert flag in out
    assert gradus("--version")[1].strip() == version("gradus-nn")


def test_every_public_name_is_there():
    for name in gradus.__all__:
        assert getattr(gradus, name) is not None
        assert name in dir(gradus)


def test_an_unknown_name_comes_with_the_nearest():
    with pytest.raises(AttributeError, match="Did you mean 'Dense'"):
        gradus.Dens  # noqa: B018


@pytest.fixture
def jax_cache(monkeypatch, tmp_path):
    """JAX without a cache, and the user's cache folder in a temporary one."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs",
             "jax_persistent_cache_min_entry_size_bytes")  # fmt: skip
    before = {name: jax.config.values[name] for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv("GRADUS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    for name, value in before.items():
        jax.config.update(name, value)


def folder_of_jax():
    return jax.config.values["jax_compilation_cache_dir"]


def test_the_cache_is_on_by_default_in_the_users_folder(jax_cache):
    assert cache.enable()
    assert folder_of_jax() == str(jax_cache / "gradus" / "xla")


def test_the_cache_can_be_switched_off(jax_cache, monkeypatch):
    monkeypatch.setenv("GRADUS_CACHE", "off")
    assert not cache.enable()
    assert folder_of_jax() is None


def test_a_folder_chosen_by_the_user_stays(jax_cache, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    assert not cache.enable()
    assert folder_of_jax() == str(tmp_path / "mine")


def test_an_unwritable_cache_folder_is_ignored(jax_cache, recwarn):
    jax_cache.write_text("a file instead of the folder")
    assert not cache.enable()
    assert folder_of_jax() is None
    assert not recwarn.list


def test_flags_of_own_forms_are_read_where_pydantic_is_loaded(gradus, flowers):
    """The parser of the command line then checks that values have the types that are declared."""
    import pydantic  # noqa: F401

    flags = ["--target", "kind", "--column", "color=category", "--layers", "4,2", "--refit", "no"]
    lists = ["--metrics", "accuracy", "--drop-columns", "width", "--header", "yes"]
    numbers = ["--batch-size", "all", "--epochs", "1", "--patience", "0", "--seed", "1"]
    status, _, err = gradus("train", flowers, *flags, *lists, *numbers, "--quiet")
    assert status == 0, err
