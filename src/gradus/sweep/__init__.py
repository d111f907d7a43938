"""Sweeps: many trainings of one model, as few compiled programs."""

from gradus.foreign_names.packages import explain_package

explain_package(__name__)
