"""In a ravine, momentum beats plain descent by far; on images, all of them learn."""

import dataclasses

import numpy as np
import pytest

import gradus as gr
from gradus.lessons import optimizers
from gradus.lessons.catalog import run_lesson
from gradus.optim import optimizers as known

NAMES = ("SGD", "momentum")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_a_few_of_them(seed):
    _, _, numbers = run_lesson(
        "optimizers", quiet=True, names=NAMES, samples=320, epochs=10, seed=seed
    )
    # Plain descent on a parabola, by hand: a step takes x to (1 − 0.036) x and y to −0.8 y.
    left = 32 * (1 - 0.036) ** 200 + 25 * 0.8**200
    assert numbers["height_SGD"] == pytest.approx(left, rel=1e-3)
    assert numbers["height_momentum"] < 1e-3 * numbers["height_SGD"]
    for name in NAMES:
        assert numbers[f"accuracy_{name}"] > 0.8


def test_the_ravine_and_that_no_optimizer_is_left_out():
    assert optimizers.ravine(np.array([2.0, 1.0])) == 27
    used = {type(rule) for rule in optimizers.RULES.values()}
    assert used == {type(known.get(name)) for name in known.REGISTRY}


def test_radam_has_no_rate_that_suits_it_and_muon_is_nadam_and_the_caption_says_so():
    def path(name, **options):
        rule = dataclasses.replace(optimizers.RULES[name], **options)
        return gr.descend(optimizers.ravine, optimizers.START, rule, 100)

    start = optimizers.ravine(np.array(optimizers.START))
    radam = optimizers.RULES["RAdam"].learning_rate
    for factor in (0.25, 0.5, 1):
        heights = optimizers.ravine(path("RAdam", learning_rate=factor * radam))
        assert start / 10 < heights[-1] < heights.max() == start  # too slow
    for factor in (2, 4):  # climbs
        assert optimizers.ravine(path("RAdam", learning_rate=factor * radam)).max() > 2 * start
    paths = {name: path(name) for name in ("Nadam", "Muon", "RAdam")}
    said = optimizers.on_heights(paths)
    assert "RAdam gets stuck high up, at 20: at the rate 0.036" in said
    assert "Nadam gets stuck" not in said
    assert "Muon takes the steps of Nadam" in said
    assert optimizers.on_heights({"Nadam": paths["Nadam"]}) == ""
