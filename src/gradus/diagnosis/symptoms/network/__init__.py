"""Symptoms of the layers and their initial weights."""
