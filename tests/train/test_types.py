"""The annotations of `gradus.train` are right: small trainings run with each of them checked.

The shapes and types in annotations (`Float[Array, "batch units"]`) are imported for type checkers
only, and mypy sees no shapes. Here a subprocess gives these names to the modules, and jaxtyping and
beartype check every argument and every result of every function, nested ones included: arrays on
the host, and tracers within the compiled program.
"""

import ast
import builtins
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

PACKAGE = "gradus.train"


def imported_names(folder):
    """The names that the modules of a folder import from jaxtyping."""
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping":
                yield from (alias.name for alias in node.names)


def check_annotations(folder):
    """Have the modules of `PACKAGE`, once they are imported, check their annotations."""
    import beartype
    import jaxtyping

    from gradus.nn.heads import Head

    Head.__annotations__.clear()  # in PyTree[Head], jaxtyping takes no tracer for a jax.Array
    for name in imported_names(folder):
        setattr(builtins, name, getattr(jaxtyping, name))  # where annotations are looked up last
    # As for mypy, a whole number is also a float.
    checker = types.ModuleType("checker")
    checker.check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
    sys.modules["checker"] = checker
    jaxtyping.install_import_hook(PACKAGE, "checker.check")


def train():
    """Train small networks in every way that calls other functions of `gradus.train`."""
    import jax
    import numpy as np

    import gradus as gr

    jax.config.update("jax_num_cpu_devices", 2)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = (x.sum(1) > 0).astype(np.int32)
    quiet = {"epochs": 2, "verbose": False}

    def classifier():
        net = gr.mlp([4, 2], output_activation="softmax")
        return gr.Model(net, "sparse_categorical_crossentropy", metrics=["accuracy"])

    model = classifier()
    model.fit(x, y, batch_size=16, validation_split=0.25, patience=2, **quiet)
    assert np.isfinite(model.history.probes["gradient"][0]).all()
    model.fit(x, y, batch_size=None, sample_weight=np.ones(40), devices=2, **quiet)
    model.evaluate(x, y)
    model.predict(x)
    model.find_learning_rate(x, y, steps=3)
    model.save("model")
    gr.Model.load("model").fit(x, y, probes=False, checkpoint="checkpoint", **quiet)
    gr.Model.load("model").fit(x, y, probes=False, resume="checkpoint", **quiet)
    gr.GAN(gr.mlp([4, 3]), gr.mlp([4, 1]), code=2).fit(x, **quiet)
    gr.Autoencoder([2]).fit(x, **quiet)
    gr.Model(gr.Dense(1), gr.FunctionTask(lambda net, x, y: net(x)[:, 0])).fit(x, **quiet)
    diverging = gr.Model(gr.Dense(1), "mse", gr.SGD(1e30))
    assert diverging.fit(x, x[:, :1], **quiet).stopped == "diverged"


def run_checked(source, folder):
    """Run this file as a script on the package in the folder `source`."""
    return subprocess.run(
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(source)},
        check=False,
    )


def source_folder():
    import gradus

    return Path(gradus.__file__).parents[1]


@pytest.mark.slow
def test_annotations_are_right(tmp_path):
    done = run_checked(source_folder(), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["trained"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("batches.py", 'step: Int[Any, ""]', 'step: Int[Any, "steps"]'),  # another rank
        ("batches.py", 'entry(array: Shaped[Any, "', 'entry(array: Float[Any, "'),  # another type
    ],
)
def test_a_wrong_annotation_is_found(tmp_path, file, right, wrong):
    shutil.copytree(source_folder() / "gradus", tmp_path / "gradus")
    path = tmp_path / "gradus" / "train" / file
    source = path.read_text()
    assert right in source
    path.write_text(source.replace(right, wrong))
    done = run_checked(tmp_path, tmp_path)
    assert done.returncode != 0
    assert "Type-check error whilst checking the" in done.stderr
    assert f"gradus.train.{path.stem}." in done.stderr


if __name__ == "__main__":
    check_annotations(Path(os.environ["PYTHONPATH"]) / PACKAGE.replace(".", "/"))
    train()
    print("trained")  # noqa: T201
