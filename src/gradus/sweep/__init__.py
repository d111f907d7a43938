"""Sweeps: many trainings of one model, as few compiled programs."""
