"""The page of layers, losses, and metrics names all of them, and nothing else."""

import inspect
import re
from pathlib import Path

import gradus as gr
from gradus.objectives import losses, metrics

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "layers.md").read_text()
TABLES = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
NAMED = set(re.findall(r"`(\w+)`", TABLES))


def test_every_layer_is_named_and_exists():
    layers = {n for n in gr.__all__ if inspect.isclass(c := getattr(gr, n)) and is_layer(c)}
    # Pooling in 1D and 3D is said in words.
    pooling = {name for name in NAMED if "Pooling" in name}
    said = NAMED | {re.sub("2D$", axes, name) for name in pooling for axes in ("1D", "3D")}
    assert layers - {"Layer"} - said == set()
    assert {name for name in NAMED if name[0].isupper()} <= layers


def is_layer(cls):
    return issubclass(cls, gr.Layer)


def test_every_loss_and_metric_is_named_by_one_of_its_names():
    for registry in (losses.REGISTRY, metrics.REGISTRY):
        homes = {}
        for name in registry:
            homes.setdefault(registry.name_of(registry.find(name)), set()).add(name)
        said = set(re.findall(r"`(\w+)`", PAGE))
        assert [names for names in homes.values() if not names & said] == []
