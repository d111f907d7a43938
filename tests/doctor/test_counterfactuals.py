"""How remedies are chosen: which are trained, for how long, and with how many seeds."""

import collections
import dataclasses

import numpy as np
import pytest

from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Candidate, Change
from gradus.doctor.counterfactuals import failures, try_remedies
from gradus.doctor.other_seeds import try_other_seeds
from gradus.doctor.remedy import Remedy, together

SAMPLES, EPOCHS = 100, 10
LOST = "cannot be trained"


def changing(name, program="same"):
    """Return a remedy that changes one thing, and needs a program of that name."""

    def apply(candidate, record):
        settings = {**candidate.settings, "program": f"{candidate.settings['program']} {program}"}
        return dataclasses.replace(
            candidate, settings=settings, changes=(*candidate.changes, Change(name, "old", "new"))
        )

    return Remedy(name, name, apply)


class Pretended:
    """Trainings whose numbers of wrong samples are given, by what is changed and by seed."""

    def __init__(self, wrong, seconds=10.0, constant=np.inf):
        self.wrong, self.expected, self.constant = wrong, seconds, constant
        self.epochs = collections.Counter()

    @property
    def trained_epochs(self):
        return self.epochs.total()

    def seconds(self, candidate):
        return self.expected

    def program(self, candidate):
        return frozenset(candidate.settings["program"].replace("same", "").split())

    def train(self, wanted, share=1.0):
        for candidate, seed in wanted:
            key = self.key(candidate), seed
            self.epochs[key] = max(self.epochs[key], round(share * EPOCHS))

    def failure(self, candidate):
        return "It has no such layer." if self.wrong[self.key(candidate)] == LOST else ""

    def learns(self, errors):
        return np.mean(errors) < self.constant

    def errors(self, candidate, seed):
        wrong = self.wrong[self.key(candidate)]
        if wrong == LOST:
            return np.full(SAMPLES, np.inf)
        count = wrong if isinstance(wrong, int) else wrong[seed]
        return (np.arange(SAMPLES) < count).astype(float)

    def key(self, candidate):
        return " ".join(change.where for change in candidate.changes)

    def seeds(self, name):
        return len({seed for key, seed in self.epochs if key == name})


def tried(training, *remedies, budget=6.0, pairs=False):
    original = Candidate("as it is", {"program": ""}, {"epochs": EPOCHS}, None)
    made = [
        (each, dataclasses.replace(each.apply(original, Record()), name=each.name))
        for each in remedies
    ]
    return try_remedies(training, original, made, budget, 3, Record(), pairs)


def names(outcomes):
    return [each.candidate.name for each in outcomes]


def test_the_best_is_trained_in_full_with_all_seeds():
    training = Pretended({"": 60, "a": 59, "b": 10, "c": 70})
    outcomes = tried(training, *map(changing, "abc"))
    assert (names(outcomes)[0], outcomes[0].seeds, outcomes[0].helps) == ("b", 3, True)
    assert training.epochs["b", 0] == EPOCHS
    assert training.epochs["c", 0] < EPOCHS
    assert training.seeds("b") == training.seeds("") == 3
    # What is clear after a third of the other seeds' epochs ends there.
    assert training.epochs["b", 1] == training.epochs["", 2] == 3


def test_remedies_that_need_more_programs_than_the_budget_are_not_tried():
    training = Pretended(collections.defaultdict(lambda: 50))
    every = [changing(name, program=name) for name in "abcdefgh"]
    same = changing("rate")
    assert len(tried(training, *every, same, budget=6.0)) == 4  # three of them, and the rate
    assert len(tried(training, *every, same, budget=9.0)) == 6
    with_pairs = tried(training, *every, same, budget=9.0, pairs=True)
    assert names(with_pairs) == ["a", "b", "c", "d", "rate"]  # one program is left for a pair


FEW, MANY = [0, 0, 1, 0, 0, 1], [0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1]  # 1: a seed without a gain


@pytest.mark.parametrize(
    ("without", "seconds", "seeds"), [(FEW, 10.0, 3), (FEW, 0.01, 6), (MANY, 0.01, 12)]
)
def test_seeds_that_cannot_tell_are_doubled_where_trainings_are_short(without, seconds, seeds):
    """In some seeds none fewer are wrong, in the others 72 of 100."""
    training = Pretended({"": 80, "a": [80 if each else 8 for each in without]}, seconds)
    (outcome,) = tried(training, changing("a"), budget=3.0)
    assert outcome.seeds == seeds
    assert outcome.helps == (seeds > 3)
    # By hand: 72 samples with the mean gain of the seeds, which is 0.72 in some and 0 in others.
    share = {3: 2 / 3, 6: 4 / 6, 12: 5 / 12}[seeds]
    assert outcome.comparison.gain == pytest.approx(0.72 * share)
    of_samples = share**2 * 0.72 * 0.28 / SAMPLES
    of_seeds = 0.72**2 * share * (1 - share) / (seeds - 1)
    assert outcome.comparison.noise == pytest.approx((of_samples + of_seeds) ** 0.5, rel=1e-6)


def test_another_remedy_is_tried_on_top_of_the_best_one():
    training = Pretended({"": 60, "a": 55, "b": 58, "c": 90, "a b": 5, "a c": 60})
    outcomes = tried(training, *map(changing, "abc"), pairs=True)
    assert names(outcomes)[0] == "a, b"
    assert [each.name for each in outcomes[0].remedy.parts] == ["a", "b"]
    assert outcomes[0].helps
    assert "a, c" in names(outcomes)
    alone = tried(Pretended(training.wrong), *map(changing, "abc"))
    assert "a, b" not in names(alone)


