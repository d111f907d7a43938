"""Twins of a training: with inputs of zeros, and with shuffled targets.

A network that is no better than with inputs of zeros learns nothing from its inputs. One that is no
better than with shuffled targets finds no signal in them. Source: Karpathy, "A recipe for training
neural networks" (2019).
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from gradus.doctor.candidate import Candidate
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.scores import Comparison, compare
from gradus.models.inputs.training_data import apply_class_weight
from gradus.rng import host_rng
from gradus.train.batches import Samples


def zeroed_twin(candidate: Candidate) -> Candidate:
    """Return the candidate with inputs of zeros, in training and in validation."""

    def zeroed(samples: Samples) -> Samples:
        return samples._replace(x=jax.tree.map(np.zeros_like, samples.x))

    data = dataclasses.replace(candidate.data, samples=zeroed(candidate.data.samples))
    if isinstance(data.validation, Samples):
        data = dataclasses.replace(data, validation=zeroed(data.validation))
    return dataclasses.replace(candidate, name="inputs of zeros", data=data)


def shuffled_twin(candidate: Candidate, seed: int) -> Candidate:
    """Return the candidate with the targets of training in another order."""
    samples, rows = candidate.data.samples, candidate.data.rows
    count = len(jax.tree.leaves(samples.x)[0])
    trained = np.arange(count) if rows is None else rows
    order = np.arange(count)
    order[trained] = host_rng(seed, "shuffled twin").permutation(trained)
    y = jax.tree.map(lambda a: a[order], samples.y)
    weight = apply_class_weight(candidate.data.sample_weight, y, candidate.data.class_weight)
    shuffled = samples._replace(y=y, weight=weight)
    data = dataclasses.replace(candidate.data, samples=shuffled)
    return dataclasses.replace(candidate, name="shuffled targets", data=data)


def compare_twins(training: CandidateTraining, seeds: int, seed: int) -> dict[str, Comparison]:
    """Train both twins beside the training, and return how much better it is, by the twin's name.

    Args:
        training: trains them.
        seeds: how many seeds are compared.
        seed: of the order of the shuffled targets.
    """
    original = training.original
    twins = {"zeros": zeroed_twin(original), "shuffled": shuffled_twin(original, seed)}
    every = [original, *twins.values()]
    training.train([(candidate, k) for k in range(seeds) for candidate in every])
    own = [training.errors(original, k) for k in range(seeds)]
    return {
        name: compare([training.errors(twin, k) for k in range(seeds)], own)
        for name, twin in twins.items()
    }
