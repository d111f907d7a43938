"""Lessons: each teaches one idea of deep learning with an experiment that runs."""
