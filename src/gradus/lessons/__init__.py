"""Lessons: one idea of deep learning each, shown by an experiment that is run."""
