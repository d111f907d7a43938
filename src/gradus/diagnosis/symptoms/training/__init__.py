"""Symptoms of how a training went."""
