"""Figures of training runs, trained networks and sweeps, and the HTML report of a run."""

from gradus.foreign_names.packages import explain_package

explain_package(__name__)
