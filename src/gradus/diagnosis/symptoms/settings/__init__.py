"""Symptoms of the optimizer and its settings."""