def test_a_remedy_on_top_is_left_out_where_it_adds_nothing_beyond_noise():
    training = Pretended({"": 60, "a": 30, "b": 58, "a b": 27}, seconds=0.01)
    first, *others = tried(training, *map(changing, "ab"), pairs=True)
    assert (first.candidate.name, first.helps, first.seeds) == ("a", True, 3)
    assert "a, b" in names(others)


@pytest.mark.parametrize(("budget", "least"), [(4.0, "b, c"), (20.0, "b")])
def test_of_several_together_those_are_left_out_that_are_not_needed_while_the_budget_lasts(
    budget, least
):
    a, b, c = map(changing, "abc")
    wrong = {"": 60, "a": 60, "b": 10, "c": 60, "a b c": 6, "a b": 10, "b c": 9, "a c": 60}
    training = Pretended(wrong)
    first, *others = tried(training, together([a, b, c]), a, b, c, budget=budget)
    assert (first.candidate.name, first.helps, first.seeds) == (least, True, 3)
    assert len(set(names(others))) == len(others)
    needed = Pretended(wrong | {"b": 40, "a b": 20, "b c": 20})
    assert names(tried(needed, together([a, b, c]), a, b, c, budget=budget))[0] == "a, b, c"


def test_a_remedy_that_cannot_be_trained_is_told_and_has_no_pair():
    training = Pretended({"": 60, "a": 55, "b": LOST, "a b": 5})
    outcomes = tried(training, *map(changing, "ab"), pairs=True)
    assert names(outcomes) == ["a", "b"]
    assert failures(outcomes) == ["Not tried: b. It has no such layer."]


def test_of_remedies_that_help_the_better_one_is_first_and_of_equals_the_likelier_one():
    training = Pretended({"": 80, "a": 40, "b": 38, "c": 2}, seconds=0.01)
    assert names(tried(training, *map(changing, "abc")))[0] == "c"
    training = Pretended({"": 80, "a": 40, "b": [39, 41, 40], "c": 41}, seconds=0.01)
    assert names(tried(training, *map(changing, "abc")))[0] == "a"


def test_little_budget_tries_the_likeliest_only():
    training = Pretended(collections.defaultdict(lambda: 50))
    outcomes = tried(training, *map(changing, "abcdefghijklmnop"), budget=2.0)
    assert names(outcomes) == ["a", "b", "c"]
    assert training.trained_epochs <= 2 * EPOCHS + 3


def test_where_labels_are_doubted_what_learns_no_more_than_a_constant_does_not_help():
    wrong = {"": [80, 20, 20, 20], "a": 40}
    for constant, helps in ((0.5, True), (0.4, False), (0.1, False)):
        training = Pretended(wrong, constant=constant)
        assert try_other_seeds(training, as_it_is(), 3).helps == (constant > 0.2)
        training = Pretended({"": 80, "a": 40}, constant=constant)
        assert tried(training, changing("a"))[0].helps == helps


def test_nothing_to_try_is_no_training():
    training = Pretended({})
    assert tried(training) == []
    assert training.trained_epochs == 0


def as_it_is():
    settings, fit = {"program": "", "seed": 4}, {"epochs": EPOCHS, "shuffle_seed": 0}
    return Candidate("as it is", settings, fit, None)


def test_other_seeds_that_do_well_are_a_remedy_told_by_their_mean():
    training = Pretended({"": [60, 12, 5, 10]})
    outcome = try_other_seeds(training, as_it_is(), 3)
    assert (outcome.helps, outcome.seeds) == (True, 3)
    assert outcome.comparison[:2] == (0.6, 0.09)
    assert [str(each) for each in outcome.candidate.changes] == ["seed: 4 → 6"]
    assert (outcome.candidate.changes[0].setting, outcome.candidate.settings["seed"]) == ("seed", 6)
    assert outcome.candidate.fit["shuffle_seed"] == 2
    assert training.epochs["", 1] == 3  # it was clear after a third of the epochs


def test_other_seeds_that_differ_as_much_are_none():
    training = Pretended({"": [60, 70, 5, 65]})
    outcome = try_other_seeds(training, as_it_is(), 3)
    assert not outcome.helps
    assert training.epochs["", 3] == EPOCHS


def test_a_training_that_is_the_worst_of_four_by_chance_has_no_better_seeds():
    """All others are better, as for one training in four; only their spread tells by how much."""
    training = Pretended({"": [60, 55, 5, 50]})
    outcome = try_other_seeds(training, as_it_is(), 3)
    gains = np.array([0.05, 0.55, 0.1])
    assert outcome.comparison.gain == pytest.approx(gains.mean())
    assert outcome.comparison.noise > gains.std(ddof=1) / 3**0.5
    assert not outcome.helps


def test_a_change_of_many_layers_is_shown_once():
    layers = [Change(f"dense_{k}.activation", "relu", "elu") for k in range(5)]
    rate = Change("optimizer.learning_rate", "1", "0.1")
    named = Change("network.activation", "", "", "network.activation", "elu")
    shown = dataclasses.replace(as_it_is(), changes=(*layers, named, rate)).shown_changes
    assert [str(each) for each in shown] == [
        "dense_0.activation to dense_4.activation (5 layers): relu → elu",
        "optimizer.learning_rate: 1 → 0.1",
    ]
    few = dataclasses.replace(as_it_is(), changes=tuple(layers[:3])).shown_changes
    assert list(few) == layers[:3]
