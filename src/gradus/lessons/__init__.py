"""Lessons: each teaches one idea of deep learning with an experiment that runs."""

from gradus.foreign_names.packages import explain_package

explain_package(__name__)
