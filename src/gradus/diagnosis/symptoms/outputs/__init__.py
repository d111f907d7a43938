"""Symptoms of the network's end, its loss, its targets, and its metrics."""
