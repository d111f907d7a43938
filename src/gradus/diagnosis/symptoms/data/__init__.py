"""Symptoms of inputs and targets."""
