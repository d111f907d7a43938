"""Figures of training runs, trained networks and sweeps, and the HTML report of a run."""
